//! A model's settings: the request's, completed by the model's own `config(…)`.
//!
//! A request that leaves a setting at its default says nothing about it, so the model's value counts. Where both say
//! something, and not the same, there is no telling which is meant: an error names both.

use asgard_sdk::json::{Map, Value};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};
use asgard_sdk::{Error, Result};

/// The owner that a request names when it names none.
const DEFAULT_OWNER: &str = "dbt";
/// Settings that would run SQL of their own. Ignoring them would leave work undone without a word.
const HOOKS: [&str; 4] = ["pre_hook", "post_hook", "pre-hook", "post-hook"];

/// What counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub materialization: Materialization,
    pub strategy: IncrementalStrategy,
    pub unique_key: Vec<String>,
    pub tags: Vec<String>,
    pub owner: String,
    pub description: Option<String>,
    /// Partitions and order of the table: `partitioning` and `sorted_by`, lists with commas.
    pub layout: Vec<(&'static str, String)>,
    /// The rest of dbt-trino's `properties`: what an Iceberg connector's `WITH (…)` takes, as it is written.
    pub properties: Vec<(String, String)>,
    /// Names of settings that mean nothing here; an engine may know them, or says in its log that it does not.
    pub unknown: Vec<String>,
}

impl Settings {
    /// The settings of a model with what its `config` said.
    ///
    /// # Errors
    /// `invalid-input` for a wrong or contradicted value, `unsupported` for what dbt has and this plugin has not.
    pub fn settle(model: &GoldModel, config: &Map<String, Value>) -> Result<Self> {
        let mut settings = Self {
            materialization: model.materialization,
            strategy: model.incremental_strategy,
            unique_key: model.unique_key.clone(),
            tags: model.tags.clone(),
            owner: model.owner.clone(),
            description: model.description.clone(),
            layout: Vec::new(),
            properties: Vec::new(),
            unknown: Vec::new(),
        };
        for (key, value) in config {
            settings.take(model, key, value)?;
        }
        let by_key = settings.materialization == Materialization::Incremental
            && settings.strategy != IncrementalStrategy::Append;
        if by_key && settings.unique_key.is_empty() {
            return Err(Error::invalid("unique_key", "merge and delete_insert find rows by a key: name its columns"));
        }
        Ok(settings)
    }

