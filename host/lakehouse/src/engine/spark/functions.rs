//! The functions of Spark SQL that there are here.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType::{self, Boolean, Date32, Float64, Int32, Int64, Utf8};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::engine::dialect::{Functions, Stock};
use crate::engine::functions::Kind::{Any, Day, Moment, MomentOrInterval, Number, Text, TextOrList, Whole};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::dates::{self, timestamptz};
use crate::engine::functions::{Function, Kind, Rows, collections, lists, math, text};
use crate::engine::sum::Sum;

/// Of the engine's own functions, those that mean the same: Spark's names, the engine's.
const SAME: &[(&[&str], &str)] = &[
    // Text.
    (&["upper", "ucase"], "upper"),
    (&["lower", "lcase"], "lower"),
    (&["trim"], "trim"),
    (&["ltrim"], "ltrim"),
    (&["rtrim"], "rtrim"),
    (&["repeat"], "repeat"),
    (&["right"], "right"),
    (&["translate"], "translate"),
    (&["levenshtein"], "levenshtein"),
    (&["md5"], "md5"),
    // Numbers.
    (&["acos"], "acos"),
    (&["acosh"], "acosh"),
    (&["asin"], "asin"),
    (&["asinh"], "asinh"),
    (&["atan"], "atan"),
    (&["atanh"], "atanh"),
    (&["cbrt"], "cbrt"),
    (&["cos"], "cos"),
    (&["cosh"], "cosh"),
    (&["cot"], "cot"),
    (&["degrees"], "degrees"),
    (&["exp"], "exp"),
    (&["pi"], "pi"),
    (&["radians"], "radians"),
    (&["sin"], "sin"),
    (&["sinh"], "sinh"),
    (&["tan"], "tan"),
    (&["tanh"], "tanh"),
    (&["isnan"], "isnan"),
    (&["nanvl"], "nanvl"),
    // Choice.
    (&["coalesce"], "coalesce"),
    (&["nullif"], "nullif"),
    (&["nvl", "ifnull"], "nvl"),
    (&["nvl2"], "nvl2"),
    (&["greatest"], "greatest"),
    (&["least"], "least"),
    // Now.
    (&["$now"], "now"),
    (&["$range"], "range"),
    (&["current_date", "curdate"], "current_date"),
    // Lists, structs and maps.
    (&["array_distinct"], "array_distinct"),
    (&["array_except"], "array_except"),
    (&["array_intersect"], "array_intersect"),
    (&["array_union"], "array_union"),
    (&["array_max"], "array_max"),
    (&["array_min"], "array_min"),
    (&["array_append"], "array_append"),
    (&["array_remove"], "array_remove_all"),
    (&["flatten"], "flatten"),
    (&["named_struct"], "named_struct"),
    (&["map_keys"], "map_keys"),
    (&["map_values"], "map_values"),
    // Aggregates.
    (&["count"], "count"),
    (&["sum"], "sum"),
    (&["avg", "mean", "try_avg"], "avg"),
    (&["min"], "min"),
    (&["max"], "max"),
    (&["stddev", "std", "stddev_samp"], "stddev"),
    (&["stddev_pop"], "stddev_pop"),
    (&["variance", "var_samp"], "var"),
    (&["var_pop"], "var_pop"),
    (&["corr"], "corr"),
    (&["covar_pop"], "covar_pop"),
    (&["covar_samp"], "covar_samp"),
    (&["bool_and", "every"], "bool_and"),
    (&["bool_or", "some", "any"], "bool_or"),
    (&["approx_count_distinct"], "approx_distinct"),
    (&["first_value", "first", "any_value"], "first_value"),
    (&["last_value", "last"], "last_value"),
    (&["nth_value"], "nth_value"),
    (&["grouping"], "grouping"),
    (&["array_agg"], "array_agg"),
    (&["bit_and"], "bit_and"),
    (&["bit_or"], "bit_or"),
    (&["bit_xor"], "bit_xor"),
    (&["regr_avgx"], "regr_avgx"),
    (&["regr_avgy"], "regr_avgy"),
    (&["regr_count"], "regr_count"),
    (&["regr_intercept"], "regr_intercept"),
    (&["regr_r2"], "regr_r2"),
    (&["regr_slope"], "regr_slope"),
    (&["regr_sxx"], "regr_sxx"),
    (&["regr_sxy"], "regr_sxy"),
    (&["regr_syy"], "regr_syy"),
    // Windows.
    (&["row_number"], "row_number"),
    (&["rank"], "rank"),
    (&["dense_rank"], "dense_rank"),
    (&["percent_rank"], "percent_rank"),
    (&["cume_dist"], "cume_dist"),
    (&["ntile"], "ntile"),
    (&["lag"], "lag"),
    (&["lead"], "lead"),
];

