//! Feast's SDK as a process of the host's machine; `run.py` is what runs.

use asgard_sdk::processes::{Content, Ending, File, ProcessStatus, Spec};
use asgard_sdk::{Error, Progress, Result};
use asgard_workloads::logs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::configuration::Configuration;
use crate::host::Host;

/// Runs the SDK.
pub const RUNNER: &str = include_str!("run.py");

/// Read in one step; Feast writes a few lines.
const CHUNK: u32 = 1 << 20;

/// How much of what it wrote is kept for last words.
const TAIL: usize = 4 << 10;

/// How `run.py` says that trying again later may help.
const TRY_AGAIN: i32 = 75;

/// What the SDK is asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// Views to be applied.
    pub apply: Vec<String>,
    pub joins: Vec<Join>,
}

/// Features of one view, as they were.
#[derive(Debug)]
pub struct Join {
    /// The object with keys and times.
    pub rows: String,
    /// As `view:feature`.
    pub features: Vec<String>,
}

/// A process that was started. Part of a step's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdk {
    key: String,
    offset: u64,
    tail: String,
    started_ms: u64,
}

/// How far it is.
#[derive(Debug)]
pub enum Look {
    Goes(Progress, u32),
    Done,
    Failed(Error),
    /// It is another host's process, which this one has taken the task over from. What the SDK is asked for may be done again.
    Elsewhere,
}

/// The file with the answer to the join at that index.
pub fn answer_file(index: usize) -> String {
    format!("answer-{index}.parquet")
}

impl Sdk {
    /// Starts it, once for each key of a task.
    ///
    /// # Errors
    /// `forbidden` when the program is not granted; those of making the folder.
    pub fn start(host: &dyn Host, configuration: &Configuration, key: &str, asked: &Asked) -> Result<Self> {
        host.start(key, &spec(configuration, asked)?)?;
        Ok(Self { key: key.to_owned(), offset: 0, tail: String::new(), started_ms: host.now_ms() })
    }

    /// Puts what it wrote into the task's log, and tells how it ended, if it has.
    ///
    /// # Errors
    /// Those of the host.
    pub fn look(&mut self, host: &dyn Host, configuration: &Configuration) -> Result<Look> {
        // The status first: what the process wrote before its end is then in the output that is read after.
        let status = match host.status(&self.key) {
            Err(Error::NotFound(_)) => return Ok(Look::Elsewhere),
            status => status?,
        };
        let ended = status != ProcessStatus::Running;
        let last = loop {
            let chunk = host.output(&self.key, self.offset, CHUNK)?;
            let whole = if ended {
                chunk.data.len()
            } else {
                chunk.data.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
            };
            let text = String::from_utf8_lossy(chunk.data.get(..whole).unwrap_or_default()).into_owned();
            self.offset = chunk.next - (chunk.data.len() - whole) as u64;
            let last = logs::report(&text, &mut |level, line| host.log(level, line));
            self.remember(&text);
            if !ended || text.is_empty() {
                break last;
            }
        };
        let words = || {
            let words = logs::last_words(&self.tail);
            if words.is_empty() { "It wrote nothing.".to_owned() } else { format!("Its last lines:\n{words}") }
        };
        Ok(match status {
            ProcessStatus::Running => {
                let message = last.unwrap_or_else(|| "Feast's SDK runs".to_owned());
                Look::Goes(Progress { message, fraction: None }, self.pause(host.now_ms()))
            }
            ProcessStatus::Exited(0) => Look::Done,
            ProcessStatus::Exited(TRY_AGAIN) => {
                Look::Failed(Error::unavailable(format!("Feast's SDK reached no server. {}", words())))
            }
            ProcessStatus::Exited(code) => {
                Look::Failed(Error::internal(format!("Feast's SDK ended with status {code}. {}", words())))
            }
            ProcessStatus::Ended(Ending::Timeout) => Look::Failed(Error::invalid(
                "configuration.timeout_seconds",
                format!(
                    "Feast's SDK ran past {} s and was ended: ask for fewer rows, or raise `timeout_seconds` of the binding",
                    configuration.timeout_seconds
                ),
            )),
            ProcessStatus::Ended(Ending::Stopped) => {
                Look::Failed(Error::Conflict("Feast's SDK was stopped".to_owned()))
            }
            ProcessStatus::Ended(Ending::Signal) => Look::Failed(Error::internal(format!(
                "Feast's SDK was ended by a signal: it ran out of memory, or crashed in native code. {}",
                words()
            ))),
        })
    }