    /// As the API writes it.
    pub fn materialization_name(&self) -> &'static str {
        materialization_name(self.materialization)
    }

    /// What a table tells about the model that it is of, to every engine that reads it.
    pub fn origin(&self, model: &str) -> Vec<(&'static str, String)> {
        let mut origin = vec![
            ("asgard.model", model.to_owned()),
            ("asgard.owner", self.owner.clone()),
            ("asgard.materialization", self.materialization_name().to_owned()),
        ];
        if !self.tags.is_empty() {
            origin.push(("asgard.tags", self.tags.join(",")));
        }
        origin
    }

    fn take(&mut self, model: &GoldModel, key: &str, value: &Value) -> Result<()> {
        match key {
            "materialized" => self.take_materialization(value)?,
            "incremental_strategy" => self.take_strategy(value)?,
            "unique_key" => {
                let named = texts(key, value)?;
                if !self.unique_key.is_empty() && self.unique_key != named {
                    return Err(contradiction(key, &self.unique_key.join(", "), &named.join(", ")));
                }
                self.unique_key = named;
            }
            "tags" => {
                for tag in texts(key, value)? {
                    if !self.tags.contains(&tag) {
                        self.tags.push(tag);
                    }
                }
            }
            "description" => {
                self.description.get_or_insert(text(key, value)?);
            }
            "meta" => {
                if let Some(owner) = value.get("owner").and_then(Value::as_str)
                    && self.owner == DEFAULT_OWNER
                {
                    owner.clone_into(&mut self.owner);
                }
            }
            "partition_by" => self.layout.push(("partitioning", texts(key, value)?.join(", "))),
            "sorted_by" => self.layout.push(("sorted_by", texts(key, value)?.join(", "))),
            // As dbt-trino has it: what the connector's `WITH (…)` takes.
            "properties" if value.is_object() => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match name.as_str() {
                        "partitioning" => self.layout.push(("partitioning", text(key, value)?)),
                        "sorted_by" => self.layout.push(("sorted_by", text(key, value)?)),
                        other => self.properties.push((other.to_owned(), text(key, value)?)),
                    }
                }
            }
            "alias" => same(key, &text(key, value)?, &model.target.name)?,
            "schema" => same(key, &text(key, value)?, &model.target.namespace)?,
            "database" => same(key, &text(key, value)?, super::relation::CATALOG)?,
            "enabled" => {
                if value == &Value::Bool(false) {
                    return Err(Error::invalid("sql_query", "the model's config says `enabled=false`: it is not run"));
                }
            }
            hook if HOOKS.contains(&hook) => {
                return Err(Error::Unsupported(format!("a model is one query here: `{hook}` cannot be run")));
            }
            other => self.unknown.push(other.to_owned()),
        }
        Ok(())
    }

    fn take_materialization(&mut self, value: &Value) -> Result<()> {
        let named = match text("materialized", value)?.as_str() {
            "table" => Materialization::Table,
            "view" => Materialization::View,
            "incremental" => Materialization::Incremental,
            other @ ("ephemeral" | "materialized_view" | "snapshot") => {
                return Err(Error::Unsupported(format!(
                    "there are no `{other}` models here: use table, view or incremental"
                )));
            }
            other => {
                return Err(Error::invalid(
                    "sql_query",
                    format!("config `materialized` is `{other}`: expected table, view or incremental"),
                ));
            }
        };
        if self.materialization != Materialization::Table && self.materialization != named {
            return Err(contradiction("materialization", self.materialization_name(), materialization_name(named)));
        }
        self.materialization = named;
        Ok(())
    }

    fn take_strategy(&mut self, value: &Value) -> Result<()> {
        let written = text("incremental_strategy", value)?;
        let named = match written.as_str() {
            "append" => IncrementalStrategy::Append,
            "merge" => IncrementalStrategy::Merge,
            // dbt writes it with a plus.
            "delete+insert" | "delete_insert" => IncrementalStrategy::DeleteInsert,
            other => {
                return Err(Error::invalid(
                    "sql_query",
                    format!("config `incremental_strategy` is `{other}`: expected append, merge or delete+insert"),
                ));
            }
        };
        if self.strategy != IncrementalStrategy::Append && self.strategy != named {
            let asked = if self.strategy == IncrementalStrategy::Merge { "merge" } else { "delete_insert" };
            return Err(contradiction("incremental_strategy", asked, &written));
        }
        self.strategy = named;
        Ok(())
    }
}

/// As the API and dbt write it.
pub fn materialization_name(materialization: Materialization) -> &'static str {
    match materialization {
        Materialization::Table => "table",
        Materialization::View => "view",
        Materialization::Incremental => "incremental",
    }
}

fn contradiction(field: &str, request: &str, model: &str) -> Error {
    Error::invalid(
        field,
        format!("the request says `{request}` and the model's config says `{model}`: leave one of them out"),
    )
}

fn same(key: &str, named: &str, target: &str) -> Result<()> {
    if named.eq_ignore_ascii_case(target) {
        return Ok(());
    }
    Err(Error::invalid(
        "sql_query",
        format!("config `{key}` is `{named}`, but the result goes to `{target}`: a model's name says where it goes"),
    ))
}

fn text(key: &str, value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::invalid("sql_query", format!("config `{key}` is {value}: expected a text")))
}

/// One text or a list of them.
fn texts(key: &str, value: &Value) -> Result<Vec<String>> {
    match value {
        Value::Array(values) => values.iter().map(|value| text(key, value)).collect(),
        one => Ok(vec![text(key, one)?]),
    }
}
