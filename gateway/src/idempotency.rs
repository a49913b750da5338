//! `Idempotency-Key`: a repeat answers what the first request answered, and does nothing.
//!
//! If the process dies between the work and the answer, the repeat works again. That is safe because whatever a handler creates or starts takes
//! its id from [`IdSource`], which is the same for every repeat of a key: the second insert meets the first row, and the engine knows the run.
//! For the same reason the answer of a start is given before it is kept ([`keep_later`]).

use std::time::Duration;

use activities::store::idempotency::{self as keys, Answer, Reservation};
use axum::{
    body::Body,
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::ids::OrgId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    app::App,
    auth::Caller,
    extract,
    problem::{self, ApiResult, Code, Problem},
    request::RequestContext,
};

static KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Where the ids come from that a request gives out: derive them with `XId::derived(source.0, label)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdSource(pub(crate) Uuid);

impl IdSource {
    /// Of a request without a key: its own every time.
    pub(crate) fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    /// Of a key: the same for each of its requests. It carries the time, so that what it makes sorts by when it was made.
    fn of_key(org: OrgId, key: &str, first_seen: DateTime<Utc>) -> Self {
        let digest = Sha256::new().chain_update(org.uuid()).chain_update(key).finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(first_seen.timestamp_millis()).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdSource {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem::internal("a handler outside the guard asked for ids"))
    }
}

/// Runs a request that changes something.
pub(crate) async fn run(app: &App, caller: &Caller, mut request: Request, next: Next) -> Response {
    let key = match key_of(request.headers()) {
        Ok(Some(key)) => key,
        Ok(None) => {
            request.extensions_mut().insert(IdSource::fresh());
            return next.run(request).await;
        }
        Err(problem) => return problem.into_response(),
    };
    match with_key(app, caller, key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn with_key(app: &App, caller: &Caller, key: String, request: Request, next: Next) -> ApiResult<Response> {
    let (parts, body) = request.into_parts();
    let body = extract::body(Request::from_parts(parts.clone(), body)).await?;
    let hash = request_hash(&parts, &body);
    let first_seen = match reserve(app, caller.org, &key, &hash).await? {
        Reservation::Mine { first_seen } => first_seen,
        Reservation::InUse => return Err(Problem::new(Code::IdempotencyKeyInUse).header(header::RETRY_AFTER, 1)),
        Reservation::OtherRequest => return Err(Problem::new(Code::IdempotencyKeyReused)),
        Reservation::Answered(answer) => return Ok(replay(answer)),
    };
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(IdSource::of_key(caller.org, &key, first_seen));
    let (app, org) = (app.clone(), caller.org);
    // A task of its own: the client may hang up, and what was begun is finished all the same, and its answer kept.
    let context = RequestContext::current();
    let work = context.clone().scope(async move {
        let response = problem::finish(next.run(request).await, context.id(), &app.settings.public_url);
        if response.extensions().get::<KeepLater>().is_none() {
            return keep(&app, org, &key, &hash, response).await;
        }
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(Problem::internal)?;
        let copy = Response::from_parts(parts.clone(), Body::from(body.clone()));
        tokio::spawn(async move {
            if keep(&app, org, &key, &hash, copy).await.is_err() {
                tracing::warn!("an answer could not be kept; a repeat works on it again, and comes to the same");
            }
        });
        Ok(Response::from_parts(parts, Body::from(body)))
    });
    tokio::spawn(work).await.map_err(Problem::internal)?
}

/// Of an answer that may be given before it is kept.
#[derive(Debug, Clone, Copy)]
struct KeepLater;

/// States that a repeat would come to the very same answer by working again: the engine knows the run by its id, and the rows are there. Such an
/// answer is kept after it was given. Should the process die in between, a repeat works again once the lease is over.
pub(crate) fn keep_later(response: &mut Response) {
    response.extensions_mut().insert(KeepLater);
}

/// How often, and how far apart, a repeat looks for the answer of a first request that is about to be done.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);

/// Reserves the key; waits a moment for a first request that is still at work.
async fn reserve(app: &App, org: OrgId, key: &str, hash: &[u8]) -> ApiResult<Reservation> {
    for look in 0.. {
        let mut tx = app.store.in_org(org).await?;
        let reservation = keys::reserve(&mut tx, key, hash).await?;
        if !matches!(reservation, Reservation::InUse) || look >= LOOKS {
            tx.commit().await?;
            return Ok(reservation);
        }
        drop(tx);
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(Reservation::InUse)
}

/// Stores the answer before it is given, unless a repeat may get a better one.
async fn keep(app: &App, org: OrgId, key: &str, hash: &[u8], response: Response) -> ApiResult<Response> {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(Problem::internal)?;
    let mut tx = app.store.in_org(org).await?;
    if parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS {
        keys::release(&mut tx, key, hash).await?;
    } else {
        let location = parts.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let answer = Answer { status: parts.status.as_u16(), location, body: body.to_vec() };
        keys::keep(&mut tx, key, hash, &answer).await?;
    }
    tx.commit().await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let kind = if status.is_client_error() { "application/problem+json" } else { "application/json" };
    let empty = answer.body.is_empty();
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.insert(&REPLAYED, HeaderValue::from_static("true"));
    headers.remove(header::CONTENT_TYPE);
    if !empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(location) = answer.location.and_then(|l| HeaderValue::from_str(&l).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

fn key_of(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let mut values = headers.get_all(&KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |what: &str| Problem::new(Code::IdempotencyKeyInvalid).detail(what);
    if values.next().is_some() {
        return Err(bad("Send one Idempotency-Key, not several."));
    }
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.len() > 255 || !bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Err(bad("An Idempotency-Key has 1 to 255 printable ASCII characters."));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// Lengths go in, so that no two requests can be cut differently into the same bytes.
fn request_hash(parts: &Parts, body: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), parts.uri.query().unwrap_or_default().as_bytes(), body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_to_one_source_and_another_key_or_org_to_another() {
        let (a, b) = (OrgId::from_uuid(Uuid::now_v7()), OrgId::from_uuid(Uuid::now_v7()));
        let at = DateTime::from_timestamp_millis(1_795_000_000_123).unwrap();
        let source = IdSource::of_key(a, "k", at);
        assert_eq!(source, IdSource::of_key(a, "k", at));
        assert_ne!(source, IdSource::of_key(a, "l", at));
        assert_ne!(source, IdSource::of_key(b, "k", at));
        assert_eq!(source.0.get_version_num(), 7);
        assert_eq!(source.0.get_timestamp().unwrap().to_unix(), (1_795_000_000, 123_000_000));
    }

    #[test]
    fn keys_are_one_to_255_printable_characters() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&KEY, HeaderValue::from_bytes(value).unwrap());
            }
            key_of(&headers)
        };
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[b"a b"]).unwrap().as_deref(), Some("a b"));
        assert!(of(&[&[b'a'; 255]]).is_ok());
        for bad in [&[b"".as_slice()][..], &[&[b'a'; 256]], &[b"a\tb"], &["ä".as_bytes()], &[b"a", b"b"]] {
            assert_eq!(of(bad).unwrap_err().code(), Code::IdempotencyKeyInvalid);
        }
    }

    #[test]
    fn the_request_hash_tells_method_path_query_and_body_apart() {
        let hash = |method: &str, uri: &str, body: &[u8]| {
            request_hash(&Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0, body)
        };
        let all = [
            hash("POST", "/a", b"b"),
            hash("PATCH", "/a", b"b"),
            hash("POST", "/ab", b""),
            hash("POST", "/a?b", b""),
            hash("POST", "/a", b"c"),
        ];
        for (i, one) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{i}");
        }
    }
}
