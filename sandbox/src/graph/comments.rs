//! Comments under something that was published.

use axum::Json;
use chrono::Utc;
use serde_json::{Value, json};

use super::{Answer, GraphError, page, stamp};
use crate::social::{Account, Desk, Entry, EntryKind, Input, Protocol};

/// Writes one.
pub(crate) fn comment<P: Protocol>(desk: &Desk<P>, account: &Account, under: &str, input: &Input) -> Answer {
    let text = input.get("message").ok_or_else(|| GraphError::parameter("The parameter message is required"))?;
    let now = Utc::now();
    let mut books = desk.books();
    books.entry(under).ok_or_else(|| GraphError::missing(under))?;
    let mut entry = Entry::new(&account.handle, EntryKind::Comment, &text);
    entry.parent = Some(under.to_owned());
    let id = format!("{}_{}", under.rsplit('_').next().unwrap_or(under), books.number(now));
    Ok(Json(json!({ "id": books.publish(id, entry, input, now).id })))
}

/// Lists them, newest first. `text` and `time` are what the platform calls those fields.
pub(crate) fn list<P: Protocol>(desk: &Desk<P>, under: &str, input: &Input, text: &str, time: &str) -> Answer {
    let mut books = desk.books();
    books.entry(under).ok_or_else(|| GraphError::missing(under))?;
    let comments = books.listed(Utc::now(), |entry| entry.kind == EntryKind::Comment && entry.parent.as_deref() == Some(under));
    drop(books);
    let shown =
        |entry: &Entry| -> Value { json!({ "id": entry.id, text: entry.text, time: stamp(entry.at), "from": { "name": entry.account } }) };
    Ok(Json(json!({ "data": page(comments, input).iter().map(shown).collect::<Vec<_>>() })))
}
