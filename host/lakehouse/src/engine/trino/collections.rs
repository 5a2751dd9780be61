//! Trino's functions of lists and maps, and those that take a lambda.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType::{Boolean, Int64, Utf8};
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
    "any_match",
    "all_match",
    "none_match",
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
            &["array_join"],
            Function::new("array_join", &[List, Text, Text], By(collections::joined_type), collections::joined)
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
        (&["contains"], Function::new("contains", &[List, Any], Always(Boolean), collections::contains).build()),
        (&["slice"], Function::new("slice", &[List, Whole, Whole], By(lists::same), collections::slice).build()),
        (
            &["trim_array"],
            Function::new("trim_array", &[List, Whole], By(lists::same), collections::without_last).build(),
        ),
        (&["map_entries"], Function::new("map_entries", &[Any], By(maps::unnamed_entries_type), maps::entries).build()),
        (&["$arrays_zip"], Function::new("zip", &[Any], By(collections::zipped_type), collections::zipped).build()),
        (&["reverse"], Function::new("reverse", &[Any], By(lists::list_or_text), lists::reversed).build()),
        (
            &["repeat"],
            Function::new("repeat", &[Any, Whole], By(collections::repeated_type), collections::repeated).build(),
        ),
        (
            &["ngrams"],
            Function::new("ngrams", &[List, Whole], By(collections::list_of_lists), collections::ngrams).build(),
        ),
        (
            &["combinations"],
            Function::new("combinations", &[List, Whole], By(collections::list_of_lists), collections::combinations)
                .build(),
        ),
        (
            &["sequence"],
            Function::new("sequence", &[Any, Any, Any], By(sequences::trino_type), sequences::trino)
                .optional(1)
                .build(),
        ),
        (&["element_at"], Function::new("element_at", &[Any, Any], By(lists::subscript_type), lists::element).build()),
        (&["cardinality"], Function::new("cardinality", &[Any], Always(Int64), lists::list_or_map_size).build()),
        (&["map"], Function::new("map", &[List, List], By(maps::of_lists_type), maps::of_lists).optional(2).build()),
        (
            &["map_concat"],
            Function::new("map_concat", &[Any, Any], By(maps::together_type), maps::together_last).rest(Any).build(),
        ),
        (
            &["map_from_entries"],
            Function::new("map_from_entries", &[List], By(maps::of_entries_type), maps::of_entries).build(),
        ),
        (
            &["split_to_map"],
            Function::new("split_to_map", &[Text, Text, Text], Always(maps::map_of(&Utf8, &Utf8)), maps::split).build(),
        ),
    ];
    all.extend(lambdas::without(&WITH_LAMBDA));
    all
}