    /// Copies the answers to the joins to objects, in order.
    ///
    /// # Errors
    /// Those of the host.
    pub fn store(&self, host: &dyn Host, objects: &[String]) -> Result<()> {
        let mut answers = objects.iter().enumerate();
        answers.try_for_each(|(index, object)| host.store_file(&self.key, &answer_file(index), object))
    }

    /// Ends it, and deletes its folder.
    ///
    /// # Errors
    /// Those of the host.
    pub fn remove(&self, host: &dyn Host) -> Result<()> {
        host.remove(&self.key)
    }

    fn remember(&mut self, text: &str) {
        self.tail.push_str(text);
        let surplus = self.tail.len().saturating_sub(TAIL);
        let cut = (surplus..=self.tail.len()).find(|at| self.tail.is_char_boundary(*at)).unwrap_or(0);
        self.tail.drain(..cut);
    }

    /// Importing Feast takes seconds; a look at a join that runs for minutes may be a second late.
    fn pause(&self, now_ms: u64) -> u32 {
        match now_ms.saturating_sub(self.started_ms) {
            0..60_000 => 250,
            _ => 1000,
        }
    }
}

fn spec(configuration: &Configuration, asked: &Asked) -> Result<Spec> {
    let inline = |path: &str, text: String| File { path: path.to_owned(), content: Content::Inline(text.into_bytes()) };
    let joins: Vec<Value> = asked
        .joins
        .iter()
        .enumerate()
        .map(|(index, join)| json!({"rows": rows_file(index), "features": join.features, "output": answer_file(index)}))
        .collect();
    let request = json!({"apply": asked.apply, "joins": joins});
    let mut files = vec![
        inline("run.py", RUNNER.to_owned()),
        inline("request.json", request.to_string()),
        // JSON is YAML.
        inline("feature_store.yaml", store(configuration).to_string()),
    ];
    files.extend(
        asked
            .joins
            .iter()
            .enumerate()
            .map(|(index, join)| File { path: rows_file(index), content: Content::Object(join.rows.clone()) }),
    );
    Ok(Spec {
        program: configuration.program.clone(),
        arguments: vec!["run.py".to_owned()],
        environment: environment(configuration),
        files,
        timeout_ms: configuration.timeout_seconds.saturating_mul(1000),
        memory_bytes: None,
    })
}

fn rows_file(index: usize) -> String {
    format!("rows-{index}.parquet")
}

/// `feature_store.yaml`.
fn store(configuration: &Configuration) -> Value {
    let mut store = configuration.store.clone();
    store.insert("project".to_owned(), configuration.project.clone().into());
    store.entry("provider").or_insert_with(|| "local".into());
    // The oldest that Feast still writes.
    store.entry("entity_key_serialization_version").or_insert_with(|| 3.into());
    Value::Object(store)
}

fn environment(configuration: &Configuration) -> Vec<(String, String)> {
    let mut variables = vec![
        // Lines reach the log when they are written, not when a buffer is full.
        ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
        ("FEAST_USAGE".to_owned(), "False".to_owned()),
        ("DO_NOT_TRACK".to_owned(), "true".to_owned()),
        // Times are told without a zone where Feast's engines take them apart.
        ("TZ".to_owned(), "UTC".to_owned()),
    ];
    variables.extend(configuration.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    variables
}
