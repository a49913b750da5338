//! What the stand-ins for Meta's Graph APIs have in common: errors, who calls, rate headers, insights, and media that is fetched from its address.
//!
//! Errors and their codes: developers.facebook.com, "Handle errors"; "Error codes" of the Instagram platform. Rate limits: "Rate limits" there:
//! what is used of a limit is told in per cent, and a refusal is a 4xx with a code of its own, not a 429.

pub(crate) mod comments;
pub(crate) mod containers;
pub(crate) mod login;

use std::time::SystemTime;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::social::{Account, Books, Budget, Desk, Draft, Entry, Protocol, Standing, set_headers};

/// A refusal, as all Graph APIs say it.
#[derive(Debug, Clone)]
pub(crate) struct GraphError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    code: i64,
    subcode: Option<i64>,
    title: Option<&'static str>,
    transient: bool,
}

impl GraphError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            kind: "OAuthException",
            code,
            subcode: None,
            title: None,
            transient: false,
        }
    }

    pub(crate) const fn with_subcode(mut self, subcode: i64, title: &'static str) -> Self {
        self.subcode = Some(subcode);
        self.title = Some(title);
        self
    }

    /// A parameter is missing or wrong.
    pub(crate) fn parameter(what: &str) -> Self {
        Self::new(100, format!("(#100) {what}"))
    }

    /// Nothing of this id, or nothing that the caller may see.
    pub(crate) fn missing(id: &str) -> Self {
        let message = format!(
            "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation."
        );
        Self { kind: "GraphMethodException", subcode: Some(33), ..Self::new(100, message) }
    }

    /// The answer to a request that shows no good token.
    fn token(standing: Option<Standing>) -> Self {
        match standing {
            Some(Standing::Expired) => Self {
                subcode: Some(463),
                ..Self::new(190, "Error validating access token: Session has expired on Saturday, 21-Nov-26 00:00:00 PST.")
            },
            Some(Standing::Revoked | Standing::Valid) => Self {
                subcode: Some(460),
                ..Self::new(190, "Error validating access token: The session has been invalidated because the user changed their password.")
            },
            None => Self::new(190, "Invalid OAuth access token - Cannot parse access token"),
        }
    }

    /// An error of this status that a fault asked for.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status.as_u16() {
            401 => (190, "Invalid OAuth access token."),
            403 => (368, "The action attempted has been deemed abusive or is otherwise disallowed"),
            500.. => (2, "An unexpected error has occurred. Please retry your request later."),
            _ => (100, "Invalid parameter"),
        };
        Self { status, transient: status.is_server_error(), ..Self::new(code, message) }
    }
}

impl IntoResponse for GraphError {
    fn into_response(self) -> Response {
        let trace = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(&self.message)[..16]);
        let mut error = json!({ "message": self.message, "type": self.kind, "code": self.code, "fbtrace_id": format!("A{trace}") });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        if let Some(title) = self.title {
            error["error_user_title"] = title.into();
            error["error_user_msg"] = self.message.as_str().into();
            error["is_transient"] = self.transient.into();
        } else if self.transient {
            error["is_transient"] = true.into();
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

pub(crate) type Answer = Result<Json<Value>, GraphError>;

/// The token of a request: in the header, or as the parameter that most examples show.
pub(crate) fn token(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let parameter = || {
        let query = uri.query()?;
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "access_token").map(|(_, value)| value.into_owned())
    };
    crate::social::bearer(headers, "Bearer ").or_else(parameter)
}

/// Who calls.
pub(crate) fn caller<'a, P: Protocol>(desk: &'a Desk<P>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, GraphError> {
    desk.caller(uri, headers).map_err(GraphError::token)
}

/// Who calls, who has to be the one that the path names by id, or as `me`.
pub(crate) fn owner<'a, P: Protocol>(desk: &'a Desk<P>, uri: &Uri, headers: &HeaderMap, id: &str) -> Result<&'a Account, GraphError> {
    let account = caller(desk, uri, headers)?;
    if id == "me" || id == account.id { Ok(account) } else { Err(GraphError::missing(id)) }
}

/// The refusal while a rate window is closed. `use_case` is what Meta calls the limit; `code` its error.
pub(crate) fn rate_limited(budget: &Budget, use_case: &str, code: i64) -> Response {
    let seconds = budget.resets.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs());
    let mut response =
        GraphError::new(code, format!("(#{code}) There have been too many calls from this account. Wait a bit and try again."))
            .into_response();
    // In whole minutes, as documented. A window of seconds, which only a test orders, is told as none.
    let usage = json!({ "17841400000000000": [{
        "type": use_case, "call_count": 100, "total_cputime": 12, "total_time": 15, "estimated_time_to_regain_access": seconds / 60,
    }] });
    set_headers(&mut response, [("x-business-use-case-usage", usage.to_string())]);
    response
}

/// What is used of a limit, in per cent.
pub(crate) fn tell(response: &mut Response, budget: &Budget) {
    let used = 100 - u64::from(budget.remaining) * 100 / u64::from(budget.limit.points.max(1));
    set_headers(response, [("x-app-usage", json!({ "call_count": used, "total_cputime": used / 2, "total_time": used / 2 }).to_string())]);
}

/// The counters that were asked for, each under its own name; `known` are those that there are.
pub(crate) fn insights(books: &mut Books, id: &str, asked: &str, known: &[&str]) -> Answer {
    let now = chrono::Utc::now();
    if !books.sees(id, now) {
        return Err(GraphError::missing(id));
    }
    if let Some(wrong) = asked.split(',').find(|metric| !known.contains(metric)) {
        let message = format!("metric[0] must be one of the following values: {}", known.join(", "));
        return Err(GraphError::parameter(&message).with_subcode(1_504_028, if wrong.is_empty() { "No metric" } else { "Invalid metric" }));
    }
    books.look(id);
    let values = asked.split(',').map(|metric| {
        json!({
            "name": metric, "period": "lifetime", "values": [{ "value": books.count(id, metric, now) }], "title": metric,
            "description": "Counted by a stand-in.", "id": format!("{id}/insights/{metric}/lifetime"),
        })
    });
    Ok(Json(json!({ "data": values.collect::<Vec<_>>() })))
}

/// A moment as the Graph APIs write it.
pub(crate) fn stamp(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// The entries of a list that `since` (seconds since 1970) lets through, newest first, at most `limit`.
pub(crate) fn page(entries: Vec<Entry>, input: &crate::social::Input) -> Vec<Entry> {
    let since = input.get("since").and_then(|since| since.parse::<i64>().ok()).unwrap_or(i64::MIN);
    let limit = input.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
    entries.into_iter().filter(|entry| entry.at.timestamp() >= since).take(limit).collect()
}

/// A file that is fetched from its address, as Meta's servers do ("we cURL your image"); `None` if it cannot be had.
pub(crate) async fn fetch(draft: Draft, address: &str, alt: Option<&str>) -> Option<Draft> {
    // No token, no cookie, and no redirect: an address that needs more is none that the platform could use.
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().ok()?;
    let answer = client.get(address).timeout(std::time::Duration::from_secs(10)).send().await.ok()?.error_for_status().ok()?;
    let bytes = answer.bytes().await.ok()?;
    Some(draft.with_file(kind_of(&bytes), &bytes, alt))
}

/// What a file is, by its first bytes.
pub(crate) fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [b'G', b'I', b'F', ..] => "image/gif",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "video/mp4",
        _ => "application/octet-stream",
    }
}
