//! Every shape of OAuth that platforms have, against a server that keeps what it was asked.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use domain::platform::Platform;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method, path},
};

use super::{
    flow::{begin_by, challenge, finish_by},
    token::place,
    *,
};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        ACCESS_TOKEN, App, Apps, Call, Credentials, REFRESH_TOKEN,
        tests::{account, http},
    },
};

/// Rules like those of a platform with all the peculiarities that there are.
const PECULIAR: Rules = Rules {
    authorize: "https://www.platform.example/v2/authorize/",
    token: "https://api.platform.example/v2/token/",
    separator: ",",
    client_id: "client_key",
    extra: &[("access_type", "offline")],
    facts: &[("/open_id", "open_id"), ("/team/id", "team_id")],
    ..Rules::STANDARD
};

const LONGER: Exchange = Exchange {
    url: "https://graph.platform.example/access_token",
    grant_type: "ig_exchange_token",
    token: "access_token",
    with_id: false,
    with_secret: true,
};

fn apps(server: &MockServer) -> Apps {
    let app = App {
        client_id: Some("cid".to_owned()),
        client_secret: Some("planted-secret".into()),
        api_base: Some(server.uri().parse().unwrap()),
        authorize_base: None,
    };
    Apps::default().with(Platform::Mastodon, app)
}

async fn answering(server: &MockServer, verb: &str, at: &str, status: u16, body: serde_json::Value) {
    Mock::given(method(verb)).and(path(at)).respond_with(ResponseTemplate::new(status).set_body_json(body)).mount(server).await;
}

/// The fields of each form, or query where there was none, by the path it came to, with `authorization`.
async fn asked(server: &MockServer) -> Vec<(String, BTreeMap<String, String>)> {
    let read = |bytes: &[u8]| url::form_urlencoded::parse(bytes).into_owned().collect::<BTreeMap<_, _>>();
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| {
            let mut fields =
                if request.body.is_empty() { read(request.url.query().unwrap_or_default().as_bytes()) } else { read(&request.body) };
            if let Some(basic) = request.headers.get("authorization") {
                fields.insert("authorization".to_owned(), basic.to_str().unwrap().to_owned());
            }
            (format!("{} {}", request.method, request.url.path()), fields)
        })
        .collect()
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn back() -> Url {
    "https://pressroom.example/v1/connectors/callback".parse().unwrap()
}

async fn begun(server: &MockServer, rules: &Rules) -> Begun {
    let base = server.uri().parse().unwrap();
    begin_by(rules, &http(), &apps(server), Platform::Mastodon, &base, &back(), "st&te").await.unwrap()
}

async fn finished(server: &MockServer, rules: &Rules, kept: &SecretString) -> ActivityResult<Credentials> {
    let base = server.uri().parse().unwrap();
    let returned = Returned { redirect: &back(), code: &"planted-code".into(), kept };
    finish_by(rules, &http(), &apps(server), Platform::Mastodon, &base, returned).await
}

async fn refreshed(server: &MockServer, rules: &Rules, known: &Credentials) -> ActivityResult<Credentials> {
    let account = account(Platform::Mastodon, &server.uri());
    let (http, apps) = (http(), apps(server));
    refresh(Call { http: &http, account: &account, credentials: known }, &apps, rules).await
}

fn known() -> Credentials {
    Credentials::new(Platform::Mastodon).with_token("planted-old", Some(Utc::now())).with_secret(REFRESH_TOKEN, "planted-refresh")
}

