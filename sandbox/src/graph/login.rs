//! Facebook Login: a code gives a person's token for an hour, that one another for sixty days, and that one the tokens of the person's pages, which
//! do not end.

use axum::{Json, extract::State};
use chrono::Utc;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::{Answer, GraphError, caller};
use crate::social::{Account, Desk, Input, Lives, Protocol, Renewal, oauth};

const SHORT: Lives = Lives { access_seconds: Some(3600), refresh: Renewal::None };
const LONG: Lives = Lives { access_seconds: Some(60 * 24 * 3600), refresh: Renewal::None };

/// The token endpoint, by GET or POST.
pub(crate) async fn access_token<P: Protocol>(State(desk): State<Desk<P>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let lives = match input.get("grant_type").as_deref() {
        None | Some("authorization_code") => {
            let refused = |why: oauth::Refused| GraphError::new(100, format!("Invalid verification code format: {}", why.name()));
            let issued = oauth::exchange_for(&desk, &headers, &input, "client_id", SHORT).map_err(refused)?;
            return Ok(Json(json!({ "access_token": issued.access, "token_type": "bearer", "expires_in": issued.access_seconds })));
        }
        Some("fb_exchange_token") => LONG,
        Some(_) => return Err(GraphError::parameter("grant_type is wrong")),
    };
    let app = &desk.options().app;
    if input.get("client_secret").as_deref() != Some(&app.client_secret) || input.get("client_id").as_deref() != Some(&app.client_id) {
        return Err(GraphError::new(1, "Error validating client secret."));
    }
    let given = input.get("fb_exchange_token").unwrap_or_default();
    let shown: Uri = format!("{}?access_token={given}", uri.path()).parse().map_err(|_| GraphError::new(190, "Malformed access token"))?;
    let account = caller(&desk, &shown, &HeaderMap::new())?;
    let issued = desk.books().issue(&account.handle, "", lives, Utc::now());
    Ok(Json(json!({ "access_token": issued.access, "token_type": "bearer", "expires_in": issued.access_seconds })))
}

/// The pages of the person who calls: all that there are. `page` says what is told of one.
pub(crate) fn pages<P: Protocol>(desk: &Desk<P>, uri: &Uri, headers: &HeaderMap, page: impl Fn(&Account) -> Value) -> Answer {
    caller(desk, uri, headers)?;
    let told = |account: &Account| {
        let mut told = page(account);
        told["access_token"] = account.token.as_str().into();
        told["tasks"] = json!(["CREATE_CONTENT", "MODERATE", "ANALYZE", "MANAGE"]);
        told
    };
    Ok(Json(json!({ "data": desk.options().accounts.iter().map(told).collect::<Vec<_>>(), "paging": {} })))
}