/// Of the engine's package of Spark's functions, those that keep what they promise for the types that there are here.
const SPARK: &[(&[&str], &str)] = &[
    (&["abs"], "abs"),
    (&["array"], "array"),
    (&["array_contains"], "array_contains"),
    (&["array_repeat"], "array_repeat"),
    (&["ascii"], "ascii"),
    (&["base64"], "base64"),
    (&["unbase64"], "unbase64"),
    (&["bin"], "bin"),
    (&["bit_count"], "bit_count"),
    (&["bit_get", "getbit"], "bit_get"),
    (&["shiftleft"], "shiftleft"),
    (&["shiftright"], "shiftright"),
    (&["shiftrightunsigned"], "shiftrightunsigned"),
    (&["csc"], "csc"),
    (&["sec"], "sec"),
    (&["format_string", "printf"], "format_string"),
    (&["ilike"], "ilike"),
    (&["like"], "like"),
    (&["luhn_check"], "luhn_check"),
    (&["map_from_arrays"], "map_from_arrays"),
    (&["map_from_entries"], "map_from_entries"),
    (&["str_to_map"], "str_to_map"),
    (&["parse_url"], "parse_url"),
    (&["try_parse_url"], "try_parse_url"),
    (&["try_url_decode"], "try_url_decode"),
    (&["try_sum"], "try_sum"),
    (&["bitmap_bit_position"], "bitmap_bit_position"),
    (&["bitmap_bucket_number"], "bitmap_bucket_number"),
    (&["bitmap_count"], "bitmap_count"),
    (&["char", "chr"], "char"),
    (&["collect_list"], "collect_list"),
    (&["crc32"], "crc32"),
    (&["elt"], "elt"),
    (&["expm1"], "expm1"),
    (&["hex"], "hex"),
    (&["unhex"], "unhex"),
    (&["next_day"], "next_day"),
    (&["pmod"], "pmod"),
    (&["rint"], "rint"),
    (&["sha", "sha1"], "sha1"),
    (&["sha2"], "sha2"),
    (&["size", "cardinality"], "size"),
    (&["slice"], "slice"),
    (&["trunc"], "trunc"),
    (&["unix_date"], "unix_date"),
    (&["unix_micros"], "unix_micros"),
    (&["unix_millis"], "unix_millis"),
    (&["unix_seconds"], "unix_seconds"),
    (&["url_encode"], "url_encode"),
    (&["url_decode"], "url_decode"),
    (&["width_bucket"], "width_bucket"),
];

/// Fields of a moment; all are INT.
const FIELDS: &[(&[&str], &[Kind], Rows)] = &[
    (&["year"], &[MomentOrInterval], dates::year),
    (&["quarter"], &[Moment], dates::quarter),
    (&["month"], &[MomentOrInterval], dates::month),
    (&["weekofyear"], &[Moment], dates::week),
    (&["day", "dayofmonth"], &[MomentOrInterval], dates::day),
    (&["dayofyear"], &[Moment], dates::day_of_year),
    (&["dayofweek"], &[Moment], dates::day_of_week_from_sunday),
    (&["weekday"], &[Moment], dates::day_of_week_from_zero),
    (&["hour"], &[MomentOrInterval], dates::hour),
    (&["minute"], &[MomentOrInterval], dates::minute),
    (&["second"], &[MomentOrInterval], dates::second),
];

