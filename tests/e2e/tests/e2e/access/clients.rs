//! Clients of the catalog, at a host that wants tokens.

use serde_json::json;

use super::{STARTED_WITH, closed, token};
use crate::iceberg::step_with;
use crate::world::{World, gold};

pub(super) fn attached(world: &World) {
    let host = closed(world, "access-clients", &[]);
    let made = "SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS t (n, word)";
    gold(&host.client().with_token(STARTED_WITH), "to_read", made).unwrap();
    let client = host.client();
    let [operator, viewer] = ["operator", "viewer"].map(|role| token(&client, role, role, None));
    let found = step_with(world, client.base(), "closed", &[&operator, &viewer]);

    let wants = "this wants the role `operator` in environment `local`; token:viewer has `viewer`";
    let unknown = "this is no token of this host";
    for (tried, words) in [
        ("append", ["ForbiddenException", wants]),
        ("create", ["ForbiddenException", wants]),
        ("drop", ["ForbiddenException", wants]),
        ("duckdb_insert", ["ForbiddenException", wants]),
        ("duckdb_create", ["ForbiddenException", wants]),
        // PyIceberg sends `Bearer None` where it was given no token.
        ("none", ["NotAuthorizedException", unknown]),
        ("unknown", ["NotAuthorizedException", unknown]),
        // DuckDB asks for the configuration first, and tells the status of that answer alone.
        ("duckdb_none", ["401", "Unauthorized"]),
        ("duckdb_unknown", ["401", "Unauthorized"]),
    ] {
        let told = found["refused"][tried].as_str().unwrap();
        assert!(words.iter().all(|word| told.contains(word)), "{tried}: {told}");
        assert!(![&operator, &viewer].iter().any(|token| told.contains(token.as_str())), "{tried}: {told}");
    }
    // What was refused has changed nothing.
    for (table, rows) in [
        ("gold.to_read", json!([[1, "one"], [2, "two"]])),
        ("silver.by_pyiceberg", json!([[1, "a"], [2, "b"], [3, "a"]])),
        ("silver.by_duckdb", json!([[1, "mallard"], [2, "teal"]])),
    ] {
        for reader in ["operator", "viewer", "secret", "pyiceberg operator", "pyiceberg viewer"] {
            assert_eq!(found["rows"][table][reader], rows, "{table} as {reader} reads it");
        }
    }
    host.stop().unwrap();
}
