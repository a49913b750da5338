//! Runs, as the engine's own tables tell of them. Nothing is kept here that the engine does not know: the journal is the progress.
//!
//! [`tables`] reads rows, [`parts`] adds those of what people asked for meanwhile, [`entry`] and [`status`] read what the engine means by them, [`subject`] says what posts they are about, [`tree`] makes of them the [`step`]s that people see, [`watch`] follows a run for all who look at it, and [`drafts`] holds texts while
//! they are being written.

pub(crate) mod drafts;
mod entry;
pub(crate) mod parts;
pub(crate) mod status;
pub(crate) mod step;
pub(crate) mod subject;
pub(crate) mod tables;
pub(crate) mod tree;
pub(crate) mod watch;
