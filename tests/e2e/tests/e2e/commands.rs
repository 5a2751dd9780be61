//! Commands in the documents are commands: the `console` blocks of each document are run as they stand, in order, by one shell.
//! What names a place of the reader's machine is put in the place of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::s3::S3;
use libtest_mimic::Trial;

use crate::world::{World, certify, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_commands_of_the_readme_run", |world| run(world, "README.md")),
        test(world, "the_commands_for_operating_a_host_run", |world| run(world, "docs/operating.md")),
        test(world, "the_commands_about_environments_run", |world| run(world, "docs/environments.md")),
        test(world, "the_commands_about_access_run", |world| run(world, "docs/access.md")),
        test(world, "the_commands_about_plugins_are_those_of_tests", |world| run(world, "docs/plugins.md")),
        test(world, "the_commands_of_the_tutorial_run", |world| run(world, "docs/tutorial.md")),
        test(world, "the_commands_about_tables_run", |world| run(world, "docs/tables.md")),
        test(world, "the_commands_about_pipelines_run", |world| run(world, "docs/pipelines.md")),
        test(world, "the_commands_about_storage_run", |world| run(world, "docs/storage.md")),
        test(world, "the_python_of_the_documents_reads_the_lakehouse", python),
        test(world, "every_document_with_commands_is_run", complete),
    ]
}

/// Commands of these are run by tests of their own: the chores themselves, and the plugin that the README builds.
const ELSEWHERE: [&str; 3] = ["cargo ", "asgard plugin ", "oras "];

/// A tutorial trains a model.
const LIMIT: Duration = Duration::from_secs(300);

fn complete(_: &World) {
    let documents = std::fs::read_dir("../../docs").unwrap().map(|entry| entry.unwrap().path());
    let with_commands: Vec<PathBuf> = documents
        .filter(|path| path.is_file() && !blocks(&std::fs::read_to_string(path).unwrap(), "console").is_empty())
        .collect();
    let this = include_str!("commands.rs");
    for document in with_commands {
        let name = format!("docs/{}", document.file_name().unwrap().to_str().unwrap());
        assert!(this.contains(&format!("\"{name}\"")), "{name} has commands that no test runs");
    }
}

/// The lines of a document's blocks in a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}");
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match line {
            line if line == start => inside = true,
            "```" => inside = false,
            command if inside => found.push(command),
            _ => {}
        }
    }
    found
}

fn run(world: &World, document: &str) {
    let text = std::fs::read_to_string(Path::new("../..").join(document)).unwrap();
    let folder = world.folder(&format!("commands-{}", document.replace('/', "-")));
    let client = world.after_journey();
    let address = client.base().strip_prefix("http://").unwrap().to_owned();
    let data = world.full_data();
    let mut script = vec!["set -euo pipefail".to_owned()];
    for line in blocks(&text, "console") {
        let line = line.replace("target/release/asgard", "asgard");
        if ELSEWHERE.iter().any(|start| line.starts_with(start)) || line.starts_with("export SOURCE_") {
            continue;
        }
        if line.contains("asgard serve") {
            serves(world, &folder.join("served"), &line);
            continue;
        }
        if line.starts_with("asgard token") {
            let line = line.replace("/var/lib/asgard", folder.join("served").to_str().unwrap());
            assert!(shell(world, &line).stdout(Stdio::null()).status().unwrap().success(), "{line}");
            continue;
        }
        let line = line.replace("127.0.0.1:8000", &address).replace("/var/lib/asgard", data.to_str().unwrap());
        script.push(line);
    }
    std::fs::write(folder.join("password.txt"), "a secret").unwrap();
    std::fs::write(folder.join("keys.txt"), format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY)).unwrap();
    let source = world.source();
    let mut shell = shell(world, &script.join("\n"));
    shell
        .current_dir(&folder)
        .env("ASGARD_DATA", &data)
        .env("ASGARD_URL", client.base())
        .env("SOURCE_HOST", &source.host)
        .env("SOURCE_PORT", source.port.to_string())
        .env("SOURCE_DATABASE", &source.database)
        .env("SOURCE_USER", &source.username)
        .env("SOURCE_PASSWORD", &source.password);
    if text.contains("$S3_ENDPOINT") {
        shell
            .env("S3_ENDPOINT", world.s3().endpoint())
            .env("S3_ACCESS_KEY_ID", S3::ACCESS_KEY)
            .env("S3_SECRET_ACCESS_KEY", S3::SECRET_KEY);
    }
    let log = folder.join("said");
    let said = std::fs::File::create(&log).unwrap();
    let mut child = shell.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
    let status = until(&format!("the commands of {document}"), LIMIT, || child.try_wait().unwrap());
    assert!(status.success(), "{document}: {}", std::fs::read_to_string(&log).unwrap());
}

fn python(world: &World) {
    let client = world.after_journey();
    for document in ["README.md", "docs/iceberg.md"] {
        let text = std::fs::read_to_string(Path::new("../..").join(document)).unwrap();
        let script = blocks(&text, "python").join("\n").replace("http://127.0.0.1:8000", client.base());
        assert!(script.contains("load_catalog"), "{document}");
        let output = Command::new(world.python()).arg("-c").arg(&script).output().unwrap();
        assert!(output.status.success(), "{document}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Starts a host as the document says, on a port and in a folder of the test's own, until it is ready.
fn serves(world: &World, folder: &Path, line: &str) {
    std::fs::create_dir_all(folder).unwrap();
    certify(folder);
    let line = line
        .replace(":8000", ":0")
        .replace(":8443", ":0")
        .replace("/var/lib/asgard", folder.to_str().unwrap())
        .replace("/etc/asgard/tls", folder.to_str().unwrap());
    let mut shell = shell(world, &format!("exec {line}"));
    shell.env("ASGARD_DATA", folder).env("ASGARD_LISTEN", "127.0.0.1:0");
    let log = folder.with_extension("said");
    let mut child = shell.stdout(std::fs::File::create(&log).unwrap()).stderr(Stdio::inherit()).spawn().unwrap();
    until(&format!("`{line}` listens"), Duration::from_secs(30), || {
        std::fs::read_to_string(&log).unwrap().contains("asgard listens on").then_some(())
    });
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(child.wait().unwrap().success());
}

/// A shell that finds `asgard`.
fn shell(world: &World, script: &str) -> Command {
    let binary = world.built().asgard.parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).env("PATH", path).env("ASGARD_PLUGINS", &world.built().plugins);
    command
}
