//! What the engine writes into an entry of a journal.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::tables::{Entry, InvocationId};

/// What stands inside `{"Command": {"Run": ...}}`.
fn body(entry: &Entry) -> Option<Value> {
    let Value::Object(outer) = serde_json::from_str(entry.entry_lite_json.as_deref()?).ok()? else { return None };
    let Value::Object(inner) = outer.into_iter().next()?.1 else { return None };
    inner.into_iter().next().map(|(_, value)| value)
}

pub(super) fn number(entry: &Entry, field: &str) -> Option<u64> {
    body(entry)?.get(field)?.as_u64()
}

/// The invocation that an entry started, if it is a call or a send.
pub(super) fn callee(entry: &Entry) -> Option<InvocationId> {
    if !matches!(entry.entry_type.as_str(), "Command: Call" | "Command: OneWayCall") {
        return None;
    }
    body(entry)?.get("invocation_id")?.as_str()?.parse().ok()
}

/// `Service/handler` as the caller's journal has it.
pub(super) fn target(entry: &Entry) -> Option<String> {
    let body = body(entry)?;
    let target = body.get("invocation_target")?.as_object()?.values().next()?;
    Some(format!("{}/{}", target.get("name")?.as_str()?, target.get("handler")?.as_str()?))
}

/// The invocation that an entry asks to end, if it does.
pub(super) fn called_off(entry: &Entry) -> Option<InvocationId> {
    if entry.entry_type != "Command: SendSignal" {
        return None;
    }
    let body = body(entry)?;
    // The engine's own signal number 1 is the cancellation.
    (body.pointer("/signal_id/Index")?.as_u64()? == 1).then(|| body.get("target_invocation_id")?.as_str()?.parse().ok())?
}

/// Whether an entry sends something off that comes again and again by itself.
pub(super) fn is_background(entry: &Entry) -> bool {
    entry.entry_type == "Command: OneWayCall" && target(entry).is_some_and(|target| workflows::recurring::is_recurring(&target))
}

/// Whether an entry says that a step failed for good.
pub(super) fn is_failed_step(entry: &Entry) -> bool {
    entry.entry_type == "Notification: Run" && entry.entry_lite_json.as_deref().is_some_and(|json| json.contains(r#""result":"Failure""#))
}

/// What the payload of a failed step says.
pub(super) fn failure_message(payload: &str) -> Option<String> {
    fn find(value: &Value) -> Option<&str> {
        match value {
            Value::Object(map) => map.get("message").and_then(Value::as_str).or_else(|| map.values().find_map(find)),
            _ => None,
        }
    }
    find(&serde_json::from_str(payload).ok()?).map(str::to_owned)
}

/// What an invocation was given, of its first entry with the payload; the engine writes a payload as a list of bytes.
pub(super) fn input(entry: &str) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry {
        command: Command,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Command {
        input: Input,
    }
    #[derive(Deserialize)]
    struct Input {
        payload: Vec<u8>,
    }
    let entry: Entry = serde_json::from_str(entry).ok()?;
    serde_json::from_slice(&entry.command.input.payload).ok()
}

/// How something in a journal ended.
pub(super) struct End {
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) failed: bool,
    pub(super) failure: Option<String>,
}

/// By the number of the completion.
pub(super) type Ends = HashMap<u64, End>;

/// When each completion came, by its number.
pub(super) fn completions(entries: &[Entry]) -> Ends {
    let mut ends = Ends::new();
    for entry in entries.iter().filter(|e| e.entry_type.starts_with("Notification: ")) {
        let Some(json) = entry.entry_lite_json.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()) else { continue };
        if let Some(id) = json.pointer("/Notification/id/CompletionId").and_then(Value::as_u64) {
            let failed = json.pointer("/Notification/result").and_then(Value::as_str) == Some("Failure");
            ends.insert(id, End { at: entry.appended_at, failed, failure: entry.failure.clone() });
        }
    }
    ends
}

pub(super) fn took(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<i64> {
    Some((to? - from?).num_milliseconds().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_told_from_its_payload() {
        let payload =
            r#"{"Notification":{"Completion":{"Run":{"completion_id":1,"result":{"Failure":{"code":422,"message":"refused"}}}}}}"#;
        assert_eq!(failure_message(payload).as_deref(), Some("refused"));
        assert_eq!(failure_message("no json"), None);
    }

    #[test]
    fn an_input_is_read_from_its_bytes() {
        // As restate-server 1.7.12 answers it.
        let entry = r#"{"Command":{"Input":{"headers":[],"payload":[123,34,111,102,34,58,51,125],"name":""}}}"#;
        assert_eq!(input(entry), Some(serde_json::json!({"of": 3})));
        assert_eq!(input(r#"{"Command":{"Input":{"headers":[],"payload":[1],"name":""}}}"#), None);
    }
}
