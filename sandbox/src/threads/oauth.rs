//! Tokens: a code gives one for an hour, that one for sixty days, and each of those the next.

use axum::{Json, extract::State};
use chrono::Utc;
use http::{HeaderMap, Uri};
use serde_json::json;

use super::GraphThreads;
use crate::{
    graph::{self, Answer, GraphError},
    social::{Desk, Input, Lives, Renewal, oauth},
};

/// How long the token of a code is good: one hour.
const SHORT: Lives = Lives { access_seconds: Some(3600), refresh: Renewal::None };

pub(super) async fn access_token(State(desk): State<Desk<GraphThreads>>, headers: HeaderMap, input: Input) -> Answer {
    let refused = |why: oauth::Refused| GraphError::new(1, format!("Error validating the request: {}", why.name()));
    if input.get("grant_type").as_deref() != Some("authorization_code") {
        return Err(refused(oauth::Refused::GrantType));
    }
    let issued = oauth::exchange_for(&desk, &headers, &input, "client_id", SHORT).map_err(refused)?;
    let id = desk.account(&issued.account).map(|account| account.id.parse::<u64>().unwrap_or_default());
    Ok(Json(json!({ "access_token": issued.access, "user_id": id })))
}

pub(super) async fn lengthen(State(desk): State<Desk<GraphThreads>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    if input.get("client_secret").as_deref() != Some(&desk.options().app.client_secret) {
        return Err(GraphError::new(101, "Error validating client secret."));
    }
    renewed(&desk, &uri, &headers, &input, "th_exchange_token")
}

pub(super) async fn refresh(State(desk): State<Desk<GraphThreads>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    renewed(&desk, &uri, &headers, &input, "th_refresh_token")
}

fn renewed(desk: &Desk<GraphThreads>, uri: &Uri, headers: &HeaderMap, input: &Input, grant: &str) -> Answer {
    if input.get("grant_type").as_deref() != Some(grant) {
        return Err(GraphError::parameter("grant_type is wrong"));
    }
    let account = graph::caller(desk, uri, headers)?;
    let issued = desk.books().issue(&account.handle, "", desk.lives(), Utc::now());
    Ok(Json(json!({ "access_token": issued.access, "token_type": "bearer", "expires_in": issued.access_seconds })))
}
