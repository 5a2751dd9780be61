//! The build context: Dockerfile, requirements, inference service and model.
//!
//! Layers are in the order in which they change: the packages, which models of one kind share and which take minutes; the
//! service; the model.

use std::fmt::Write as _;

use asgard_sdk::image_build::Request;
use asgard_sdk::{Error, Result};

use crate::archive::Archive;
use crate::configuration::Configuration;
use crate::host::Host;

/// The inference service of `local-serving`: a model answers alike wherever it is served.
const SERVICE: [(&str, &[u8]); 6] = [
    ("service/__main__.py", include_bytes!("../../local-serving/src/service/__main__.py")),
    ("service/model.py", include_bytes!("../../local-serving/src/service/model.py")),
    ("service/batches.py", include_bytes!("../../local-serving/src/service/batches.py")),
    ("service/columns.py", include_bytes!("../../local-serving/src/service/columns.py")),
    ("service/web.py", include_bytes!("../../local-serving/src/service/web.py")),
    ("service/docs.html", include_bytes!("../../local-serving/src/service/docs.html")),
];

/// What MLflow writes beside a model.
const MODEL_REQUIREMENTS: &str = "requirements.txt";

/// The context as a compressed archive.
///
/// # Errors
/// `invalid-input` for files that are no model; those of the storage.
pub fn archive(host: &dyn Host, request: &Request, configuration: &Configuration) -> Result<Vec<u8>> {
    if !request.model_files.iter().any(|(path, _)| path == "MLmodel") {
        return Err(Error::invalid(
            "model_files",
            "there is no `MLmodel` among the model's files: expected those that `mlflow.<flavour>.log_model` writes",
        ));
    }
    let mut archive = Archive::default();
    let mut models_own = String::new();
    for (path, key) in &request.model_files {
        let data = host.get_object(key)?;
        if path == MODEL_REQUIREMENTS {
            models_own = String::from_utf8_lossy(&data).into_owned();
        }
        archive.add(&format!("model/{path}"), &data)?;
    }
    for (path, data) in SERVICE {
        archive.add(path, data)?;
    }
    archive.add("requirements.txt", requirements(&models_own, request, configuration).as_bytes())?;
    archive.add("Dockerfile", dockerfile(request, configuration)?.as_bytes())?;
    archive.finish()
}

/// Each line once: the model's, the request's, the service's.
fn requirements(models_own: &str, request: &Request, configuration: &Configuration) -> String {
    let models_own = models_own.lines();
    let asked = request.requirements.iter().map(String::as_str);
    let service = configuration.service_requirements.iter().map(String::as_str);
    let mut lines: Vec<&str> = Vec::new();
    for line in models_own.chain(asked).chain(service).map(str::trim).filter(|line| !line.is_empty()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

/// The Dockerfile. Build arguments are declared, so that `pip` sees them as variables; they do not stay in the image.
///
/// # Errors
/// `invalid-input` for a build argument that is none.
pub fn dockerfile(request: &Request, configuration: &Configuration) -> Result<String> {
    let python = &configuration.python;
    let mut text = format!("FROM {}\n", configuration.base_image);
    for name in configuration.build_arguments.keys() {
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            return Err(Error::invalid(
                "configuration.build_arguments",
                format!("`{name}` is no build argument: expected letters, digits and `_`"),
            ));
        }
        let _ = writeln!(text, "ARG {name}");
    }
    if configuration.certificates.is_some() {
        text.push_str("ARG PIP_CERT\n");
    }
    let command = [
        python.clone(),
        "service".to_owned(),
        "model".to_owned(),
        "--host=0.0.0.0".to_owned(),
        format!("--port={}", configuration.port),
        format!("--name={}", request.model_name),
        format!("--version={}", request.model_version),
        format!("--workers={}", configuration.workers),
    ];
    let command = serde_json::to_string(&command).map_err(Error::internal)?;
    let _ = write!(
        text,
        "WORKDIR /app\n\
         COPY requirements.txt /app/requirements.txt\n\
         RUN PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore {python} -m pip install --no-cache-dir \
         --disable-pip-version-check --no-input --progress-bar off -r /app/requirements.txt\n\
         COPY service /app/service\n\
         COPY model /app/model\n\
         ENV PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MLFLOW_DISABLE_TELEMETRY=true \
         DO_NOT_TRACK=true OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1\n\
         USER {user}\n\
         EXPOSE {port}\n\
         CMD {command}\n",
        user = configuration.user,
        port = configuration.port,
    );
    Ok(text)
}
