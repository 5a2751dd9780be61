//! A build as steps: the repository and the Job are made, the builder's log is followed, the digest is read.
//!
//! The end of the Job is stored as a step of its own before anything is concluded from it: the Job is deleted with the
//! conclusion, and a step that is repeated after a crash must not find it gone.

use asgard_sdk::context::Level;
use asgard_sdk::image_build::{Outcome, Request, Status, Step};
use asgard_sdk::kubernetes::Reference;
use asgard_sdk::{Error, Progress, Result, Running, decode, encode};
use asgard_workloads::job::{self, Job};
use asgard_workloads::logs::Seen;
use asgard_workloads::pods::{Ending, Trouble, with_last_words};
use asgard_workloads::storage::Place;
use asgard_workloads::{names, pods};
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::ecr::Purpose;
use crate::host::Host;
use crate::work::{self, Build, CONTAINER};
use crate::{context, ecr, login};

/// What a step knows of those before it.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    namespace: String,
    job: String,
    /// `registry/repository`.
    image: String,
    /// The context in object storage, which goes when the build has ended.
    context: Option<String>,
    started_ms: u64,
    /// When the builder was first seen at work.
    begun_ms: Option<u64>,
    /// Since when something keeps the pod from running.
    held_up_ms: Option<u64>,
    seen: Seen,
    end: Option<End>,
}

impl State {
    fn job(&self) -> Job<'_> {
        Job { namespace: &self.namespace, name: &self.job }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    /// None when it failed.
    digest: Option<String>,
    error: Option<Failure>,
}

/// Why it failed.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    field: Option<String>,
    message: String,
}

impl Failure {
    fn of(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), message: message.into() }
    }

    fn into_error(self) -> Error {
        match self.field {
            Some(field) => Error::invalid(field, self.message),
            None => Error::internal(self.message),
        }
    }
}

/// Builds images in one cluster.
pub struct Builder<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

