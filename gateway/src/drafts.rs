//! Text as a model streams it, on its way to whoever watches the run.
//!
//! It is shown and forgotten: what counts is the variant that the workflow stores. A watcher that is too slow misses pieces, never holds up others.

use domain::ids::{RunId, VariantId};
use serde::Serialize;
use tokio::sync::broadcast;

/// How many pieces wait for a slow watcher before it misses some.
const CAPACITY: usize = 1024;

/// A piece of a text that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The run that writes it.
    #[serde(skip)]
    pub run: RunId,
    /// The variant that it will be.
    pub variant_id: VariantId,
    /// How many characters of the text came before, so that a watcher sees what it missed, and that a text began anew.
    pub offset: usize,
    /// The piece.
    pub text: String,
}

/// Where pieces are published and watched.
#[derive(Debug, Clone)]
pub struct DraftStream(broadcast::Sender<Draft>);

impl Default for DraftStream {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl DraftStream {
    /// Shows a piece to whoever watches. Never waits.
    pub fn publish(&self, draft: Draft) {
        // Nobody watching is not an error.
        let _ = self.0.send(draft);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Draft> {
        self.0.subscribe()
    }
}
