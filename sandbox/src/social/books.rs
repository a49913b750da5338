//! What a stand-in knows, folded from its events, so that a restart with the same data folder knows it again.

use std::{collections::HashMap, path::Path};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Draft, Entry, Input, Issued, Lives, Processing, Progress, Standing,
    tokens::{Token, Tokens, Use},
};
use crate::{audience, budget::Budgets, fault::veil::Veils, ledger::Ledger};

/// Each event holds the whole of what it is about, as it is from then on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Entry { entry: Entry },
    Draft { draft: Draft },
    Token { token: Token },
    Looked { id: String },
}

/// A code that waits to be exchanged for tokens. Not kept over a restart: it lives for minutes.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) account: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) challenge: Option<String>,
}

/// The memory behind the routes.
#[derive(Debug)]
pub struct Books {
    ledger: Ledger,
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    drafts: Vec<Draft>,
    looks: HashMap<String, u64>,
    counters: HashMap<(String, String), u64>,
    last_number: u64,
    veils: Veils,
    tokens: Tokens,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) budgets: Budgets,
}

impl Books {
    pub(crate) fn open(folder: Option<&Path>, platform: &str) -> std::io::Result<Self> {
        let (ledger, events) = Ledger::open::<Event>(folder, &format!("{platform}.jsonl"))?;
        let mut books = Self {
            ledger,
            entries: Vec::new(),
            places: HashMap::new(),
            drafts: Vec::new(),
            looks: HashMap::new(),
            counters: HashMap::new(),
            last_number: 0,
            veils: Veils::default(),
            tokens: Tokens::default(),
            codes: HashMap::new(),
            budgets: Budgets::default(),
        };
        events.into_iter().for_each(|event| books.fold(event));
        Ok(books)
    }

    fn keep(&mut self, event: Event) {
        self.ledger.append(&event);
        self.fold(event);
    }

    fn fold(&mut self, event: Event) {
        match event {
            Event::Entry { entry } => match self.places.get(&entry.id) {
                Some(place) => self.entries[*place] = entry,
                None => {
                    self.places.insert(entry.id.clone(), self.entries.len());
                    self.entries.push(entry);
                }
            },
            Event::Draft { draft } => match self.drafts.iter_mut().find(|known| known.id == draft.id) {
                Some(known) => *known = draft,
                None => self.drafts.push(draft),
            },
            Event::Token { token } => self.tokens.keep(token),
            Event::Looked { id } => *self.looks.entry(id).or_default() += 1,
        }
    }

    /// A number that none had before and that grows with time: microseconds since 1970, pushed on where two fall together.
    pub fn number(&mut self, now: DateTime<Utc>) -> u64 {
        self.last_number = u64::try_from(now.timestamp_micros()).unwrap_or_default().max(self.last_number + 1);
        self.last_number
    }

    /// Keeps a new entry under `id`: it was asked for by `input`, and look-ups miss it if the gate ordered that.
    pub fn publish(&mut self, id: String, mut entry: Entry, input: &Input, now: DateTime<Utc>) -> Entry {
        entry.id = id;
        entry.at = now;
        if entry.request.is_null() {
            entry.request.clone_from(&input.json);
        }
        if let Some(hide) = input.hide {
            self.veils.hide(&entry.id, hide, now);
        }
        self.keep(Event::Entry { entry: entry.clone() });
        entry
    }

