//! The functions of Trino that there are here.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType::{self, Boolean, Date32, Float64, Int64, Utf8};
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use super::average::Average;
use super::{bits, bytes, format, json, moments, numeric, percentile, statistics, urls, words};
use crate::engine::dialect::{Functions, Stock};
use crate::engine::functions::Kind::{
    Any, Day, Moment, MomentOrInterval, MomentOrTime, Number, Text, TextOrList, Whole,
};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::dates::{self, timestamptz};
use crate::engine::functions::{Function, Kind, Rows, collections, lists, math, not_run, text};
use crate::engine::sum::Sum;

/// Of the engine's own functions, those that mean the same: Trino's names, the engine's.
const SAME: &[(&[&str], &str)] = &[
    // Text.
    (&["lpad"], "lpad"),
    (&["rpad"], "rpad"),
    (&["starts_with"], "starts_with"),
    // The parser's TRIM is given to these.
    (&["btrim"], "btrim"),
    // Numbers.
    (&["abs"], "abs"),
    (&["acos"], "acos"),
    (&["asin"], "asin"),
    (&["atan"], "atan"),
    (&["atan2"], "atan2"),
    (&["cbrt"], "cbrt"),
    (&["cos"], "cos"),
    (&["cosh"], "cosh"),
    (&["degrees"], "degrees"),
    (&["exp"], "exp"),
    (&["pi"], "pi"),
    (&["radians"], "radians"),
    (&["sin"], "sin"),
    (&["sinh"], "sinh"),
    (&["tan"], "tan"),
    (&["tanh"], "tanh"),
    (&["is_nan"], "isnan"),
    (&["random", "rand"], "random"),
    // Choice.
    (&["coalesce"], "coalesce"),
    (&["$greatest"], "greatest"),
    (&["$least"], "least"),
    // Now.
    (&["$now"], "now"),
    (&["$current_date"], "current_date"),
    // Lists and maps.
    (&["array_distinct"], "array_distinct"),
    (&["array_except"], "array_except"),
    (&["array_intersect"], "array_intersect"),
    (&["array_union"], "array_union"),
    (&["array_max"], "array_max"),
    (&["array_min"], "array_min"),
    (&["array_remove"], "array_remove_all"),
    (&["flatten"], "flatten"),
    (&["map_keys"], "map_keys"),
    (&["map_values"], "map_values"),
    // Aggregates.
    (&["count"], "count"),
    (&["sum"], "sum"),
    (&["min"], "min"),
    (&["max"], "max"),
    (&["$avg"], "avg"),
    (&["stddev", "stddev_samp"], "stddev"),
    (&["stddev_pop"], "stddev_pop"),
    (&["variance", "var_samp"], "var"),
    (&["var_pop"], "var_pop"),
    (&["corr"], "corr"),
    (&["covar_pop"], "covar_pop"),
    (&["covar_samp"], "covar_samp"),
    (&["bool_and", "every"], "bool_and"),
    (&["bool_or"], "bool_or"),
    (&["$approx_distinct"], "approx_distinct"),
    (&["first_value"], "first_value"),
    (&["last_value"], "last_value"),
    (&["nth_value"], "nth_value"),
    (&["array_agg"], "array_agg"),
    (&["listagg"], "string_agg"),
    (&["grouping"], "grouping"),
    // Windows.
    (&["row_number"], "row_number"),
    (&["rank"], "rank"),
    (&["dense_rank"], "dense_rank"),
    (&["percent_rank"], "percent_rank"),
    (&["cume_dist"], "cume_dist"),
    (&["ntile"], "ntile"),
    (&["lag"], "lag"),
    (&["lead"], "lead"),
    (&["regr_slope"], "regr_slope"),
    (&["regr_intercept"], "regr_intercept"),
    (&["$bitwise_and_agg"], "bit_and"),
    (&["$bitwise_or_agg"], "bit_or"),
    (&["$bitwise_xor_agg"], "bit_xor"),
    (&["$slice"], "array_slice"),
];

/// Fields of a moment; all are BIGINT.
const FIELDS: &[(&[&str], &[Kind], Rows)] = &[
    (&["year"], &[MomentOrInterval], dates::year),
    (&["quarter"], &[Moment], dates::quarter),
    (&["month"], &[MomentOrInterval], dates::month),
    (&["week", "week_of_year"], &[Moment], dates::week),
    (&["year_of_week", "yow"], &[Moment], dates::year_of_week),
    (&["day", "day_of_month"], &[MomentOrInterval], dates::day),
    (&["day_of_year", "doy"], &[Moment], dates::day_of_year),
    (&["day_of_week", "dow"], &[Moment], dates::day_of_week),
    (&["hour"], &[MomentOrTime], dates::hour),
    (&["minute"], &[MomentOrTime], dates::minute),
    (&["second"], &[MomentOrTime], dates::second),
    (&["millisecond"], &[MomentOrTime], dates::millisecond),
];

/// All functions, and the names of those that the engine should have had.
fn collected() -> (Functions, Vec<String>) {
    let mut all = Functions::default();
    let engine = Stock::new(
        SessionStateDefaults::default_scalar_functions(),
        SessionStateDefaults::default_aggregate_functions(),
        SessionStateDefaults::default_window_functions(),
    );
    let missing = engine.give(&mut all, SAME);
    for (names, kinds, rows) in FIELDS {
        all.scalar(names, &Function::new(names[0], kinds, Always(Int64), *rows).build());
    }
    for (names, function) in own().into_iter().chain(super::collections::all()) {
        all.scalar(names, &function);
    }
    if let Some(engine) = all.aggregates.get("$avg").cloned() {
        all.aggregate(&["avg"], &Arc::new(AggregateUDF::new_from_impl(Average::new(engine))));
    }
    if let Some(engine) = all.aggregates.get("sum").cloned() {
        let sum = Sum::new(engine, "bigint addition overflow: the sum is no bigint");
        all.aggregate(&["sum"], &Arc::new(AggregateUDF::new_from_impl(sum)));
    }
    crate::engine::meaning::register(&mut all);
    all.scalar(&["$row"], &datafusion::functions::core::named_struct());
    super::aggregates::register(&mut all);
    bits::register(&mut all);
    bytes::register(&mut all);
    format::register(&mut all);
    json::register(&mut all);
    moments::register(&mut all);
    numeric::register(&mut all);
    percentile::register(&mut all);
    statistics::register(&mut all);
    urls::register(&mut all);
    words::register(&mut all);
    (all, missing)
}

