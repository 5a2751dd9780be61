//! Spark's functions of JSON, CSV, XML and variants.

use datafusion::arrow::datatypes::DataType::{Boolean, Float32, Float64, Int16, Int32, Int64, Utf8};

use super::functions::function;
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text};
use crate::engine::functions::Returns::{Always, By, ByValues};
use crate::engine::functions::documents::{csv, json_functions as json, xml, xpath};
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
        // XML.
        (&["from_xml"], Function::new("from_xml", &[Text, Text, Any], ByValues(xml::read_type), xml::read).optional(1)),
        (&["to_xml"], Function::new("to_xml", &[Any, Any], By(xml::written_type), xml::written).optional(1)),
        (&["schema_of_xml"], Function::new("schema_of_xml", &[Text, Any], Always(Utf8), xml::found_schema).optional(1)),
        (&["xpath"], function("xpath", &[Text, Text], text::text_list(), xpath::texts)),
        (&["xpath_boolean"], function("xpath_boolean", &[Text, Text], Boolean, xpath::truth)),
        (&["xpath_string"], function("xpath_string", &[Text, Text], Utf8, xpath::text)),
        (&["xpath_double", "xpath_number"], function("xpath_double", &[Text, Text], Float64, xpath::double)),
        (&["xpath_float"], function("xpath_float", &[Text, Text], Float32, xpath::float)),
        (&["xpath_int"], function("xpath_int", &[Text, Text], Int32, xpath::int)),
        (&["xpath_long"], function("xpath_long", &[Text, Text], Int64, xpath::long)),
        (&["xpath_short"], function("xpath_short", &[Text, Text], Int16, xpath::short)),
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
