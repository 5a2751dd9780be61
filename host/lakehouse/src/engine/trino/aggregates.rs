//! Trino's aggregates that gather a group's rows into a text or a map.

use crate::engine::aggregates::Way::Gather;
use crate::engine::aggregates::{Aggregate, lists, maps};
use crate::engine::dialect::Functions;

pub(super) fn register(all: &mut Functions) {
    for (names, aggregate) in [
        (
            // It is rewritten to the first name, and named here for whoever mistypes it.
            &["$listagg", "listagg"][..],
            Aggregate::new("listagg", 2, 2 + 3 * lists::KEYS_AT_MOST, lists::text_types, Gather(lists::joined)),
        ),
        (&["map_agg"], Aggregate::new("map_agg", 2, 2, maps::pair_types, Gather(maps::pairs))),
        (&["multimap_agg"], Aggregate::new("multimap_agg", 2, 2, maps::group_types, Gather(maps::groups))),
        (&["histogram"], Aggregate::new("histogram", 1, 1, maps::count_types, Gather(maps::counts))),
    ] {
        all.aggregate(names, &aggregate.build());
    }
}
