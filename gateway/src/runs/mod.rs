//! Runs, as the engine's own tables tell of them. Nothing is kept here that the engine does not know: the journal is the progress.
//!
//! [`tables`] reads rows, [`tree`] makes of them what people see, [`watch`] follows a run for all who look at it, and [`drafts`] holds texts while
//! they are being written.

pub(crate) mod drafts;
pub(crate) mod tables;
pub(crate) mod tree;
pub(crate) mod watch;
