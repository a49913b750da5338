//! The kernel, seen through the smallest platform that can be: it posts, uploads, shows, deletes.

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::Utc;
use http::{HeaderMap, Method, StatusCode, Uri};
use reqwest::Client;
use serde_json::{Value, json};

use super::*;
use crate::{
    Limit,
    fault::{Endpoint, Fault},
};

#[derive(Debug, Default)]
struct Tiny;

type Answer = Result<Json<Value>, Response>;

fn caller(desk: &Desk<Tiny>, uri: &Uri, headers: &HeaderMap) -> Result<String, (StatusCode, String)> {
    let account = desk.caller(uri, headers).map(|account| account.handle.clone());
    account.map_err(|standing| (StatusCode::UNAUTHORIZED, format!("{standing:?}")))
}

async fn publish(State(desk): State<Desk<Tiny>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers).map_err(IntoResponse::into_response)?;
    let now = Utc::now();
    let mut books = desk.books();
    let id = books.number(now).to_string();
    let entry = Entry::new(&account, EntryKind::Post, &input.get("text").unwrap_or_default());
    Ok(Json(json!({ "id": books.publish(id, entry, &input, now).id })))
}

async fn show(State(desk): State<Desk<Tiny>>, Path(id): Path<String>) -> Answer {
    let mut books = desk.books();
    if !books.sees(&id, Utc::now()) {
        return Err(StatusCode::NOT_FOUND.into_response());
    }
    Ok(Json(json!({ "likes": books.count(&id, "likes", Utc::now()) })))
}

async fn upload(State(desk): State<Desk<Tiny>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers).map_err(IntoResponse::into_response)?;
    let file = input.file("file").ok_or_else(|| StatusCode::BAD_REQUEST.into_response())?;
    let draft = Draft::new(&account, "file", json!({})).with_file(&file.content_type, &file.bytes, input.get("alt").as_deref());
    let now = Utc::now();
    let mut books = desk.books();
    let id = format!("f{}", books.number(now));
    Ok(Json(json!({ "id": books.draft(id, draft, &input, now).id })))
}

async fn progress(State(desk): State<Desk<Tiny>>, Path(id): Path<String>) -> Answer {
    let progress = desk.books().progress(&id, Utc::now()).ok_or_else(|| StatusCode::NOT_FOUND.into_response())?;
    Ok(Json(json!(format!("{progress:?}"))))
}

impl Protocol for Tiny {
    const PLATFORM: &'static str = "tiny";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("1", "ann", "tiny-token")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/posts", post(publish))
            .route("/posts/{id}", get(show))
            .route("/files", post(upload))
            .route("/files/{id}", get(progress))
            .route("/oauth/authorize", get(oauth::authorize::<Self>))
            .route("/oauth/token", post(oauth::token::<Self>))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/posts" => &[Endpoint::Publish],
            "/files" => &[Endpoint::Media],
            path if path.starts_with("/posts/") && *method == Method::GET => &[Endpoint::Lookup],
            path if path.starts_with("/oauth/") => &[Endpoint::Auth],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        (status, "tiny says no").into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let mut response = Self::refusal(StatusCode::TOO_MANY_REQUESTS);
        set_headers(&mut response, [("retry-after", budget.limit.seconds.to_string())]);
        response
    }

    fn charges(_: &Desk<Self>, _: &Method, path: &str, _: &str) -> Vec<Charge> {
        if path == "/posts" { vec![Charge { key: "posts".to_owned(), limit: Limit::new(2, 3600), points: 1 }] } else { Vec::new() }
    }

    fn tell(response: &mut Response, budget: &Budget) {
        set_headers(response, [("x-left", budget.remaining.to_string())]);
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "token": account.token })
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(3600), refresh: Renewal::Rotates { grace_seconds: 0 } }
    }
}

async fn server() -> Running<Tiny> {
    Running::start(Options { throttled: false, ..Options::default() }).await.unwrap()
}

async fn send(server: &Running<Tiny>, text: &str) -> reqwest::Result<reqwest::Response> {
    Client::new().post(format!("{}/posts", server.base_url())).bearer_auth("tiny-token").json(&json!({ "text": text })).send().await
}

async fn told(server: &Running<Tiny>, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}{path}", server.base_url())).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn what_is_published_stands_in_the_books_with_its_request() {
    let server = server().await;
    assert_eq!(send(&server, "Hello").await.unwrap().status(), StatusCode::OK);
    let entries = StandIn::entries(&server, "ann");
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].text.as_str(), &entries[0].request), ("Hello", &json!({ "text": "Hello" })));
    assert!(server.set_counter(&entries[0].id, "likes", 5) && StandIn::entries(&server, "bob").is_empty());
    assert_eq!(told(&server, &format!("/posts/{}", entries[0].id)).await.1, r#"{"likes":5}"#);
}

