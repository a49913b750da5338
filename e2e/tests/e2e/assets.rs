//! Media through the API: announced, uploaded to real object storage, and looked at before anybody may use them.

use activities::{
    ActivityError,
    media::{MediaStore, prepare, rendition, sha256_hex},
    platform::MediaFile,
    store::assets,
};
use domain::{
    ids::{AssetId, OrgId},
    platform::Platform,
};
use gateway::{GatewaySettings, access::Role};
use reqwest::{Method, StatusCode};
use sandbox::s3::{ObjectStore, Options};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::api_harness::{Answer, Api};

/// A picture of three by two pixels.
pub(crate) const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x03\x00\x00\x00\x02\x08\x02\x00\x00\x00\x12\x16\xf1M\x00\x00\x00\x10IDATx\xdac\xb8\xe4`\x00A\x0cp\x16\x00OX\x07\x8d\xcd\x8f\x1d<\x00\x00\x00\x00IEND\xaeB`\x82";

pub(crate) fn announcement(bytes: &[u8]) -> Value {
    json!({
        "kind": "image", "content_type": "image/png", "bytes": bytes.len(), "sha256": sha256_hex(bytes), "alt": "A bag of coffee",
        "rights": {"source": "our own", "license": "all rights held"},
    })
}

/// Sends bytes as the answer says.
pub(crate) async fn upload(announced: &Value, bytes: &[u8]) -> StatusCode {
    let signed = &announced["upload"];
    assert_eq!(signed["method"], "PUT");
    let mut put = reqwest::Client::new().put(signed["url"].as_str().unwrap()).body(bytes.to_vec());
    for header in signed["headers"].as_array().unwrap() {
        let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
        if !name.eq_ignore_ascii_case("content-length") {
            put = put.header(name, value);
        }
    }
    put.send().await.unwrap().status()
}

/// A running store and its folder.
pub(crate) type Storage = (ObjectStore, tempfile::TempDir);

/// Object storage with a bucket, for as long as the second value lives.
pub(crate) async fn storage() -> (MediaStore, Storage) {
    let (settings, storage) = stored_at().await;
    (MediaStore::new(&serde_json::from_value(settings).unwrap()), storage)
}

/// The same, as its settings.
pub(crate) async fn stored_at() -> (Value, Storage) {
    let folder = tempfile::tempdir().unwrap();
    let (access_key, secret_key) = ("key-of-a-test".to_owned(), "secret-of-a-test".to_owned());
    let options = Options { port: 0, folder: folder.path().to_owned(), access_key: access_key.clone(), secret_key: secret_key.clone() };
    let server = ObjectStore::start(options).await.unwrap();
    let settings = json!({"endpoint": server.endpoint(), "bucket": "media", "access_key": access_key, "secret_key": secret_key,
        "max_bytes": 10_000});
    MediaStore::new(&serde_json::from_value(settings.clone()).unwrap()).ensure_bucket().await.unwrap();
    (settings, (server, folder))
}

