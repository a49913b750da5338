//! Media in object storage (S3): signed uploads, checks of what was uploaded, signed downloads.
//!
//! The bytes go from the browser straight to the store and never through a journal. An upload is signed for exactly one content type, length and
//! SHA-256, and looked at afterwards all the same ([`MediaStore::verify`]): what a file is, is decided by its first bytes and not by what
//! anybody calls it. Every object lies under its org's prefix; nothing here takes a key from outside.
//!
//! Every operation is safe to repeat, so that no failure is an unknown outcome.

use std::{fmt::Write as _, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    operation::head_bucket::HeadBucketError,
    presigning::{PresignedRequest, PresigningConfig},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::ids::{AssetId, OrgId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ActivityError, ActivityResult};

mod archive;
mod failure;
pub mod fit;
mod kind;
mod mp4;
mod picture;
mod rendition;

use failure::classify;
pub use kind::MediaType;
pub use rendition::{prepare, rendition};

/// A presigned URL lives at most a week (AWS Signature Version 4, query parameters).
const LONGEST_SIGNATURE: Duration = Duration::from_hours(7 * 24);

/// The largest picture, in bytes: it is held in memory while it is looked at.
const LARGEST_PICTURE: u64 = 64 * 1024 * 1024;

/// Where media are kept.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MediaSettings {
    /// The store's address, the bucket goes into the path.
    pub endpoint: String,
    /// The region that is signed for; stores other than AWS mostly do not care.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The access key id.
    pub access_key: String,
    /// The secret that goes with it.
    #[serde(serialize_with = "crate::secret::is_set")]
    pub secret_key: SecretString,
    /// The largest file that is taken, in bytes.
    #[serde(default = "half_a_gibibyte")]
    pub max_bytes: u64,
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

/// The largest video that a platform of ours takes (X: 512 MB).
const fn half_a_gibibyte() -> u64 {
    512 * 1024 * 1024
}

/// What the uploader says it will upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// What it is.
    pub content_type: MediaType,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// A request that its holder may make without credentials until it expires. It is a secret for that long: `Debug` shows no query.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRequest {
    /// The method.
    pub method: String,
    /// The address, with the signature.
    pub url: String,
    /// Headers that have to be sent exactly so.
    pub headers: Vec<(String, String)>,
}

/// What a look into a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its width and height in pixels, as people see it.
    pub size: (u32, u32),
    /// How long a video lasts, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// What the store says about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// How long it is, in bytes.
    pub bytes: u64,
}

/// The media of all orgs.
#[derive(Debug, Clone)]
pub struct MediaStore {
    client: Client,
    bucket: String,
    max_bytes: u64,
}

