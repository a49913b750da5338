//! Uploads and downloads against a store that checks signatures.

use std::time::Duration;

use activities::{
    ActivityError,
    media::{Announced, Found, MediaSettings, MediaStore, MediaType, SignedRequest, sha256_hex},
};
use domain::ids::{AssetId, OrgId};
use sandbox::s3::{ObjectStore, Options};
use uuid::Uuid;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

/// A picture of three by two pixels.
const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x03\x00\x00\x00\x02\x08\x02\x00\x00\x00\x12\x16\xf1M\x00\x00\x00\x10IDATx\xdac\xb8\xe4`\x00A\x0cp\x16\x00OX\x07\x8d\xcd\x8f\x1d<\x00\x00\x00\x00IEND\xaeB`\x82";
const HOUR: Duration = Duration::from_hours(1);

struct Storage {
    store: MediaStore,
    server: ObjectStore,
    _folder: tempfile::TempDir,
}

fn settings(endpoint: String) -> MediaSettings {
    MediaSettings {
        endpoint,
        region: "us-east-1".into(),
        bucket: "media".into(),
        access_key: "stand-in-key".into(),
        secret_key: "planted-storage-secret".to_owned().into(),
        max_bytes: 10_000,
    }
}

async fn storage() -> Storage {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        port: 0,
        folder: folder.path().to_owned(),
        access_key: "stand-in-key".into(),
        secret_key: "planted-storage-secret".into(),
    };
    let server = ObjectStore::start(options).await.unwrap();
    let store = MediaStore::new(&settings(server.endpoint()));
    store.ensure_bucket().await.unwrap();
    Storage { store, server, _folder: folder }
}

fn org(n: u128) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(n))
}

fn asset(n: u128) -> AssetId {
    AssetId::from_uuid(Uuid::from_u128(n))
}

fn announced(bytes: &[u8]) -> Announced {
    Announced { content_type: MediaType::Png, bytes: bytes.len() as u64, sha256: sha256_hex(bytes) }
}

/// Does what a browser does with a signed upload.
async fn upload(request: &SignedRequest, bytes: &[u8]) -> reqwest::Response {
    let mut put = reqwest::Client::new().put(&request.url).body(bytes.to_vec());
    assert_eq!(request.method, "PUT");
    for (name, value) in request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
        put = put.header(name, value);
    }
    put.send().await.unwrap()
}

#[tokio::test]
async fn an_upload_is_signed_checked_and_comes_back() {
    let Storage { store, .. } = &storage().await;
    store.ensure_bucket().await.unwrap();
    let what = announced(PNG);
    assert!(matches!(store.head(org(1), asset(1)).await, Err(ActivityError::NotFound { .. })));
    assert!(matches!(store.verify(org(1), asset(1), &what).await, Err(ActivityError::NotFound { .. })));
    let request = store.sign_upload(org(1), asset(1), &what, HOUR).await.unwrap();
    let answer = upload(&request, PNG).await;
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    assert!(answer.headers()["server"].to_str().unwrap().contains("stand-in"));
    assert_eq!(store.head(org(1), asset(1)).await.unwrap().bytes, PNG.len() as u64);
    assert_eq!(store.verify(org(1), asset(1), &what).await.unwrap(), Found { size: (3, 2), duration_ms: None });
    assert_eq!(store.get(org(1), asset(1)).await.unwrap(), PNG);
    let download = store.sign_download(org(1), asset(1), HOUR).await.unwrap();
    assert_eq!(reqwest::get(&download.url).await.unwrap().bytes().await.unwrap(), PNG);
    assert!(matches!(store.get(org(2), asset(1)).await, Err(ActivityError::NotFound { .. })), "another org's prefix");
}

#[tokio::test]
async fn a_signature_is_for_one_object_length_and_type() {
    let Storage { store, .. } = &storage().await;
    let request = store.sign_upload(org(1), asset(1), &announced(PNG), HOUR).await.unwrap();
    let elsewhere = SignedRequest { url: request.url.replace(&asset(1).to_string(), &asset(2).to_string()), ..request.clone() };
    assert_eq!(upload(&elsewhere, PNG).await.status(), 403);
    assert_eq!(upload(&request, &[PNG, b"longer"].concat()).await.status(), 403);
    let mut renamed = request.clone();
    for (name, value) in &mut renamed.headers {
        if name.eq_ignore_ascii_case("content-type") {
            *value = "text/html".into();
        }
    }
    assert_ne!(renamed, request);
    assert_eq!(upload(&renamed, PNG).await.status(), 403);
    for n in [1, 2] {
        assert!(matches!(store.head(org(1), asset(n)).await, Err(ActivityError::NotFound { .. })), "nothing was kept of these");
    }
    let mut other = PNG.to_vec();
    other[20] ^= 1;
    let answer = upload(&request, &other).await;
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("BadDigest"), "other bytes of the same length");
    // This store keeps them all the same; whoever verifies is not taken in.
    assert!(store.verify(org(1), asset(1), &announced(PNG)).await.is_err());
    assert!(!format!("{request:?}").to_lowercase().contains("signature"));
}

