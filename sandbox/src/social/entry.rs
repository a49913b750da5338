//! What a stand-in keeps of everything that was published through it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Stands by itself.
    Post,
    /// Continues or answers another one, in the same stream: a reply, a further part of a thread.
    Reply,
    /// Stands under another one, where the platform keeps comments apart from posts.
    Comment,
}

/// One thing that was published, as it was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The id that the client got.
    pub id: String,
    /// Handle of the account that published it.
    pub account: String,
    /// What it is.
    pub kind: EntryKind,
    /// Id of what it answers or stands under.
    pub parent: Option<String>,
    /// The text as people read it: without the escapes that the protocol asks for, else unchanged.
    pub text: String,
    /// What hangs on it, in order.
    pub media: Vec<Attachment>,
    /// The platform's own names of the switches that were on.
    pub disclosures: Vec<String>,
    /// The key against repetitions that came with it, kept whether or not the platform honours it.
    pub key: Option<String>,
    /// The request's parameters as they came.
    pub request: Value,
    /// When it was accepted.
    pub at: DateTime<Utc>,
    /// Whether it was deleted since.
    pub deleted: bool,
}

impl Entry {
    /// An entry of nothing but text. Id and time are given when it is kept.
    pub fn new(account: &str, kind: EntryKind, text: &str) -> Self {
        Self {
            id: String::new(),
            account: account.to_owned(),
            kind,
            parent: None,
            text: text.to_owned(),
            media: Vec::new(),
            disclosures: Vec::new(),
            key: None,
            request: Value::Null,
            at: DateTime::UNIX_EPOCH,
            deleted: false,
        }
    }
}

/// A file on an entry. The bytes are not kept, only what they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The platform's id of it.
    pub id: String,
    /// Content type as sent; empty where the platform was told none.
    pub content_type: String,
    /// Length in bytes.
    pub bytes: usize,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Alt text.
    pub alt: Option<String>,
}
