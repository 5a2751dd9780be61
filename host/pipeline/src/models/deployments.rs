//! Deployments: what a request asks for, and where one stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use asgard_contract::deployer::ServingOutcome;
use asgard_contract::manifest::{Interface, Role};
use asgard_contract::{Error, Result};
use asgard_tasks::{NewTask, Task, TaskFilter, TaskStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::deployment::{self, Asked, Made, Phase, State};
use crate::environments::Active;
use crate::features::{EntityInput, Selected};
use crate::pipelines::Begun;
use crate::roles::Bound;
use crate::{Page, Paged, Pipeline, names, new_id};

/// The features that a training script gets as a Parquet file.
#[derive(Debug, Clone)]
pub struct FeatureChoice {
    pub selected: Selected,
    /// The column to learn: a feature, or a column of the entity rows.
    pub target: String,
    pub entities: EntityInput,
}

/// A deployment to be made.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    pub script_name: String,
    pub script: String,
    pub experiment_name: String,
    pub model_name: String,
    pub requirements: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Seconds, of the training script.
    pub timeout: u32,
    pub tags: Vec<(String, String)>,
    pub replicas: u32,
    pub namespace: String,
    pub features: Option<FeatureChoice>,
    /// Of a hundred requests, how many are to be the new version's, beside the one that is served. None: all.
    pub canary_weight: Option<u32>,
}

