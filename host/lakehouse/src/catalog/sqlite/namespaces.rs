//! Namespaces and their properties, as rows of the catalog's file.

use std::collections::BTreeMap;

use asgard_contract::Result;

use super::{NAME, SqliteCatalog};
use crate::error;

/// The property by which SQL catalogs of Iceberg remember a namespace that has no others.
const EXISTS: &str = "exists";

impl SqliteCatalog {
    /// All namespaces, by name: those that were made, and those that only a table of another program is in.
    pub(crate) async fn namespaces(&self) -> Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1
             UNION SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1 ORDER BY 1",
        )
        .bind(NAME)
        .fetch_all(&self.pool)
        .await
        .map_err(error::catalog("listing namespaces"))
    }

    /// The properties of a namespace; none = there is none of that name.
    pub(crate) async fn namespace(&self, name: &str) -> Result<Option<BTreeMap<String, String>>> {
        if !self.namespaces().await?.iter().any(|known| known == name) {
            return Ok(None);
        }
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT property_key, property_value FROM iceberg_namespace_properties
             WHERE catalog_name = ? AND namespace = ? AND property_key <> ?",
        )
        .bind(NAME)
        .bind(name)
        .bind(EXISTS)
        .fetch_all(&self.pool)
        .await
        .map_err(error::catalog("reading a namespace"))?;
        Ok(Some(rows.into_iter().collect()))
    }

    /// False: there is one of that name.
    pub(crate) async fn create_namespace(&self, name: &str, properties: &BTreeMap<String, String>) -> Result<bool> {
        let what = || error::catalog("making a namespace");
        let mut transaction = self.pool.begin().await.map_err(what())?;
        let made = sqlx::query(
            "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
             SELECT ?1, ?2, ?3, 'true' WHERE NOT EXISTS
                (SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2)",
        )
        .bind(NAME)
        .bind(name)
        .bind(EXISTS)
        .execute(&mut *transaction)
        .await
        .map_err(what())?;
        if made.rows_affected() == 0 {
            return Ok(false);
        }
        for (key, value) in properties {
            put(&mut transaction, name, key, value).await?;
        }
        transaction.commit().await.map_err(what())?;
        Ok(true)
    }

    /// Sets some properties and removes others, all at once.
    pub(crate) async fn change_namespace(
        &self,
        name: &str,
        updates: &BTreeMap<String, String>,
        removals: &[String],
    ) -> Result<()> {
        let what = || error::catalog("changing a namespace");
        let mut transaction = self.pool.begin().await.map_err(what())?;
        for key in removals.iter().filter(|key| *key != EXISTS) {
            sqlx::query(
                "DELETE FROM iceberg_namespace_properties
                 WHERE catalog_name = ? AND namespace = ? AND property_key = ?",
            )
            .bind(NAME)
            .bind(name)
            .bind(key)
            .execute(&mut *transaction)
            .await
            .map_err(what())?;
        }
        for (key, value) in updates {
            put(&mut transaction, name, key, value).await?;
        }
        // A namespace that loses its last property is still there.
        put(&mut transaction, name, EXISTS, "true").await?;
        transaction.commit().await.map_err(what())
    }

    /// False: there is something in it.
    pub(crate) async fn drop_namespace(&self, name: &str) -> Result<bool> {
        let done = sqlx::query(
            "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2 AND NOT EXISTS
                (SELECT 1 FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2)",
        )
        .bind(NAME)
        .bind(name)
        .execute(&self.pool)
        .await
        .map_err(error::catalog("dropping a namespace"))?;
        Ok(done.rows_affected() > 0)
    }
}

async fn put(connection: &mut sqlx::SqliteConnection, namespace: &str, key: &str, value: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
         VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET property_value = excluded.property_value",
    )
    .bind(NAME)
    .bind(namespace)
    .bind(key)
    .bind(value)
    .execute(connection)
    .await
    .map_err(error::catalog("changing a namespace"))?;
    Ok(())
}