/// All functions, and the names of those that the engine should have had.
fn collected() -> (Functions, Vec<String>) {
    let mut all = Functions::default();
    let engine = Stock::new(
        SessionStateDefaults::default_scalar_functions(),
        SessionStateDefaults::default_aggregate_functions(),
        SessionStateDefaults::default_window_functions(),
    );
    let package = Stock::new(
        datafusion_spark::all_default_scalar_functions(),
        datafusion_spark::all_default_aggregate_functions(),
        datafusion_spark::all_default_window_functions(),
    );
    let mut missing = engine.give(&mut all, SAME);
    missing.extend(package.give(&mut all, SPARK));
    for (names, kinds, rows) in FIELDS {
        all.scalar(names, &function(names[0], kinds, Int32, *rows).build());
    }
    for (names, function) in own().into_iter().chain(super::collections::all()) {
        all.scalar(names, &function);
    }
    super::aggregates::register(&mut all);
    super::bytes::register(&mut all);
    super::documents::register(&mut all);
    super::moments::register(&mut all);
    crate::engine::meaning::register(&mut all);
    crate::engine::relations::register(&mut all);
    super::numbers::register(&mut all);
    super::windows::register(&mut all);
    if let Some(engine) = all.aggregates.get("sum").cloned() {
        let sum = Sum::new(engine, "long overflow: the sum is no bigint; try_sum makes a null of it");
        all.aggregate(&["sum"], &Arc::new(AggregateUDF::new_from_impl(sum)));
    }
    (all, missing)
}

pub(super) fn all() -> Functions {
    collected().0
}

pub(super) fn function(name: &'static str, parameters: &'static [Kind], returns: DataType, rows: Rows) -> Function {
    Function::new(name, parameters, Always(returns), rows).lenient()
}

