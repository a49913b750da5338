//! Films that are uploaded in pieces. All but the last can be given ahead: nobody sees a film before it is whole. The last one publishes it.

use std::time::Duration;

use bytes::Bytes;
use http::header;

use super::{MediaFile, Staged, Staging};

/// What is to be done ahead of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The piece that begins at this byte is to be given.
    Give(u64),
    /// The place for the film was just made: it is kept before anything goes there.
    Keep,
    /// All but the last piece are there.
    Ready,
}

/// What follows where the platform holds so many bytes, `None` for a place that was just made, and the last piece begins at `last`.
pub(super) const fn next(held: Option<u64>, last: u64) -> Next {
    match held {
        _ if last == 0 => Next::Ready,
        Some(held) if held >= last => Next::Ready,
        Some(held) => Next::Give(held),
        None => Next::Keep,
    }
}

/// A request that puts the piece of `film` that begins at a byte.
pub(super) fn put(request: reqwest::RequestBuilder, film: &MediaFile, at: u64, piece: Bytes) -> reqwest::RequestBuilder {
    let range = format!("bytes {at}-{}/{}", (at + piece.len() as u64).saturating_sub(1), film.media.bytes);
    request.header(header::CONTENT_RANGE, range).header(header::CONTENT_TYPE, &film.media.content_type).body(piece)
}

/// The upload goes on with the next call.
pub(super) fn goes_on(staged: Staged, held: Option<u64>, film: &MediaFile) -> Staging {
    let mebibytes = |bytes: u64| bytes / (1024 * 1024);
    let what = format!("{} of {} MiB are uploaded", mebibytes(held.unwrap_or(0)), mebibytes(film.media.bytes));
    Staging::Wait { staged, what, after: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_before_its_first_piece_and_the_last_piece_is_never_given_ahead() {
        assert_eq!([next(None, 30), next(Some(0), 30), next(Some(20), 30)], [Next::Keep, Next::Give(0), Next::Give(20)]);
        assert_eq!([next(Some(30), 30), next(Some(31), 30), next(None, 0)], [Next::Ready; 3]);
    }
}