impl MediaStore {
    /// A client for the store; connects to nothing.
    #[must_use]
    pub fn new(settings: &MediaSettings) -> Self {
        let credentials = Credentials::new(&settings.access_key, settings.secret_key.expose_secret(), None, None, "pressroom settings");
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(30)).build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .endpoint_url(&settings.endpoint)
            .force_path_style(true)
            .credentials_provider(credentials)
            // Retrying is the step's business.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // The newer default checksums are not understood by every store, and `verify` hashes everything anyway.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self { client: Client::from_conf(config), bucket: settings.bucket.clone(), max_bytes: settings.max_bytes }
    }

    /// Makes the bucket if it is missing.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub async fn ensure_bucket(&self) -> ActivityResult<()> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => return Ok(()),
            Err(error) if error.as_service_error().is_some_and(HeadBucketError::is_not_found) => {}
            Err(error) => return Err(classify("head bucket", error)),
        }
        match self.client.create_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            // Somebody was faster.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_bucket_already_owned_by_you()) => Ok(()),
            Err(error) => Err(classify("create bucket", error)),
        }
    }

    /// A signed upload of exactly what was announced, for `lifetime` (at most a week).
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the announcement cannot be right: nothing, too large, or no SHA-256.
    pub async fn sign_upload(
        &self,
        org: OrgId,
        asset: AssetId,
        announced: &Announced,
        lifetime: Duration,
    ) -> ActivityResult<SignedRequest> {
        if announced.bytes == 0 || announced.bytes > self.max_bytes {
            return Err(ActivityError::rejected(format!("media: {} bytes; 1 to {} are taken", announced.bytes, self.max_bytes)));
        }
        let length = i64::try_from(announced.bytes).map_err(ActivityError::rejected)?;
        let sha256 = digest(&announced.sha256)?;
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(object_key(org, asset))
            .content_type(announced.content_type.as_str())
            .content_length(length)
            .checksum_sha256(STANDARD.encode(sha256));
        put.presigned(signature(lifetime)?)
            .await
            .map(|request| SignedRequest::from(&request))
            .map_err(|error| classify("sign upload", error))
    }

    /// A signed download, for `lifetime` (at most a week): what a platform gets that fetches media by itself.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the lifetime is too long. That the object exists is not checked.
    pub async fn sign_download(&self, org: OrgId, asset: AssetId, lifetime: Duration) -> ActivityResult<SignedRequest> {
        self.sign_key(&object_key(org, asset), lifetime).await
    }

    /// The same for a key that was stored, never one from outside.
    ///
    /// # Errors
    /// As [`Self::sign_download`].
    pub(crate) async fn sign_key(&self, key: &str, lifetime: Duration) -> ActivityResult<SignedRequest> {
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        get.presigned(signature(lifetime)?)
            .await
            .map(|request| SignedRequest::from(&request))
            .map_err(|error| classify("sign download", error))
    }

    /// What the store knows about an object.
    ///
    /// # Errors
    /// [`ActivityError::NotFound`] if it was not uploaded (yet), and whatever the store has to say.
    pub async fn head(&self, org: OrgId, asset: AssetId) -> ActivityResult<Stored> {
        let answer = self.client.head_object().bucket(&self.bucket).key(object_key(org, asset)).send().await;
        let answer = answer.map_err(|error| classify("head", error))?;
        Ok(Stored { bytes: answer.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0) })
    }

    /// The bytes of an object, for a platform that wants them uploaded.
    ///
    /// # Errors
    /// As [`MediaStore::head`]; [`ActivityError::Rejected`] if it is larger than what is taken.
    pub async fn get(&self, org: OrgId, asset: AssetId) -> ActivityResult<Bytes> {
        let mut bytes = Vec::new();
        self.read(org, asset, |chunk| bytes.extend_from_slice(chunk)).await?;
        Ok(bytes.into())
    }

    /// A piece of an object, from `start` to before `end`; `key` is one that was stored, never one from outside.
    ///
    /// # Errors
    /// [`ActivityError::NotFound`] if there is no such object; [`ActivityError::Transient`] if the store is away or answers another piece.
    pub(crate) async fn range(&self, key: &str, start: u64, end: u64) -> ActivityResult<Bytes> {
        let range = format!("bytes={start}-{}", end.saturating_sub(1));
        let answer = self.client.get_object().bucket(&self.bucket).key(key).range(range).send().await;
        let body = answer.map_err(|error| classify("get", error))?.body.collect().await;
        let bytes = body.map_err(|error| ActivityError::transient(format!("media: the download broke: {error}")))?.into_bytes();
        if bytes.len() as u64 != end.saturating_sub(start) {
            return Err(ActivityError::transient("media: the store answered another piece than was asked for"));
        }
        Ok(bytes)
    }

    /// Reads what was uploaded and compares it with what was announced: length, SHA-256, and what it really is. A picture is decoded to its last
    /// pixel, so that what is broken, or a bomb, is refused now and not when it is to be published.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] says what differs or is wrong; [`ActivityError::NotFound`] if there is nothing.
    pub async fn verify(&self, org: OrgId, asset: AssetId, announced: &Announced) -> ActivityResult<Found> {
        let expected = digest(&announced.sha256)?;
        let is_picture = announced.content_type != MediaType::Mp4;
        let (mut hash, mut start, mut bytes) = (Sha256::new(), Vec::new(), 0_u64);
        let (mut picture, mut end) = (Vec::new(), Vec::new());
        self.read(org, asset, |chunk| {
            hash.update(chunk);
            bytes += chunk.len() as u64;
            let missing = kind::SNIFFED.saturating_sub(start.len()).min(chunk.len());
            start.extend_from_slice(&chunk[..missing]);
            if is_picture && bytes <= LARGEST_PICTURE {
                picture.extend_from_slice(chunk);
            }
            end.extend_from_slice(&chunk[chunk.len().saturating_sub(archive::END)..]);
            end.drain(..end.len().saturating_sub(archive::END));
        })
        .await?;
        if bytes != announced.bytes {
            return Err(ActivityError::rejected(format!("media: {bytes} bytes were uploaded, {} announced", announced.bytes)));
        }
        if hash.finalize()[..] != expected {
            return Err(ActivityError::rejected("media: other bytes were uploaded than announced (SHA-256 differs)"));
        }
        match MediaType::of(&start) {
            Some(real) if real == announced.content_type => {}
            Some(real) => return Err(ActivityError::rejected(format!("media: the file is {real}, not {}", announced.content_type))),
            None => return Err(ActivityError::rejected(format!("media: the file is none of {}", MediaType::names()))),
        }
        if archive::is_archive(&end) {
            return Err(ActivityError::rejected("media: the file is an archive as well"));
        }
        if !is_picture {
            return self.film(&object_key(org, asset), bytes).await;
        }
        if bytes > LARGEST_PICTURE {
            return Err(ActivityError::rejected(format!("media: a picture has at most {LARGEST_PICTURE} bytes")));
        }
        let kind = announced.content_type;
        let look = rendition::with_pixels(move || picture::look(&picture, kind)).await?;
        let look = look.map_err(|why| ActivityError::rejected(format!("media: {why}")))?;
        Ok(Found { size: look.size, duration_ms: None })
    }

    /// What the header of a video says, wherever in the file it stands.
    async fn film(&self, key: &str, bytes: u64) -> ActivityResult<Found> {
        let mut at = 0;
        let mut boxes = 0;
        while let Some(next) = (at + 8 <= bytes && boxes < mp4::MOST_BOXES).then_some(at) {
            boxes += 1;
            let head = self.range(key, next, (next + 16).min(bytes)).await?;
            let Some(found) = mp4::BoxHead::read(&head, bytes - next) else { break };
            if &found.name == b"moov" {
                if found.length > mp4::LARGEST_HEADER {
                    break;
                }
                let moov = self.range(key, next, next + found.length).await?;
                let Some((size, duration_ms)) = mp4::look(&moov) else { break };
                return Ok(Found { size, duration_ms: Some(duration_ms) });
            }
            at = next + found.length;
        }
        Err(ActivityError::rejected(
            "media: the video has no header that says how large and how long it is: it is broken, or not all of it was uploaded",
        ))
    }

    /// Stores a file that was made from another; `key` is one of ours.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub(crate) async fn put(&self, key: &str, content_type: MediaType, bytes: Vec<u8>) -> ActivityResult<()> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type.as_str()).body(bytes.into());
        put.send().await.map(|_| ()).map_err(|error| classify("put", error))
    }

    async fn read(&self, org: OrgId, asset: AssetId, mut take: impl FnMut(&[u8])) -> ActivityResult<()> {
        let answer = self.client.get_object().bucket(&self.bucket).key(object_key(org, asset)).send().await;
        let mut answer = answer.map_err(|error| classify("get", error))?;
        let mut bytes = 0_u64;
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|error| ActivityError::transient(format!("media: the download broke: {error}")))?;
            bytes += chunk.len() as u64;
            if bytes > self.max_bytes {
                return Err(ActivityError::rejected(format!("media: more than {} bytes", self.max_bytes)));
            }
            take(&chunk);
        }
        Ok(())
    }
}

