//! Environments: a document is made true as a whole, and clients choose one by their base URL.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, gold, refused, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_second_environment_has_tables_and_resources_of_its_own", apart),
        test(world, "a_document_that_does_not_fit_changes_nothing", misfit),
        test(world, "a_role_without_a_plugin_is_told_as_such", unbound),
        test(world, "a_revoked_grant_is_told_with_the_line_to_add", revoked),
        test(world, "a_change_is_planned_compared_and_taken_back", history),
        test(world, "two_who_change_the_same_revision_do_not_overwrite_each_other", raced),
        test(world, "a_document_may_be_toml_json_or_yaml", forms),
    ]
}

fn apart(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("apart");
    let put = client.send("PUT", "/environments/apart", Some(&document), &[]).unwrap();
    assert_eq!((put.status, put.body["revision"].as_i64()), (200, Some(1)), "{}", put.body);
    let sink = json!({"name": "only here", "type": "local", "config": {"path": "x"}});
    client.post("/environments/apart/sink", &sink).unwrap();
    let elsewhere = client.get("/sink?page_size=1000").unwrap();
    assert!(!elsewhere["destinations"].as_array().unwrap().iter().any(|s| s["name"] == "only here"));
    gold(&client, "apart_model", "SELECT 1 AS one, 2 AS two").unwrap();
    let tables = client.get("/environments/apart/dbt/tables/gold").unwrap();
    assert_eq!(tables["total_count"], 0, "{tables}");
    document["description"] = json!("changed");
    let put = client.send("PUT", "/environments/apart", Some(&document), &[]).unwrap();
    assert_eq!(put.body["revision"], 2);
    let revisions = client.get("/environments/apart/revisions").unwrap();
    assert_eq!(revisions["revisions"].as_array().unwrap().len(), 2);
}

fn misfit(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("misfit");
    document["silver"]["plugin"] = json!("postgres");
    let detail = refused(&client.send("PUT", "/environments/misfit", Some(&document), &[]).unwrap(), 422);
    assert!(detail.contains("postgres") && detail.contains("silver"), "{detail}");
    document["silver"]["plugin"] = json!("no-such-plugin");
    let detail = refused(&client.send("PUT", "/environments/misfit", Some(&document), &[]).unwrap(), 422);
    assert!(detail.contains("no-such-plugin"), "{detail}");
    document["silvr"] = json!({});
    refused(&client.send("PUT", "/environments/misfit", Some(&document), &[]).unwrap(), 422);
    refused(&client.send("GET", "/environments/misfit", None, &[]).unwrap(), 404);
}

fn unbound(world: &World) {
    let client = world.light();
    let body = json!({"script_name": "t.py", "script_content": "import x\nimport y\n", "experiment_name": "e", "model_name": "m"});
    let detail = refused_field(&client.send("POST", "/mlops/deploy", Some(&body), &[]).unwrap(), "training");
    assert!(detail.contains("training") && detail.contains("local"), "{detail}");
}

fn revoked(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("revoked");
    document["ingestion"][0]["grants"]["sockets"] = json!([]);
    assert_eq!(client.send("PUT", "/environments/revoked", Some(&document), &[]).unwrap().status, 200);
    let config = crate::world::source_config(&world.source());
    let body = json!({"name": "revoked", "type": "postgres", "config": config});
    let detail = refused(&client.send("POST", "/environments/revoked/datasource", Some(&body), &[]).unwrap(), 403);
    assert!(detail.contains("grants.sockets") && detail.contains("revoked"), "{detail}");
}

