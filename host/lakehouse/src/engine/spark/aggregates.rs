//! Spark's aggregates of our own making, and the functions of the sketches that they make.

use datafusion::arrow::datatypes::DataType::{Binary, Int64};
use datasketches::kll::KllFloat;

use super::functions::function;
use crate::engine::aggregates::Way::{Fold, Gather};
use crate::engine::aggregates::{
    Aggregate, bitmaps, count_min, frequent, histogram, kll, lists, moments, percentiles, sketches,
};
use crate::engine::dialect::Functions;
use crate::engine::functions::Function;
use crate::engine::functions::Kind::{Any, TextOrBytes, Whole};
use crate::engine::functions::Returns::By;

pub(super) fn register(all: &mut Functions) {
    for (names, aggregate) in [
        (&["skewness"][..], Aggregate::new("skewness", 1, 1, moments::types, Fold(moments::skewness))),
        (&["kurtosis"], Aggregate::new("kurtosis", 1, 1, moments::types, Fold(moments::kurtosis))),
        (
            // All but the first are rewritten to it, and named here for GROUP BY ALL and for whoever mistypes them.
            &["$percentile", "percentile", "percentile_cont", "median"],
            Aggregate::new("percentile", 2, 4, percentiles::exact_types, Gather(percentiles::continuous)),
        ),
        (
            &["$percentile_disc", "percentile_disc"],
            Aggregate::new("percentile_disc", 2, 4, percentiles::exact_types, Gather(percentiles::discrete)),
        ),
        (
            &["percentile_approx", "approx_percentile"],
            Aggregate::new("approx_percentile", 2, 3, percentiles::approximate_types, Gather(percentiles::approximate)),
        ),
        (&["mode"], Aggregate::new("mode", 1, 3, percentiles::mode_types, Gather(percentiles::mode))),
        (&["collect_set"], Aggregate::new("collect_set", 1, 1, lists::set_types, Gather(lists::set))),
        (
            &["$listagg", "listagg", "string_agg"],
            Aggregate::new("listagg", 2, 2 + 3 * lists::KEYS_AT_MOST, lists::text_types, Gather(lists::joined)),
        ),
        (&["histogram_numeric"], Aggregate::new("histogram_numeric", 2, 2, histogram::types, Gather(histogram::bins))),
        (&["approx_top_k"], Aggregate::new("approx_top_k", 1, 3, frequent::types, Gather(frequent::top))),
        (
            &["approx_top_k_accumulate"],
            Aggregate::new("approx_top_k_accumulate", 1, 2, frequent::accumulate_types, Gather(frequent::accumulated)),
        ),
        (
            &["approx_top_k_combine"],
            Aggregate::new("approx_top_k_combine", 1, 2, frequent::combine_types, Gather(frequent::combined)),
        ),
        (
            &["schema_of_variant_agg"],
            Aggregate::new("schema_of_variant_agg", 1, 1, lists::variant_types, Gather(lists::schema)),
        ),
        (&["count_min_sketch"], Aggregate::new("count_min_sketch", 4, 4, count_min::types, Fold(count_min::start))),
        (
            &["bitmap_construct_agg"],
            Aggregate::new("bitmap_construct_agg", 1, 1, bitmaps::position_types, Fold(bitmaps::construct)),
        ),
        (&["bitmap_or_agg"], Aggregate::new("bitmap_or_agg", 1, 1, bitmaps::bitmap_types, Fold(bitmaps::or))),
        (&["bitmap_and_agg"], Aggregate::new("bitmap_and_agg", 1, 1, bitmaps::bitmap_types, Fold(bitmaps::and))),
        (&["hll_sketch_agg"], Aggregate::new("hll_sketch_agg", 1, 2, sketches::hll_types, Fold(sketches::hll))),
        (
            &["hll_union_agg"],
            Aggregate::new("hll_union_agg", 1, 2, sketches::hll_merge_types, Fold(sketches::hll_merge)),
        ),
        (&["theta_sketch_agg"], Aggregate::new("theta_sketch_agg", 1, 2, sketches::theta_types, Fold(sketches::theta))),
        (
            &["theta_union_agg"],
            Aggregate::new("theta_union_agg", 1, 2, sketches::theta_merge_types, Fold(sketches::theta_union_of_all)),
        ),
        (
            &["theta_intersection_agg"],
            Aggregate::new(
                "theta_intersection_agg",
                1,
                1,
                sketches::theta_merge_types,
                Fold(sketches::theta_intersection_of_all),
            ),
        ),
    ] {
        all.aggregate(names, &aggregate.build());
    }
    for (names, function) in [
        (
            &["approx_top_k_estimate"][..],
            Function::new("approx_top_k_estimate", &[Any, Whole], By(frequent::estimate_type), frequent::estimated)
                .optional(1),
        ),
        (&["hll_sketch_estimate"], function("hll_sketch_estimate", &[TextOrBytes], Int64, sketches::hll_estimate)),
        (
            &["hll_union"],
            function("hll_union", &[TextOrBytes, TextOrBytes, Any], Binary, sketches::hll_pair).optional(1),
        ),
        (
            &["theta_sketch_estimate"],
            function("theta_sketch_estimate", &[TextOrBytes], Int64, sketches::theta_estimate),
        ),
        (
            &["theta_union"],
            function("theta_union", &[TextOrBytes, TextOrBytes, Whole], Binary, sketches::theta_pair_union).optional(1),
        ),
        (
            &["theta_intersection"],
            function("theta_intersection", &[TextOrBytes; 2], Binary, sketches::theta_pair_intersection),
        ),
        (
            &["theta_difference"],
            function("theta_difference", &[TextOrBytes; 2], Binary, sketches::theta_pair_difference),
        ),
    ] {
        all.scalar(names, &function.build());
    }
    register_kll::<i64>(
        all,
        &[
            "kll_sketch_agg_bigint",
            "kll_merge_agg_bigint",
            "kll_sketch_get_n_bigint",
            "kll_sketch_merge_bigint",
            "kll_sketch_get_quantile_bigint",
            "kll_sketch_get_rank_bigint",
        ],
    );
    register_kll::<KllFloat<f32>>(
        all,
        &[
            "kll_sketch_agg_float",
            "kll_merge_agg_float",
            "kll_sketch_get_n_float",
            "kll_sketch_merge_float",
            "kll_sketch_get_quantile_float",
            "kll_sketch_get_rank_float",
        ],
    );
    register_kll::<KllFloat<f64>>(
        all,
        &[
            "kll_sketch_agg_double",
            "kll_merge_agg_double",
            "kll_sketch_get_n_double",
            "kll_sketch_merge_double",
            "kll_sketch_get_quantile_double",
            "kll_sketch_get_rank_double",
        ],
    );
}

fn register_kll<T: kll::Number>(all: &mut Functions, names: &[&'static str; 6]) {
    let [of_values, of_sketches, count, merge, quantile, rank] = *names;
    let aggregate = Aggregate::new(of_values, 1, 2, kll::value_types::<T>, Fold(kll::of_values::<T>));
    all.aggregate(&[of_values], &aggregate.build());
    let aggregate = Aggregate::new(of_sketches, 1, 2, kll::merge_types, Fold(kll::of_sketches::<T>));
    all.aggregate(&[of_sketches], &aggregate.build());
    for (name, function) in [
        (count, function(count, &[TextOrBytes], Int64, kll::count::<T>)),
        (merge, function(merge, &[TextOrBytes; 2], Binary, kll::merged::<T>)),
        (quantile, Function::new(quantile, &[TextOrBytes, Any], By(kll::quantile_type::<T>), kll::quantiles::<T>)),
        (rank, Function::new(rank, &[TextOrBytes, Any], By(kll::rank_type), kll::ranks::<T>)),
    ] {
        all.scalar(&[name], &function.build());
    }
}
