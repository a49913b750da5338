//! What a file is, by its first bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many bytes from the start of a file [`MediaType::of`] looks at.
pub(super) const SNIFFED: usize = 12;

/// The kinds of files that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// JPEG.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// PNG.
    #[serde(rename = "image/png")]
    Png,
    /// GIF.
    #[serde(rename = "image/gif")]
    Gif,
    /// WebP.
    #[serde(rename = "image/webp")]
    Webp,
    /// MP4 video.
    #[serde(rename = "video/mp4")]
    Mp4,
}

impl MediaType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::Png, Self::Gif, Self::Webp, Self::Mp4];

    /// The media type as HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
        }
    }

    /// What a file is that starts so; `None` if it is nothing that is taken. Signatures as in the WHATWG MIME Sniffing Standard, section 6; of
    /// the ISO base media files those whose major brand says MP4 (QuickTime's `qt  ` and HEIF's `heic` are in the same container).
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [_, _, _, _, b'f', b't', b'y', b'p', a, b, c, d, ..] => match &[*a, *b, *c, *d] {
                b"isom" | b"iso2" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"dash" | b"M4V " | b"MSNV" => {
                    Some(Self::Mp4)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// All names, for an error.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_their_first_bytes_say() {
        for (start, expected) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Some(MediaType::Jpeg)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(MediaType::Png)),
            (b"GIF87a\x01\0", Some(MediaType::Gif)),
            (b"GIF89a\x01\0", Some(MediaType::Gif)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(MediaType::Webp)),
            (b"\0\0\0\x20ftypisom\0\0", Some(MediaType::Mp4)),
            (b"\0\0\0\x18ftypmp42", Some(MediaType::Mp4)),
            (b"\0\0\0\x14ftypqt  ", None),
            (b"\0\0\0\x18ftypheic", None),
            (b"RIFF\x10\0\0\0WAVEfmt ", None),
            (b"<svg xmlns=", None),
            (b"<!doctype html>", None),
            (b"%PDF-1.7", None),
            (b"MZ\x90", None),
            (b"\xff\xd8", None),
            (b"", None),
        ] {
            assert_eq!(MediaType::of(start), expected, "{start:?}");
            assert_eq!(MediaType::of(&start[..start.len().min(SNIFFED)]), expected, "no more is looked at than what is kept");
        }
    }

    #[test]
    fn json_names_are_the_media_types() {
        for kind in MediaType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!(serde_json::from_str::<MediaType>("\"image/svg+xml\"").is_err());
    }
}
