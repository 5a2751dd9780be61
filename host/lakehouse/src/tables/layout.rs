//! How a table's rows are laid out in files: partitions, order, size.
//!
//! Partitions are hidden, as always in Iceberg: they are made of columns by a transform, and a filter on the column is enough
//! to skip files. What is written as text, here and in answers:
//!
//! | text | rows of one file have the same |
//! | --- | --- |
//! | `region` | value |
//! | `year(at)`, `month(at)`, `day(at)`, `hour(at)` | year, month, … |
//! | `bucket(id, 16)` | remainder of the value's hash; Spark's `bucket(16, id)` is the same |
//! | `truncate(name, 4)` | first characters, or multiple of the width |
//!
//! An order is columns with `ASC` or `DESC`, and `NULLS FIRST` or `NULLS LAST`; rows of one file are in it.

use std::sync::Arc;

use asgard_contract::{Error, Result};
use iceberg::spec::{
    NullOrder, PartitionSpec, PartitionSpecRef, Schema, SortDirection, SortField, SortOrder, SortOrderRef,
    TableMetadata, TableMetadataBuilder, Transform, UnboundPartitionSpec,
};

use super::evolution;
use crate::error;

/// The property in which Iceberg's tables say how large files are to be.
pub(crate) const TARGET_FILE_BYTES: &str = "write.target-file-size-bytes";

/// Large enough that a table of millions of rows is a handful of files, small enough that a merge rewrites little.
const DEFAULT_FILE_BYTES: u64 = 128 << 20;

/// Smaller files cost more to open than to read.
const SMALLEST_FILE_BYTES: u64 = 1 << 20;

/// Iceberg's own default for tables of other writers is 512 MiB: larger is a mistake, and would be held in memory by readers.
const LARGEST_FILE_BYTES: u64 = 2 << 30;

/// What a writer of data files follows.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) spec: PartitionSpecRef,
    pub(crate) order: SortOrderRef,
    pub(crate) file_bytes: usize,
}

impl Layout {
    /// That of a table as it is now.
    pub(crate) fn of(metadata: &TableMetadata) -> Self {
        Self {
            spec: Arc::clone(metadata.default_partition_spec()),
            order: Arc::clone(metadata.default_sort_order()),
            file_bytes: usize::try_from(target_file_bytes(metadata)).unwrap_or(usize::MAX),
        }
    }

    /// That of files which are written anew before they are committed: one after the other, with the rows as they come, whatever
    /// partitions and order the table has. The table's own where that is the same.
    pub(crate) fn as_rows_come(&self) -> Self {
        if self.keeps_rows_as_they_come() {
            return self.clone();
        }
        Self {
            spec: Arc::new(PartitionSpec::unpartition_spec()),
            order: Arc::new(SortOrder::unsorted_order()),
            file_bytes: self.file_bytes,
        }
    }

    /// Whether files and their rows are in the order in which the rows are written: they are neither split nor sorted.
    pub(crate) fn keeps_rows_as_they_come(&self) -> bool {
        self.spec.is_unpartitioned() && self.order.is_unsorted()
    }

    /// Whether files of the one are where the other would put them.
    pub(crate) fn same_files(&self, other: &Self) -> bool {
        self.spec.spec_id() == other.spec.spec_id() && self.spec.fields() == other.spec.fields()
    }
}

/// The size that files of a table are to have.
pub(crate) fn target_file_bytes(metadata: &TableMetadata) -> u64 {
    let asked = metadata.properties().get(TARGET_FILE_BYTES).and_then(|text| text.parse::<u64>().ok());
    asked.unwrap_or(DEFAULT_FILE_BYTES).clamp(SMALLEST_FILE_BYTES, LARGEST_FILE_BYTES)
}

/// A layout that is asked for; none = as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) partitioning: Option<Vec<String>>,
    pub(crate) sorted_by: Option<Vec<String>>,
}

