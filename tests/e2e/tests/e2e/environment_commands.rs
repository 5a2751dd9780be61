//! Environments from the command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_file_is_planned_applied_compared_and_taken_back", lifecycle),
        test(world, "an_exported_environment_applies_as_it_is", exported),
        test(world, "the_environments_that_come_with_the_project_fit_its_plugins", shipped),
        test(world, "a_promotion_is_shown_before_it_is_made", promoted),
        test(world, "a_check_ends_badly_when_something_is_wrong", checked),
        test(world, "a_document_that_does_not_fit_is_refused_with_its_line_or_its_field", misfit),
        test(world, "pipelines_come_from_files_beside_environments", pipelines),
        test(world, "an_environment_is_removed_when_it_is_empty", removed),
        test(world, "a_host_that_does_not_answer_is_told_as_such", away),
    ]
}

/// What a command said, and its exit code.
fn asgard(world: &World, arguments: &[&str]) -> (i32, String) {
    asgard_at(world, world.light().base(), arguments)
}

/// Likewise, of the host there.
pub(crate) fn asgard_at(world: &World, url: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(&world.built().asgard)
        .args(arguments)
        .env("ASGARD_URL", url)
        .env("USER", "freyja")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), said)
}

fn done(world: &World, arguments: &[&str]) -> String {
    let (code, said) = asgard(world, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The shared host's environment under another name, as a file.
fn file(world: &World, name: &str) -> PathBuf {
    let file = world.folder("environment-commands").join(format!("{name}.toml"));
    let light = asgard_journey::host::LIGHT.replace("name = \"local\"", &format!("name = \"{name}\""));
    std::fs::write(&file, light).unwrap();
    file
}

fn shipped(world: &World) {
    for name in ["staging", "production"] {
        let file = format!("../../deploy/environments/{name}.toml");
        let (code, said) = asgard(world, &["plan", "-f", &file]);
        assert!(code == 2 && said.contains(&format!("{name}: is new")), "{name}: {code}: {said}");
    }
}

fn lifecycle(world: &World) {
    let file = file(world, "typed");
    let (code, said) = asgard(world, &["plan", "-f", text(&file)]);
    assert!(code == 2 && said.contains("typed: is new") && said.contains("+ silver = "), "{code}: {said}");
    let said = done(world, &["apply", "-f", text(&file), "--note", "the first"]);
    assert!(said.contains("typed is at revision 1"), "{said}");
    assert!(done(world, &["plan", "-f", text(&file)]).contains("nothing changes"));

    let changed = std::fs::read_to_string(&file).unwrap() + "\n[limits]\nquery_seconds = 5\n";
    std::fs::write(&file, changed).unwrap();
    let said = done(world, &["apply", "-f", text(&file)]);
    assert!(said.contains("~ limits.query_seconds: 600 -> 5") && said.contains("revision 2"), "{said}");
    let (code, said) = asgard(world, &["diff", "typed@1", "typed"]);
    assert!(code == 2 && said.contains("~ limits.query_seconds: 600 -> 5"), "{code}: {said}");
    done(world, &["diff", "typed@2", "typed"]);
    let said = done(world, &["rollback", "typed", "1"]);
    assert!(said.contains("revision 3"), "{said}");
    let said = done(world, &["environment", "revisions", "typed"]);
    assert!(
        said.contains("1 by freyja") && said.contains(": the first") && said.contains(": back to revision 1"),
        "{said}"
    );
    assert!(done(world, &["environment", "list"]).contains("typed (revision 3)"));
    assert!(done(world, &["environment", "show", "typed"]).contains("silver     sql"));
}

fn exported(world: &World) {
    let folder = world.folder("environment-commands");
    done(world, &["apply", "-f", text(&file(world, "exported"))]);
    for end in ["toml", "yaml", "json"] {
        let out = folder.join(format!("out.{end}"));
        done(world, &["export", "exported", "--output", text(&out)]);
        let said = done(world, &["plan", "-f", text(&out)]);
        assert!(said.contains("nothing changes"), "{end}: {said}");
    }
    let shown = done(world, &["export", "exported"]);
    assert!(shown.contains("[[ingestion]]") && !shown.contains("substitute_secrets = false"), "{shown}");
}

fn promoted(world: &World) {
    let (stage, live) = (file(world, "stage"), file(world, "live"));
    let with = std::fs::read_to_string(&stage).unwrap().replace("grants.objects = true\n", "");
    std::fs::write(&stage, with).unwrap();
    done(world, &["apply", "-f", text(&stage), text(&live)]);
    let (code, said) = asgard(world, &["promote", "stage", "live", "--plan"]);
    assert!(code == 2 && said.contains("- features.grants.objects = true"), "{code}: {said}");
    let (code, said) = asgard(world, &["promote", "stage", "live"]);
    assert!(code == 1 && said.contains("--yes"), "nobody is there to be asked: {code}: {said}");
    let said = done(world, &["promote", "stage", "live", "--yes"]);
    assert!(said.contains("live is at revision 2"), "{said}");
    done(world, &["promote", "stage", "live", "--plan"]);
}

fn checked(world: &World) {
    let well = file(world, "well");
    let serving = "\n[programs.python]\ntype = \"python\"\nrequirements = []\n\n[serving]\nplugin = \"local-serving\"\n\
                   grants = { services = [\"python\"], objects = true }\n";
    std::fs::write(&well, std::fs::read_to_string(&well).unwrap() + serving).unwrap();
    done(world, &["apply", "-f", text(&well)]);
    let said = done(world, &["check", "well"]);
    assert!(said.contains("passed") && said.contains("well at revision"), "{said}");
    assert!(said.contains("models are served by services of this host"), "{said}");
    let file = file(world, "unwell");
    let text_of = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text_of + "\n[secrets.gone]\nfrom = \"file\"\npath = \"/no/such/file\"\n").unwrap();
    done(world, &["apply", "-f", text(&file)]);
    let (code, said) = asgard(world, &["check", "unwell"]);
    assert!(code == 2 && said.contains("secrets.gone") && said.contains("/no/such/file"), "{code}: {said}");
    assert!(said.contains("1 check failed"), "{said}");
}

fn misfit(world: &World) {
    let file = file(world, "misfit-file");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}\n[silvr]\n")).unwrap();
    let (code, said) = asgard(world, &["apply", "-f", text(&file)]);
    assert!(code == 1 && said.contains("silvr") && said.contains("line "), "{code}: {said}");
    std::fs::write(&file, good.replace("plugin = \"iceberg-features\"", "plugin = \"postgres\"")).unwrap();
    for command in ["plan", "apply"] {
        let (code, said) = asgard(world, &[command, "-f", text(&file)]);
        assert!(code == 1 && said.contains("features.plugin") && said.contains("feature-source"), "{code}: {said}");
        assert!(said.contains(text(&file)), "{said}");
    }
    std::fs::write(&file, format!("{good}\n[[silver.grants.http]]\nhost = \"no host at all\"\n")).unwrap();
    for command in ["plan", "apply"] {
        let (code, said) = asgard(world, &[command, "-f", text(&file)]);
        assert!(code == 1 && said.contains("silver.grants") && said.contains(text(&file)), "{command} {code}: {said}");
    }
}

