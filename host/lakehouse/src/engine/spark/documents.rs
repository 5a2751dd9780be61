//! Spark's functions of JSON, CSV and variants.

use datafusion::arrow::datatypes::DataType::{Int32, Utf8};

use super::functions::function;
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text};
use crate::engine::functions::Returns::{Always, By, ByValues};
use crate::engine::functions::documents::{csv, json_functions as json};
use crate::engine::functions::{Function, text, variants};

pub(super) fn register(all: &mut Functions) {
    for (names, function) in [
        // JSON.
        (&["get_json_object"][..], function("get_json_object", &[Text, Text], Utf8, json::part)),
        (&["$json_member"], function("json_tuple", &[Text, Text], Utf8, json::member)),
        (&["json_array_length"], function("json_array_length", &[Text], Int32, json::list_length)),
        (&["json_object_keys"], function("json_object_keys", &[Text], text::text_list(), json::names)),
        (
            &["from_json"],
            Function::new("from_json", &[Text, Text, Any], ByValues(json::read_type), json::read).optional(1),
        ),
        (&["to_json"], Function::new("to_json", &[Any, Any], By(json::written_type), json::written).optional(1)),
        (
            &["schema_of_json"],
            Function::new("schema_of_json", &[Text, Any], Always(Utf8), json::found_schema).optional(1),
        ),
        // CSV.
        (&["from_csv"], Function::new("from_csv", &[Text, Text, Any], ByValues(csv::read_type), csv::read).optional(1)),
        (&["to_csv"], Function::new("to_csv", &[Any, Any], By(csv::written_type), csv::written).optional(1)),
        (&["schema_of_csv"], Function::new("schema_of_csv", &[Text, Any], Always(Utf8), csv::found_schema).optional(1)),
        // Variants.
        (&["parse_json"], function("parse_json", &[Text], variants::variant_type(), variants::parsed)),
        (&["try_parse_json"], function("try_parse_json", &[Text], variants::variant_type(), variants::tried)),
        (&["is_variant_null"], Function::new("is_variant_null", &[Any], By(variants::truth_type), variants::is_null)),
        (
            &["variant_get"],
            Function::new("variant_get", &[Any, Text, Text], ByValues(variants::part_type), variants::part).optional(1),
        ),
        (
            &["try_variant_get"],
            Function::new("try_variant_get", &[Any, Text, Text], ByValues(variants::part_type), variants::tried_part)
                .optional(1),
        ),
        (
            &["schema_of_variant"],
            Function::new("schema_of_variant", &[Any], By(variants::schema_type), variants::schema),
        ),
        (
            &["to_variant_object"],
            Function::new("to_variant_object", &[Any], By(variants::object_type), variants::object),
        ),
    ] {
        all.scalar(names, &function.build());
    }
}
