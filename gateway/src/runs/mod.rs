//! The progress of a run, read from the engine's own tables: the journal is the progress, and no second book is kept.

mod rows;
mod tree;
mod watch;

pub(crate) use self::{
    rows::{RunSource, read_run},
    tree::{RunStatus, RunTree, StepView},
    watch::{Watcher, Watchers},
};
