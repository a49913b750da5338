//! OAuth with the Mastodon stand-in: register, be sent through the approval, exchange the code, post, revoke.

use reqwest::{Client, StatusCode, Url, redirect::Policy};
use sandbox::mastodon::{Account, Mastodon, Options};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BACK: &str = "https://pressroom.example/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-00";

struct Dance {
    server: Mastodon,
    http: Client,
    client: Value,
}

async fn registered() -> Dance {
    let accounts = vec![Account::new("one", "t1"), Account::new("two", "t2")];
    let server = Mastodon::start(Options { accounts, ..Options::default() }).await.unwrap();
    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    let form = [("client_name", "Pressroom"), ("redirect_uris", BACK), ("scopes", "read write")];
    let client = http.post(format!("{}/api/v1/apps", server.base_url())).form(&form).send().await.unwrap().json().await.unwrap();
    Dance { server, http, client }
}

impl Dance {
    fn text(&self, name: &str) -> String {
        self.client[name].as_str().unwrap().to_owned()
    }

    async fn approve(&self, more: &[(&str, &str)]) -> reqwest::Response {
        let challenge = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
        let id = self.text("client_id");
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &id),
            ("scope", "read write:statuses"),
            ("state", "s t"),
            ("code_challenge", &challenge),
        ];
        query.extend([("code_challenge_method", "S256"), ("redirect_uri", BACK)]);
        query.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        query.extend(more);
        self.http.get(format!("{}/oauth/authorize", self.server.base_url())).query(&query).send().await.unwrap()
    }

    async fn code(&self, more: &[(&str, &str)]) -> String {
        let answer = self.approve(more).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
        let to = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert!(to.as_str().starts_with(BACK));
        assert!(to.query_pairs().any(|(name, value)| name == "state" && value == "s t"));
        to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    async fn exchange(&self, code: &str, more: &[(&str, &str)]) -> (StatusCode, Value) {
        let (id, secret) = (self.text("client_id"), self.text("client_secret"));
        let mut form = vec![("grant_type", "authorization_code"), ("client_id", &id), ("client_secret", &secret), ("code", code)];
        form.extend([("redirect_uri", BACK), ("code_verifier", VERIFIER)]);
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend(more);
        let answer = self.http.post(format!("{}/oauth/token", self.server.base_url())).form(&form).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn whoami(&self, token: &str) -> (StatusCode, Value) {
        let answer = self
            .http
            .get(format!("{}/api/v1/accounts/verify_credentials", self.server.base_url()))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn the_code_grant_with_pkce_gives_a_token_that_posts_and_can_be_revoked() {
    let dance = registered().await;
    for (more, handle) in [(&[][..], "one"), (&[("account", "two")][..], "two")] {
        let code = dance.code(more).await;
        let (status, granted) = dance.exchange(&code, &[]).await;
        assert_eq!((status, &granted["token_type"], &granted["scope"]), (StatusCode::OK, &json!("Bearer"), &json!("read write:statuses")));
        let token = granted["access_token"].as_str().unwrap();
        assert_eq!(dance.whoami(token).await.1["username"], handle);
        assert_eq!(dance.exchange(&code, &[]).await.1["error"], "invalid_grant");

        let (id, secret) = (dance.text("client_id"), dance.text("client_secret"));
        let revoke = |secret: &str| {
            let form = json!({ "client_id": id, "client_secret": secret, "token": token });
            dance.http.post(format!("{}/oauth/revoke", dance.server.base_url())).json(&form).send()
        };
        assert_eq!(revoke("wrong").await.unwrap().status(), StatusCode::FORBIDDEN);
        assert_eq!(dance.whoami(token).await.0, StatusCode::OK);
        assert_eq!(revoke(&secret).await.unwrap().status(), StatusCode::OK);
        assert_eq!(dance.whoami(token).await.1["error"], "The access token was revoked");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let dance = registered().await;
    for (name, value) in [
        ("redirect_uri", "https://evil.example/"),
        ("client_id", "x"),
        ("scope", "admin"),
        ("code_challenge_method", "plain"),
        ("account", "nobody"),
    ] {
        assert_eq!(dance.approve(&[(name, value)]).await.status(), StatusCode::BAD_REQUEST, "{name}");
    }
    for (more, status, error) in [
        (("code_verifier", "another"), StatusCode::BAD_REQUEST, "invalid_grant"),
        (("redirect_uri", "https://evil.example/"), StatusCode::BAD_REQUEST, "invalid_grant"),
        (("client_secret", "wrong"), StatusCode::UNAUTHORIZED, "invalid_client"),
        (("grant_type", "password"), StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    ] {
        let code = dance.code(&[]).await;
        let (got, answer) = dance.exchange(&code, &[more]).await;
        assert_eq!((got, &answer["error"]), (status, &json!(error)), "{more:?}");
    }
}

#[tokio::test]
async fn a_token_of_the_app_alone_posts_nothing() {
    let dance = registered().await;
    let (status, granted) = dance.exchange("", &[("grant_type", "client_credentials")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(dance.whoami(granted["access_token"].as_str().unwrap()).await.0, StatusCode::UNAUTHORIZED);
}
