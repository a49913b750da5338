use std::io;

/// Why a file cannot be read as a bundle, or written.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is something else.
    #[error("this is not a bundle: {why}")]
    NotABundle {
        /// How that shows.
        why: String,
    },
    /// A later release wrote it.
    #[error("the bundle has format {found}; this version reads up to {known}: update it")]
    Newer {
        /// The file's format.
        found: u16,
        /// The newest format that this version reads.
        known: u16,
    },
    /// It ends too early.
    #[error("the bundle is cut off after {after}")]
    CutOff {
        /// The last thing that is there.
        after: String,
    },
    /// It cannot be inflated from some point on.
    #[error("the bundle is damaged after {after}: {why}")]
    Damaged {
        /// The last thing that is there.
        after: String,
        /// What is wrong.
        why: String,
    },
    /// Something is not what was written.
    #[error("{what} was altered: it does not fit the bundle's chain")]
    Altered {
        /// The record.
        what: String,
    },
    /// Something that was written is not there.
    #[error("{what} is missing")]
    Missing {
        /// The record, by what stands around it.
        what: String,
    },
    /// Something stands in another place than it was written to.
    #[error("{what} stands in the wrong place: it was record {was}, and is record {is}")]
    Moved {
        /// The record.
        what: String,
        /// Its place when it was written.
        was: u32,
        /// Where it is.
        is: u32,
    },
    /// A record fits the chain, and still is not what it should be.
    #[error("{what} makes no sense: {why}")]
    Nonsense {
        /// The record.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// It holds more than the limits allow.
    #[error("the bundle holds more than {limit} after {after}")]
    TooLarge {
        /// The limit.
        limit: String,
        /// The last thing that fits.
        after: String,
    },
    /// The file system, or whatever it is read from.
    #[error("{0}")]
    Io(#[from] io::Error),
}