impl Wanted {
    /// Takes `partitioning` and `sorted_by` out of a write's properties; both are lists, as Trino's dbt writes them
    /// (`ARRAY['day(at)', 'region']`) or with commas alone.
    pub(crate) fn take(properties: &mut Vec<(String, String)>) -> Self {
        let mut wanted = Self::default();
        properties.retain(|(name, value)| {
            match name.as_str() {
                "partitioning" => wanted.partitioning = Some(list(value)),
                "sorted_by" => wanted.sorted_by = Some(list(value)),
                _ => return true,
            }
            false
        });
        wanted
    }

    /// Puts it into a table's next metadata, whose schema is set already. What refers to columns that are gone is left out
    /// where nothing is asked for.
    ///
    /// # Errors
    /// `invalid-input` for `partitioning` or `sorted_by`.
    pub(crate) fn apply(
        &self,
        builder: TableMetadataBuilder,
        schema: &Schema,
        now: Option<&TableMetadata>,
    ) -> Result<TableMetadataBuilder> {
        let mut builder = builder;
        let spec = match (&self.partitioning, now) {
            (Some(asked), _) => Some(partitioning(asked, schema)?),
            (None, Some(now)) => still_possible(now.default_partition_spec(), schema)?,
            (None, None) => None,
        };
        if let Some(spec) = spec {
            builder = builder
                .add_default_partition_spec(spec)
                .map_err(|error| Error::invalid("partitioning", error.message().to_owned()))?;
        }
        let order = match (&self.sorted_by, now) {
            (Some(asked), _) => Some(sort_order(asked, schema)?),
            (None, Some(now)) => {
                let order = now.default_sort_order();
                let lost = order.fields.iter().any(|field| schema.field_by_id(field.source_id).is_none());
                lost.then(SortOrder::unsorted_order)
            }
            (None, None) => None,
        };
        if let Some(order) = order {
            builder = builder
                .add_sort_order(order)
                .and_then(|builder| builder.set_default_sort_order(i64::from(TableMetadataBuilder::LAST_ADDED)))
                .map_err(|error| Error::invalid("sorted_by", error.message().to_owned()))?;
        }
        Ok(builder)
    }
}

/// The specification without fields whose column is gone or has a type that the transform does not take; none = all fit.
fn still_possible(spec: &PartitionSpec, schema: &Schema) -> Result<Option<UnboundPartitionSpec>> {
    let fits = |field: &&iceberg::spec::PartitionField| {
        schema
            .field_by_id(field.source_id)
            .is_some_and(|column| field.transform.result_type(&column.field_type).is_ok())
    };
    if spec.fields().iter().all(|field| fits(&field)) {
        return Ok(None);
    }
    let mut rest = UnboundPartitionSpec::builder();
    for field in spec.fields().iter().filter(fits) {
        rest = rest
            .add_partition_field(field.source_id, &field.name, field.transform)
            .map_err(error::iceberg("changing a table's partitions"))?;
    }
    Ok(Some(rest.build()))
}

/// Reads partition fields.
///
/// # Errors
/// `invalid-input` for `partitioning`.
pub(crate) fn partitioning(fields: &[String], schema: &Schema) -> Result<UnboundPartitionSpec> {
    let refused = |text: &str, why: String| Error::invalid("partitioning", format!("`{text}`: {why}"));
    let mut spec = UnboundPartitionSpec::builder();
    for text in fields {
        let (column, transform, suffix) = transform(text).map_err(|why| refused(text, why))?;
        let field = column_named(schema, column).map_err(|why| refused(text, why))?;
        if transform.result_type(&field.field_type).is_err() {
            let why =
                format!("a column of type {} is not partitioned like that", crate::types::format(&field.field_type));
            return Err(refused(text, why));
        }
        let dotted = schema.name_by_field_id(field.id).unwrap_or(&field.name).replace('.', "_");
        let name = if suffix.is_empty() { dotted } else { format!("{dotted}_{suffix}") };
        spec = spec
            .add_partition_field(field.id, name, transform)
            .map_err(|error| refused(text, error.message().to_owned()))?;
    }
    Ok(spec.build())
}

type Parsed<'a> = std::result::Result<(&'a str, Transform, &'static str), String>;

