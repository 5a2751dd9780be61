//! Every plugin of an interface passes the same suite, by the command that plugin authors run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asgard_journey::steps::MODEL;
use asgard_journey::suite::{Run, inline};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::world::{World, source_config, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "every_plugin_passes_the_suite_of_its_interfaces", bundled),
        test(world, "the_connector_of_a_database_passes_with_a_source", postgres),
        test(world, "the_connector_of_files_passes_with_a_source", files),
        test(world, "the_example_for_authors_passes_with_a_source", example),
        test(world, "serving_on_this_machine_passes_with_a_model", serving),
        test(world, "training_and_serving_without_a_process_pass_with_a_script_and_a_model", modeller),
        test(world, "an_image_build_without_a_registry_passes_with_a_model", builder),
        test(world, "a_plugin_that_does_not_keep_the_contract_is_told_what_is_wrong", bad),
    ]
}

fn suite(world: &World, folder: &Path, setup: Option<&str>) -> Run {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let file = world.folder("conformance").join(format!("{name}.toml"));
    let setup = setup.map(|text| (file.as_path(), text));
    Run::of(world.built(), folder, setup, &[("ERP_PASSWORD", &world.source().password)]).unwrap()
}

fn passes(run: &Run) {
    assert!(run.is_green(), "{}", run.said);
}

fn bundled(world: &World) {
    for entry in std::fs::read_dir(&world.built().plugins).unwrap() {
        let folder = entry.unwrap().path();
        let run = suite(world, &folder, None);
        passes(&run);
        assert!(run.lines("passed").len() >= 2, "{}", run.said);
        for skipped in run.lines("skipped") {
            assert!(skipped.contains(": "), "each says why: {skipped}");
        }
        if folder.ends_with("sql") || folder.ends_with("iceberg-features") {
            assert!(run.said.contains(" 0 failed") && run.lines("skipped").is_empty(), "{}", run.said);
        }
    }
}

fn postgres(world: &World) {
    let mut configuration = source_config(&world.source());
    configuration["password"] = "secret://erp".into();
    let setup = format!(
        "grants.sockets = [\"127.0.0.0/8:*\", \"localhost:*\"]\ngrants.reveal_secrets = true\n\
         [secrets.erp]\nfrom = \"env\"\nname = \"ERP_PASSWORD\"\n\
         [source]\ntype = \"postgres\"\nconfiguration = {}\n",
        inline(&configuration)
    );
    let run = suite(world, &world.built().plugins.join("postgres"), Some(&setup));
    passes(&run);
    assert!(run.lines("skipped").is_empty(), "{}", run.said);
    assert!(!run.said.contains(&world.source().password), "{}", run.said);
}

fn files(world: &World) {
    let folder = world.folder("conformance-files");
    std::fs::write(folder.join("a.csv"), "id,name\n1,Freyja\n2,Odin\n").unwrap();
    std::fs::write(folder.join("b.csv"), "id,name\n3,Thor\n").unwrap();
    let setup = format!(
        "grants.files = [\"{0}\"]\n[source]\ntype = \"files\"\n\
         configuration = {{ location = {{ provider = \"local\", folder = \"{0}\" }}, \
         streams = [{{ name = \"people\", files = [\"*.csv\"] }}] }}\n",
        folder.display()
    );
    let run = suite(world, &world.built().plugins.join("files"), Some(&setup));
    passes(&run);
    let passed = run.lines("passed").join("\n");
    assert!(passed.contains("the rows of each stream are those that were discovered"), "{}", run.said);
}

fn example(world: &World) {
    let setup = "[source]\ntype = \"hello\"\nconfiguration = { names = [\"Freyja\", \"Odin\"] }\n";
    let run = suite(world, Path::new("../fixtures/stored/hello"), Some(setup));
    passes(&run);
    let passed = run.lines("passed").join("\n");
    assert!(passed.contains("the rows of each stream are those that were discovered"), "{}", run.said);
}

fn serving(world: &World) {
    let client = world.after_journey();
    let deployments = client.get("/mlops/deployments").unwrap();
    let of_journey = |deployment: &&Value| deployment["model_name"] == MODEL;
    let deployment = deployments.as_array().unwrap().iter().find(of_journey).unwrap();
    let files =
        format!("environments/local/objects/deployments/{}/model", deployment["deployment_id"].as_str().unwrap());
    let setup = |question: &str| {
        let programs = &client.get("/environments/local").unwrap()["document"]["programs"];
        format!(
            "grants.services = [\"python\"]\nprograms = {}\n[model]\nfolder = \"{}\"\nquestion = {{ features = [{question}] }}\n",
            inline(programs),
            world.full_data().join(&files).display()
        )
    };
    let plugin = world.built().plugins.join("local-serving");
    let run = suite(world, &plugin, Some(&setup("[87.0, 85.0, 43500.0, 8.2, 92.5, 0.977]")));
    passes(&run);
    assert!(run.lines("skipped").is_empty(), "{}", run.said);
    let passed = run.lines("passed").join("\n");
    assert!(passed.contains("served, replaced without a lost request and removed twice"), "{}", run.said);

    let run = suite(world, &plugin, Some(&setup("[\"no number\"]")));
    let failed = run.lines("failed").join("\n");
    assert!(run.code == 2 && failed.contains("does not answer: 422"), "{}", run.said);
}

/// A model of no flavour.
fn model(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    std::fs::create_dir_all(&model).unwrap();
    std::fs::write(model.join("MLmodel"), "flavors: {}\n").unwrap();
    model
}

fn modeller(world: &World) {
    let folder = world.folder("conformance-modeller");
    std::fs::write(folder.join("train.py"), "import mlflow\nmlflow.start_run()\n").unwrap();
    let model = model(&folder);
    // What is asked for in the model's place is this host's `/health`.
    let setup = format!(
        "configuration = {{ endpoint = \"{}\" }}\n[training]\nscript = \"{}\"\n[model]\nfolder = \"{}\"\n",
        world.light().base(),
        folder.join("train.py").display(),
        model.display()
    );
    let run = suite(world, Path::new("../fixtures/stored/modeller"), Some(&setup));
    passes(&run);
    assert!(run.lines("skipped").is_empty(), "{}", run.said);
    let passed = run.lines("passed").join("\n");
    for check in ["a script is run once", "a model that is not there is not found", "removed twice"] {
        assert!(passed.contains(check), "{}", run.said);
    }
}

fn builder(world: &World) {
    let setup = format!("[model]\nfolder = \"{}\"\n", model(&world.folder("conformance-builder")).display());
    let run = suite(world, Path::new("../fixtures/stored/builder"), Some(&setup));
    passes(&run);
    assert!(run.lines("skipped").is_empty(), "{}", run.said);
    assert!(run.lines("passed").join("\n").contains("an image is built once"), "{}", run.said);
}

fn bad(world: &World) {
    let run = suite(world, Path::new("../fixtures/stored/patient"), Some("configuration = { label = \"x\" }\n"));
    assert_eq!(run.code, 2, "{}", run.said);
    let failed = run.lines("failed").join("\n");
    assert!(failed.contains("SQL that is none is refused"), "{}", run.said);
    assert!(failed.contains("rows are appended once"), "{}", run.said);
    let run = suite(world, Path::new("../fixtures/stored/patient"), Some("configuration = { lable = \"x\" }\n"));
    assert!(run.code == 2 && run.said.contains("lable"), "{}", run.said);
    let run = suite(world, Path::new("../fixtures/stored/patient"), Some("konfiguration = {}\n"));
    assert!(run.code == 1 && run.said.contains("konfiguration") && run.said.contains("line 1"), "{}", run.said);
}
