//! The project that dbt is given.

use asgard_dbt::Existing;
use asgard_plugin_dbt_trino::dbt::{Address, files};
use asgard_plugin_dbt_trino::model::prepared;
use asgard_sdk::json::{Value, json};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};

use crate::recorded::{Recorded, configuration, incremental, model, with};

fn project(model: &GoldModel, more: &Value) -> Vec<(String, String)> {
    let configuration = configuration(&with(json!({"mode": "dbt"}), more));
    let prepared = prepared(&Recorded::default(), &configuration, model, Existing::Nothing).unwrap();
    files(&configuration, model, &prepared, "production", "t-1").unwrap()
}

pub(crate) fn file(files: &[(String, String)], path: &str) -> String {
    let known: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let found = files.iter().find(|(known, _)| known == path);
    found.map(|(_, content)| content.clone()).unwrap_or_else(|| panic!("{path} is not among {known:?}"))
}

#[test]
fn a_project_has_dbts_usual_layout() {
    let mut asked = model();
    asked.sql = "SELECT id FROM {{ ref('t') }} JOIN {{ source('bronze', 'log') }} USING (id)".to_owned();
    asked.description = Some("Uses {{ ref }} and {% if %}".to_owned());
    asked.tags = vec!["nightly".to_owned()];
    asked.owner = "ops".to_owned();
    let files = project(&asked, &json!({"vars": {"since": "2024-01-01"}}));
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "dbt_project.yml",
            "profiles.yml",
            "models/gold/Totals.sql",
            "models/gold/schema.yml",
            "models/sources.yml",
            "macros/asgard.sql",
            "asgard_run.py",
        ]
    );
    let settings = file(&files, "dbt_project.yml");
    assert!(settings.contains("comment: \"asgard task t-1\""), "{settings}");
    assert!(settings.contains("+on_table_exists: \"replace\""), "{settings}");
    assert!(settings.contains("since: \"2024-01-01\""), "{settings}");
    let schema = file(&files, "models/gold/schema.yml");
    assert!(schema.contains("owner: \"ops\"") && schema.contains("- \"nightly\""), "{schema}");
    assert!(schema.contains("Uses {{ '{{' }} ref }} and {{ '{%' }} if %}"), "{schema}");
    let sources = file(&files, "models/sources.yml");
    assert!(sources.contains("name: \"silver\"") && sources.contains("- name: \"t\""), "{sources}");
    assert!(sources.contains("name: \"bronze\"") && sources.contains("- name: \"log\""), "{sources}");
    assert!(file(&files, "macros/asgard.sql").contains(r#"{"t":["silver","t"]}"#));
}

#[test]
fn a_model_goes_as_it_was_sent_with_its_settings() {
    let mut plain = incremental(IncrementalStrategy::DeleteInsert, &["id"]);
    plain.sql.push_str(" ;\n");
    let body = file(&project(&plain, &json!({"catalog": "lake"})), "models/gold/Totals.sql");
    assert_eq!(
        body,
        r#"{{ config(materialized="incremental", alias="totals", incremental_strategy="delete+insert", unique_key=["id"]) }}
SELECT id, v, 'a' AS word FROM silver.t
"#
    );
    // Of two, dbt takes the last: the settled one.
    let mut own = model();
    own.materialization = Materialization::Table;
    own.sql = "{{ config(partition_by='day(at)') }}SELECT 1 AS id".to_owned();
    let body = file(&project(&own, &json!({"table_properties": true})), "models/gold/Totals.sql");
    let (first, last) = body.split_once('\n').unwrap();
    assert_eq!(first, "{{ config(partition_by='day(at)') }}SELECT 1 AS id");
    assert!(last.contains(r#""partitioning":"ARRAY['day(at)']""#) && last.contains("'asgard.owner'"), "{last}");
}

#[test]
fn the_profile_has_the_address_and_no_password() {
    let more =
        json!({"url": "https://trino.example.com:8443/", "user": "gold", "authentication": "ldap", "catalog": "lake"});
    let profile = file(&project(&model(), &more), "profiles.yml");
    for line in [
        "method: \"ldap\"",
        "host: \"trino.example.com\"",
        "port: 8443",
        "http_scheme: \"https\"",
        "database: \"lake\"",
        "schema: \"gold\"",
        "cert: true",
        "target: \"production\"",
        r#"password: "{{ env_var('DBT_ENV_SECRET_TRINO') }}""#,
    ] {
        assert!(profile.contains(line), "{line} is not in\n{profile}");
    }
}

#[test]
fn addresses_are_read_in_their_parts() {
    for (url, scheme, host, port) in [
        ("http://127.0.0.1:8080", "http", "127.0.0.1", 8080),
        ("https://trino", "https", "trino", 443),
        ("http://[::1]", "http", "[::1]", 80),
        ("http://[::1]:8080/", "http", "[::1]", 8080),
    ] {
        let expected = Address { scheme: scheme.to_owned(), host: host.to_owned(), port };
        assert_eq!(Address::parse(url).unwrap(), expected);
    }
    for wrong in ["trino:8080", "http://", "http://trino:port"] {
        assert!(Address::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn macros_go_where_dbt_reads_them_and_dbt_utils_comes_along_where_it_is_named() {
    let mut asked = model();
    asked.sql = "{% macro half(x) -%} {{ x }} / 2 {%- endmacro -%}\n\
                 {%- macro key() %}{{ dbt_utils.generate_surrogate_key(['id']) }}{% endmacro %}\n\
                 SELECT {{ half('id') }} AS h, {{ key() }} AS k FROM {{ ref('t') }}"
        .to_owned();
    let files = project(&asked, &json!({}));
    let own = file(&files, "macros/Totals.sql");
    assert!(own.starts_with("{% macro half(x)") && own.trim_end().ends_with("{% endmacro %}"), "{own}");
    let body = file(&files, "models/gold/Totals.sql");
    assert!(!body.contains("macro") && body.contains("SELECT {{ half('id') }} AS h, {{ key() }} AS k"), "{body}");
    assert!(file(&files, "dbt_packages/dbt_utils/dbt_project.yml").contains("name: \"dbt_utils\""));
    assert!(file(&files, "dbt_packages/dbt_utils/macros/dbt_utils.sql").contains("macro generate_surrogate_key("));
}