fn transform(text: &str) -> Parsed<'_> {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('(') else { return Ok((unquoted(text), Transform::Identity, "")) };
    let arguments = rest.strip_suffix(')').ok_or("expected `)` at the end")?;
    let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let one = || match arguments.as_slice() {
        [column] => Ok(unquoted(column)),
        _ => Err("expected one column in parentheses".to_owned()),
    };
    let two = || {
        let [first, second] = arguments.as_slice() else { return Err("expected a column and a number".to_owned()) };
        // Trino writes the column first, Spark the number.
        let (column, number) = match first.parse::<u32>() {
            Ok(number) => (*second, number),
            Err(_) => (*first, second.parse().map_err(|_| format!("`{second}` is no number"))?),
        };
        if number == 0 { Err("the number must not be 0".to_owned()) } else { Ok((unquoted(column), number)) }
    };
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "identity" => (one()?, Transform::Identity, ""),
        "year" | "years" => (one()?, Transform::Year, "year"),
        "month" | "months" => (one()?, Transform::Month, "month"),
        "day" | "days" | "date" => (one()?, Transform::Day, "day"),
        "hour" | "hours" => (one()?, Transform::Hour, "hour"),
        "bucket" => {
            let (column, number) = two()?;
            (column, Transform::Bucket(number), "bucket")
        }
        "truncate" => {
            let (column, number) = two()?;
            (column, Transform::Truncate(number), "trunc")
        }
        other => {
            return Err(format!(
                "there is no transform `{other}`: expected a column, or year, month, day, hour, bucket(column, n) or truncate(column, n) of one"
            ));
        }
    })
}

/// Reads a sort order.
///
/// # Errors
/// `invalid-input` for `sorted_by`.
pub(crate) fn sort_order(fields: &[String], schema: &Schema) -> Result<SortOrder> {
    let refused = |text: &str, why: String| Error::invalid("sorted_by", format!("`{text}`: {why}"));
    let mut order = SortOrder::builder();
    for text in fields {
        let lower = text.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let (direction, nulls) = match words.get(1..).unwrap_or_default() {
            [] | ["asc"] => (SortDirection::Ascending, None),
            ["desc"] => (SortDirection::Descending, None),
            ["nulls", nulls] | ["asc", "nulls", nulls] => (SortDirection::Ascending, Some(*nulls)),
            ["desc", "nulls", nulls] => (SortDirection::Descending, Some(*nulls)),
            _ => {
                return Err(refused(
                    text,
                    "expected a column, then ASC or DESC, then NULLS FIRST or NULLS LAST".into(),
                ));
            }
        };
        let null_order = match (nulls, direction) {
            (Some("first"), _) | (None, SortDirection::Ascending) => NullOrder::First,
            (Some("last"), _) | (None, SortDirection::Descending) => NullOrder::Last,
            (Some(other), _) => return Err(refused(text, format!("`NULLS {other}`: expected FIRST or LAST"))),
        };
        let column = unquoted(text.split_whitespace().next().unwrap_or_default());
        let field = column_named(schema, column).map_err(|why| refused(text, why))?;
        if !field.field_type.is_primitive() {
            return Err(refused(text, "rows are sorted by plain values".to_owned()));
        }
        if schema.as_struct().field_by_id(field.id).is_none() {
            return Err(refused(text, "rows are not sorted by a part of a column".to_owned()));
        }
        let field = SortField::builder()
            .source_id(field.id)
            .transform(Transform::Identity)
            .direction(direction)
            .null_order(null_order)
            .build();
        order.with_sort_field(field);
    }
    if fields.is_empty() {
        return Ok(SortOrder::unsorted_order());
    }
    order.with_order_id(1).build(schema).map_err(|error| Error::invalid("sorted_by", error.message().to_owned()))
}

fn column_named<'a>(schema: &'a Schema, name: &str) -> std::result::Result<&'a iceberg::spec::NestedFieldRef, String> {
    let found = schema.field_by_name(name).or_else(|| schema.field_by_name_case_insensitive(name));
    found.ok_or_else(|| evolution::no_column(schema, name))
}

fn unquoted(name: &str) -> &str {
    name.trim().trim_matches(['"', '`', '\''])
}

