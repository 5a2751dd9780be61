//! Nessie: a catalog with branches, here in memory, over one bucket.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use asgard_journey::ports::{free_port, free_port_at};
use asgard_journey::s3::S3;

use crate::installed;
use crate::process::Process;

/// A running Nessie; ends when dropped.
pub struct Nessie {
    _process: Process,
    address: Ipv4Addr,
    port: u16,
}

impl Nessie {
    /// The warehouse that there is.
    pub const WAREHOUSE: &str = "lake";

    /// Starts it at one of this machine's addresses and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(s3: &S3, folder: &Path, address: Ipv4Addr) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = free_port_at(address)?;
        let settings = folder.join("nessie.properties");
        std::fs::write(&settings, settings_of(address, port, free_port()?, s3))?;
        let mut java = Command::new(installed::path("JAVA")?.join("bin/java"));
        java.args(["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC"])
            .arg(format!("-Dquarkus.config.locations=file:{}", settings.display()))
            .arg("-jar")
            .arg(installed::path("NESSIE")?);
        let mut process = Process::start("nessie", &mut java, folder)?;
        let configuration = format!("http://{address}:{port}/iceberg/v1/config");
        process.wait(|| ureq::get(&configuration).call().ok())?;
        Ok(Self { _process: process, address, port })
    }

    /// Where its Iceberg REST catalog is: the branch `main`.
    pub fn iceberg(&self) -> String {
        format!("http://{}:{}/iceberg", self.address, self.port)
    }

    /// As [`Nessie::iceberg`], on another branch.
    pub fn iceberg_on(&self, branch: &str) -> String {
        format!("{}/{branch}", self.iceberg())
    }

    /// Makes a branch of `main` as it is now.
    ///
    /// # Errors
    /// When it does not answer, or has the branch.
    pub fn make_branch(&self, name: &str) -> Result<()> {
        let trees = self.trees();
        let main: serde_json::Value =
            serde_json::from_reader(ureq::get(format!("{trees}/main")).call()?.body_mut().as_reader())?;
        let body = main["reference"].to_string();
        let made = ureq::post(format!("{trees}?name={name}&type=BRANCH"))
            .header("content-type", "application/json")
            .send(body)
            .with_context(|| format!("the branch `{name}`"))?;
        drop(made);
        Ok(())
    }

    fn trees(&self) -> String {
        format!("http://{}:{}/api/v2/trees", self.address, self.port)
    }

    /// The names of its branches.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn branches(&self) -> Result<Vec<String>> {
        let answer: serde_json::Value =
            serde_json::from_reader(ureq::get(self.trees()).call()?.body_mut().as_reader())?;
        let found = answer["references"].as_array().cloned().unwrap_or_default();
        Ok(found.iter().filter_map(|branch| branch["name"].as_str().map(str::to_owned)).collect())
    }

    /// Where its tables are: what an environment on it has to name as its storage.
    pub fn storage() -> String {
        format!("s3://{}/warehouse", S3::BUCKET)
    }
}

fn settings_of(address: Ipv4Addr, port: u16, management: u16, s3: &S3) -> String {
    let (endpoint, bucket, warehouse) = (s3.endpoint(), S3::BUCKET, Nessie::WAREHOUSE);
    let (access_key, secret_key) = (S3::ACCESS_KEY, S3::SECRET_KEY);
    let options = "nessie.catalog.service.s3.default-options";
    format!(
        "quarkus.http.host={address}
quarkus.http.port={port}
quarkus.management.host=127.0.0.1
quarkus.management.port={management}
quarkus.http.access-log.enabled=false
quarkus.otel.sdk.disabled=true
nessie.version.store.type=IN_MEMORY
nessie.server.authentication.enabled=false
nessie.catalog.default-warehouse={warehouse}
nessie.catalog.warehouses.{warehouse}.location=s3://{bucket}/warehouse
{options}.endpoint={endpoint}/
{options}.region=us-east-1
{options}.path-style-access=true
{options}.request-signing-enabled=false
{options}.access-key=urn:nessie-secret:quarkus:lake-secrets.s3
lake-secrets.s3.name={access_key}
lake-secrets.s3.secret={secret_key}
"
    )
}
