//! Spark's functions of lists and maps, and those that take a lambda.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType::{Boolean, Int32, Int64};
use datafusion::logical_expr::ScalarUDF;

use crate::engine::functions::Function;
use crate::engine::functions::Kind::{Any, List, Text, Whole};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::{collections, lists, maps, sequences};
use crate::engine::lambdas;

/// See [`lambdas`].
const WITH_LAMBDA: [&str; 11] = [
    "transform",
    "filter",
    "exists",
    "forall",
    "aggregate",
    "reduce",
    "zip_with",
    "map_filter",
    "map_zip_with",
    "transform_keys",
    "transform_values",
];

pub(super) fn all() -> Vec<(&'static [&'static str], Arc<ScalarUDF>)> {
    let mut all: Vec<(&'static [&'static str], Arc<ScalarUDF>)> = vec![
        (
            &["array_position"],
            Function::new("array_position", &[List, Any], Always(Int64), collections::position).build(),
        ),
        (
            &["array_prepend"],
            Function::new("array_prepend", &[List, Any], By(collections::list_and_element), collections::prepended)
                .build(),
        ),
        (
            &["array_insert"],
            Function::new("array_insert", &[List, Whole, Any], By(collections::inserted_type), collections::inserted)
                .build(),
        ),
        (
            &["array_compact"],
            Function::new("array_compact", &[List], By(lists::same), collections::without_nulls).build(),
        ),
        (
            &["array_join"],
            Function::new("array_join", &[List, Text, Text], By(collections::joined_type), collections::joined)
                .optional(1)
                .build(),
        ),
        (&["array_size"], Function::new("array_size", &[List], Always(Int32), lists::size).build()),
        (
            &["$arrays_zip"],
            Function::new("arrays_zip", &[Any], By(collections::zipped_type), collections::zipped).build(),
        ),
        (
            &["sort_array"],
            Function::new("sort_array", &[List, Any], By(lists::same), collections::sorted_nulls_smallest)
                .optional(1)
                .build(),
        ),
        (
            &["array_sort"],
            Function::new("array_sort", &[List], By(lists::same), collections::sorted_nulls_last).build(),
        ),
        (
            &["arrays_overlap"],
            Function::new("arrays_overlap", &[List, List], Always(Boolean), collections::overlap).build(),
        ),
        (&["get"], Function::new("get", &[List, Whole], By(lists::element_type), lists::element_or_null).build()),
        (
            &["$element_at"],
            Function::new("element_at", &[Any, Any], By(lists::subscript_type), lists::spark_element).build(),
        ),
        (
            &["try_element_at"],
            Function::new("try_element_at", &[Any, Any], By(lists::subscript_type), lists::element).build(),
        ),
        (
            &["sequence"],
            Function::new("sequence", &[Any, Any, Any], By(sequences::spark_type), sequences::spark)
                .optional(1)
                .build(),
        ),
        (&["map"], Function::new("map", &[], By(maps::of_pairs_type), maps::of_pairs).rest(Any).build()),
        (&["map_concat"], Function::new("map_concat", &[], By(maps::together_type), maps::together).rest(Any).build()),
        (&["map_contains_key"], Function::new("map_contains_key", &[Any, Any], Always(Boolean), maps::has_key).build()),
        (&["map_entries"], Function::new("map_entries", &[Any], By(maps::entries_type), maps::entries).build()),
    ];
    all.extend(lambdas::without(&WITH_LAMBDA));
    all
}