#[tokio::test]
async fn what_was_uploaded_must_be_what_was_announced() {
    let Storage { store, .. } = &storage().await;
    let refused = async |n, bytes: &[u8], what: &Announced| {
        let request = store.sign_upload(org(1), asset(n), &announced(bytes), HOUR).await.unwrap();
        assert!(upload(&request, bytes).await.status().is_success());
        match store.verify(org(1), asset(n), what).await {
            Err(ActivityError::Rejected { what }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(1, PNG, &Announced { bytes: 5, ..announced(PNG) }).await.contains("5 announced"));
    assert!(refused(2, PNG, &Announced { sha256: sha256_hex(b"other"), ..announced(PNG) }).await.contains("SHA-256"));
    let jpeg = Announced { content_type: MediaType::Jpeg, ..announced(PNG) };
    assert!(refused(3, PNG, &jpeg).await.contains("the file is image/png, not image/jpeg"));
    let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>";
    assert!(refused(4, script, &announced(script)).await.contains("none of"));
    let half = &PNG[..PNG.len() - 20];
    assert!(refused(5, half, &announced(half)).await.contains("broken"));
    let archive = [PNG, b"a script in an archive", b"PK\x05\x06", &[0; 18]].concat();
    assert!(refused(6, &archive, &announced(&archive)).await.contains("archive"));
    let mut bomb = PNG.to_vec();
    bomb[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    assert!(refused(7, &bomb, &announced(&bomb)).await.contains("media:"));
}

#[tokio::test]
async fn a_video_tells_its_size_and_length_wherever_its_header_stands() {
    let Storage { store, .. } = &storage().await;
    let a_box = |name: &[u8], body: &[u8]| [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), name, body].concat();
    let (mut mvhd, mut tkhd) = (vec![0; 100], vec![0; 84]);
    mvhd[14..16].copy_from_slice(&600_u16.to_be_bytes());
    mvhd[18..20].copy_from_slice(&1_200_u16.to_be_bytes());
    tkhd[76..78].copy_from_slice(&640_u16.to_be_bytes());
    tkhd[80..82].copy_from_slice(&480_u16.to_be_bytes());
    let moov = a_box(b"moov", &[a_box(b"mvhd", &mvhd), a_box(b"trak", &a_box(b"tkhd", &tkhd))].concat());
    let (kind, film) = (a_box(b"ftyp", b"isom\0\0\0\0"), a_box(b"mdat", &[7; 3_000]));
    for (n, file) in [(1, [&kind[..], &moov, &film].concat()), (2, [&kind[..], &film, &moov].concat())] {
        let what = Announced { content_type: MediaType::Mp4, ..announced(&file) };
        assert!(upload(&store.sign_upload(org(1), asset(n), &what, HOUR).await.unwrap(), &file).await.status().is_success());
        assert_eq!(store.verify(org(1), asset(n), &what).await.unwrap(), Found { size: (640, 480), duration_ms: Some(2_000) });
    }
    let cut = [&kind[..], &film].concat();
    let what = Announced { content_type: MediaType::Mp4, ..announced(&cut) };
    assert!(upload(&store.sign_upload(org(1), asset(3), &what, HOUR).await.unwrap(), &cut).await.status().is_success());
    assert!(matches!(store.verify(org(1), asset(3), &what).await, Err(ActivityError::Rejected { what }) if what.contains("header")));
}

#[tokio::test]
async fn announcements_that_cannot_be_right_are_refused_before_signing() {
    let Storage { store, .. } = &storage().await;
    let sign = async |what: Announced| store.sign_upload(org(1), asset(1), &what, HOUR).await;
    for wrong in [
        Announced { bytes: 0, ..announced(PNG) },
        Announced { bytes: 10_001, ..announced(PNG) },
        Announced { sha256: "abc".into(), ..announced(PNG) },
        Announced { sha256: "+f".repeat(32), ..announced(PNG) },
    ] {
        assert!(matches!(sign(wrong.clone()).await, Err(ActivityError::Rejected { .. })), "{wrong:?}");
    }
    let long = store.sign_download(org(1), asset(1), Duration::from_hours(200)).await;
    assert!(matches!(long, Err(ActivityError::Rejected { .. })));
}

#[tokio::test]
async fn a_wrong_secret_needs_a_person_and_an_absent_store_another_try() {
    let storage = storage().await;
    let wrong = MediaSettings { secret_key: "planted-but-wrong".to_owned().into(), ..settings(storage.server.endpoint()) };
    let error = MediaStore::new(&wrong).get(org(1), asset(1)).await.unwrap_err();
    assert!(matches!(error, ActivityError::CredentialsExpired { .. }), "{error:?}");
    let shown = format!("{error} {wrong:?} {:?}", MediaStore::new(&wrong));
    assert!(!shown.contains("planted"), "{shown}");
    let endpoint = storage.server.endpoint();
    drop(storage.server);
    let error = MediaStore::new(&settings(endpoint)).get(org(1), asset(1)).await.unwrap_err();
    assert!(matches!(error, ActivityError::Transient { .. }), "{error:?}");
}

#[tokio::test]
async fn the_stores_own_words_decide_between_another_try_and_an_end() {
    let slow_down = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    for (answer, expected) in [
        (ResponseTemplate::new(500), "transient"),
        (ResponseTemplate::new(503).set_body_string(slow_down).insert_header("retry-after", "7"), "rate_limited"),
        (ResponseTemplate::new(429), "rate_limited"),
        (ResponseTemplate::new(400), "rejected"),
        (ResponseTemplate::new(404), "not_found"),
    ] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
        let error = MediaStore::new(&settings(server.uri())).get(org(1), asset(1)).await.unwrap_err();
        assert_eq!(serde_json::to_value(&error).unwrap()["kind"], expected, "{error:?}");
        if error.what().contains("SlowDown") {
            assert!(matches!(error, ActivityError::RateLimited { retry_after_ms: 7_000, .. }), "{error:?}");
        }
    }
}
