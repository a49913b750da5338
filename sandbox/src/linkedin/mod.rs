//! A stand-in for LinkedIn (<https://learn.microsoft.com/linkedin/marketing/>): members and the organisations that they administer.
//!
//! Speaks the versioned REST API as far as a publisher needs it: `little` text, images, comments, and the refusal that names the original of a
//! repetition. Members cannot list their own posts, organisations can.

mod images;
mod posts;
mod social;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Lives, Protocol, Renewal, Running, oauth},
};

/// A running stand-in.
pub type LinkedIn = Running<Rest>;

/// The routes and the voice of LinkedIn.
#[derive(Debug, Default)]
pub struct Rest;

/// What an organisation's account is of.
const ORGANIZATION: &str = "organization";

/// A refusal as LinkedIn says it.
#[derive(Debug, Clone)]
struct No(StatusCode, &'static str, String);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let mut body = json!({ "status": status.as_u16(), "code": code, "message": message });
        if code == "DUPLICATE_POST" {
            body["errorDetailType"] = "com.linkedin.common.error.BadRequest".into();
            let error = json!({ "description": "Duplicate post is detected", "input": {}, "code": code });
            body["errorDetails"] = json!({ "inputErrors": [error] });
        }
        (status, Json(body)).into_response()
    }
}

impl No {
    fn invalid(what: &str) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY", what.to_owned())
    }

    fn forbidden() -> Self {
        Self(StatusCode::FORBIDDEN, "ACCESS_DENIED", "Not enough permissions to access this resource".to_owned())
    }

    fn missing() -> Self {
        Self(StatusCode::NOT_FOUND, "NOT_FOUND", "Could not find entity".to_owned())
    }

    fn duplicate(urn: &str) -> Self {
        let what = format!("com.linkedin.content.common.exception.BadRequestResponseException: Content is a duplicate of {urn}");
        Self(StatusCode::UNPROCESSABLE_ENTITY, "DUPLICATE_POST", what)
    }
}

/// Who calls; with the headers that every versioned call needs.
fn caller<'a>(desk: &'a Desk<Rest>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, No> {
    let account = desk.caller(uri, headers).map_err(|standing| match standing {
        Some(_) => No(StatusCode::UNAUTHORIZED, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired".to_owned()),
        None => No(StatusCode::UNAUTHORIZED, "INVALID_ACCESS_TOKEN", "Invalid access token".to_owned()),
    })?;
    let version = headers.get("linkedin-version").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if uri.path().starts_with("/rest/") && (version.len() != 6 || !version.bytes().all(|b| b.is_ascii_digit())) {
        return Err(No(StatusCode::BAD_REQUEST, "VERSION_MISSING", "A version must be present.".to_owned()));
    }
    Ok(account)
}

/// The account behind a URN, if the caller may act for it: a member for itself and the organisations, an organisation's own token for it.
fn acting<'a>(desk: &'a Desk<Rest>, caller: &Account, urn: &str) -> Result<&'a Account, No> {
    let account = desk.options().accounts.iter().find(|account| account.id == urn).ok_or_else(No::forbidden)?;
    let may = account.id == caller.id || (account.kind == ORGANIZATION && caller.kind != ORGANIZATION);
    may.then_some(account).ok_or_else(No::forbidden)
}

type Answer = Result<Json<Value>, No>;

async fn userinfo(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let id = account.id.rsplit(':').next().unwrap_or_default();
    Ok(Json(json!({ "sub": id, "name": account.name, "locale": { "country": "DE", "language": "de" } })))
}

async fn acls(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let organizations = desk.options().accounts.iter().filter(|other| other.kind == ORGANIZATION && account.kind != ORGANIZATION);
    let elements: Vec<Value> = organizations
        .map(|other| json!({ "role": "ADMINISTRATOR", "state": "APPROVED", "organization": other.id, "roleAssignee": account.id }))
        .collect();
    Ok(Json(json!({ "elements": elements, "paging": { "start": 0, "count": 100, "links": [] } })))
}