impl From<&PresignedRequest> for SignedRequest {
    fn from(request: &PresignedRequest) -> Self {
        let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { method: request.method().to_owned(), url: request.uri().to_owned(), headers }
    }
}

impl std::fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = self.url.split_once('?').map_or(self.url.as_str(), |(address, _)| address);
        f.debug_struct("SignedRequest").field("method", &self.method).field("url", &address).finish_non_exhaustive()
    }
}

/// Where the object of an asset lies in the bucket: under its org.
#[must_use]
pub fn object_key(org: OrgId, asset: AssetId) -> String {
    format!("{org}/{asset}")
}

fn signature(lifetime: Duration) -> ActivityResult<PresigningConfig> {
    if lifetime > LONGEST_SIGNATURE {
        return Err(ActivityError::rejected("media: a signed URL lives at most a week"));
    }
    PresigningConfig::expires_in(lifetime).map_err(|error| ActivityError::rejected(format!("media: {error}")))
}

/// The 32 bytes of a SHA-256 in hexadecimal.
fn digest(hex: &str) -> ActivityResult<[u8; 32]> {
    let wrong = || ActivityError::rejected("media: `sha256` is not 64 hexadecimal digits");
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

/// The SHA-256 of some bytes, in hexadecimal as [`Announced`] wants it.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}