fn history(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("history");
    let plan = client.post("/environments/history/plan", &document).unwrap();
    assert_eq!(plan["revision"], 0);
    assert!(plan["changes"].as_array().unwrap().iter().all(|change| change["before"].is_null()), "{plan}");
    refused(&client.send("GET", "/environments/history", None, &[]).unwrap(), 404);
    let author = [("Asgard-Author", "freyja")];
    client.send("PUT", "/environments/history", Some(&document), &author).unwrap();

    document["limits"]["query_seconds"] = json!(5);
    let plan = client.post("/environments/history/plan", &document).unwrap();
    let expected = json!([{"field": "limits.query_seconds", "before": 600, "after": 5}]);
    assert_eq!((&plan["changes"], &plan["revision"]), (&expected, &json!(1)));
    client.send("PUT", "/environments/history?note=faster", Some(&document), &author).unwrap();
    let again = client.send("PUT", "/environments/history", Some(&document), &[]).unwrap();
    assert_eq!(again.body["revision"], 2, "what is true already makes no revision");

    let difference = client.get("/environments/history/diff?revision=1&with=history").unwrap();
    assert_eq!(difference["changes"], expected);
    let other = client.get("/environments/history/diff?with=local").unwrap();
    assert_eq!(other["changes"][0]["field"], "limits.query_seconds", "{other}");
    refused(&client.send("GET", "/environments/history/diff?with=history@9", None, &[]).unwrap(), 404);

    let back = client.send("POST", "/environments/history/rollback", Some(&json!({"revision": 1})), &author).unwrap();
    assert_eq!((back.status, back.body["revision"].as_i64()), (200, Some(3)), "{}", back.body);
    assert_eq!(back.body["document"]["limits"], json!(null), "back at its default");
    let missing = client.send("POST", "/environments/history/rollback", Some(&json!({"revision": 9})), &[]).unwrap();
    assert!(refused(&missing, 404).contains("1 to 3"));
    let revisions = client.get("/environments/history/revisions").unwrap();
    let told: Vec<_> = revisions["revisions"].as_array().unwrap().iter().collect();
    let of = |index: usize, key: &str| told[index][key].as_str().unwrap().to_owned();
    assert_eq!((of(0, "author"), of(0, "note")), ("freyja".to_owned(), "back to revision 1".to_owned()));
    assert_eq!((of(1, "note"), &told[1]["changes"]), ("faster".to_owned(), &expected));
}

fn raced(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("raced");
    let path = "/environments/raced?expected_revision=0";
    assert_eq!(client.send("PUT", path, Some(&document), &[]).unwrap().status, 200);
    document["description"] = json!("mine");
    let detail = refused(&client.send("PUT", path, Some(&document), &[]).unwrap(), 409);
    assert!(detail.contains("revision 1") && detail.contains("from revision 0"), "{detail}");
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let change = |text: &'static str| {
            let (client, mut document) = (world.light(), document.clone());
            scope.spawn(move || {
                document["description"] = json!(text);
                let answer = client.send("PUT", "/environments/raced?expected_revision=1", Some(&document), &[]);
                answer.unwrap().status
            })
        };
        let changes = ["a", "b", "c", "d"].map(change);
        changes.map(|change| change.join().unwrap()).to_vec()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 409].contains(status)), "{answers:?}");
}

fn forms(world: &World) {
    let client = world.light();
    let url = |path: &str| format!("{}{path}", client.base());
    let curl = |arguments: &[&str]| {
        let output = std::process::Command::new("curl").args(["-s", "-f"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = world.folder("forms");
    let mut revision = None;
    for form in ["application/toml", "application/yaml"] {
        let text = curl(&["-H", &format!("Accept: {form}"), &url("/environments/local")]);
        assert!(text.contains("postgres") && !text.contains("null"), "{text}");
        let file = folder.join("document");
        std::fs::write(&file, text.replacen("local", "forms", 1)).unwrap();
        let data = format!("@{}", file.display());
        let kind = format!("Content-Type: {form}");
        let made = curl(&["-X", "PUT", "-H", &kind, "--data-binary", &data, &url("/environments/forms")]);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        assert_eq!(made["revision"], *revision.get_or_insert(json!(1)), "the same document in another form");
    }
}
