//! A dbt project of one model.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `dbt_project.yml` | names, `vars`, how tables are replaced, the task's mark on every query |
//! | `profiles.yml` | Trino's address, user and session; no password |
//! | `models/gold/NAME.sql` | the model as it was sent, with its settings as `config` |
//! | `models/gold/schema.yml` | description, tags, owner |
//! | `models/sources.yml` | the tables that it names, by namespace |
//! | `macros/NAME.sql` | the macros that the model has: dbt reads them from there alone |
//! | `dbt_packages/dbt_utils/…` | the package, for a model that names it: what the embedded engine renders it with |
//! | `macros/asgard.sql` | `ref` of tables; deleting and inserting in one statement |
//! | `asgard_run.py` | what the program runs |

use asgard_dbt::{DBT_UTILS, Prepared, materialization_name};
use asgard_sdk::json::{Map, Value, json};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};
use asgard_sdk::{Error, Result};

use super::yaml;
use crate::configuration::{Authentication, Configuration};
use crate::names::in_catalog;
use crate::statements;

/// What the program is given to run.
pub(super) const RUNNER: &str = "asgard_run.py";
/// Where dbt's profile finds password or token. The prefix keeps it out of dbt's own logs.
pub(super) const SECRET: &str = "DBT_ENV_SECRET_TRINO";

const PROJECT: &str = "asgard";
const MACROS: &str = include_str!("asgard.sql");
const RUN: &str = include_str!("asgard_run.py");

/// Trino's address in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub scheme: String,
    pub host: String,
    pub port: u16,
}

impl Address {
    /// # Errors
    /// `invalid-input` for what is no address.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "configuration.url",
                format!("`{url}` is no address of a server: expected `https://HOST:PORT`"),
            )
        };
        let (scheme, rest) = url.trim_end_matches('/').split_once("://").ok_or_else(wrong)?;
        let default = if scheme == "https" { 443 } else { 80 };
        let (host, port) = match rest.rsplit_once(':') {
            // The colons of an address of IPv6 are inside of brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, default),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { scheme: scheme.to_owned(), host: host.to_owned(), port })
    }
}

/// The mark on every query of a task's.
pub(super) fn mark(task: &str) -> String {
    format!("asgard task {task}")
}

/// Path and content of each file. `environment` and `task` are named in it.
///
/// # Errors
/// `invalid-input` for an address that is none.
pub fn files(
    configuration: &Configuration,
    model: &GoldModel,
    prepared: &Prepared,
    environment: &str,
    task: &str,
) -> Result<Vec<(String, String)>> {
    let url = configuration.job.as_ref().and_then(|job| job.url.as_deref()).unwrap_or(&configuration.url);
    let catalog = configuration.session_catalog(prepared.settings.materialization);
    let profile = profile(configuration, &Address::parse(url)?, catalog, model, environment, task);
    let file = |path: &str, content: String| (path.to_owned(), content);
    let (macros, sql) = parted(&model.sql);
    let mut files = vec![
        file("dbt_project.yml", yaml::document(&project(configuration, task))),
        file("profiles.yml", yaml::document(&profile)),
        (format!("models/gold/{}.sql", model.name), body(configuration, catalog, model, &sql, prepared)),
        file("models/gold/schema.yml", yaml::document(&schema(model, prepared))),
        file("models/sources.yml", yaml::document(&sources(catalog, prepared))),
        file("macros/asgard.sql", MACROS.replace("@TABLES@", &references(model, prepared))),
        file(RUNNER, RUN.to_owned()),
    ];
    if !macros.is_empty() {
        files.push((format!("macros/{}.sql", model.name), in_catalog(&macros, catalog)));
    }
    if model.sql.contains("dbt_utils") {
        let package =
            json!({ "name": "dbt_utils", "version": "1.0.0", "config-version": 2, "macro-paths": ["macros"] });
        files.push(file("dbt_packages/dbt_utils/dbt_project.yml", yaml::document(&package)));
        files.push(file("dbt_packages/dbt_utils/macros/dbt_utils.sql", DBT_UTILS.to_owned()));
    }
    Ok(files)
}

/// The macros of a model, and the rest of it.
fn parted(sql: &str) -> (String, String) {
    let (mut macros, mut rest, mut left) = (String::new(), String::new(), sql);
    while let Some((start, end)) = first_macro(left) {
        rest.push_str(left.get(..start).unwrap_or_default());
        macros.push_str(left.get(start..end).unwrap_or_default());
        macros.push('\n');
        left = left.get(end..).unwrap_or_default();
    }
    rest.push_str(left);
    (macros, rest)
}

/// Where the first macro starts and ends.
fn first_macro(sql: &str) -> Option<(usize, usize)> {
    let tag = |from: usize, name: &str| {
        sql.get(from..)?.match_indices("{%").map(|(at, _)| from + at).find(|at| {
            let words = sql.get(at + 2..).unwrap_or_default();
            let words = words.trim_start_matches(['-', '+']).trim_start();
            words.strip_prefix(name).is_some_and(|after| after.starts_with([' ', '\t', '\n', '\r', '-', '+', '%']))
        })
    };
    let start = tag(0, "macro")?;
    let last = tag(start, "endmacro")?;
    let end = last + sql.get(last..)?.find("%}")? + 2;
    Some((start, end))
}

