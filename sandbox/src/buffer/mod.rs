//! A stand-in for Buffer (<https://developers.buffer.com>): one organisation with a channel on each of two networks.
//!
//! One address takes GraphQL. A key opens every channel of the person who made it, as Buffer's do. What is shared is on its network at once, unless
//! slow or failing processing is ordered of the request that shares it.

mod document;
mod posts;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Lives, Protocol, Renewal, Running, oauth, set_headers},
};

/// A running stand-in.
pub type Buffer = Running<GraphQl>;

/// The one route and the voice of Buffer.
#[derive(Debug, Default)]
pub struct GraphQl;

/// The organisation that all channels are of.
const ORGANIZATION: &str = "66a1f0c2e4b0a1d2c3e4f500";

/// An error of the system, as it stands in `errors`: a 200, but for these that the gateway makes.
#[derive(Debug, Clone)]
pub(super) struct Refused(StatusCode, &'static str, String);

impl Refused {
    fn missing() -> Self {
        Self(StatusCode::OK, "NOT_FOUND", "Post not found".to_owned())
    }

    fn invalid(what: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, "GRAPHQL_VALIDATION_FAILED", what.to_owned())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        (status, Json(json!({ "data": null, "errors": [{ "message": message, "extensions": { "code": code } }] }))).into_response()
    }
}

/// The channel of this id.
fn channel_of<'a>(desk: &'a Desk<GraphQl>, id: &str) -> Result<&'a Account, Refused> {
    let channel = desk.options().accounts.iter().find(|account| account.id == id);
    channel.ok_or_else(|| Refused(StatusCode::OK, "NOT_FOUND", "Channel not found".to_owned()))
}

fn channel(desk: &Desk<GraphQl>, account: &Account) -> Value {
    json!({
        "__typename": "Channel", "id": account.id, "name": account.handle, "displayName": account.name, "service": account.kind,
        "organizationId": ORGANIZATION, "isDisconnected": false, "isLocked": false, "isQueuePaused": false,
        "externalLink": format!("{}/{}/{}", desk.base(), account.kind, account.handle),
    })
}

async fn graphql(State(desk): State<Desk<GraphQl>>, uri: Uri, headers: HeaderMap, input: Input) -> Response {
    match answer(desk, &uri, &headers, input).await {
        Ok(data) => Json(json!({ "data": data })).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn answer(desk: Desk<GraphQl>, uri: &Uri, headers: &HeaderMap, input: Input) -> Result<Value, Refused> {
    let unknown = |_| Refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "An authentication JWT or Access Token is required".to_owned());
    let person = desk.caller(uri, headers).map_err(unknown)?.clone();
    let operation = input.get("query").and_then(|text| document::read(&text));
    let operation = operation.ok_or_else(|| Refused(StatusCode::BAD_REQUEST, "GRAPHQL_PARSE_FAILED", "Syntax Error".to_owned()))?;
    let asked = &input.json["variables"]["input"];
    let value = match operation.field.as_str() {
        "account" => json!({
            "__typename": "Account", "id": person.id, "name": person.name,
            "organizations": [{ "__typename": "Organization", "id": ORGANIZATION, "name": "Pressroom", "channelCount": desk.options().accounts.len() }],
        }),
        "channel" => channel(&desk, channel_of(&desk, asked["id"].as_str().unwrap_or_default())?),
        "channels" if asked["organizationId"] == ORGANIZATION => desk.options().accounts.iter().map(|one| channel(&desk, one)).collect(),
        "channels" => return Err(Refused(StatusCode::OK, "FORBIDDEN", "Not authorized".to_owned())),
        "createPost" => posts::create(State(desk), input).await?,
        "editPost" => posts::edit(&desk, &input)?,
        "deletePost" => posts::delete(&desk, &input)?,
        "post" => posts::show(&desk, &input)?,
        other => return Err(Refused::invalid(&format!("Cannot query field \"{other}\""))),
    };
    let shown = document::shown(&value, &operation.selection);
    let shown = shown.map_err(|field| Refused::invalid(&format!("Cannot query field \"{field}\"")))?;
    Ok(json!({ operation.field: shown }))
}

async fn page(State(desk): State<Desk<GraphQl>>, Path((_, id)): Path<(String, String)>) -> Result<Html<String>, StatusCode> {
    let books = desk.books();
    let text = books.entry(&id).ok_or(StatusCode::NOT_FOUND)?.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A post on a stand-in of Pressroom, by way of a Buffer that is none:</p><pre>{text}</pre>")))
}

impl Protocol for GraphQl {
    const PLATFORM: &'static str = "buffer";

    fn inhabitants() -> Vec<Account> {
        vec![
            Account::new("66a1f0c2e4b0a1d2c3e4f501", "pressroom", "buffer-stand-in-token").of_kind("linkedin"),
            Account::new("66a1f0c2e4b0a1d2c3e4f502", "pressroom-news", "buffer-stand-in-other-token").of_kind("mastodon"),
        ]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/", post(graphql))
            .route("/auth", get(oauth::authorize::<Self>))
            .route("/token", post(oauth::token::<Self>))
            .route("/{service}/posts/{id}", get(page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/" if *method == Method::POST => &[Endpoint::Lookup],
            "/token" => &[Endpoint::Auth],
            _ => &[],
        }
    }

    fn body_tells(method: &Method, path: &str) -> bool {
        *method == Method::POST && path == "/"
    }

    fn kinds_in(body: &[u8]) -> &'static [Endpoint] {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let document = body["query"].as_str().unwrap_or_default();
        match document::read(document).map(|operation| operation.field).as_deref() {
            Some("createPost") if body["variables"]["input"]["saveToDraft"] == true => &[Endpoint::Media],
            Some("createPost" | "editPost" | "deletePost") => &[Endpoint::Publish],
            Some("post") if document.contains("metrics") => &[Endpoint::Metrics],
            Some("post") => &[Endpoint::Lookup],
            _ => &[Endpoint::Auth],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        Refused(status, "UNEXPECTED", status.canonical_reason().unwrap_or("Error").to_owned()).into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let what = "Too many requests from this client. Please try again later.".to_owned();
        let mut response = Refused(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", what).into_response();
        let left = budget.resets.duration_since(std::time::SystemTime::now()).map_or(0, |left| left.as_secs() + 1);
        set_headers(&mut response, [("retry-after", left.to_string())]);
        Self::tell(&mut response, budget);
        response
    }

    fn charges(_: &Desk<Self>, _: &Method, _: &str, _: &str) -> Vec<Charge> {
        // developers.buffer.com, "API limits": what a client may ask for in a quarter of an hour and in a day.
        let charge = |key: &str, count, seconds| Charge { key: key.to_owned(), limit: Limit::new(count, seconds), points: 1 };
        vec![charge("15min", 100, 900), charge("1day", 250, 86_400)]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        let Limit { points, seconds } = budget.limit;
        let left = budget.resets.duration_since(std::time::SystemTime::now()).map_or(0, |left| left.as_secs());
        set_headers(
            response,
            [
                ("ratelimit", format!("\"{points}-in-{seconds}s\";r={};t={left}", budget.remaining)),
                ("ratelimit-policy", format!("\"{points}-in-{seconds}s\";q={points};w={seconds};pk=:c3RhbmQtaW4=:")),
            ],
        );
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token, "channel": account.id })
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(3600), refresh: Renewal::Rotates { grace_seconds: 0 } }
    }
}