impl NewDeployment {
    /// What can be told without the environment: a pipeline is checked so when it is declared.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub fn check(&self) -> Result<()> {
        let name_is_plain = self.script_name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if self.script_name.is_empty() || !name_is_plain || self.script_name.starts_with('.') {
            return Err(Error::invalid(
                "script_name",
                "expected a file name of letters, digits, `.`, `_` and `-`, such as `train.py`",
            ));
        }
        if self.script.trim().is_empty() {
            return Err(Error::invalid("script_content", "the script is empty"));
        }
        names::title("experiment_name", &self.experiment_name)?;
        model_name(&self.model_name)?;
        if !(60..=3600).contains(&self.timeout) {
            return Err(Error::invalid("timeout", format!("{} s: expected 60 to 3600", self.timeout)));
        }
        check_replicas(self.replicas)?;
        check_weight(self.canary_weight)?;
        names::label("namespace", &self.namespace)?;
        for (index, requirement) in self.requirements.iter().enumerate() {
            let starts_well = requirement.trim().starts_with(|c: char| c.is_ascii_alphanumeric());
            if !starts_well || requirement.chars().any(char::is_control) {
                return Err(Error::invalid(
                    format!("requirements[{index}]"),
                    format!("`{requirement}` is no requirement: expected a line such as `scikit-learn>=1.4`"),
                ));
            }
        }
        for (name, value) in &self.environment {
            let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !good || value.contains('\0') {
                return Err(Error::invalid(
                    "environment_vars",
                    format!(
                        "`{name}` is no environment variable: expected letters, digits and `_`, and text without NUL"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// How what a deployment made is served again.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServeAgain {
    /// None: as many as the deployment asked for.
    pub replicas: Option<u32>,
    /// As in [`NewDeployment`].
    pub canary_weight: Option<u32>,
}

/// A deployment and where it stands.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: String,
    pub model_name: String,
    pub experiment_name: String,
    pub status: TaskStatus,
    pub phase: Phase,
    pub submitted_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub run_id: Option<String>,
    pub model_version: Option<String>,
    pub image: Option<String>,
    /// Why the build phase was skipped, where it was.
    pub build_skipped: bool,
    pub serving: Option<ServingOutcome>,
    pub replicas: u32,
    /// As in [`NewDeployment`].
    pub canary_weight: Option<u32>,
    /// The deployment that made the version, where this one only serves it.
    pub made_by: Option<String>,
    pub metrics: Vec<(String, f64)>,
    pub error: Option<String>,
    pub task: Task,
}

/// What a deployment made, and what of.
pub(crate) struct MadeVersion {
    pub(crate) task: Task,
    /// Role -> plugin and digest.
    pub(crate) plugins: BTreeMap<String, String>,
    /// Table -> snapshot that the features were read from.
    pub(crate) snapshots: Vec<(String, i64)>,
}

/// The plugins a deployment started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pins {
    pub(super) features: Option<String>,
    pub(super) training: String,
    pub(super) build: Option<String>,
    pub(super) serving: String,
}

impl Pipeline {
    /// Checks the request and starts the deployment.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub async fn deploy(&self, active: &Arc<Active>, new: NewDeployment) -> Result<Deployment> {
        shown(self.submit_deployment(active, new, None).await?)
    }

    /// As [`Pipeline::deploy`], for a step of a pipeline's run.
    pub(crate) async fn deployment_of(&self, active: &Arc<Active>, new: NewDeployment, parent: &str) -> Result<Begun> {
        Ok(Begun::Task(Box::new(self.submit_deployment(active, new, Some(parent)).await?)))
    }

    async fn submit_deployment(&self, active: &Arc<Active>, new: NewDeployment, parent: Option<&str>) -> Result<Task> {
        new.check()?;
        let training = self.required(active, Role::Training).await?;
        let serving = self.serving_for(active, new.canary_weight).await?;
        let build = self.bound(active, Role::Build).await?;
        let (features, historical) = match &new.features {
            None => (None, None),
            Some(choice) => {
                let bound = self.required(active, Role::Features).await?;
                let request = self.training_features(active, choice).await.map_err(|e| e.in_field("features"))?;
                (Some(bound.pin()), Some(request))
            }
        };
        let asked = Asked {
            pins: Pins { features, training: training.pin(), build: build.map(|b| b.pin()), serving: serving.pin() },
            script_name: new.script_name,
            script: new.script,
            experiment: new.experiment_name,
            model_name: new.model_name,
            requirements: new.requirements,
            environment: new.environment,
            timeout_ms: u64::from(new.timeout) * 1000,
            tags: new.tags,
            replicas: new.replicas,
            namespace: new.namespace,
            features: historical,
            target: new.features.map(|choice| choice.target),
            canary_weight: new.canary_weight,
            made: None,
        };
        self.begin_deployment(active, &asked, &asked.pins.training, parent).await
    }

    /// The task of a deployment, which begins with the work of `plugin`.
    async fn begin_deployment(
        &self,
        active: &Active,
        asked: &Asked,
        plugin: &str,
        parent: Option<&str>,
    ) -> Result<Task> {
        let task = NewTask::new(&active.name, deployment::KIND)
            .subject(&new_id())
            .plugin(plugin)
            .parent(parent)
            .request(serde_json::to_value(asked).unwrap_or_default());
        Ok(self.tasks.submit(task).await?)
    }

    /// Serves what a deployment made once more, without training it again: with other replicas to scale it, to go back to it after
    /// a newer one, or with a share of the requests.
    ///
    /// # Errors
    /// `not-found`; `conflict` while the deployment is under way, or when it made no version; `invalid-input` with the field.
    pub async fn serve_again(&self, active: &Arc<Active>, id: &str, again: ServeAgain) -> Result<Deployment> {
        let made = self.deployment(active, id).await?.task;
        if !made.status.is_final() {
            return Err(Error::conflict("the deployment is under way: wait for its end, or cancel it"));
        }
        let asked = asked(&made)?;
        let state = State::of(&made, &asked);
        if state.model_version.is_none() {
            return Err(Error::conflict(format!(
                "deployment `{id}` registered no version of model `{}`, so there is nothing to serve: deploy the model",
                asked.model_name
            )));
        }
        let replicas = again.replicas.unwrap_or(asked.replicas);
        check_replicas(replicas)?;
        let serving = self.serving_for(active, again.canary_weight).await?.pin();
        let build = self.bound(active, Role::Build).await?.map(|bound| bound.pin());
        let by = asked.made.as_ref().map_or_else(|| id.to_owned(), |made| made.by.clone());
        let asked = Asked {
            pins: Pins { build, serving, ..asked.pins },
            replicas,
            canary_weight: again.canary_weight,
            made: Some(Made::new(by, state)),
            ..asked
        };
        shown(self.begin_deployment(active, &asked, &asked.pins.serving, None).await?)
    }

    /// The plugin that serves, if it can share requests where they are to be shared.
    async fn serving_for(&self, active: &Arc<Active>, canary_weight: Option<u32>) -> Result<Bound> {
        check_weight(canary_weight)?;
        let serving = self.required(active, Role::Serving).await?;
        if canary_weight.is_some() && !serving.plugin.interfaces().contains(&Interface::Canary) {
            return Err(Error::invalid(
                "canary_weight",
                format!(
                    "plugin `{}` serves one version of a model at a time: leave it out, or bind a plugin in role `serving` that \
                    exports `canary`, such as `kubernetes`",
                    serving.name()
                ),
            ));
        }
        Ok(serving)
    }

    /// One deployment.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn deployment(&self, active: &Active, id: &str) -> Result<Deployment> {
        let (mut tasks, _) = self.tasks.list(&tasks_of(active).subject(id), 1, 0).await?;
        let task = tasks.pop().ok_or_else(|| {
            Error::not_found(format!("there is no deployment `{id}`: GET /mlops/deployments lists those there are"))
        })?;
        shown(task)
    }

    /// The deployment that made a version of a model.
    pub(crate) async fn deployment_of_version(
        &self,
        active: &Active,
        model: &str,
        version: &str,
    ) -> Result<Option<MadeVersion>> {
        let (tasks, _) = self.tasks.list(&tasks_of(active), u32::MAX, 0).await?;
        for task in tasks {
            let asked = asked(&task)?;
            let state = State::of(&task, &asked);
            if asked.made.is_none() && asked.model_name == model && state.model_version.as_deref() == Some(version) {
                let roles = [
                    ("features", asked.pins.features),
                    ("training", Some(asked.pins.training)),
                    ("build", asked.pins.build),
                    ("serving", Some(asked.pins.serving)),
                ];
                let plugins = roles.into_iter().filter_map(|(role, pin)| Some((role.to_owned(), pin?)));
                return Ok(Some(MadeVersion { plugins: plugins.collect(), snapshots: state.snapshots, task }));
            }
        }
        Ok(None)
    }

    /// All deployments, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn deployments(&self, active: &Active, page: Page) -> Result<Paged<Deployment>> {
        let (tasks, total) = self.tasks.list(&tasks_of(active), page.limit, page.offset).await?;
        Ok(Paged { items: tasks.into_iter().map(shown).collect::<Result<_>>()?, total })
    }

