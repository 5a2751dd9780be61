//! Spark's functions of numbers as texts.

use datafusion::arrow::datatypes::DataType::{Int64, Utf8};

use super::functions::function;
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text, Whole};
use crate::engine::functions::Returns::{By, ByValues};
use crate::engine::functions::{Function, number_formats, words};

pub(super) fn register(all: &mut Functions) {
    for (names, function) in [
        (
            &["to_char", "to_varchar"][..],
            Function::new("to_char", &[Any, Text], By(number_formats::written_type), number_formats::written),
        ),
        (
            &["to_number"],
            Function::new(
                "to_number",
                &[Text, Text],
                ByValues(number_formats::number_type),
                number_formats::number_read,
            )
            .lenient(),
        ),
        (
            &["try_to_number"],
            Function::new(
                "try_to_number",
                &[Text, Text],
                ByValues(number_formats::number_type),
                number_formats::number_tried,
            )
            .lenient(),
        ),
        (
            &["format_number"],
            Function::new("format_number", &[Any, Any], By(number_formats::grouped_type), number_formats::grouped),
        ),
        (&["conv"], function("conv", &[Text, Whole, Whole], Utf8, words::rebased)),
        (&["factorial"], function("factorial", &[Whole], Int64, words::factorial)),
    ] {
        all.scalar(names, &function.build());
    }
}