impl<'a> Builder<'a> {
    /// A builder for the binding's configuration.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Self {
        Self { host, configuration }
    }

    /// Reaches the cluster, and ECR with its credentials. A registry that is none of Amazon's is reached by builds alone, from
    /// inside of the cluster.
    ///
    /// # Errors
    /// Those of the registry and the cluster.
    pub fn check(&self) -> Result<String> {
        let namespace = &self.configuration.namespace;
        self.host.find(&Reference::new("batch/v1", "Job", namespace, "asgard-check"))?;
        let cluster = format!("the cluster answers for Jobs of namespace `{namespace}`");
        let registry = &self.configuration.registry;
        match &self.configuration.ecr {
            Some(ecr) => {
                ecr::Client::new(self.host, ecr, self.configuration.request_timeout_seconds).token()?;
                Ok(format!("{cluster}, and ECR gives a token for {registry}"))
            }
            None => Ok(format!("{cluster}; {registry} is reached by builds alone")),
        }
    }

    /// Makes the repository where the registry needs it, and starts the build.
    ///
    /// # Errors
    /// `invalid-input` when the files are no model; those of the registry, the storage and the cluster.
    pub fn start(&self, request: &Request) -> Result<Step> {
        let configuration = self.configuration;
        let repository = work::repository(configuration, &request.model_name)?;
        let image = format!("{}/{repository}", configuration.registry);
        let destination = format!("{image}:{}", work::tag(&request.model_version, &request.deployment_id));
        let archive = context::archive(self.host, request, configuration)?;

        let registry = configuration.ecr.as_ref();
        let registry = registry.map(|ecr| ecr::Client::new(self.host, ecr, configuration.request_timeout_seconds));
        if let Some(registry) = &registry {
            registry.ensure(&repository, &configuration.registry, Purpose::Images)?;
            if let Some(cache) = configuration.cache.as_ref() {
                let layers = cache.repository.clone().unwrap_or_else(|| format!("{repository}/cache"));
                registry.ensure(&layers, &configuration.registry, Purpose::Layers)?;
            }
        }
        let login = login::source(configuration, || match &registry {
            Some(registry) => registry.token(),
            None => Err(Error::internal("there is no ECR to log in to")),
        })?;

        let key = format!("deployments/{}/context.tar.gz", request.deployment_id);
        let place = Place::of(&self.host.location(&key)?)?;
        let name = names::name("build", &request.deployment_id);
        let build = Build {
            name: &name,
            deployment: &request.deployment_id,
            model: &request.model_name,
            destination: &destination,
            context: &archive,
            place: &place,
            login: &login,
        };
        let plan = work::plan(&build, configuration)?;
        let state = State {
            namespace: configuration.namespace.clone(),
            job: name.clone(),
            image,
            context: (place != Place::Host).then_some(key),
            started_ms: self.host.now_ms(),
            begun_ms: None,
            held_up_ms: None,
            seen: Seen::default(),
            end: None,
        };
        if let Some(key) = &state.context {
            self.host.put_object(key, &archive)?;
        }
        if let Err(error) = state.job().start(self.host, plan) {
            // A step that is repeated goes on from what there is. After any other error nobody knows of it.
            if !matches!(error, Error::Unavailable(_))
                && let Err(left) = self.clean(&state)
            {
                self.host.log(Level::Warn, &format!("what the build was to be made from stays: {}", left.words()));
            }
            return Err(error);
        }
        self.host.log(
            Level::Info,
            &format!("building {destination} in Job `{name}`, from a context of {} KiB", archive.len() >> 10),
        );
        running(&state, format!("building {destination}"), 1000)
    }

    /// Follows the build, or concludes.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn advance(&self, state: &[u8]) -> Result<Step> {
        let mut state: State = decode(state)?;
        if let Some(end) = state.end.take() {
            return self.conclude(&state, end);
        }
        let found = state.job().look(self.host, CONTAINER)?;
        match found {
            job::State::Preparing { words, trouble } => self.prepare(state, words, trouble),
            job::State::Running { pod } => self.follow(state, &pod),
            job::State::Ended { pod, ending, failure } => {
                self.read(&mut state, pod.as_deref(), ending.as_ref())?;
                let end = self.end(&state, ending, failure.as_deref());
                self.ended(state, end)
            }
            job::State::Gone => {
                let message = format!("Job `{}` was deleted by somebody else before the image was built", state.job);
                self.ended(state, End { digest: None, error: Some(Failure { field: None, message }) })
            }
        }
    }

    fn prepare(&self, mut state: State, words: String, trouble: Option<Trouble>) -> Result<Step> {
        let now = self.host.now_ms();
        let Some(trouble) = trouble else {
            state.held_up_ms = None;
            let waited = now.saturating_sub(state.started_ms);
            if waited > self.configuration.start_timeout_seconds * 1000 {
                return self.never_began(state, &words);
            }
            return running(&state, words, 1000);
        };
        let since = *state.held_up_ms.get_or_insert(now);
        if now.saturating_sub(since) < job::patience_ms(&trouble, self.configuration.start_timeout_seconds * 1000) {
            return running(&state, words, 2000);
        }
        let failure = match trouble.kind {
            pods::Kind::Image => Failure::of("configuration.image", trouble.words),
            _ => Failure { field: None, message: format!("the build's pod does not start: {}", trouble.words) },
        };
        self.ended(state, End { digest: None, error: Some(failure) })
    }

    fn never_began(&self, state: State, words: &str) -> Result<Step> {
        let mut told = pods::warnings(self.host, "batch/v1", "Job", &state.namespace, &state.job);
        let selector = format!("batch.kubernetes.io/job-name={}", state.job);
        for pod in pods::list(self.host, &state.namespace, &selector)?.iter().take(1) {
            told.extend(pods::warnings(self.host, "v1", "Pod", &state.namespace, pods::name(pod)));
        }
        let told = told.last().map_or_else(|| words.to_owned(), Clone::clone);
        let seconds = self.configuration.start_timeout_seconds;
        let failure = Failure::of(
            "configuration.start_timeout_seconds",
            format!("the build's pod did not start within {seconds} s: {told}"),
        );
        self.ended(state, End { digest: None, error: Some(failure) })
    }

    fn follow(&self, mut state: State, pod: &str) -> Result<Step> {
        let now = self.host.now_ms();
        let begun = *state.begun_ms.get_or_insert(now);
        let last = self.read(&mut state, Some(pod), None)?;
        if now.saturating_sub(begun) > self.configuration.timeout_seconds * 1000 {
            let failure = self.too_long(&state);
            return self.ended(state, End { digest: None, error: Some(failure) });
        }
        let message = last.unwrap_or_else(|| format!("building {}", state.image));
        running(&state, message, if now.saturating_sub(begun) < 60_000 { 1000 } else { 3000 })
    }

    /// Takes new lines into the log. Of a build that failed before the builder began, those of the copy.
    fn read(&self, state: &mut State, pod: Option<&str>, ending: Option<&Ending>) -> Result<Option<String>> {
        let Some(pod) = pod else { return Ok(None) };
        let container = ending.map_or(CONTAINER, |ending| ending.container.as_str());
        let Some(text) = state.job().log(self.host, pod, container)? else { return Ok(None) };
        let mut log = |level, line: &str| self.host.log(level, line);
        Ok(state.seen.follow(pod, &text, ending.is_some(), &mut log))
    }

    fn end(&self, state: &State, ending: Option<Ending>, failure: Option<&str>) -> End {
        match (failure, ending) {
            (None, Some(ending)) => match digest(&ending.message) {
                Some(digest) => End { digest: Some(digest), error: None },
                None => {
                    let message = format!(
                        "the builder left no digest, but `{}`: expected what `--digest-file` writes",
                        ending.message.chars().take(200).collect::<String>()
                    );
                    End { digest: None, error: Some(Failure::of("configuration.image", message)) }
                }
            },
            (None, None) => {
                let message = "the build's pod was deleted before its digest was read: deploy again".to_owned();
                End { digest: None, error: Some(Failure { field: None, message }) }
            }
            (Some("DeadlineExceeded"), _) => End { digest: None, error: Some(self.too_long(state)) },
            (Some(_), Some(ending)) => End { digest: None, error: Some(failed(&ending, &state.seen.last_words())) },
            (Some(reason), None) => {
                let message = with_last_words(&format!("the build's pod is gone ({reason})"), &state.seen.last_words());
                End { digest: None, error: Some(Failure { field: None, message }) }
            }
        }
    }

    fn too_long(&self, state: &State) -> Failure {
        let seconds = self.configuration.timeout_seconds;
        let sentence = format!("the build was not done within {seconds} s and was ended");
        Failure::of("configuration.timeout_seconds", with_last_words(&sentence, &state.seen.last_words()))
    }

    fn ended(&self, mut state: State, end: End) -> Result<Step> {
        state.end = Some(end);
        running(&state, "the build has ended".to_owned(), 0)
    }

    fn conclude(&self, state: &State, end: End) -> Result<Step> {
        self.clean(state)?;
        let status = match (end.digest, end.error) {
            (_, Some(failure)) => Status::Failed(failure.into_error()),
            (Some(digest), None) => {
                let image = format!("{}@{digest}", state.image);
                self.host.log(Level::Info, &format!("built {image}"));
                Status::Succeeded(Outcome { image })
            }
            (None, None) => Status::Failed(Error::internal("the build ended without a digest")),
        };
        Ok(Step { state: encode(state)?, status })
    }

    /// Ends the build, and deletes what it was made from.
    ///
    /// # Errors
    /// Those of the cluster and the storage.
    pub fn cancel(&self, state: &[u8]) -> Result<()> {
        self.clean(&decode(state)?)
    }

    /// Deletes Job and context, each even where the other stays.
    fn clean(&self, state: &State) -> Result<()> {
        let job = state.job().delete(self.host);
        let context = state.context.as_ref().map_or(Ok(()), |key| self.host.delete_object(key));
        job.and(context)
    }
}

