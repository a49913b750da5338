//! Videos: announced, uploaded in pieces, published by the last (<https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide>).

use bytes::Bytes;
use domain::publication::{Part, Resolution, Submission, body_hash};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ask, not_published, post_info, privacy, sent, state};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Answer, Failure},
    platform::{
        Call, MediaFile, Sending, Staged, Staging,
        answer::{broken, unanswered},
        pieces,
    },
};

/// How much goes in one request: between 5 and 64 MB. The last has the rest besides, so up to twice as much.
const PIECE: u64 = 10 * 1024 * 1024;
/// How many pieces one call of [`stage`] sends before it lets its state be kept.
const PIECES: u32 = 12;

/// A video that was announced. Whoever knows the address may upload to it; it is good for an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Announced {
    publish_id: String,
    upload_url: String,
    privacy: String,
    /// The SHA-256 of what was said of it, and that of the video.
    said: String,
    file: String,
}

/// What is said of a video before it is uploaded.
fn announcement(part: &Part, privacy: &str, size: u64) -> Value {
    let mut info = post_info(part, privacy);
    info["title"] = json!(part.text);
    info["disable_duet"] = json!(false);
    info["disable_stitch"] = json!(false);
    info["is_aigc"] = json!(part.disclosures.contains(&domain::platform::Disclosure::AiGenerated));
    let (piece, count) = pieces(size);
    let source = json!({ "source": "FILE_UPLOAD", "video_size": size, "chunk_size": piece, "total_chunk_count": count });
    json!({ "post_info": info, "source_info": source })
}

/// How long the pieces of a video are, and how many there are: the last takes what is left over.
const fn pieces(size: u64) -> (u64, u64) {
    if size < PIECE { (size, 1) } else { (PIECE, size / PIECE) }
}

/// Where the last piece begins.
const fn last_piece(size: u64) -> u64 {
    let (piece, count) = pieces(size);
    piece * (count - 1)
}

/// Announces the video and uploads all but its last piece.
pub(super) async fn stage(call: Call<'_>, part: &Part, film: &MediaFile, so_far: &Staged) -> ActivityResult<Staging> {
    let size = film.media.bytes;
    let last = last_piece(size);
    let known: Option<Announced> = so_far.read()?;
    let known = known
        .filter(|known| known.file == film.media.sha256 && known.said == body_hash(&announcement(part, &known.privacy, size).to_string()));
    let standing = match &known {
        None => None,
        Some(known) => match state::fetch(call, &known.publish_id).await {
            Ok(state::State::Uploading(held)) => Some(held.unwrap_or(0)),
            // It is out already: sending it will find that.
            Ok(state::State::Out(_) | state::State::Working) => return Staged::of(known).map(Staging::Ready),
            Ok(state::State::Failed(_) | state::State::Other(_)) | Err(ActivityError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        },
    };
    let (mut announced, mut held) = match known.zip(standing) {
        Some((known, held)) => (known, Some(held)),
        None => (announce(call, part, film).await?, None),
    };
    for _ in 0..PIECES {
        match pieces::next(held, last) {
            pieces::Next::Ready => return Staged::of(&announced).map(Staging::Ready),
            pieces::Next::Keep => break,
            pieces::Next::Give(at) => {
                let piece = film.range(at, PIECE.min(last - at)).await?;
                let end = at + piece.len() as u64;
                let answer = put(call, &announced, film, at, piece)?.await.map_err(broken)?;
                match answer.status.as_u16() {
                    200 | 201 | 206 => held = Some(end),
                    // The address has ended: another announcement, and from the beginning.
                    403 | 404 | 410 => {
                        announced = announce(call, part, film).await?;
                        held = None;
                    }
                    status => return Err(ActivityError::transient(format_args!("the upload was answered {status}"))),
                }
            }
        }
    }
    Ok(pieces::goes_on(Staged::of(&announced)?, held, film))
}

async fn announce(call: Call<'_>, part: &Part, film: &MediaFile) -> ActivityResult<Announced> {
    let privacy = privacy(call, part).await?;
    let said = announcement(part, &privacy, film.media.bytes);
    let data = ask(call, "v2/post/publish/video/init/", &said).await?;
    let text =
        |name: &str| data[name].as_str().map(str::to_owned).ok_or_else(|| ActivityError::transient(format!("TikTok gave no {name}")));
    let (publish_id, upload_url) = (text("publish_id")?, text("upload_url")?);
    Ok(Announced { publish_id, upload_url, privacy, said: body_hash(&said.to_string()), file: film.media.sha256.clone() })
}

/// The number of an announcement, and what it said.
///
/// # Errors
/// [`ActivityError::Rejected`] if there is none for this part.
pub(super) fn frozen(part: &Part, staged: &Staged) -> ActivityResult<(String, String)> {
    let size = part.media.first().map_or(0, |media| media.bytes);
    let announced: Option<Announced> = staged.read()?;
    let announced = announced.ok_or_else(|| ActivityError::rejected("the video was not announced to TikTok"))?;
    let said = announcement(part, &announced.privacy, size).to_string();
    if body_hash(&said) != announced.said {
        return Err(ActivityError::rejected("another video was announced to TikTok"));
    }
    Ok((announced.publish_id, said))
}

/// A piece of the video that begins at a byte. The address proves who we are: no token goes there.
fn put<'a>(
    call: Call<'a>,
    announced: &Announced,
    film: &MediaFile,
    at: u64,
    piece: Bytes,
) -> ActivityResult<impl Future<Output = Result<Answer, Failure>> + use<'a>> {
    let request = call.http.once(Method::PUT, call.http.check_url(&announced.upload_url)?)?;
    Ok(call.http.answer(pieces::put(request, film, at, piece)))
}

