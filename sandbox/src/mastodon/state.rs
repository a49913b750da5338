//! What a Mastodon stand-in knows, folded from its events, so that a restart with the same data folder knows it again.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Options;
use crate::{
    budget::Budgets,
    fault::{gate::Hide, veil::Veils},
    ledger::Ledger,
};

/// A status as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The id that the client got.
    pub id: String,
    /// Handle of the author.
    pub account: String,
    /// The text that was sent, unchanged.
    pub text: String,
    /// The `Idempotency-Key` of the request, kept whether or not the software honours it.
    pub idempotency_key: Option<String>,
    /// When it was accepted.
    pub accepted_at: DateTime<Utc>,
    /// `language`, if given.
    pub language: Option<String>,
    /// `public`, `unlisted`, `private` or `direct`.
    pub visibility: String,
    /// The status that it answers.
    pub in_reply_to_id: Option<String>,
    /// The warning above the text; empty for none.
    pub spoiler_text: String,
    /// Whether its media are hidden behind a click.
    pub sensitive: bool,
    /// Ids of its uploads.
    pub media_ids: Vec<String>,
    /// Whether it was deleted since.
    pub deleted: bool,
}

/// An upload as it was accepted; the bytes live only as long as the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// The id that the client got.
    pub id: String,
    /// Handle of the uploader.
    pub account: String,
    /// Content type as sent.
    pub content_type: String,
    /// Length of the file.
    pub bytes: usize,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Alt text.
    pub description: Option<String>,
}

/// Whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    Valid,
    Expired,
    Revoked,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) scopes: String,
}

/// A code that waits to be exchanged for a token. Not kept over a restart: it lives for ten minutes at most.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) client: String,
    pub(crate) account: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) challenge: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Accepted { status: Status },
    Deleted { id: String },
    Uploaded { media: Media },
    Described { id: String, description: Option<String> },
    Registered { client: Client },
    Granted { token: String, account: String },
    Marked { token: String, standing: Standing },
    Looked { id: String },
}

/// The memory behind the routes.
#[derive(Debug)]
pub(crate) struct Memory {
    ledger: Ledger,
    statuses: BTreeMap<u64, Status>,
    media: BTreeMap<u64, Media>,
    clients: HashMap<String, Client>,
    tokens: HashMap<String, (String, Standing)>,
    looks: HashMap<String, u64>,
    last_id: u64,
    veils: Veils,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) files: HashMap<String, bytes::Bytes>,
    pub(crate) budgets: Budgets,
}

impl Memory {
    pub(crate) fn open(options: &Options) -> std::io::Result<Self> {
        let (ledger, events) = Ledger::open::<Event>(options.data.as_deref(), "mastodon.jsonl")?;
        let mut memory = Self {
            ledger,
            statuses: BTreeMap::new(),
            media: BTreeMap::new(),
            clients: HashMap::new(),
            tokens: options.accounts.iter().map(|account| (account.token.clone(), (account.handle.clone(), Standing::Valid))).collect(),
            looks: HashMap::new(),
            last_id: 0,
            veils: Veils::default(),
            codes: HashMap::new(),
            files: HashMap::new(),
            budgets: Budgets::default(),
        };
        events.into_iter().for_each(|event| memory.fold(event));
        Ok(memory)
    }

    fn keep(&mut self, event: Event) {
        self.ledger.append(&event);
        self.fold(event);
    }

    fn fold(&mut self, event: Event) {
        match event {
            Event::Accepted { status } => {
                if let Ok(id) = status.id.parse() {
                    self.last_id = self.last_id.max(id);
                    self.statuses.insert(id, status);
                }
            }
            Event::Deleted { id } => {
                if let Some(status) = id.parse().ok().and_then(|id: u64| self.statuses.get_mut(&id)) {
                    status.deleted = true;
                }
            }
            Event::Uploaded { media } => {
                if let Ok(id) = media.id.parse() {
                    self.last_id = self.last_id.max(id);
                    self.media.insert(id, media);
                }
            }
            Event::Described { id, description } => {
                if let Some(media) = id.parse().ok().and_then(|id: u64| self.media.get_mut(&id)) {
                    media.description = description;
                }
            }
            Event::Registered { client } => {
                self.clients.insert(client.id.clone(), client);
            }
            Event::Granted { token, account } => {
                self.tokens.insert(token, (account, Standing::Valid));
            }
            Event::Marked { token, standing } => {
                if let Some(known) = self.tokens.get_mut(&token) {
                    known.1 = standing;
                }
            }
            Event::Looked { id } => *self.looks.entry(id).or_default() += 1,
        }
    }