fn removed(world: &World) {
    let (code, said) = asgard(world, &["environment", "delete", "local"]);
    assert!(code == 1 && said.contains("default environment"), "{code}: {said}");
    let (code, said) = asgard(world, &["environment", "delete", "never-there"]);
    assert!(code == 1 && said.contains("there is no environment `never-there`"), "{code}: {said}");
    done(world, &["apply", "-f", text(&file(world, "brief"))]);
    let client = world.light();
    let sink = client.post("/environments/brief/sink", &json!({"name": "s", "type": "local", "config": {"path": "s"}}));
    let sink = sink.unwrap()["id"].as_str().unwrap().to_owned();
    client.send("PUT", "/environments/brief/secrets/kept", Some(&json!({"value": "v"})), &[]).unwrap();
    gold_in(&client, "brief");
    let (code, said) = asgard(world, &["environment", "delete", "brief"]);
    assert!(code == 1 && said.contains("sink (1), transformation (1)"), "{code}: {said}");
    client.send("DELETE", &format!("/environments/brief/sink/{sink}"), None, &[]).unwrap();
    let models = client.get("/environments/brief/dbt/transformations").unwrap();
    let id = models["transformations"][0]["transformation_id"].as_str().unwrap().to_owned();
    client.send("DELETE", &format!("/environments/brief/dbt/transformations/{id}"), None, &[]).unwrap();
    assert!(done(world, &["environment", "delete", "brief"]).contains("brief is removed"));
    assert_eq!(client.send("GET", "/environments/brief", None, &[]).unwrap().status, 404);
    assert!(!done(world, &["environment", "list"]).contains("brief"));
    // Under the name, the tables are there again, and the secrets are not.
    let said = done(world, &["apply", "-f", text(&file(world, "brief"))]);
    assert!(said.contains("brief is at revision 1"), "{said}");
    assert_eq!(client.get("/environments/brief/secrets").unwrap()["secrets"], json!([]));
    assert_eq!(client.get("/environments/brief/lakehouse/tables/gold/brief_model").unwrap()["row_count"], 1);
    done(world, &["environment", "delete", "brief"]);
}

