//! Numbers that only look random: the same on every run.

/// xorshift64. The seed must not be zero.
pub(crate) struct Mixed(pub(crate) u64);

impl Mixed {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
