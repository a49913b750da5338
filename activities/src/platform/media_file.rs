//! A file that goes with a part.

use std::time::Duration;

use bytes::Bytes;
use domain::publication::PartMedia;
use url::Url;

use crate::{
    error::{ActivityError, ActivityResult},
    media::MediaStore,
};

/// How much of a file is held in memory while it is uploaded.
const PIECE: u64 = 4 * 1024 * 1024;

/// An image or a video, fitted to the platform, that can be read in pieces: a video does not have to fit into memory.
#[derive(Debug, Clone)]
pub struct MediaFile {
    /// What it is.
    pub media: PartMedia,
    /// Where the platform can fetch it for a while. Whoever has this address can read the file: it goes to the platform and nowhere else.
    pub public_url: Option<Url>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Stored { store: MediaStore, key: String },
    Held(Bytes),
}

impl MediaFile {
    /// A file in the media store, under `key`.
    #[must_use]
    pub const fn stored(media: PartMedia, public_url: Option<Url>, store: MediaStore, key: String) -> Self {
        Self { media, public_url, source: Source::Stored { store, key } }
    }

    /// A file that is in memory already.
    #[must_use]
    pub const fn held(media: PartMedia, public_url: Option<Url>, bytes: Bytes) -> Self {
        Self { media, public_url, source: Source::Held(bytes) }
    }

    /// The file as the body of a request, read in pieces while it is sent.
    pub(super) fn body(&self) -> reqwest::Body {
        let pieces = futures::stream::try_unfold((self.clone(), 0_u64), |(file, start)| async move {
            if start >= file.media.bytes {
                return Ok(None);
            }
            // The HTTP client takes standard errors only; this one is told as a request that broke.
            let piece = file.range(start, PIECE).await.map_err(|error| std::io::Error::other(error.what().to_owned()))?;
            let next = start + PIECE;
            Ok::<_, std::io::Error>(Some((piece, (file, next))))
        });
        reqwest::Body::wrap_stream(pieces)
    }

    /// How long an upload of the file may take: half a minute, and as long as it takes at 256 KiB a second.
    pub(super) fn upload_timeout(&self) -> Duration {
        Duration::from_secs(30 + self.media.bytes / (256 * 1024))
    }

    /// A name for forms that want one: it tells nothing but the kind of file.
    pub(super) fn name(&self) -> String {
        let ending = self.media.content_type.rsplit('/').next().unwrap_or("bin");
        format!("media.{ending}")
    }

    /// The whole file.
    ///
    /// # Errors
    /// When the store cannot be reached, or the file is not there.
    pub async fn read(&self) -> ActivityResult<Bytes> {
        self.range(0, self.media.bytes).await
    }

    /// `length` bytes from `start` on; fewer where the file ends before.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn range(&self, start: u64, length: u64) -> ActivityResult<Bytes> {
        let end = start.saturating_add(length).min(self.media.bytes);
        if start >= end {
            return Ok(Bytes::new());
        }
        match &self.source {
            Source::Stored { store, key } => store.range(key, start, end).await,
            Source::Held(bytes) => {
                let (start, end) = (usize::try_from(start), usize::try_from(end));
                let piece = start.ok().zip(end.ok()).and_then(|(start, end)| (end <= bytes.len()).then(|| bytes.slice(start..end)));
                piece.ok_or_else(|| ActivityError::rejected("the file is shorter than it was said to be"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::AssetId;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_file_is_read_in_pieces_to_its_end() {
        let media = PartMedia {
            asset: AssetId::from_uuid(Uuid::nil()),
            content_type: "image/png".to_owned(),
            bytes: 5,
            sha256: String::new(),
            size: None,
            alt: String::new(),
        };
        let file = MediaFile::held(media.clone(), None, Bytes::from_static(b"abcde"));
        assert_eq!(file.range(1, 2).await.unwrap(), "bc");
        assert_eq!(file.range(3, 9).await.unwrap(), "de");
        assert_eq!(file.range(5, 1).await.unwrap(), "");
        assert_eq!(file.read().await.unwrap(), "abcde");
        let short = MediaFile::held(media, None, Bytes::from_static(b"abc"));
        assert!(short.read().await.is_err());
    }
}