fn gold_in(client: &asgard_journey::client::Client, environment: &str) {
    let model = json!({"name": "brief_model", "sql_query": "SELECT 1 AS one, 2 AS two"});
    let made = client.post(&format!("/environments/{environment}/dbt/transform"), &model).unwrap();
    assert_eq!(made["status"], "completed", "{made}");
}

fn pipelines(world: &World) {
    let environment = file(world, "with-pipeline");
    let pipeline = environment.with_file_name("nightly.yaml");
    let text_of = "kind: pipeline\nname: nightly\nenvironment: with-pipeline\nsteps:\n  - id: made\n    kind: gold\n    with: {name: made, sql_query: SELECT 1 AS one}\n";
    std::fs::write(&pipeline, text_of).unwrap();
    let files = ["-f", text(&pipeline), text(&environment)];
    let (code, said) = asgard(world, &[&["plan"], &files[..]].concat());
    assert!(code == 2 && said.contains("with-pipeline/nightly: is new"), "{code}: {said}");
    let said = done(world, &[&["apply"], &files[..]].concat());
    assert!(
        said.contains("with-pipeline is at revision 1") && said.contains("with-pipeline/nightly: is new"),
        "{said}"
    );
    let said = done(world, &[&["plan"], &files[..]].concat());
    assert!(said.contains("with-pipeline/nightly: nothing changes"), "{said}");
    let client = world.light();
    let made = client.get("/environments/with-pipeline/pipelines/nightly").unwrap();
    assert_eq!(made["steps"][0]["id"], "made");

    std::fs::write(&pipeline, text_of.replace("SELECT 1", "SELECT 2")).unwrap();
    let said = done(world, &["apply", "-f", text(&pipeline)]);
    assert!(said.contains("~ steps[made].with.sql_query") && said.contains("SELECT 2"), "{said}");
    let made = client.get("/environments/with-pipeline/pipelines/nightly").unwrap();
    assert_eq!(made["steps"][0]["with"]["sql_query"], "SELECT 2 AS one");

    std::fs::write(&pipeline, text_of.replace("kind: gold", "kind: golden")).unwrap();
    let (code, said) = asgard(world, &["apply", "-f", text(&pipeline)]);
    assert!(code == 1 && said.contains("steps[0].kind"), "{code}: {said}");
}

fn away(world: &World) {
    let (code, said) = asgard(world, &["check", "--url", "http://127.0.0.1:1"]);
    assert!(code == 1 && said.contains("asgard serve") && said.contains("--url"), "{code}: {said}");
}
