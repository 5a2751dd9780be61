//! Random numbers that are the same everywhere and for ever: SplitMix64 and integers.

/// A stream of random numbers.
pub(crate) struct Random {
    state: u64,
}

/// A heavy-tailed multiplier with mean 1: log-normal, sigma 0.74, in thousandths at its 21 quantiles from 2.5 % to
/// 97.5 %. A table, since `exp` differs in its last digit between machines.
const HEAVY_TAIL: [i64; 21] =
    [190, 275, 340, 397, 452, 506, 561, 618, 678, 742, 810, 885, 968, 1061, 1169, 1297, 1453, 1653, 1932, 2382, 3454];

impl Random {
    /// A stream of its own for each use, so that a change of one table leaves the others as they are.
    pub(crate) fn new(seed: u64, stream: &str) -> Self {
        let state = stream.bytes().fold(seed, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self { state }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included, each as likely.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = (high - low).unsigned_abs() + 1;
        // The bias of the remainder is below 2^-40 for the widths used here.
        low + (self.next() % width) as i64
    }

    /// True in `permille` of 1000.
    pub(crate) fn chance(&mut self, permille: i64) -> bool {
        self.between(1, 1000) <= permille
    }

    /// Around `mean`, bell-shaped, never further than six times `spread`.
    pub(crate) fn around(&mut self, mean: i64, spread: i64) -> i64 {
        // The sum of twelve has a deviation of one width.
        let sum: i64 = (0..12).map(|_| self.between(-1000, 1000)).sum();
        mean + sum * spread / 2000
    }

    /// `mean` times a heavy-tailed multiplier.
    pub(crate) fn heavy_tailed(&mut self, mean: i64) -> i64 {
        let position = self.between(0, 20 * 1000 - 1);
        let (index, part) = ((position / 1000) as usize, position % 1000);
        let (low, high) = (HEAVY_TAIL[index], HEAVY_TAIL[index + 1]);
        mean * (low * (1000 - part) + high * part) / 1_000_000
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.between(0, from.len() as i64 - 1) as usize]
    }

    /// Another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.between(0, last as i64) as usize;
            items.swap(last, other);
        }
    }

    /// As someone in a hurry types it: now and then in lower case, now and then with spaces around it.
    pub(crate) fn typed(&mut self, name: &str) -> String {
        let name = if self.chance(120) { name.to_lowercase() } else { name.to_owned() };
        match self.between(1, 100) {
            1..=5 => format!(" {name}"),
            6..=10 => format!("{name}  "),
            11 => format!("  {name} "),
            _ => name,
        }
    }
}
