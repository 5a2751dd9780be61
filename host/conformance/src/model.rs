//! The setup's model, as requests have it.

use asgard_contract::deployer::{BuildRequest, ServingRequest};

use crate::ModelSetup;
use crate::bench::Bench;
use crate::report::{Found, fail, skip};

const NAME: &str = "conformance";

/// A request for a model that has no files.
pub(crate) fn without_files() -> BuildRequest {
    BuildRequest {
        deployment_id: NAME.to_owned(),
        model_name: NAME.to_owned(),
        model_version: "1".to_owned(),
        model_files: Vec::new(),
        requirements: Vec::new(),
    }
}

/// The request that serves what another builds: once, in the default namespace.
pub(crate) fn serving(build: BuildRequest) -> ServingRequest {
    let BuildRequest { deployment_id, model_name, model_version, model_files, requirements } = build;
    ServingRequest {
        deployment_id,
        model_name,
        model_version,
        image: None,
        model_files,
        requirements,
        replicas: 1,
        namespace: "default".to_owned(),
    }
}

/// A model of the setup, its files lent as objects.
pub(crate) struct Model<'a> {
    setup: &'a ModelSetup,
    /// Path -> key. Empty for a plugin without objects.
    files: Vec<(String, String)>,
}

impl<'a> Model<'a> {
    /// Skips without a model in the setup.
    pub(crate) async fn of(bench: &'a Bench) -> Found<Self> {
        let Some(setup) = &bench.setup.model else {
            return skip("it needs a model: `[model] folder = \"model\"` in `--config`");
        };
        let mut paths = Vec::new();
        let mut folders = vec![setup.folder.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                return fail(format!("{} cannot be read", folder.display()));
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() { folders.push(path) } else { paths.push(path) }
            }
        }
        let mut files = Vec::new();
        if let Some(objects) = bench.call("conformance-model").await?.lent.objects {
            for path in paths {
                let (Ok(relative), Ok(content)) = (path.strip_prefix(&setup.folder), std::fs::read(&path)) else {
                    return fail(format!("{} cannot be read", path.display()));
                };
                let relative = relative.to_string_lossy().into_owned();
                let key = format!("conformance/model/{relative}");
                objects.put(&key, content).await?;
                files.push((relative, key));
            }
        }
        Ok(Self { setup, files })
    }

    pub(crate) fn build(&self, version: &str) -> BuildRequest {
        BuildRequest {
            deployment_id: format!("{NAME}-{version}"),
            model_version: version.to_owned(),
            model_files: self.files.clone(),
            requirements: self.setup.requirements.clone(),
            ..without_files()
        }
    }

    pub(crate) fn serving(&self, version: &str) -> ServingRequest {
        ServingRequest {
            image: self.setup.image.clone(),
            namespace: self.setup.namespace.clone(),
            ..serving(self.build(version))
        }
    }

    /// Asks a model that is served; why it did not answer, in words.
    pub(crate) async fn ask(&self, client: &reqwest::Client, url: &str) -> Result<(), String> {
        let url = url.trim_end_matches('/');
        let request = match &self.setup.question {
            Some(question) => client.post(format!("{url}/predict")).json(question),
            None => client.get(format!("{url}/health")),
        };
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.text().await.unwrap_or_default();
        Err(format!("{status}: {}", body.chars().take(500).collect::<String>()))
    }
}
