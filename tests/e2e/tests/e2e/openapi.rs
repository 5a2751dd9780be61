//! The OpenAPI document, and schemathesis against it: no server error, every answer as the document says.

use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_document_and_its_page_are_served", served),
        test(world, "schemathesis_finds_no_server_error_and_no_answer_outside_the_document", conforming),
    ]
}

fn served(world: &World) {
    let client = world.light();
    let document = client.get("/openapi.json").unwrap();
    for path in [
        "/datasource",
        "/sink",
        "/ingestion",
        "/spark/transform",
        "/dbt/transform",
        "/feast/features",
        "/mlops/deploy",
        "/lakehouse/query",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is missing");
    }
    assert_eq!(client.send("GET", "/docs/", None, &[]).unwrap().status, 200);
}

fn conforming(world: &World) {
    let host = world.start_light(&world.folder("schemathesis")).unwrap();
    let output = Command::new(world.python().with_file_name("schemathesis"))
        .arg("run")
        .arg(format!("{}/openapi.json", host.url()))
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        // One worker: in Python 3.11, threads that parse Python at the same time (Hypothesis does, to name lambdas) break each other's count
        // of its depth, and the run ends with a `SystemError`.
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1", "--workers", "1"])
        .args(["--request-timeout", "60", "--no-color"])
        .env("HOME", world.folder("schemathesis-home"))
        .current_dir(world.folder("schemathesis-home"))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