pub(super) fn all() -> Functions {
    collected().0
}

fn function(name: &'static str, parameters: &'static [Kind], returns: DataType, rows: Rows) -> Function {
    Function::new(name, parameters, Always(returns), rows)
}

/// Three digits of a second, as Trino's own functions have them.
fn millis(zone: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, zone.then(|| "UTC".into()))
}

/// Those of our own making. Names that begin with `$` are put by the rewriter.
fn own() -> Vec<(&'static [&'static str], Arc<ScalarUDF>)> {
    vec![
        (
            &["$subscript"],
            Function::new("$subscript", &[Any, Any], By(lists::subscript_type), lists::trino_subscript).build(),
        ),
        (
            &["date_diff", "datediff"],
            function("date_diff", &[Text, Moment, Moment], Int64, dates::units_between).build(),
        ),
        (&["date_add"], Function::new("date_add", &[Text, Whole, Any], By(dates::kept), dates::plus_units).build()),
        (&["date_trunc"], Function::new("date_trunc", &[Text, Any], By(dates::kept), dates::truncated).build()),
        (&["date_format"], function("date_format", &[Moment, Text], Utf8, dates::mysql_written).build()),
        (&["date_parse"], function("date_parse", &[Text, Text], millis(false), dates::mysql_read).build()),
        (&["format_datetime"], function("format_datetime", &[Moment, Text], Utf8, dates::java_written).build()),
        (&["parse_datetime"], function("parse_datetime", &[Text, Text], millis(true), dates::java_read).build()),
        (&["to_unixtime"], function("to_unixtime", &[Moment], Float64, dates::to_seconds).build()),
        (&["from_unixtime"], function("from_unixtime", &[Number], millis(true), dates::of_seconds).build()),
        (&["last_day_of_month"], function("last_day_of_month", &[Day], Date32, dates::last_day).build()),
        // The rewriter and the meaning see to these: the zone is part of the type.
        (&["at_timezone"], function("at_timezone", &[Moment, Text], timestamptz(), not_run).build()),
        (&["with_timezone"], function("with_timezone", &[Moment, Text], timestamptz(), not_run).build()),
        (&["replace"], function("replace", &[Text, Text, Text], Utf8, text::replaced).optional(1).build()),
        (&["length"], function("length", &[Text], Int64, text::length).build()),
        (
            &["concat"],
            Function::new("concat", &[TextOrList, TextOrList], By(collections::together_type), collections::together)
                .rest(TextOrList)
                .build(),
        ),
        (&["concat_ws"], function("concat_ws", &[Text, Text], Utf8, text::joined).rest(Text).build()),
        (&["substr", "substring"], function("substr", &[Text, Whole, Whole], Utf8, text::part_of).optional(1).build()),
        (&["split_part"], function("split_part", &[Text, Text, Whole], Utf8, text::part).build()),
        (&["regexp_like"], function("regexp_like", &[Text, Text], Boolean, text::matches).build()),
        (&["regexp_count"], function("regexp_count", &[Text, Text], Int64, text::match_count).build()),
        (
            &["regexp_replace"],
            function("regexp_replace", &[Text, Text, Text], Utf8, text::matches_replaced).optional(1).build(),
        ),
        (
            &["regexp_extract"],
            function("regexp_extract", &[Text, Text, Whole], Utf8, text::extracted_or_null).optional(1).build(),
        ),
        (
            &["regexp_split"],
            function("regexp_split", &[Text, Text], text::text_list(), text::split_by_expression).build(),
        ),
        (&["ln"], function("ln", &[Number], Float64, math::ln).build()),
        (&["log2"], function("log2", &[Number], Float64, math::log2).build()),
        (&["log10"], function("log10", &[Number], Float64, math::log10).build()),
        (&["log"], function("log", &[Number, Number], Float64, math::log).build()),
        (&["sqrt"], function("sqrt", &[Number], Float64, math::sqrt).build()),
        (&["power", "pow"], function("power", &[Number, Number], Float64, math::power).build()),
        (&["ceil", "ceiling"], Function::new("ceil", &[Any], By(math::trino_whole), math::ceiling).build()),
        (&["floor"], Function::new("floor", &[Any], By(math::trino_whole), math::floor).build()),
        (&["$round"], Function::new("round", &[Any], By(math::trino_whole), math::nearest).build()),
        (&["round"], Function::new("round", &[Any, Whole], By(math::one_digit_more), math::rounded_by_factor).build()),
        (&["sign"], Function::new("sign", &[Any], By(math::same_number), math::sign).build()),
        // The meaning sees to it.
        (&["$typed"], Function::replaced("$typed", &[Any, Text]).build()),
        (&["typeof"], function("typeof", &[Any], Utf8, not_run).build()),
        // Replaced by its argument, with nulls for errors.
        (&["try"], Function::replaced("try", &[Any]).build()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_that_is_promised_is_there() {
        let (functions, missing) = collected();
        assert_eq!(missing, Vec::<String>::new());
        assert!(functions.contains("avg") && functions.contains("datediff"));
    }
}