fn token(made: &Credentials, name: &str) -> String {
    made.secret(name).unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn an_application_is_registered_where_servers_want_their_own_and_asks_for_no_more_than_the_capabilities_say() {
    let server = MockServer::start().await;
    answering(&server, "POST", "/api/v1/apps", 200, json!({"id": "7", "client_id": "own", "client_secret": "planted-own"})).await;
    answering(&server, "POST", "/oauth/token", 200, json!({"access_token": "planted-access", "scope": "read:accounts write:statuses"}))
        .await;
    let base: Url = server.uri().parse().unwrap();
    let begun = begin(&http(), &Apps::default(), Platform::Mastodon, &base, &back(), "st&te").await.unwrap();
    let query: BTreeMap<String, String> = begun.authorize_url.query_pairs().into_owned().collect();
    let scopes = Platform::Mastodon.capabilities().connect.scopes().join(" ");
    assert_eq!((query["scope"].as_str(), query["state"].as_str(), query["client_id"].as_str()), (scopes.as_str(), "st&te", "own"));
    assert_eq!((query["code_challenge_method"].as_str(), begun.authorize_url.path()), ("S256", "/oauth/authorize"));
    let returned = Returned { redirect: &back(), code: &"planted-code".into(), kept: &begun.kept };
    let made = finish(&http(), &Apps::default(), Platform::Mastodon, &base, returned).await.unwrap();
    assert_eq!(token(&made, ACCESS_TOKEN), "planted-access");
    assert_eq!((made.scopes().len(), made.fact("client_id"), made.expires_at()), (2, Some("own"), None));
    assert!(!format!("{made:?} {begun:?}").contains("planted"));
    let asked = asked(&server).await;
    assert_eq!(asked[0].1["scopes"], scopes);
    assert_eq!((asked[1].1["client_id"].as_str(), asked[1].1["client_secret"].as_str()), ("own", "planted-own"));
    assert_eq!(challenge(&asked[1].1["code_verifier"]), query["code_challenge"], "the verifier is the one that was challenged");
}

#[test]
fn the_challenge_is_that_of_the_standard() {
    // RFC 7636, appendix B.
    assert_eq!(challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[tokio::test]
async fn what_a_platform_calls_things_and_wants_besides_is_data() {
    let server = MockServer::start().await;
    let answer =
        json!({"access_token": "a", "refresh_token": "r", "expires_in": "7200", "scope": "one,two", "open_id": "o-1", "team": {"id": 7}});
    answering(&server, "POST", "/v2/token/", 200, answer).await;
    let begun = begun(&server, &PECULIAR).await;
    let query: BTreeMap<String, String> = begun.authorize_url.query_pairs().into_owned().collect();
    assert_eq!((query["client_key"].as_str(), query["access_type"].as_str()), ("cid", "offline"));
    assert!(query["scope"].contains("read:accounts,") && !query.contains_key("client_id"));
    let made = finished(&server, &PECULIAR, &begun.kept).await.unwrap();
    assert_eq!((made.fact("open_id"), made.fact("team_id"), made.scopes().join(" ")), (Some("o-1"), Some("7"), "one two".to_owned()));
    let lives = made.expires_at().unwrap() - Utc::now();
    assert!(lives > TimeDelta::minutes(60) && lives <= TimeDelta::minutes(120), "{lives}");
    let asked = asked(&server).await.remove(0).1;
    assert_eq!((asked["client_key"].as_str(), asked["client_secret"].as_str()), ("cid", "planted-secret"));

    let basic = Rules { client: ClientAuth::Basic, pkce: false, ..PECULIAR };
    server.reset().await;
    answering(&server, "POST", "/v2/token/", 200, json!({"access_token": "a"})).await;
    finished(&server, &basic, &self::begun(&server, &basic).await.kept).await.unwrap();
    let asked = self::asked(&server).await.remove(0).1;
    assert_eq!(asked["authorization"], "Basic Y2lkOnBsYW50ZWQtc2VjcmV0");
    assert!(!asked.contains_key("client_secret") && !asked.contains_key("code_verifier"));
}

#[tokio::test]
async fn a_short_token_is_exchanged_for_a_longer_one_at_once() {
    let server = MockServer::start().await;
    answering(&server, "POST", "/v2/token/", 200, json!({"data": [{"access_token": "planted-short", "user_id": 5}]})).await;
    answering(&server, "GET", "/access_token", 200, json!({"access_token": "long", "expires_in": 5_184_000})).await;
    let rules = Rules { lengthen: Some(LONGER), refresh: Refresh::Itself(LONGER), facts: &[("/data/0/user_id", "user_id")], ..PECULIAR };
    let made = finished(&server, &rules, &begun(&server, &rules).await.kept).await.unwrap();
    assert_eq!((token(&made, ACCESS_TOKEN).as_str(), made.fact("user_id")), ("long", Some("5")));
    let exchange = fields(&[("grant_type", "ig_exchange_token"), ("client_secret", "planted-secret"), ("access_token", "planted-short")]);
    assert_eq!(asked(&server).await[1], ("GET /access_token".to_owned(), exchange));

    let renewed = refreshed(&server, &rules, &made).await.unwrap();
    assert!(renewed.expires_at().is_some());
    assert_eq!(asked(&server).await[2].1["access_token"], "long", "the token itself buys the next");
}

#[tokio::test]
async fn a_refresh_token_is_replaced_by_the_next_or_goes_on_working() {
    let server = MockServer::start().await;
    answering(&server, "POST", "/v2/token/", 200, json!({"access_token": "new", "refresh_token": "next", "expires_in": 60})).await;
    let made = refreshed(&server, &PECULIAR, &known()).await.unwrap();
    assert_eq!((token(&made, ACCESS_TOKEN).as_str(), token(&made, REFRESH_TOKEN).as_str()), ("new", "next"));
    assert_eq!(asked(&server).await[0].1["refresh_token"], "planted-refresh");
    server.reset().await;
    answering(&server, "POST", "/v2/token/", 200, json!({"access_token": "new", "expires_in": 60})).await;
    let reusable = Rules { refresh: Refresh::Reusable, ..PECULIAR };
    assert_eq!(token(&refreshed(&server, &reusable, &known()).await.unwrap(), REFRESH_TOKEN), "planted-refresh");
}

#[tokio::test]
async fn what_cannot_be_renewed_holds_until_its_end() {
    let server = MockServer::start().await;
    let entered = Credentials::new(Platform::Mastodon).with_token("by-hand", None);
    for rules in [PECULIAR, Rules { refresh: Refresh::None, ..PECULIAR }, Rules { refresh: Refresh::Itself(LONGER), ..PECULIAR }] {
        assert_eq!(token(&refreshed(&server, &rules, &entered).await.unwrap(), ACCESS_TOKEN), "by-hand");
    }
    let ended = entered.with_token("by-hand", Some(Utc::now() - TimeDelta::seconds(1)));
    let error = refreshed(&server, &PECULIAR, &ended).await.unwrap_err();
    assert!(matches!(&error, ActivityError::CredentialsExpired { what } if what.contains("ended")), "{error:?}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_a_refusal_of_the_token_is_one() {
    for (status, body, kind) in [
        (400, json!({"error": "invalid_grant", "error_description": "planted-refresh is used"}), "credentials_expired"),
        (400, json!({"error": "invalid_request", "error_description": "Value passed for the token was invalid."}), "credentials_expired"),
        (401, json!({"error": "invalid_client"}), "rejected"),
        (400, json!({"error": {"message": "expired", "type": "OAuthException", "code": 190}}), "credentials_expired"),
        (200, json!({"ok": false, "error": "invalid_refresh_token"}), "credentials_expired"),
        (200, json!({"ok": false, "error": "ratelimited"}), "transient"),
        (200, json!({"hello": "world"}), "transient"),
        (200, json!("<html>"), "transient"),
        (403, json!({}), "credentials_expired"),
        (404, json!({}), "rejected"),
        (408, json!({"error": "invalid_grant"}), "transient"),
        (429, json!({}), "rate_limited"),
        (500, json!({"error": "invalid_grant"}), "transient"),
        (503, json!({}), "transient"),
    ] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(status).set_body_json(&body)).expect(1).mount(&server).await;
        let error = refreshed(&server, &PECULIAR, &known()).await.unwrap_err();
        assert_eq!(serde_json::to_value(&error).unwrap()["kind"], kind, "{status} {body}: {error}");
        assert!(!error.what().contains("planted"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_code_ends_the_attempt_and_is_not_repeated() {
    let server = MockServer::start().await;
    let refusal = json!({"error": "invalid_grant", "error_description": "code planted-code is used, planted-secret"});
    answering(&server, "POST", "/v2/token/", 400, refusal).await;
    let error = finished(&server, &PECULIAR, &begun(&server, &PECULIAR).await.kept).await.unwrap_err();
    assert!(matches!(&error, ActivityError::Rejected { what } if what.contains("is used") && !what.contains("planted")), "{error}");
}

#[tokio::test]
async fn without_an_application_nobody_is_asked_and_its_setting_is_named() {
    let base: Url = "https://social.example".parse().unwrap();
    let error = begin_by(&PECULIAR, &http(), &Apps::default(), Platform::Mastodon, &base, &back(), "s").await.unwrap_err();
    assert!(error.what().contains("platforms.mastodon.client_id"), "{error}");
    let error = begin(&http(), &Apps::default(), Platform::Bluesky, &base, &back(), "s").await.unwrap_err();
    assert!(error.what().contains("no authorisation"), "{error}");
}

#[test]
fn the_settings_move_a_platform_and_users_do_not() {
    let users: Url = "https://users.example/x".parse().unwrap();
    let stand_in: Url = "http://127.0.0.1:9/tiktok".parse().unwrap();
    assert_eq!(place(PECULIAR.token, &users, None).unwrap().as_str(), PECULIAR.token);
    assert_eq!(place(PECULIAR.token, &users, Some(&stand_in)).unwrap().as_str(), "http://127.0.0.1:9/tiktok/v2/token/");
    assert_eq!(place("oauth/token", &users, None).unwrap().as_str(), "https://users.example/x/oauth/token");
}

#[test]
fn every_platform_with_an_authorisation_has_rules_and_the_others_have_none() {
    for platform in Platform::ALL {
        let rules = crate::platform::adapter(*platform).oauth();
        let connect = &platform.capabilities().connect;
        assert_eq!(rules.is_some(), !connect.scopes().is_empty(), "{platform}");
        let Some(rules) = rules else { continue };
        for address in [rules.authorize, rules.token] {
            assert!(Url::parse(address).map_or(rules.register.is_some(), |url| url.scheme() == "https"), "{platform}: {address}");
        }
    }
}