fn project(configuration: &Configuration, task: &str) -> Value {
    json!({
        "name": PROJECT,
        "version": "1.0.0",
        "config-version": 2,
        "profile": PROJECT,
        "model-paths": ["models"],
        "macro-paths": ["macros"],
        "query-comment": { "comment": mark(task), "append": false },
        "vars": configuration.vars,
        "models": { PROJECT: {
            // One statement replaces a table, where renaming takes two and leaves none in between.
            "+on_table_exists": "replace",
            "+on_schema_change": "append_new_columns",
            "+persist_docs": { "relation": true },
        }},
        // dbt-trino does not look at certificates unless it is told to.
        "flags": { "send_anonymous_usage_stats": false, "require_certificate_validation": true },
    })
}

fn profile(
    configuration: &Configuration,
    address: &Address,
    catalog: &str,
    model: &GoldModel,
    environment: &str,
    task: &str,
) -> Value {
    let (method, secret) = match configuration.authentication {
        Authentication::None => ("none", None),
        Authentication::Ldap => ("ldap", Some("password")),
        Authentication::Jwt => ("jwt", Some("jwt_token")),
    };
    let mut output = json!({
        "type": "trino",
        "method": method,
        "user": literal(&configuration.user),
        "host": literal(&address.host),
        "port": address.port,
        "http_scheme": address.scheme,
        "database": literal(catalog),
        "schema": model.target.namespace,
        "timezone": "UTC",
        "threads": 1,
        "client_tags": ["asgard", format!("environment:{environment}"), format!("task:{task}")],
        "session_properties": configuration.session,
    });
    if let (true, Some(fields)) = (address.scheme == "https", output.as_object_mut()) {
        fields.insert("cert".to_owned(), json!(true));
    }
    if let (Some(name), Some(fields)) = (secret, output.as_object_mut()) {
        fields.insert(name.to_owned(), json!(format!("{{{{ env_var('{SECRET}') }}}}")));
    }
    json!({ PROJECT: { "target": environment, "outputs": { environment: output } } })
}

/// The model as it was sent. Its settings are settled already, so where it says some itself they are repeated behind them: of
/// two, dbt takes the last.
fn body(configuration: &Configuration, catalog: &str, model: &GoldModel, sql: &str, prepared: &Prepared) -> String {
    let sql = in_catalog(sql.trim(), catalog);
    let sql = sql.trim_end_matches(|end: char| end == ';' || end.is_whitespace());
    let config = config(configuration, model, prepared);
    if prepared.config.is_empty() { format!("{config}\n{sql}\n") } else { format!("{sql}\n{config}\n") }
}

fn config(configuration: &Configuration, model: &GoldModel, prepared: &Prepared) -> String {
    let settings = &prepared.settings;
    let mut config: Vec<(&str, Value)> = vec![
        ("materialized", json!(materialization_name(settings.materialization))),
        ("alias", json!(model.target.name)),
    ];
    // See `branch`: where it is, and the session that it is made in, are of two catalogs.
    if configuration.session_catalog(settings.materialization) != configuration.catalog {
        config.push(("database", json!(configuration.catalog)));
    }
    if settings.materialization == Materialization::Incremental {
        let strategy = match settings.strategy {
            IncrementalStrategy::Append => "append",
            IncrementalStrategy::Merge => "merge",
            IncrementalStrategy::DeleteInsert => "delete+insert",
        };
        config.push(("incremental_strategy", json!(strategy)));
        if !settings.unique_key.is_empty() {
            config.push(("unique_key", json!(settings.unique_key)));
        }
    }
    if settings.materialization != Materialization::View {
        let properties = statements::properties(model, prepared, configuration.table_properties);
        if !properties.is_empty() {
            let properties: Map<String, Value> =
                properties.into_iter().map(|(name, value)| (name, json!(value))).collect();
            config.push(("properties", Value::Object(properties)));
        }
    }
    let config: Vec<String> = config.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{{ config({}) }}}}", config.join(", "))
}

fn schema(model: &GoldModel, prepared: &Prepared) -> Value {
    let settings = &prepared.settings;
    let mut described = json!({
        "name": model.name,
        "config": { "tags": settings.tags, "meta": { "owner": literal(&settings.owner) } },
    });
    if let (Some(description), Some(fields)) = (&settings.description, described.as_object_mut()) {
        fields.insert("description".to_owned(), json!(literal(description)));
    }
    json!({ "version": 2, "models": [described] })
}

fn sources(catalog: &str, prepared: &Prepared) -> Value {
    let namespaces = ["bronze", "silver", "gold"].into_iter().filter_map(|namespace| {
        let tables = prepared.tables.iter().filter(|table| table.namespace == namespace);
        let tables: Vec<Value> = tables.map(|table| json!({ "name": table.name })).collect();
        (!tables.is_empty())
            .then(|| json!({ "name": namespace, "database": literal(catalog), "schema": namespace, "tables": tables }))
    });
    json!({ "version": 2, "sources": namespaces.collect::<Vec<_>>() })
}

/// What `ref` may name, as a literal: name -> namespace and table.
fn references(model: &GoldModel, prepared: &Prepared) -> String {
    let named = model.models.iter().filter(|(_, table)| prepared.tables.contains(table));
    let named: Map<String, Value> =
        named.map(|(name, table)| (name.clone(), json!([table.namespace, table.name]))).collect();
    Value::Object(named).to_string()
}

/// A text in a place whose Jinja dbt renders.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, mark) = rest.split_at(at);
        out.push_str(before);
        let (mark, after) = mark.split_at(2);
        out.push_str("{{ '");
        out.push_str(mark);
        out.push_str("' }}");
        rest = after;
    }
    out.push_str(rest);
    out
}
