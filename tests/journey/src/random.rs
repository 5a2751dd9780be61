//! Numbers for tests that meet anything at any moment.

/// Xorshift (Marsaglia, 2003): the same numbers with each run from one seed, which must not be 0.
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