    /// Cancels a deployment that is under way: its script ends, nothing is left behind.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn cancel_deployment(&self, active: &Active, id: &str) -> Result<Deployment> {
        let deployment = self.deployment(active, id).await?;
        self.tasks.cancel(&deployment.task.id).await?;
        self.deployment(active, id).await
    }

    /// Ends the served model of a deployment.
    ///
    /// # Errors
    /// `conflict` while the deployment is under way.
    pub async fn remove_deployment(&self, active: &Arc<Active>, id: &str) -> Result<()> {
        let deployment = self.deployment(active, id).await?;
        if !deployment.task.status.is_final() {
            return Err(Error::conflict(
                "the deployment is under way: cancel it first, with POST /mlops/deployments/{id}/cancel",
            ));
        }
        self.remove_served(active, &deployment.task).await
    }
}

pub(crate) fn tasks_of(active: &Active) -> TaskFilter {
    TaskFilter::default().environment(&active.name).kind(deployment::KIND)
}

fn asked(task: &Task) -> Result<Asked> {
    serde_json::from_value(task.request.clone())
        .map_err(|error| Error::internal(format!("the deployment's request cannot be read: {error}")))
}

fn shown(task: Task) -> Result<Deployment> {
    let asked = asked(&task)?;
    let state = State::of(&task, &asked);
    let error = match task.status {
        TaskStatus::Cancelled => Some("the deployment was cancelled".to_owned()),
        _ => task.error.as_ref().map(ToString::to_string),
    };
    Ok(Deployment {
        id: task.subject.clone().unwrap_or_default(),
        model_name: asked.model_name,
        experiment_name: asked.experiment,
        status: task.status,
        phase: state.phase,
        submitted_at: task.created_at,
        started_at: task.started_at,
        completed_at: task.finished_at,
        run_id: state.training.as_ref().map(|training| training.run_id.clone()),
        model_version: state.model_version,
        image: state.image,
        build_skipped: asked.pins.build.is_none(),
        serving: state.serving,
        replicas: asked.replicas,
        canary_weight: asked.canary_weight,
        made_by: asked.made.map(|made| made.by),
        metrics: state.training.map(|training| training.metrics).unwrap_or_default(),
        error,
        task,
    })
}

fn check_replicas(replicas: u32) -> Result<()> {
    if (1..=10).contains(&replicas) {
        return Ok(());
    }
    Err(Error::invalid("replicas", format!("{replicas}: expected 1 to 10")))
}

fn check_weight(weight: Option<u32>) -> Result<()> {
    match weight {
        Some(weight) if !(1..=99).contains(&weight) => Err(Error::invalid(
            "canary_weight",
            format!("{weight}: expected 1 to 99, the share of a hundred requests; leave it out for all of them"),
        )),
        _ => Ok(()),
    }
}

/// A model's name becomes a service's and an image's name: letters, digits, `-`, `_` and `.`.
fn model_name(name: &str) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 100
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if good {
        return Ok(());
    }
    Err(Error::invalid(
        "model_name",
        format!("`{name}` is no valid name: expected letters, digits, `-`, `_` and `.`, at most 100 characters"),
    ))
}
