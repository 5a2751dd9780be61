//! How two versions share requests: by containers, since a Service asks all of a model's alike.

/// How many containers the served version and the canary have together with a share of `weight` in a hundred for the canary: at
/// least `replicas`, so that the model loses no strength, and at most `most`. Of several ways that come equally near, the one with
/// the fewest.
#[must_use]
pub fn of(weight: u32, replicas: u32, most: u32) -> (u32, u32) {
    let least = replicas.max(2);
    let ways = (least..=most.max(least)).map(|total| {
        let canary = ((total * weight + 50) / 100).clamp(1, total - 1);
        (total - canary, canary)
    });
    // In millionths: how far a way is from what was asked.
    let error = |(served, canary): &(u32, u32)| {
        let total = u64::from(served + canary);
        (u64::from(*canary) * 100).abs_diff(u64::from(weight) * total) * 1_000_000 / total
    };
    ways.min_by_key(error).unwrap_or((1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_met_as_nearly_as_the_containers_allow() {
        for (weight, replicas, most, expected) in [
            (50, 2, 10, (1, 1)),
            (10, 2, 10, (9, 1)),
            (25, 2, 10, (3, 1)),
            (90, 1, 10, (1, 9)),
            (1, 2, 10, (9, 1)),
            (99, 2, 4, (1, 3)),
            (33, 3, 3, (2, 1)),
            (50, 10, 2, (5, 5)),
        ] {
            assert_eq!(of(weight, replicas, most), expected, "{weight} % of {replicas}, at most {most}");
        }
    }
}