async fn organization(State(desk): State<Desk<Rest>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let found = acting(&desk, account, &format!("urn:li:organization:{id}")).map_err(|_| No::missing())?;
    Ok(Json(json!({ "id": id.parse::<u64>().unwrap_or_default(), "localizedName": found.name, "vanityName": found.handle })))
}

async fn authorize(state: State<Desk<Rest>>, input: Input) -> Response {
    oauth::authorize(state, input).await
}

impl Protocol for Rest {
    const PLATFORM: &'static str = "linkedin";

    fn inhabitants() -> Vec<Account> {
        vec![
            Account::new("urn:li:person:Ab1_pressroom", "pressroom", "linkedin-stand-in-token").of_kind("person"),
            Account::new("urn:li:organization:5515715", "pressroom-inc", "linkedin-stand-in-organization-token").of_kind(ORGANIZATION),
        ]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/oauth/v2/authorization", get(authorize))
            .route("/oauth/v2/accessToken", post(oauth::token::<Self>))
            .route("/v2/userinfo", get(userinfo))
            .route("/rest/organizationAcls", get(acls))
            .route("/rest/organizations/{id}", get(organization))
            .route("/rest/posts", post(posts::create).get(posts::of_author))
            .route("/rest/posts/{urn}", get(posts::show).delete(posts::remove))
            .route("/rest/socialActions/{urn}/comments", post(social::comment).get(social::comments))
            .route("/rest/socialActions/{urn}/comments/{id}", delete(social::remove))
            .route("/rest/organizationalEntityShareStatistics", get(social::of_organization))
            .route("/rest/memberCreatorPostAnalytics", get(social::of_member))
            .route("/rest/images", post(images::initialize))
            .route("/rest/images/{urn}", get(images::show))
            .route("/dms-uploads/{urn}", put(images::upload))
            .route("/feed/update/{urn}", get(posts::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/rest/posts" if *method == Method::POST => &[Endpoint::Publish],
            path if path.ends_with("/comments") && *method == Method::POST => &[Endpoint::Publish],
            path if *method == Method::DELETE && path.starts_with("/rest/") => &[Endpoint::Publish],
            path if path.starts_with("/rest/posts") || path.ends_with("/comments") => &[Endpoint::Lookup],
            "/rest/organizationalEntityShareStatistics" | "/rest/memberCreatorPostAnalytics" => &[Endpoint::Metrics],
            "/v2/userinfo" | "/rest/organizationAcls" | "/oauth/v2/accessToken" => &[Endpoint::Auth],
            path if path.starts_with("/rest/organizations/") => &[Endpoint::Auth],
            path if path.starts_with("/rest/images") || path.starts_with("/dms-uploads/") => &[Endpoint::Media],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        No(status, "ERROR", status.canonical_reason().unwrap_or("Error").to_owned()).into_response()
    }

    fn rate_limited(_: &Budget) -> Response {
        // LinkedIn tells neither what is left nor when: its days end at midnight UTC.
        let what = "Resource level throttle limit for calls to this resource is reached.".to_owned();
        No(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", what).into_response()
    }

    fn duplicate(original: Option<&Response>) -> Response {
        let named = original.and_then(|original| original.headers().get("x-restli-id")?.to_str().ok());
        No::duplicate(named.unwrap_or("urn:li:share:7141138937766391808")).into_response()
    }

    fn charges(_: &Desk<Self>, method: &Method, path: &str, _: &str) -> Vec<Charge> {
        // learn.microsoft.com, "Share on LinkedIn", Rate limits: 150 a member and day.
        let posts = *method == Method::POST && path == "/rest/posts";
        if posts { vec![Charge { key: "posts".to_owned(), limit: Limit::new(150, 86_400), points: 1 }] } else { Vec::new() }
    }

    fn login(account: &Account, _: &str) -> Value {
        match account.id.strip_prefix("urn:li:organization:") {
            Some(organization) => json!({ "access_token": account.token, "organization": organization }),
            None => json!({ "access_token": account.token }),
        }
    }

    fn lives() -> Lives {
        // 60 days; the refresh token of approved applications stays the same for a year.
        Lives { access_seconds: Some(60 * 86_400), refresh: Renewal::Keeps }
    }
}