    /// The next id: milliseconds in the upper bits, as Mastodon's snowflakes, so that ids sort by time and a client may compare them.
    pub(crate) fn next_id(&mut self, now: DateTime<Utc>) -> u64 {
        let snowflake = u64::try_from(now.timestamp_millis()).unwrap_or_default() << 16;
        self.last_id = snowflake.max(self.last_id + 1);
        self.last_id
    }

    pub(crate) fn statuses(&self) -> impl DoubleEndedIterator<Item = &Status> {
        self.statuses.values()
    }

    pub(crate) fn media(&self) -> impl Iterator<Item = &Media> {
        self.media.values()
    }

    /// A status that was not deleted, whether look-ups see it or not.
    pub(crate) fn status(&self, id: &str) -> Option<&Status> {
        self.statuses.get(&id.parse().ok()?).filter(|status| !status.deleted)
    }

    pub(crate) fn medium(&self, id: &str) -> Option<&Media> {
        self.media.get(&id.parse().ok()?)
    }

    /// The id of the status made under this key within the last `seconds`, deleted or not.
    pub(crate) fn made_under(&self, account: &str, key: &str, now: DateTime<Utc>, seconds: i64) -> Option<String> {
        let since = now - TimeDelta::seconds(seconds);
        let mut newest_first = self.statuses.values().rev().take_while(|status| status.accepted_at > since);
        newest_first
            .find(|status| status.account == account && status.idempotency_key.as_deref() == Some(key))
            .map(|status| status.id.clone())
    }

    pub(crate) fn accept(&mut self, status: Status, hide: Option<Hide>) {
        if let Some(hide) = hide {
            self.veils.hide(&status.id, hide, status.accepted_at);
        }
        self.keep(Event::Accepted { status });
    }

    /// Whether a look-up misses this status; a miss counts.
    pub(crate) fn misses(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        self.veils.misses(id, now)
    }

    pub(crate) fn delete(&mut self, id: &str) {
        self.keep(Event::Deleted { id: id.to_owned() });
    }

    pub(crate) fn upload(&mut self, media: Media, file: bytes::Bytes) {
        self.files.insert(media.id.clone(), file);
        self.keep(Event::Uploaded { media });
    }

    pub(crate) fn describe(&mut self, id: &str, description: Option<String>) {
        self.keep(Event::Described { id: id.to_owned(), description });
    }

    /// Counts a reading of a status and says how many there were.
    pub(crate) fn look(&mut self, id: &str) -> u64 {
        self.keep(Event::Looked { id: id.to_owned() });
        self.looks(id)
    }

    pub(crate) fn looks(&self, id: &str) -> u64 {
        self.looks.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.get(id)
    }

    pub(crate) fn register(&mut self, client: Client) {
        self.keep(Event::Registered { client });
    }

    pub(crate) fn grant(&mut self, token: String, account: String) {
        self.keep(Event::Granted { token, account });
    }

    pub(crate) fn token(&self, token: &str) -> Option<(String, Standing)> {
        self.tokens.get(token).cloned()
    }

    pub(crate) fn account_of(&self, token: &str) -> Option<String> {
        self.tokens.get(token).map(|(account, _)| account.clone())
    }

    pub(crate) fn expire_token(&mut self, token: &str) {
        self.keep(Event::Marked { token: token.to_owned(), standing: Standing::Expired });
    }

    pub(crate) fn revoke_token(&mut self, token: &str) {
        self.keep(Event::Marked { token: token.to_owned(), standing: Standing::Revoked });
    }

    /// Gives all tokens of an account this standing. False if the account has none.
    pub(crate) fn mark_tokens(&mut self, account: &str, standing: Standing) -> bool {
        let tokens: Vec<String> = self.tokens.iter().filter(|(_, (owner, _))| owner == account).map(|(token, _)| token.clone()).collect();
        let found = !tokens.is_empty();
        tokens.into_iter().for_each(|token| self.keep(Event::Marked { token, standing }));
        found
    }
}
