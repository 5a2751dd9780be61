//! Spark: one session with Iceberg, which runs statements of SQL as they come.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::installed::SparkHome;
use crate::process::Process;
use crate::rows::{Answer, Type};

/// Spark's version: here, in pods and in the image that they run.
pub const VERSION: &str = "4.1.4";

/// A running session; ends when dropped.
pub struct Spark {
    session: Mutex<Session>,
}

struct Session {
    process: Process,
    answers: BufReader<ChildStdout>,
}

impl Spark {
    /// Starts a session by `script` (`tests/interop/spark.py`) and waits until it takes statements.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(home: &SparkHome, script: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut python = home.command(script, folder, &[])?;
        let mut process = Process::converse("spark", &mut python, folder)?;
        let answers = BufReader::new(process.child().stdout.take().context("the session has no output")?);
        let mut session = Session { process, answers };
        let started = std::time::Instant::now();
        session.read()?;
        eprintln!("spark is ready after {:.0} s", started.elapsed().as_secs_f64());
        Ok(Self { session: Mutex::new(session) })
    }

    /// Makes a catalog of Iceberg tables known.
    ///
    /// # Errors
    /// Spark's own.
    pub fn attach(&self, catalog: &str, settings: &[(&str, &str)]) -> Result<()> {
        let name = format!("spark.sql.catalog.{catalog}");
        self.sql(&format!("SET {name}=org.apache.iceberg.spark.SparkCatalog"))?;
        for (setting, value) in settings {
            self.sql(&format!("SET `{name}.{setting}`=`{value}`"))?;
        }
        Ok(())
    }

    /// Runs a statement to its end.
    ///
    /// # Errors
    /// Spark's own.
    pub fn sql(&self, sql: &str) -> Result<Answer> {
        let mut session = self.session.lock().map_err(|_| anyhow::anyhow!("a statement of before ended oddly"))?;
        let answer = session.ask(sql)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("Spark: {error}\n{sql}");
        }
        let mut columns = Vec::new();
        for column in answer["columns"].as_array().into_iter().flatten() {
            let [name, of] = [&column[0], &column[1]].map(|text| text.as_str().unwrap_or_default().to_owned());
            let parsed = Type::parse(&of).with_context(|| format!("Spark: type `{of}`"))?;
            columns.push((name, of, parsed));
        }
        let row = |row: &Value| {
            let values = row.as_array().into_iter().flatten();
            columns.iter().zip(values).map(|((_, _, of), value)| of.plain(value)).collect()
        };
        let rows = answer["rows"].as_array().into_iter().flatten().map(row).collect();
        Ok(Answer { columns: columns.into_iter().map(|(name, of, _)| (name, of)).collect(), rows })
    }
}

impl Session {
    fn ask(&mut self, sql: &str) -> Result<Value> {
        let input = self.process.child().stdin.as_mut().context("the session has no input")?;
        writeln!(input, "{}", json!({ "sql": sql })).and_then(|()| input.flush()).context("Spark ended")?;
        self.read()
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            bail!("Spark ended; {}", self.process.end_of_log());
        }
        serde_json::from_str(&line).with_context(|| format!("Spark answers oddly: {line}"))
    }
}
