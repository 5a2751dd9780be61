//! Models mean without dbt what a real dbt makes of them, or are refused with a reason.
//!
//! What dbt says is data in `compiled.jsonl`, with the script that makes it beside it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use asgard_dbt::{Existing, Prepared, Surroundings};
use asgard_sdk::json::{self, Map, Value};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};
use asgard_sdk::{Error, TableName};

/// What dbt compiles and is refused here, with words of the refusal. All of it is in `docs/backends/dbt-trino.md`.
const REFUSED: [(&str, &str); 22] = [
    ("api_column", "there is no `api` here"),
    ("config_ephemeral", "no `ephemeral` models"),
    ("config_hooks", "`post_hook` cannot be run"),
    ("dbt_date", "there is no `date` here"),
    ("dbt_version", "there is no `dbt_version` here"),
    ("dict_update", "dictionaries do not change here"),
    ("env_var_default", "there is no `env_var` here"),
    ("filters_center", "filter center is unknown"),
    ("filters_truncate", "filter truncate is unknown"),
    ("filters_wordcount", "filter wordcount is unknown"),
    ("flags", "there is no `flags` here"),
    ("list_append", "lists do not change here"),
    ("macro_return", "there is no `return` here"),
    ("macro_varargs", "too many arguments"),
    ("modules_datetime", "there is no `modules` here"),
    ("modules_re", "there is no `modules` here"),
    ("run_started_at", "there is no `run_started_at` here"),
    ("strings_rare", "has no method named zfill"),
    ("undefined_attribute", "is not defined"),
    ("undefined_if", "`nothing` is not defined"),
    ("undefined_printed", "`nothing` is not defined"),
    ("yaml", "there is no `fromyaml` here"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn scene() -> Value {
    json::from_str(&fs::read_to_string(folder().join("scene.json")).unwrap()).unwrap()
}

fn model(name: &str, scene: &Value) -> GoldModel {
    let models = scene["models"].as_object().unwrap().iter();
    let table = |parts: &Value| TableName {
        namespace: parts[0].as_str().unwrap().to_owned(),
        name: parts[1].as_str().unwrap().to_owned(),
    };
    GoldModel {
        name: name.to_owned(),
        sql: fs::read_to_string(folder().join(format!("models/{name}.sql"))).unwrap(),
        target: TableName { namespace: "gold".to_owned(), name: name.to_owned() },
        materialization: Materialization::Table,
        incremental_strategy: IncrementalStrategy::Append,
        unique_key: Vec::new(),
        description: None,
        tags: Vec::new(),
        owner: "dbt".to_owned(),
        models: models.map(|(name, parts)| (name.clone(), table(parts))).collect(),
    }
}

/// Lines that are not empty, without the spaces at their ends.
fn lines(sql: &str) -> Value {
    sql.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect()
}

/// One text is a list of one, and hooks have a hyphen.
fn told(config: &Map<String, Value>) -> Map<String, Value> {
    let one = |(key, value): (&String, &Value)| {
        let value = match (key.as_str(), value) {
            ("tags" | "pre_hook" | "post_hook", Value::String(_)) => json::json!([value]),
            _ => value.clone(),
        };
        (key.replace("_hook", "-hook"), value)
    };
    // What dbt takes for granted is not in its answer.
    config.iter().map(one).filter(|(key, value)| !(key == "materialized" && value == "view")).collect()
}

/// How the model differs from what dbt makes of it; none where it is the same.
fn difference(case: &Value, scene: &Value) -> Option<String> {
    let name = case["model"].as_str().unwrap();
    let model = model(name, scene);
    let variables = scene["vars"].as_object().unwrap();
    let surroundings = Surroundings { variables, environment: scene["environment"].as_str().unwrap(), engine: "trino" };
    let refusal = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, words)| *words);
    let first = match Prepared::new(&model, Existing::Nothing, surroundings) {
        Ok(_) if !case["error"].is_null() || refusal.is_some() => {
            return Some(format!(
                "it compiles, where `{}` is right",
                refusal.unwrap_or_else(|| case["error"].as_str().unwrap())
            ));
        }
        Ok(prepared) => prepared,
        Err(Error::InvalidInput(input)) => return unexplained(&input.message, case, refusal),
        Err(Error::Unsupported(message)) => return unexplained(&message, case, refusal),
        Err(other) => return Some(other.to_string()),
    };
    if lines(&first.sql) != case["sql"] {
        return Some(format!("ours {}\n    dbt  {}", lines(&first.sql), case["sql"]));
    }
    let config = told(&first.config);
    if Value::Object(config.clone()) != case["config"] {
        return Some(format!("config {}\n    dbt    {}", Value::Object(config), case["config"]));
    }
    if !case["incremental"].is_null() {
        let again = match Prepared::new(&model, Existing::Table, surroundings) {
            Ok(prepared) => lines(&prepared.sql),
            Err(error) => return Some(error.to_string()),
        };
        if again != case["incremental"] {
            return Some(format!("incremental {again}\n    dbt         {}", case["incremental"]));
        }
    }
    None
}

fn unexplained(message: &str, case: &Value, refusal: Option<&str>) -> Option<String> {
    match refusal {
        Some(words) if message.contains(words) => None,
        None if !case["error"].is_null() => None,
        _ => Some(format!("refused: {message}")),
    }
}

#[test]
fn models_mean_what_dbt_makes_of_them_or_are_refused() {
    let scene = scene();
    let compiled = fs::read_to_string(folder().join("compiled.jsonl")).unwrap();
    let cases: Vec<Value> = compiled.lines().map(|line| json::from_str(line).unwrap()).collect();
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case["model"].as_str().unwrap(), difference(case, &scene)?)))
        .collect();
    assert!(differences.is_empty(), "{} of {} models:\n{}", differences.len(), cases.len(), differences.join("\n"));
    assert_eq!(cases.len(), fs::read_dir(folder().join("models")).unwrap().count(), "make.py was not run");
}
