//! Upload sessions (<https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol>).
//!
//! A session becomes a video when its last byte arrives, once: sending that piece again to a session that is complete makes no second video. A
//! question with `Content-Range: bytes */N` carries nothing and tells how far the session is.

use bytes::Bytes;
use domain::publication::{Resolution, Submission, body_hash};
use http::{Method, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PARTS, ask, method, refusal, refused, sent, uploads};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Answer, Failure},
    platform::{
        Call, MediaFile, Sending, Staged, Staging, Window,
        answer::{broken, signed, unanswered},
        pieces,
    },
};

/// How much goes in one request: a multiple of 256 KiB, as the protocol wants of all pieces but the last, and little enough for a slow line.
const PIECE: u64 = 8 * 1024 * 1024;
/// How many pieces one call of [`stage`] sends before it lets its state be kept.
const PIECES: u32 = 16;

/// An upload session. Whoever knows its address may upload to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    url: String,
    /// The SHA-256 of what it says of the video.
    metadata: String,
    /// The SHA-256 of the video.
    file: String,
}

/// How far a session is.
enum Standing {
    /// It became this video.
    Complete(String),
    /// It has so many bytes.
    Holds(u64),
    /// There is no such session, or not any more.
    Gone,
}

/// The one video of a post.
pub(super) fn film(files: &[MediaFile]) -> ActivityResult<&MediaFile> {
    match files {
        [film] if film.media.is_video() => Ok(film),
        _ => Err(ActivityError::rejected("a post on YouTube is one video")),
    }
}

/// Where the piece begins that completes a video of so many bytes.
const fn last_piece(total: u64) -> u64 {
    total.saturating_sub(1) / PIECE * PIECE
}

/// Gives the session all but its last piece.
pub(super) async fn stage(call: Call<'_>, metadata: &str, film: &MediaFile, so_far: &Staged) -> ActivityResult<Staging> {
    let total = film.media.bytes;
    let known: Option<Session> = so_far.read()?;
    let known = known.filter(|session| session.metadata == body_hash(metadata) && session.file == film.media.sha256);
    let (session, mut held) = match known {
        None => (open(call, metadata, film).await?, None),
        Some(session) => match standing(call, &session, total).await? {
            Standing::Holds(held) => (session, Some(held)),
            // Sending it will find the video that it became.
            Standing::Complete(_) => return Staged::of(&session).map(Staging::Ready),
            Standing::Gone => (open(call, metadata, film).await?, None),
        },
    };
    let staged = Staged::of(&session)?;
    let last = last_piece(total);
    for _ in 0..PIECES {
        match pieces::next(held, last) {
            pieces::Next::Ready => return Ok(Staging::Ready(staged)),
            pieces::Next::Keep => break,
            pieces::Next::Give(at) => held = Some(give(call, &session, film, at, last).await?),
        }
    }
    Ok(pieces::goes_on(staged, held, film))
}

async fn open(call: Call<'_>, metadata: &str, film: &MediaFile) -> ActivityResult<Session> {
    let url = method(call.account, "upload/youtube/v3/videos", &[("uploadType", "resumable"), ("part", PARTS)])?;
    let request = call
        .http
        .once(Method::POST, url)?
        .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
        .header("X-Upload-Content-Length", film.media.bytes)
        .header("X-Upload-Content-Type", &film.media.content_type)
        .body(metadata.to_owned());
    let answer = ask(call, request).await?;
    let url = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
    let url = url.ok_or_else(|| ActivityError::transient("YouTube named no address to upload to"))?;
    Ok(Session { url: url.to_owned(), metadata: body_hash(metadata), file: film.media.sha256.clone() })
}

/// Gives the session a piece that does not complete it; how much it has then.
async fn give(call: Call<'_>, session: &Session, film: &MediaFile, at: u64, last: u64) -> ActivityResult<u64> {
    let bytes = film.range(at, PIECE.min(last - at)).await?;
    let answer = put(call, session, film, at, bytes)?.await.map_err(broken)?;
    match read(&answer) {
        Some(Standing::Holds(held)) if held > at => Ok(held),
        Some(Standing::Holds(_)) => Err(ActivityError::transient("YouTube took nothing of a piece of the video")),
        Some(Standing::Gone) => Err(ActivityError::transient("the upload session has ended")),
        Some(Standing::Complete(_)) | None => Err(refusal(call, &answer)),
    }
}

/// A piece of the video that begins at a byte.
fn put<'a>(
    call: Call<'a>,
    session: &Session,
    film: &MediaFile,
    at: u64,
    piece: Bytes,
) -> ActivityResult<impl Future<Output = Result<Answer, Failure>> + use<'a>> {
    let request = signed(call, call.http.once(Method::PUT, call.http.check_url(&session.url)?)?)?;
    Ok(call.http.answer(pieces::put(request, film, at, piece)))
}

/// What an answer of the session says; `None` if it is a refusal.
fn read(answer: &Answer) -> Option<Standing> {
    match answer.status.as_u16() {
        200 | 201 => {
            let body: Value = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
            Some(Standing::Complete(body["id"].as_str()?.to_owned()))
        }
        308 => {
            let range = answer.headers.get(header::RANGE).and_then(|range| range.to_str().ok());
            let Some(range) = range else { return Some(Standing::Holds(0)) };
            Some(Standing::Holds(range.rsplit_once('-')?.1.trim().parse::<u64>().ok()? + 1))
        }
        404 | 410 => Some(Standing::Gone),
        _ => None,
    }
}

