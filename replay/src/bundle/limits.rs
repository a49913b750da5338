/// How much a bundle may hold. A file of a megabyte can claim to hold a terabyte; reading stops where it exceeds these.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All records together, inflated, in bytes.
    pub bytes: u64,
    /// One record, in bytes. The server takes no entry of more than 32 MiB.
    pub record: u32,
    /// How many records.
    pub records: u32,
}

impl Default for Limits {
    /// 1 GiB, 40 MiB a record, 4 million records.
    fn default() -> Self {
        Self { bytes: 1 << 30, record: 40 << 20, records: 4_000_000 }
    }
}

impl Limits {
    /// At most so many bytes altogether.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }
}