/// Those of our own making. Names that begin with `$` are put by the rewriter.
fn own() -> Vec<(&'static [&'static str], Arc<ScalarUDF>)> {
    vec![
        (
            &["$units_between"],
            function("timestampdiff", &[Text, Moment, Moment], Int64, dates::units_between_cut).build(),
        ),
        (&["$plus_units"], function("timestampadd", &[Text, Whole, Moment], timestamptz(), dates::plus_units).build()),
        (
            &["date_trunc"],
            Function::new("date_trunc", &[Text, Moment], By(dates::kept), dates::truncated).lenient().build(),
        ),
        (&["date_add", "dateadd"], function("date_add", &[Day, Whole], Date32, dates::plus_days).build()),
        (&["date_sub"], function("date_sub", &[Day, Whole], Date32, dates::minus_days).build()),
        (&["add_months"], function("add_months", &[Day, Whole], Date32, dates::plus_months).build()),
        (&["datediff", "date_diff"], function("datediff", &[Day, Day], Int32, dates::days_between).build()),
        (&["last_day"], function("last_day", &[Day], Date32, dates::last_day).build()),
        (&["date_format"], function("date_format", &[Moment, Text], Utf8, dates::java_written).build()),
        (&["$to_timestamp"], function("to_timestamp", &[Text, Text], timestamptz(), dates::java_read).build()),
        (&["$try_to_timestamp"], function("try_to_timestamp", &[Text, Text], timestamptz(), dates::java_tried).build()),
        (&["$to_date"], function("to_date", &[Text, Text], Date32, dates::java_read).build()),
        (&["$unix_timestamp"], function("unix_timestamp", &[Moment], Int64, dates::to_seconds).build()),
        (&["$from_unixtime"], function("from_unixtime", &[Whole, Text], Utf8, dates::seconds_written).build()),
        (&["timestamp_seconds"], function("timestamp_seconds", &[Number], timestamptz(), dates::of_seconds).build()),
        (&["months_between"], function("months_between", &[Moment, Moment], Float64, dates::months_between).build()),
        (
            &["from_utc_timestamp"],
            function("from_utc_timestamp", &[Moment, Text], timestamptz(), dates::clock_of_zone).build(),
        ),
        (
            &["to_utc_timestamp"],
            function("to_utc_timestamp", &[Moment, Text], timestamptz(), dates::moment_of_clock).build(),
        ),
        (&["reverse"], Function::new("reverse", &[Any], By(lists::list_or_text), lists::reversed).build()),
        (
            &["$subscript"],
            Function::new("$subscript", &[Any, Any], By(lists::subscript_type), lists::spark_subscript).build(),
        ),
        (&["atan2"], function("atan2", &[Number, Number], Float64, math::arc_tangent).build()),
        (&["hypot"], function("hypot", &[Number, Number], Float64, math::hypotenuse).build()),
        (&["log1p"], function("log1p", &[Number], Float64, math::log1p_or_null).build()),
        (&["space"], function("space", &[Whole], Utf8, text::spaces).build()),
        (&["initcap"], function("initcap", &[Text], Utf8, text::capitalized).build()),
        (&["replace"], function("replace", &[Text, Text, Text], Utf8, text::replaced).optional(1).build()),
        (&["instr"], function("instr", &[Text, Text], Int32, text::position).build()),
        (
            &["concat"],
            Function::new("concat", &[TextOrList], By(collections::together_type), collections::together)
                .rest(TextOrList)
                .lenient()
                .build(),
        ),
        (&["concat_ws"], function("concat_ws", &[Text], Utf8, text::joined).rest(Text).build()),
        (&["substring_index"], function("substring_index", &[Text, Text, Whole], Utf8, text::before_delimiter).build()),
        (&["regexp_like", "regexp", "rlike"], function("regexp_like", &[Text, Text], Boolean, text::matches).build()),
        (&["regexp_count"], function("regexp_count", &[Text, Text], Int32, text::match_count).build()),
        (&["regexp_replace"], function("regexp_replace", &[Text, Text, Text], Utf8, text::matches_replaced).build()),
        (
            &["regexp_extract"],
            function("regexp_extract", &[Text, Text, Whole], Utf8, text::extracted_or_empty).optional(1).build(),
        ),
        (&["$ln"], function("ln", &[Number], Float64, math::ln_or_null).build()),
        (&["log2"], function("log2", &[Number], Float64, math::log2_or_null).build()),
        (&["log10"], function("log10", &[Number], Float64, math::log10_or_null).build()),
        (&["$log"], function("log", &[Number, Number], Float64, math::log_or_null).build()),
        (&["sqrt"], function("sqrt", &[Number], Float64, math::sqrt).build()),
        (&["power", "pow"], function("power", &[Number, Number], Float64, math::power).build()),
        (&["ceil", "ceiling"], Function::new("ceil", &[Any], By(math::spark_whole), math::ceiling).build()),
        (&["floor"], Function::new("floor", &[Any], By(math::spark_whole), math::floor).build()),
        (
            &["round"],
            Function::new("round", &[Any, Whole], By(math::one_digit_more), math::rounded_as_written)
                .optional(1)
                .build(),
        ),
        (
            &["bround"],
            Function::new("bround", &[Any, Whole], By(math::one_digit_more), math::rounded_to_even).optional(1).build(),
        ),
        (&["$ceil"], Function::new("ceil", &[Any, Whole], By(math::one_digit_more), math::ceiling_at).build()),
        (&["$floor"], Function::new("floor", &[Any, Whole], By(math::one_digit_more), math::floor_at).build()),
        (&["sign", "signum"], function("sign", &[Number], Float64, math::sign).build()),
        // Replaced by its argument, with nulls for errors.
        (&["$try"], Function::replaced("try", &[Any]).build()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_that_is_promised_is_there() {
        let (functions, missing) = collected();
        assert_eq!(missing, Vec::<String>::new());
        assert!(functions.contains("unix_seconds") && functions.contains("rlike"));
    }
}