async fn standing(call: Call<'_>, session: &Session, total: u64) -> ActivityResult<Standing> {
    let request = signed(call, call.http.once(Method::PUT, call.http.check_url(&session.url)?)?)?;
    let request = request.header(header::CONTENT_RANGE, format!("bytes */{total}")).header(header::CONTENT_LENGTH, 0);
    let answer = call.http.answer(request).await.map_err(broken)?;
    match read(&answer) {
        Some(standing) => Ok(standing),
        // A success that says nothing is no statement about the session.
        None if answer.status.is_success() => Err(ActivityError::transient("the upload session's answer is not understood")),
        None => Err(refusal(call, &answer)),
    }
}

/// By what a frozen post knows its session, without its address.
///
/// # Errors
/// [`ActivityError::Rejected`] if there is none, or it is about another video.
pub(super) fn key(staged: &Staged, metadata: &str) -> ActivityResult<String> {
    let session: Option<Session> = staged.read()?;
    let session = session.filter(|session| session.metadata == metadata);
    let session = session.ok_or_else(|| ActivityError::rejected("there is no upload session for this video"))?;
    Ok(body_hash(&session.url))
}

/// The session that a frozen post was frozen with.
fn of(sending: Sending<'_>) -> ActivityResult<Session> {
    let session: Option<Session> = sending.staged.read()?;
    let session = session.filter(|session| sending.frozen.record_key.as_deref() == Some(body_hash(&session.url).as_str()));
    session.ok_or_else(|| ActivityError::rejected("the upload session of this video is gone: publish it again"))
}

/// Completes the session, which publishes the video.
pub(super) async fn submit(call: Call<'_>, sending: Sending<'_>) -> Submission {
    let before = match ready(call, sending).await {
        Ok(before) => before,
        // Nothing of the last piece has left.
        Err(ActivityError::CredentialsExpired { what }) => return Submission::CredentialsExpired { what },
        Err(ActivityError::RateLimited { retry_after_ms, .. }) => return Submission::RateLimited { retry_after_ms },
        Err(ActivityError::Rejected { what } | ActivityError::NotFound { what }) => return Submission::Rejected { what },
        Err(ActivityError::Transient { what } | ActivityError::OutcomeUnknown { what }) => return Submission::NotSent { what },
    };
    let (session, film, at, piece) = match before {
        Before::Published(video) => return Submission::Published(sent(call.account, video)),
        Before::Ready(session, film, at, piece) => (session, film, at, piece),
    };
    let request = match put(call, &session, film, at, piece) {
        Ok(request) => request,
        Err(error) => return Submission::NotSent { what: error.what().to_owned() },
    };
    match request.await {
        Err(failure) => unanswered(failure),
        Ok(answer) => match read(&answer) {
            Some(Standing::Complete(video)) => Submission::Published(sent(call.account, video)),
            // It says itself that the video is not complete, so there is none.
            Some(Standing::Holds(held)) => Submission::NotSent { what: format!("YouTube has {held} of {} bytes", film.media.bytes) },
            Some(Standing::Gone) => Submission::Unknown { what: "the upload session has ended".to_owned() },
            None if answer.status.is_success() => Submission::Unknown { what: "the answer names no video".to_owned() },
            None => refused(call, &answer),
        },
    }
}

/// How a session stands right before its last piece is sent.
enum Before<'a> {
    /// It is complete: an earlier attempt did it.
    Published(String),
    /// It lacks this piece, which begins at this byte.
    Ready(Session, &'a MediaFile, u64, Bytes),
}

async fn ready<'a>(call: Call<'_>, sending: Sending<'a>) -> ActivityResult<Before<'a>> {
    let (session, film) = (of(sending)?, film(sending.files)?);
    let total = film.media.bytes;
    let mut held = match standing(call, &session, total).await? {
        Standing::Complete(video) => return Ok(Before::Published(video)),
        Standing::Gone => return Err(ActivityError::rejected("the upload session of this video has ended: publish it again")),
        Standing::Holds(held) => held,
    };
    // What the platform lost since.
    while held < last_piece(total) {
        held = give(call, &session, film, held, last_piece(total)).await?;
    }
    let piece = film.range(held, total - held.min(total)).await?;
    Ok(Before::Ready(session, film, held, piece))
}

/// Asks the session whether it is complete; where it is gone, the channel's uploads.
pub(super) async fn resolve(call: Call<'_>, sending: Sending<'_>, window: &Window) -> ActivityResult<Resolution> {
    let (session, total) = match (of(sending), film(sending.files)) {
        (Ok(session), Ok(film)) => (session, film.media.bytes),
        _ => return uploads::resolve(call, sending.frozen, window).await,
    };
    Ok(match standing(call, &session, total).await? {
        Standing::Complete(video) => {
            Resolution::Found { sent: sent(call.account, video), evidence: "the upload session says that it is complete".to_owned() }
        }
        Standing::Holds(held) => Resolution::Absent { evidence: format!("the upload session has {held} of {total} bytes") },
        Standing::Gone => uploads::resolve(call, sending.frozen, window).await?,
    })
}