    /// Every entry ever accepted, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry that was not deleted, whether look-ups see it or not.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(*self.places.get(id)?).filter(|entry| !entry.deleted)
    }

    /// Whether a look-up sees this entry; a miss on order uses up one of those that were ordered.
    pub fn sees(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        self.entry(id).is_some() && !self.veils.misses(id, now)
    }

    /// What a list shows of the entries that `fits` picks, newest first.
    pub fn listed(&mut self, now: DateTime<Utc>, fits: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let fitting: Vec<Entry> = self.entries.iter().rev().filter(|entry| !entry.deleted && fits(entry)).cloned().collect();
        fitting.into_iter().filter(|entry| !self.veils.misses(&entry.id, now)).collect()
    }

    /// Deletes an entry. False if there is none.
    pub fn delete(&mut self, id: &str) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let entry = Entry { deleted: true, ..entry.clone() };
        self.keep(Event::Entry { entry });
        true
    }

    /// Keeps a new draft, or a known one as it is from now on.
    pub fn keep_draft(&mut self, draft: Draft) {
        self.keep(Event::Draft { draft });
    }

    /// Keeps a new draft under `id`: it was asked for by `input`, and its processing goes as the gate ordered.
    pub fn draft(&mut self, id: String, mut draft: Draft, input: &Input, now: DateTime<Utc>) -> Draft {
        if let Some(file) = &mut draft.file {
            file.id.clone_from(&id);
        }
        draft.id = id;
        draft.at = now;
        draft.processing = Processing::ordered(input.process, now);
        self.keep_draft(draft.clone());
        draft
    }

    /// A draft as it is.
    pub fn drafted(&self, id: &str) -> Option<&Draft> {
        self.drafts.iter().find(|draft| draft.id == id)
    }

    /// Every draft ever made, oldest first.
    pub fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// How far the platform is with a draft; `None` if there is none. A question uses up one of those that are answered "still at it".
    pub fn progress(&mut self, id: &str, now: DateTime<Utc>) -> Option<Progress> {
        let mut draft = self.drafted(id)?.clone();
        let progress = draft.processing.ask(now);
        self.keep_draft(draft);
        Some(progress)
    }

    /// Counts a reading of an entry's counters: its imaginary audience grows with that.
    pub fn look(&mut self, id: &str) {
        self.keep(Event::Looked { id: id.to_owned() });
    }

    /// A counter of an entry: as a test set it, else what its imaginary audience has done by now.
    pub fn count(&self, id: &str, counter: &str, now: DateTime<Utc>) -> u64 {
        let set = self.counters.get(&(id.to_owned(), counter.to_owned()));
        set.copied().unwrap_or_else(|| {
            let age = self.entry(id).map(|entry| (now - entry.at).to_std().unwrap_or_default()).unwrap_or_default();
            audience::count(id, counter, age, self.looks.get(id).copied().unwrap_or_default())
        })
    }

    /// Sets a counter.
    pub(crate) fn set_counter(&mut self, id: &str, counter: &str, value: u64) -> bool {
        self.counters.insert((id.to_owned(), counter.to_owned()), value);
        self.entry(id).is_some()
    }

    /// A token that is good from the start, unless the books say otherwise.
    pub(crate) fn grant_from_start(&mut self, value: &str, account: &str) {
        if self.tokens.get(value).is_none() {
            self.tokens.keep(Token {
                value: value.to_owned(),
                account: account.to_owned(),
                used_for: Use::Access,
                standing: Standing::Valid,
                expires: None,
                scope: String::new(),
                exchanged: None,
            });
        }
    }

    /// Gives an account new tokens.
    pub fn issue(&mut self, account: &str, scope: &str, lives: Lives, now: DateTime<Utc>) -> Issued {
        let (issued, made) = Tokens::issue(account, scope, lives, now);
        made.into_iter().for_each(|token| self.keep(Event::Token { token }));
        issued
    }

    /// Uses a refresh token; `None` if it gives nothing (any more).
    pub fn renew(&mut self, refresh: &str, lives: Lives, now: DateTime<Utc>) -> Option<Issued> {
        let (issued, made) = self.tokens.renew(refresh, lives, now)?;
        made.into_iter().for_each(|token| self.keep(Event::Token { token }));
        Some(issued)
    }

    /// Whose access token this is and how it stands; `None` if it never was one.
    pub fn bearer(&self, token: &str, now: DateTime<Utc>) -> Option<(String, Standing)> {
        Some((self.tokens.get(token)?.account.clone(), self.tokens.standing(token, Use::Access, now)?))
    }

    /// Ends one token.
    pub(crate) fn expire_token(&mut self, value: &str) {
        if let Some(token) = self.tokens.get(value).map(|token| Token { standing: Standing::Expired, ..token.clone() }) {
            self.keep(Event::Token { token });
        }
    }

    /// Gives the tokens of an account another standing. False if it has none.
    pub(crate) fn mark(&mut self, account: &str, standing: Standing) -> bool {
        let marked = self.tokens.marked(account, standing);
        let found = !marked.is_empty();
        marked.into_iter().for_each(|token| self.keep(Event::Token { token }));
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        fault::gate::Hide,
        social::{EntryKind, Renewal},
    };

    fn asked(hide: Option<Hide>) -> Input {
        Input { hide, ..Input::default() }
    }

    #[test]
    fn everything_is_known_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let lives = Lives { access_seconds: Some(60), refresh: Renewal::Rotates { grace_seconds: 0 } };
        let mut books = Books::open(Some(folder.path()), "slack").unwrap();
        for id in ["1", "2"] {
            books.publish(id.to_owned(), Entry::new("ann", EntryKind::Post, "Hello"), &asked(None), now);
        }
        assert!(books.delete("2") && !books.delete("2"));
        let draft = books.draft(
            "d".to_owned(),
            Draft::new("ann", "file", json!({})).with_file("image/png", b"x", Some("A cat")),
            &asked(None),
            now,
        );
        let first = books.issue("ann", "write", lives, now);
        let used = first.refresh.clone().unwrap();
        let second = books.renew(&used, lives, now).unwrap();
        assert!(books.mark("ann", Standing::Expired));
        let entries = books.entries().to_vec();
        drop(books);

        let mut books = Books::open(Some(folder.path()), "slack").unwrap();
        assert_eq!(books.entries(), entries);
        assert!(books.entry("1").is_some() && books.entry("2").is_none());
        assert_eq!(books.drafted("d"), Some(&draft));
        assert_eq!(books.bearer(&second.access, now), Some(("ann".to_owned(), Standing::Expired)));
        assert!(books.renew(&used, lives, now).is_none(), "it was used up before the restart");
        assert!(books.renew(&second.refresh.unwrap(), lives, now).is_some());
    }

    #[test]
    fn a_list_misses_what_is_hidden_and_numbers_grow() {
        let now = Utc::now();
        let mut books = Books::open(None, "slack").unwrap();
        books.publish("1".to_owned(), Entry::new("ann", EntryKind::Post, "a"), &asked(None), now);
        books.publish("2".to_owned(), Entry::new("ann", EntryKind::Post, "b"), &asked(Some(Hide { ms: 0, lookups: 2 })), now);
        let ids = |books: &mut Books| books.listed(now, |_| true).into_iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(&mut books), ["1"]);
        assert!(!books.sees("2", now));
        assert_eq!(ids(&mut books), ["2", "1"]);
        let first = books.number(now);
        assert!(books.number(now) > first);
    }

    #[test]
    fn counters_are_as_set_or_as_the_audience_has_it() {
        let now = Utc::now();
        let mut books = Books::open(None, "slack").unwrap();
        books.publish("1".to_owned(), Entry::new("ann", EntryKind::Post, "a"), &asked(None), now);
        assert_eq!(books.count("1", "likes", now), 0);
        books.look("1");
        assert!(books.count("1", "likes", now) > 0);
        assert!(books.set_counter("1", "likes", 77) && !books.set_counter("9", "likes", 1));
        assert_eq!(books.count("1", "likes", now), 77);
    }
}