/// What is to be sent, and where.
fn ready(sending: Sending<'_>, publish_id: &str) -> ActivityResult<(Announced, MediaFile)> {
    let announced: Option<Announced> = sending.staged.read()?;
    let announced = announced.filter(|announced| announced.publish_id == publish_id);
    let announced = announced.ok_or_else(|| ActivityError::rejected("what was announced of this video is gone: publish it again"))?;
    let film = sending.files.first().filter(|file| file.media.is_video()).cloned();
    Ok((announced, film.ok_or_else(|| ActivityError::rejected("the video is gone"))?))
}

/// Uploads the last piece, which publishes the video.
pub(super) async fn submit(call: Call<'_>, sending: Sending<'_>, publish_id: &str) -> Submission {
    let at_work = || Submission::Unknown { what: "TikTok has the whole video and is at work on it".to_owned() };
    let (announced, film) = match ready(sending, publish_id) {
        Ok(ready) => ready,
        Err(error) => return not_published(error),
    };
    let (size, last) = (film.media.bytes, last_piece(film.media.bytes));
    match state::fetch(call, publish_id).await {
        Ok(state::State::Out(post)) => return Submission::Published(sent(call.account, publish_id, post)),
        Ok(state::State::Failed(why)) => return Submission::Rejected { what: format!("TikTok refuses the video: {why}") },
        Ok(state::State::Uploading(Some(held))) if held >= size => return at_work(),
        Ok(state::State::Uploading(Some(held))) if held < last => {
            let what = format!("TikTok has {held} bytes of the video where {last} were uploaded: publish it again");
            return Submission::Rejected { what };
        }
        Ok(state::State::Uploading(_)) => {}
        Ok(state::State::Working | state::State::Other(_)) => return at_work(),
        Err(error) => return not_published(error),
    }
    let piece = match film.range(last, size - last).await {
        Ok(piece) => piece,
        Err(error) => return not_published(error),
    };
    let request = match put(call, &announced, &film, last, piece) {
        Ok(request) => request,
        Err(error) => return not_published(error),
    };
    match request.await {
        Err(failure) => unanswered(failure),
        // Small videos are out at once; for others the state is asked again later.
        Ok(answer) if answer.status.is_success() => match state::fetch(call, publish_id).await {
            Ok(state::State::Out(post)) => Submission::Published(sent(call.account, publish_id, post)),
            Ok(state::State::Failed(why)) => Submission::Rejected { what: format!("TikTok refuses the video: {why}") },
            _ => at_work(),
        },
        Ok(answer) => match answer.status.as_u16() {
            429 => Submission::RateLimited { retry_after_ms: 60_000 },
            400 | 401 | 403 | 404 | 410 | 411 | 413 => {
                Submission::Rejected { what: format!("the upload was refused ({}): publish it again", answer.status) }
            }
            _ => Submission::Unknown { what: format!("the upload was answered {}", answer.status) },
        },
    }
}

/// Asks for the state.
pub(super) async fn resolve(call: Call<'_>, sending: Sending<'_>, publish_id: &str) -> ActivityResult<Resolution> {
    let size = sending.files.first().map_or(u64::MAX, |file| file.media.bytes);
    let at_work = || ActivityError::transient("TikTok has the whole video and is at work on it");
    match state::fetch(call, publish_id).await {
        Ok(state::State::Out(post)) => {
            let evidence = "TikTok says of its publish_id: PUBLISH_COMPLETE".to_owned();
            Ok(Resolution::Found { sent: sent(call.account, publish_id, post), evidence })
        }
        Ok(state::State::Failed(why)) => Ok(Resolution::Absent { evidence: format!("TikTok says of its publish_id: FAILED, {why}") }),
        Ok(state::State::Uploading(Some(held))) if held < size => {
            Ok(Resolution::Absent { evidence: format!("TikTok has {held} of {size} bytes of the video") })
        }
        Ok(state::State::Uploading(_) | state::State::Working) => Err(at_work()),
        Ok(state::State::Other(state)) => Ok(Resolution::Unknown { evidence: format!("TikTok says of its publish_id: {state}") }),
        Err(ActivityError::NotFound { what }) => {
            Ok(Resolution::Unknown { evidence: format!("TikTok does not know its publish_id any more: {what}") })
        }
        Err(error) => Err(error),
    }
}