/// `ARRAY['a', 'bucket(b, 4)']`, `["a"]`, or `a, bucket(b, 4)`: commas in parentheses do not part.
fn list(text: &str) -> Vec<String> {
    let text = text.trim();
    let text = text.strip_prefix("ARRAY").or_else(|| text.strip_prefix("array")).unwrap_or(text).trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let (mut parts, mut depth, mut part) = (Vec::new(), 0_i32, String::new());
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part);
    parts
        .iter()
        .map(|part| part.trim().trim_matches(['\'', '"']).trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Partition fields as text.
pub(crate) fn shown_partitioning(spec: &PartitionSpec, schema: &Schema) -> Vec<String> {
    let fields = spec.fields().iter();
    fields
        .map(|field| {
            let source = schema.name_by_field_id(field.source_id).unwrap_or(&field.name);
            match field.transform {
                Transform::Identity => source.to_owned(),
                Transform::Bucket(number) => format!("bucket({source}, {number})"),
                Transform::Truncate(number) => format!("truncate({source}, {number})"),
                other => format!("{other}({source})"),
            }
        })
        .collect()
}

/// A sort order as text.
pub(crate) fn shown_order(order: &SortOrder, schema: &Schema) -> Vec<String> {
    let shown = |field: &SortField| {
        let source = schema.name_by_field_id(field.source_id).unwrap_or("?");
        let value = match field.transform {
            Transform::Identity => source.to_owned(),
            other => format!("{other}({source})"),
        };
        let direction = if field.direction == SortDirection::Ascending { "ASC" } else { "DESC" };
        let nulls = if field.null_order == NullOrder::First { "FIRST" } else { "LAST" };
        format!("{value} {direction} NULLS {nulls}")
    };
    order.fields.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::evolution::created;
    use crate::types::{NewColumn, parse};

    fn schema() -> Schema {
        let columns = [("id", "long"), ("at", "timestamptz"), ("region", "string"), ("tags", "list<string>")];
        let column = |(name, text): (&str, &str)| NewColumn {
            name: name.to_owned(),
            field_type: parse(text).unwrap(),
            required: false,
            doc: None,
        };
        created(&columns.map(column)).unwrap()
    }

    #[test]
    fn partitions_are_read_in_trinos_and_in_sparks_words_and_shown_in_one() {
        let schema = schema();
        let asked = list("ARRAY['day(at)', 'bucket(id, 16)', 'region']");
        assert_eq!(asked, ["day(at)", "bucket(id, 16)", "region"]);
        let spec = partitioning(&asked, &schema).unwrap().bind(schema.clone()).unwrap();
        assert_eq!(shown_partitioning(&spec, &schema), asked);
        let names: Vec<&str> = spec.fields().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["at_day", "id_bucket", "region"]);
        let sparks = partitioning(&list("days(at), bucket(16, id), `region`"), &schema).unwrap().bind(schema.clone());
        assert_eq!(shown_partitioning(&sparks.unwrap(), &schema), asked);
    }

    #[test]
    fn what_is_no_partition_is_refused_in_words() {
        for (text, why) in [
            ("day(region)", "type string"),
            ("week(at)", "no transform `week`"),
            ("nothing", "no column `nothing`"),
            ("bucket(id)", "a column and a number"),
            ("bucket(id, 0)", "must not be 0"),
            ("tags", "type list<string>"),
            ("day(at", "expected `)`"),
        ] {
            let error = partitioning(&[text.to_owned()], &schema()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_order_reads_back_as_it_is_shown() {
        let schema = schema();
        let order = sort_order(&list("region, at desc nulls first"), &schema).unwrap();
        let shown = shown_order(&order, &schema);
        assert_eq!(shown, ["region ASC NULLS FIRST", "at DESC NULLS FIRST"]);
        assert_eq!(sort_order(&shown, &schema).unwrap().fields, order.fields);
        for bad in ["tags", "nothing", "region sideways", "region nulls middle"] {
            assert!(sort_order(&[bad.to_owned()], &schema).is_err(), "{bad}");
        }
    }
}