/// What the builder said, by whom it concerns.
fn failed(ending: &Ending, words: &str) -> Failure {
    if ending.container != CONTAINER {
        let sentence = ending.words("joining the build context");
        return Failure::of("configuration.copy_image", with_last_words(&sentence, words));
    }
    // `pip` starts its errors so, and Kaniko does not. What it tried before them is in the log.
    let pips: Vec<&str> = words.lines().skip_while(|line| !line.starts_with("ERROR: ")).collect();
    if !pips.is_empty() {
        return Failure::of(
            "requirements",
            format!("pip could not install the model's packages:\n{}", pips.join("\n")),
        );
    }
    let sentence = with_last_words(&ending.words("the builder"), words);
    if words.contains("checking push permission") || words.contains("error pushing image") {
        return Failure::of("configuration.registry", sentence);
    }
    if words.contains("error building image: unable to") || words.contains("retrieving image manifest") {
        return Failure::of("configuration.base_image", sentence);
    }
    Failure { field: None, message: sentence }
}

/// `sha256:` and 64 digits, and nothing else.
fn digest(message: &str) -> Option<String> {
    let digest = message.trim();
    let digits = digest.strip_prefix("sha256:")?;
    (digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| digest.to_owned())
}

fn running(state: &State, message: String, poll_after_ms: u32) -> Result<Step> {
    let progress = Progress { message, fraction: None };
    Ok(Step { state: encode(state)?, status: Status::Running(Running { progress, poll_after_ms }) })
}
