//! What a platform was given ahead of a publication: uploads, containers, drafts.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{ActivityError, ActivityResult};

/// What was staged for one part, in the platform's own terms.
///
/// It can hold addresses that whoever knows them may upload to, so it is kept sealed in the database and never enters a journal: deliberately not
/// `Serialize`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged(Value);

impl Staged {
    /// Nothing was staged, or nothing yet.
    pub const NOTHING: Self = Self(Value::Null);

    /// What was staged.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn of<T: Serialize>(what: &T) -> ActivityResult<Self> {
        serde_json::to_value(what).map(Self).map_err(|_| ActivityError::rejected("what was staged cannot be written"))
    }

    /// Whether nothing was staged yet.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.0.is_null()
    }

    /// What was staged, read back; `None` if nothing was.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> ActivityResult<Option<T>> {
        if self.is_nothing() {
            return Ok(None);
        }
        serde_json::from_value(self.0.clone()).map(Some).map_err(|_| ActivityError::rejected("what was staged cannot be read"))
    }

    /// The form that the vault encrypts.
    #[must_use]
    pub fn to_plaintext(&self) -> String {
        self.0.to_string()
    }

    /// Reads [`Self::to_plaintext`] back.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the text is not one.
    pub fn from_plaintext(text: &str) -> ActivityResult<Self> {
        serde_json::from_str(text).map(Self).map_err(|_| ActivityError::rejected("what was staged cannot be read"))
    }
}

/// How far staging got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staging {
    /// The part can be published.
    Ready(Staged),
    /// The platform is still at work on it (a video is being processed): ask again.
    Wait {
        /// What there is so far; to be given to the next call.
        staged: Staged,
        /// What it is at.
        what: String,
        /// When to ask again.
        after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_staged_reads_back_and_nothing_is_nothing() {
        let staged = Staged::of(&("upload", 7)).unwrap();
        let back = Staged::from_plaintext(&staged.to_plaintext()).unwrap();
        assert_eq!(back.read::<(String, u8)>().unwrap(), Some(("upload".to_owned(), 7)));
        assert_eq!(Staged::default().read::<u8>().unwrap(), None);
        assert!(Staged::default().is_nothing() && !back.is_nothing());
        assert!(back.read::<u8>().is_err());
    }
}