#[tokio::test]
async fn a_file_is_taken_when_it_is_what_was_announced() {
    let (media, _storage) = storage().await;
    let api = Api::start_storing(GatewaySettings::default(), media).await;

    // What cannot be right is refused before anything is signed, field by field.
    let mut wrong = announcement(PNG);
    wrong["kind"] = json!("video");
    wrong["sha256"] = json!("abc");
    wrong["rights"] = json!({"source": " ", "license": "l", "expires_at": "2020-01-01T00:00:00Z"});
    let answer = api.post("/v1/assets", &wrong).await;
    assert_eq!(answer.expect_problem(422, "validation-failed").pointers(), ["/kind", "/sha256", "/rights/source", "/rights/expires_at"]);
    for bytes in [0, 10_001] {
        let mut size = announcement(PNG);
        size["bytes"] = json!(bytes);
        assert_eq!(api.post("/v1/assets", &size).await.expect_problem(422, "validation-failed").pointers(), ["/bytes"]);
    }
    let mut kind = announcement(PNG);
    kind["content_type"] = json!("image/svg+xml");
    assert_eq!(api.post("/v1/assets", &kind).await.expect_problem(422, "validation-failed").pointers(), ["/content_type"]);

    let announced = api.post_with_key("/v1/assets", &announcement(PNG), "first").await.expect(201);
    let again = api.post_with_key("/v1/assets", &announcement(PNG), "first").await.expect(201);
    assert_eq!(announced["id"], again["id"], "the same key announces once");
    let complete = format!("/v1/assets/{}/complete", announced["id"].as_str().unwrap());
    assert!(announced["upload"]["url"].as_str().unwrap().contains(&format!("/media/{}/", api.org)), "under the org's prefix");
    api.post(&complete, &json!({})).await.expect_problem(409, "asset-not-uploaded");
    assert!(upload(&announced, PNG).await.is_success());
    let as_stranger = api.anonymous(Method::POST, &complete).bearer_auth(api.stranger().await.expose_secret());
    Answer::of(as_stranger.send().await.unwrap()).await.expect_problem(404, "not-found");
    let by_viewer = api.request(Role::Viewer, Method::POST, &complete).send().await.unwrap();
    Answer::of(by_viewer).await.expect_problem(403, "forbidden");
    let done = api.post(&complete, &json!({})).await.expect(200);
    assert!(done["verified_at"].is_string(), "{done}");
    assert_eq!((&done["width"], &done["height"], &done["duration_ms"]), (&json!(3), &json!(2), &Value::Null));
    assert_eq!(api.post(&complete, &json!({})).await.expect(200)["verified_at"], done["verified_at"], "the first time counts");

    // A page that calls itself a picture: whatever the store took, it is not taken here.
    let page = b"<!doctype html><script>";
    let pretended = api.post("/v1/assets", &announcement(page)).await.expect(201);
    upload(&pretended, page).await;
    let complete = format!("/v1/assets/{}/complete", pretended["id"].as_str().unwrap());
    let refused = api.post(&complete, &json!({})).await;
    let detail = refused.expect_problem(422, "asset-refused").json["detail"].as_str().unwrap();
    assert!(detail.contains("image/png"), "{detail}");

    let listed = api.get("/v1/assets").await.expect(200);
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| &item["id"]).collect::<Vec<_>>(), [&announced["id"], &pretended["id"]]);
    assert_eq!((&items[0]["verified_at"], &items[1]["verified_at"]), (&done["verified_at"], &Value::Null));
    assert_eq!(items[0]["rights"], json!({"source": "our own", "license": "all rights held", "expires_at": null}));
    let page = api.get("/v1/assets?limit=1").await.expect(200);
    let next = api.get(&format!("/v1/assets?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!((&next["items"][0]["id"], &next["next_cursor"]), (&pretended["id"], &Value::Null));
}

#[tokio::test]
async fn a_picture_is_fitted_to_a_platform_once() {
    let (media, _storage) = storage().await;
    let api = Api::start_storing(GatewaySettings::default(), media.clone()).await;
    let announced = api.post("/v1/assets", &announcement(PNG)).await.expect(201);
    assert!(upload(&announced, PNG).await.is_success());
    let id: AssetId = announced["id"].as_str().unwrap().parse().unwrap();
    api.post(&format!("/v1/assets/{id}/complete"), &json!({})).await.expect(200);

    let mut tx = api.store.in_org(api.org).await.unwrap();
    let asset = assets::get(&mut tx, id).await.unwrap().unwrap();
    let early = rendition(&mut tx, &asset, Platform::Bluesky).await.unwrap_err();
    assert!(matches!(&early, ActivityError::Transient { what } if what.contains(&id.to_string())), "{early}");
    tx.commit().await.unwrap();
    for _ in 0..2 {
        prepare(&api.store, &media, api.org, &[id], Platform::Bluesky).await.unwrap();
    }
    let mut tx = api.store.in_org(api.org).await.unwrap();
    let (part, key) = rendition(&mut tx, &asset, Platform::Bluesky).await.unwrap();
    assert_eq!((part.size, part.alt.as_str()), (Some((3, 2)), "A bag of coffee"));
    assert!(key.starts_with(&format!("{}/{id}.bluesky-", api.org)), "{key}");
    let file = MediaFile::stored(part.clone(), None, media, key).read().await.unwrap();
    assert_eq!((sha256_hex(&file), file.len() as u64), (part.sha256, part.bytes));
    assert!(rendition(&mut tx, &asset, Platform::Mastodon).await.is_err(), "another platform has another form");
    drop(tx);
    let stranger = OrgId::from_uuid(uuid::Uuid::now_v7());
    let mut tx = api.store.in_org(stranger).await.unwrap();
    assert!(rendition(&mut tx, &asset, Platform::Bluesky).await.is_err(), "another org has none of it");
}

#[tokio::test]
async fn without_object_storage_the_routes_say_so() {
    let api = Api::start().await;
    api.post("/v1/assets", &announcement(PNG)).await.expect_problem(503, "media-not-configured");
    api.get("/v1/assets").await.expect_problem(503, "media-not-configured");
    assert_eq!(api.get("/docs/errors/media-not-configured").await.status, StatusCode::OK);
}
