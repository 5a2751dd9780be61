//! Pieces of Trino's SQL that joins and materialisation share.

use asgard_sdk::feature_source::{Dtype, Feature, FeatureView};
use asgard_sdk::{Column, Error, Result};

use crate::columns::{as_dtype, find, is_ordered};

/// The times to live above this are for ever: a century, which intervals still hold.
const LONGEST_TTL_SECONDS: u64 = 3_155_760_000;

/// A name as it is, whatever it contains.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A time as `timestamp with time zone`; one without a zone is in UTC.
pub fn moment(expression: &str, data_type: &str) -> String {
    match data_type {
        "timestamptz" => expression.to_owned(),
        "date" => format!("CAST(CAST({expression} AS TIMESTAMP(6)) AS TIMESTAMP(6) WITH TIME ZONE)"),
        _ => format!("CAST({expression} AS TIMESTAMP(6) WITH TIME ZONE)"),
    }
}

/// The seconds that a row of the view stays valid, if it does not stay so for ever.
pub fn time_to_live(view: &FeatureView) -> Option<u64> {
    (view.timestamp_field.is_some() && (1..=LONGEST_TTL_SECONDS).contains(&view.ttl_seconds))
        .then_some(view.ttl_seconds)
}

/// A view with the columns that its table has now.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub view: &'a FeatureView,
    pub columns: &'a [Column],
}

impl<'a> Source<'a> {
    /// A column of the table.
    ///
    /// # Errors
    /// `conflict` when the table lost it since the view was registered.
    pub fn column(&self, name: &str) -> Result<&'a Column> {
        find(self.columns, name).ok_or_else(|| {
            Error::Conflict(format!(
                "table `{}.{}` has no column `{name}` any more, and feature view `{}` needs it: register the view anew",
                self.view.source.namespace, self.view.source.name, self.view.name
            ))
        })
    }

    /// The event time, where the view has one.
    ///
    /// # Errors
    /// As [`Source::column`].
    pub fn event_time(&self) -> Result<Option<String>> {
        self.time(self.view.timestamp_field.as_deref())
    }

    /// When the row was made, where the view has that.
    ///
    /// # Errors
    /// As [`Source::column`].
    pub fn created(&self) -> Result<Option<String>> {
        self.time(self.view.created_timestamp_column.as_deref())
    }

    fn time(&self, name: Option<&str>) -> Result<Option<String>> {
        let Some(name) = name else { return Ok(None) };
        Ok(Some(moment(&quoted(name), &self.column(name)?.data_type)))
    }

    /// A feature in its dtype.
    ///
    /// # Errors
    /// As [`Source::column`].
    pub fn feature(&self, name: &str) -> Result<String> {
        let column = self.column(name)?;
        let dtype = self.view.features.iter().find(|feature| feature.name == name).map(|feature| feature.dtype);
        Ok(dtype.map_or_else(|| quoted(name), |dtype: Dtype| as_dtype(&quoted(name), &column.data_type, dtype)))
    }

    /// The entities' columns.
    pub fn entities(&self) -> Vec<String> {
        self.view.entities.iter().map(|entity| quoted(entity)).collect()
    }

    /// Rows that say of whom and when they are.
    ///
    /// # Errors
    /// As [`Source::column`].
    pub fn complete_rows(&self) -> Result<String> {
        let mut needed = self.entities();
        needed.extend(self.view.timestamp_field.as_deref().map(quoted));
        Ok(needed.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND "))
    }

    /// The order in which the latest row comes first. Rows that are equal in time are ordered by their features, so that the
    /// choice is the same each time.
    ///
    /// # Errors
    /// As [`Source::column`].
    pub fn latest_first(&self, features: &[String]) -> Result<String> {
        let mut order: Vec<String> = Vec::new();
        order.extend(self.event_time()?);
        order.extend(self.created()?);
        for name in features {
            if is_ordered(&self.column(name)?.data_type) {
                order.push(self.feature(name)?);
            }
        }
        if order.is_empty() {
            order = self.entities();
        }
        Ok(order.iter().map(|key| format!("{key} DESC NULLS LAST")).collect::<Vec<_>>().join(", "))
    }
}

/// All of a view's features.
pub fn names(features: &[Feature]) -> Vec<String> {
    features.iter().map(|feature| feature.name.clone()).collect()
}
