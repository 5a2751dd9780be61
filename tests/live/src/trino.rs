//! Trino: one node, whose catalogs are made by statements, or are there from the start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use asgard_journey::ports::free_port;
use asgard_journey::s3::S3;
use serde_json::Value;
use ureq::Agent;

use crate::installed::Installed;
use crate::process::Process;
use crate::rows::{Answer, BASE64, Type};

/// A statement of a few rows on a busy machine.
const STATEMENT_WITHIN: Duration = Duration::from_secs(300);

/// What its makers start it with, for a small heap.
const JAVA: [&str; 12] = [
    "-server",
    "-Xms256m",
    "-Xmx1g",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=256M",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dfile.encoding=UTF-8",
    "-XX:+EnableDynamicAgentLoading",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
];

/// The variable of its process that has the bucket's secret key.
pub const SECRET_KEY: &str = "LAKE_SECRET_KEY";

/// Settings of a catalog: names and values.
pub type Catalog<'a> = [(&'a str, &'a str)];

/// A running Trino; ends when dropped.
pub struct Trino {
    process: Process,
    client: Client,
    installed: Installed,
    folder: PathBuf,
}

impl Trino {
    /// Starts it and waits until it runs a query.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(installed: &Installed, folder: &Path) -> Result<Self> {
        Self::configured(installed, folder, "catalog.management=dynamic\ncatalog.store=memory\n")
    }

    /// As [`Trino::start`], with one catalog that is there again when it is started again.
    ///
    /// # Errors
    /// As [`Trino::start`].
    pub fn start_with(installed: &Installed, folder: &Path, catalog: &str, settings: &Catalog<'_>) -> Result<Self> {
        let catalogs = folder.join("catalog");
        std::fs::create_dir_all(&catalogs)?;
        let settings: String = settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(catalogs.join(format!("{catalog}.properties")), format!("connector.name=iceberg\n{settings}"))?;
        let found = format!("catalog.management=static\ncatalog.config-dir={}\n", catalogs.display());
        Self::configured(installed, folder, &found)
    }

    fn configured(installed: &Installed, folder: &Path, catalogs: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let client = Client::new(format!("http://127.0.0.1:{}", free_port()?));
        let settings = settings_of(&client.url, &installed.trino);
        std::fs::write(folder.join("config.properties"), format!("{settings}{catalogs}"))?;
        let process = Self::launch(installed, folder, &client)?;
        Ok(Self { process, client, installed: installed.clone(), folder: folder.to_owned() })
    }

    fn launch(installed: &Installed, folder: &Path, client: &Client) -> Result<Process> {
        let settings = folder.join("config.properties");
        let mut java = Command::new(installed.java.join("bin/java"));
        java.args(JAVA)
            .arg(format!("-Dconfig={}", settings.display()))
            .arg("-cp")
            .arg(installed.trino.join("lib/*"))
            .arg("io.trino.server.TrinoServer")
            .env(SECRET_KEY, S3::SECRET_KEY);
        let mut process = Process::start("trino", &mut java, folder)?;
        // It says that it has started before it counts itself among its nodes, so a query is asked.
        process.wait(|| client.sql("SELECT count(*) AS n FROM (VALUES 1, 2) AS t (n)").ok())?;
        Ok(process)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.client.url
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// Those of the system.
    pub fn crash(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again after a crash, on the same port.
    ///
    /// # Errors
    /// As [`Trino::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.process = Self::launch(&self.installed, &self.folder, &self.client)?;
        Ok(())
    }

    /// Makes a catalog of Iceberg tables.
    ///
    /// # Errors
    /// Trino's own.
    pub fn attach(&self, catalog: &str, settings: &Catalog<'_>) -> Result<()> {
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("\"{name}\" = '{value}'")).collect();
        self.sql(&format!("CREATE CATALOG {catalog} USING iceberg WITH ({})", settings.join(", ")))?;
        Ok(())
    }

    /// Runs a statement to its end.
    ///
    /// # Errors
    /// Trino's own.
    pub fn sql(&self, sql: &str) -> Result<Answer> {
        self.client.sql(sql)
    }
}

struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    fn new(url: String) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(STATEMENT_WITHIN));
        Self { agent: config.build().into(), url }
    }

    fn sql(&self, sql: &str) -> Result<Answer> {
        let request = self.agent.post(format!("{}/v1/statement", self.url));
        let request = request.header("X-Trino-User", "asgard").header("X-Trino-Time-Zone", "UTC");
        // Without it, times are told in milliseconds.
        let request = request.header("X-Trino-Client-Capabilities", "PARAMETRIC_DATETIME");
        let mut answer = read(request.send(sql))?;
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        loop {
            if let Some(error) = answer.get("error") {
                bail!("Trino: {}: {}\n{sql}", error["errorName"].as_str().unwrap_or("?"), causes(error));
            }
            if let (true, Some(found)) = (columns.is_empty(), answer["columns"].as_array()) {
                columns = found.iter().map(column).collect::<Result<Vec<_>>>()?;
            }
            for row in answer["data"].as_array().into_iter().flatten() {
                let values = row.as_array().context("Trino: a row is no list")?;
                rows.push(columns.iter().zip(values).map(|((_, of), value)| of.plain(value)).collect());
            }
            let Some(next) = answer["nextUri"].as_str() else { break };
            answer = read(self.agent.get(next).call())?;
        }
        let columns = columns.into_iter().map(|(name, of)| (name, of.to_string().replace(BASE64, "binary"))).collect();
        Ok(Answer { columns, rows })
    }
}

/// An error with what it comes of: a catalog's own words are at the end.
fn causes(error: &Value) -> String {
    let mut messages = vec![error["message"].as_str().unwrap_or("?")];
    let mut cause = &error["failureInfo"]["cause"];
    while let Some(message) = cause["message"].as_str() {
        messages.push(message);
        cause = &cause["cause"];
    }
    messages.join(": ")
}

type Response = std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn read(response: Response) -> Result<Value> {
    let mut response = response.context("Trino does not answer")?;
    let text = response.body_mut().read_to_string()?;
    serde_json::from_str(&text).with_context(|| format!("Trino answers with {}: {text}", response.status()))
}

fn column(column: &Value) -> Result<(String, Type)> {
    let name = column["name"].as_str().context("Trino: a column has no name")?;
    Ok((name.to_owned(), type_of(&column["typeSignature"])?))
}

/// A type in Iceberg's words.
fn type_of(signature: &Value) -> Result<Type> {
    let name = signature["rawType"].as_str().context("Trino: a type has no name")?;
    let arguments: Vec<&Value> =
        signature["arguments"].as_array().into_iter().flatten().map(|argument| &argument["value"]).collect();
    let simple = match (name, arguments.as_slice()) {
        ("array", [element]) => return Ok(Type::List(Box::new(type_of(element)?))),
        ("map", [key, value]) => return Ok(Type::Map(Box::new(type_of(key)?), Box::new(type_of(value)?))),
        ("row", fields) => {
            let field = |field: &&Value| {
                let name = field["fieldName"]["name"].as_str().unwrap_or_default();
                Ok((name.to_owned(), type_of(&field["typeSignature"])?))
            };
            return Ok(Type::Struct(fields.iter().map(field).collect::<Result<_>>()?));
        }
        ("decimal", [precision, scale]) => return Ok(Type::Primitive(format!("decimal({precision},{scale})"))),
        ("integer", _) => "int",
        ("bigint", _) => "long",
        ("real", _) => "float",
        ("varchar", _) => "string",
        ("timestamp with time zone", _) => "timestamptz",
        (other, _) => other,
    };
    Ok(Type::Primitive(simple.to_owned()))
}

fn settings_of(url: &str, installed: &Path) -> String {
    let port = url.rsplit(':').next().unwrap_or_default();
    format!(
        "coordinator=true
node-scheduler.include-coordinator=true
node.environment=live
node.id=live
node.bind-ip=127.0.0.1
node.internal-address=127.0.0.1
http-server.http.port={port}
discovery.uri={url}
plugin.dir={}
query.max-memory=384MB
query.max-memory-per-node=384MB
memory.heap-headroom-per-node=256MB
task.concurrency=2
",
        installed.join("plugin").display()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_told_in_icebergs_words() {
        let simple = |name: &str| json!({"rawType": name, "arguments": []});
        let of = |value: Value| json!({"kind": "TYPE", "value": value});
        let decimal =
            json!({"rawType": "decimal", "arguments": [{"kind": "LONG", "value": 10}, {"kind": "LONG", "value": 2}]});
        let field = json!({"kind": "NAMED_TYPE", "value": {"fieldName": {"name": "a"}, "typeSignature": decimal}});
        let row = json!({"rawType": "row", "arguments": [field]});
        let map = json!({"rawType": "map", "arguments": [of(simple("varchar")), of(row)]});
        let list = json!({"rawType": "array", "arguments": [of(map)]});
        assert_eq!(type_of(&list).unwrap().to_string(), "list<map<string,struct<a:decimal(10,2)>>>");
        assert_eq!(type_of(&simple("timestamp with time zone")).unwrap().to_string(), "timestamptz");
    }
}