#[tokio::test]
async fn a_budget_is_kept_and_told() {
    let server = Running::<Tiny>::start(Options::default()).await.unwrap();
    for left in ["1", "0"] {
        assert_eq!(send(&server, "x").await.unwrap().headers()["x-left"], left);
    }
    let refused = send(&server, "x").await.unwrap();
    assert_eq!((refused.status(), refused.headers()["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "3600"));
    assert_eq!(StandIn::entries(&server, "ann").len(), 2);
}

#[tokio::test]
async fn a_duplicate_error_comes_with_the_post_or_without_it() {
    let server = server().await;
    for (fault, posts) in [(Fault::RefuseAsDuplicate, 0), (Fault::AcceptThenDuplicate, 1)] {
        server.faults().next(Endpoint::Publish, fault, 1);
        assert_eq!(send(&server, "x").await.unwrap().status(), StatusCode::CONFLICT);
        assert_eq!(StandIn::entries(&server, "ann").len(), posts);
    }
}

#[tokio::test]
async fn a_new_post_can_stay_hidden() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::HideNew { ms: 0, lookups: 1 }, 1);
    let id = send(&server, "x").await.unwrap().json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(told(&server, &format!("/posts/{id}")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(told(&server, &format!("/posts/{id}")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn uploads_are_processed_as_ordered() {
    let server = server().await;
    for (fault, says) in [
        (None, ["\"Ready\"", "\"Ready\""]),
        (Some(Fault::ProcessSlowly { ms: 0, polls: 1 }), ["\"Working\"", "\"Ready\""]),
        (Some(Fault::FailProcessing), ["\"Failed\"", "\"Failed\""]),
    ] {
        if let Some(fault) = fault {
            server.faults().next(Endpoint::Media, fault, 1);
        }
        let part = reqwest::multipart::Part::bytes(b"cat".to_vec()).file_name("cat.png").mime_str("image/png").unwrap();
        let form = reqwest::multipart::Form::new().text("alt", "A cat").part("file", part);
        let sent = Client::new().post(format!("{}/files", server.base_url())).bearer_auth("tiny-token").multipart(form);
        let id = sent.send().await.unwrap().json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        for says in says {
            assert_eq!(told(&server, &format!("/files/{id}")).await.1, says);
        }
        let file = server.desk().books().drafted(&id).unwrap().file.clone().unwrap();
        assert_eq!((file.id, file.content_type.as_str(), file.bytes, file.alt.as_deref()), (id, "image/png", 3, Some("A cat")));
    }
}

#[tokio::test]
async fn tokens_end_and_come_back_on_order() {
    type Lever = fn(&Running<Tiny>, &str) -> bool;
    let server = server().await;
    let levers: [(Lever, &str); 2] = [(StandIn::expire, "Some(Expired)"), (StandIn::revoke, "Some(Revoked)")];
    for (lever, says) in levers {
        assert!(lever(&server, "ann"));
        let refused = send(&server, "x").await.unwrap();
        assert_eq!((refused.status(), refused.text().await.unwrap().as_str()), (StatusCode::UNAUTHORIZED, says));
    }
    assert!(server.reinstate("ann") && !server.expire("nobody"));
    assert_eq!(send(&server, "x").await.unwrap().status(), StatusCode::OK);
    server.faults().next(Endpoint::Publish, Fault::ExpireAccess, 1);
    assert_eq!(send(&server, "x").await.unwrap().text().await.unwrap(), "Some(Expired)");
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_its_verifier() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest, Sha256};

    let server = server().await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let back = "https://app.example/back";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest("verifier"));
    let code = async || {
        let asked = client.get(format!("{}/oauth/authorize", server.base_url())).query(&[
            ("response_type", "code"),
            ("client_id", "stand-in-app"),
            ("redirect_uri", back),
            ("state", "s"),
            ("scope", "write"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let to = asked.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
        let to = url::Url::parse(&to).unwrap();
        assert!(to.query_pairs().any(|(name, value)| name == "state" && value == "s"));
        to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    };
    let token = async |fields: &[(&str, &str)]| {
        let mut form = vec![("client_id", "stand-in-app"), ("client_secret", "stand-in-app-secret"), ("redirect_uri", back)];
        form.extend(fields);
        client.post(format!("{}/oauth/token", server.base_url())).form(&form).send().await.unwrap().json::<Value>().await.unwrap()
    };
    let wrong = code().await;
    assert_eq!(token(&[("grant_type", "authorization_code"), ("code", &wrong), ("code_verifier", "x")]).await["error"], "invalid_grant");
    let good = code().await;
    let given = token(&[("grant_type", "authorization_code"), ("code", &good), ("code_verifier", "verifier")]).await;
    assert_eq!((&given["expires_in"], &given["scope"]), (&json!(3600), &json!("write")));
    assert_eq!(
        token(&[("grant_type", "authorization_code"), ("code", &good), ("code_verifier", "verifier")]).await["error"],
        "invalid_grant"
    );
    let sent = client.post(format!("{}/posts", server.base_url())).bearer_auth(given["access_token"].as_str().unwrap());
    assert_eq!(sent.json(&json!({})).send().await.unwrap().status(), StatusCode::OK);
    let refresh = given["refresh_token"].as_str().unwrap();
    assert!(token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await["access_token"].is_string());
    assert_eq!(token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await["error"], "invalid_grant");
    assert_eq!(token(&[("grant_type", "password")]).await["error"], "unsupported_grant_type");
    assert_eq!(token(&[("grant_type", "refresh_token"), ("client_secret", "wrong")]).await["error"], "invalid_client");
}
