//! Assets: media files. The bytes go from the client straight to object storage, by a signed upload; here they are announced and checked.

use std::time::Duration;

use activities::{
    ActivityError,
    media::{Announced, MediaStore, MediaType},
    store::assets::{self, Asset, AssetKind, Rights},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use domain::ids::AssetId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json, Params},
    fields::Fields,
    idempotency::IdSource,
    page::{Page, PageParams, Slice},
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Editor, routes!(announce)))
        .routes(may(Role::Editor, routes!(complete)))
}

/// How long an upload may begin after it was signed: enough for a slow line and a large video, too short to be passed around.
const UPLOAD_LIFETIME: Duration = Duration::from_hours(1);

/// Whose a file is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RightsInput {
    /// Where it comes from, 1 to 500 characters.
    source: String,
    /// Under which terms it may be used, 1 to 500 characters.
    license: String,
    /// When that ends, if it does; in the future.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// A file to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "kind": "image",
    "content_type": "image/png",
    "bytes": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "alt": "A paper bag of coffee beside a steaming cup",
    "rights": {"source": "Northwind's own photographer", "license": "all rights held"}
}))]
struct AssetInput {
    /// `image` or `video`; has to fit the content type.
    #[schema(value_type = String)]
    kind: AssetKind,
    /// `image/jpeg`, `image/png`, `image/gif`, `image/webp` or `video/mp4`.
    #[schema(value_type = String)]
    content_type: MediaType,
    /// How long it is, in bytes.
    bytes: u64,
    /// SHA-256 of the bytes, as 64 hexadecimal digits.
    sha256: String,
    /// What it shows, for those who do not see it; up to 1500 characters.
    alt: String,
    /// Whose it is.
    rights: RightsInput,
}

/// A file.
#[derive(Debug, Serialize, ToSchema)]
struct AssetView {
    /// Its id.
    #[schema(value_type = String, example = "ast_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: AssetId,
    /// `image` or `video`.
    #[schema(value_type = String)]
    kind: AssetKind,
    /// What it is.
    #[schema(value_type = String)]
    content_type: MediaType,
    /// How long it is, in bytes.
    bytes: u64,
    /// SHA-256 of the bytes.
    sha256: String,
    /// What it shows.
    alt: String,
    /// `source`, `license`, `expires_at`.
    #[schema(value_type = Object)]
    rights: Rights,
    /// When the upload was found to be what was announced; null until then.
    verified_at: Option<DateTime<Utc>>,
    /// Its width in pixels, as people see it; null until it was verified.
    width: Option<u32>,
    /// Its height in pixels, as people see it; null until it was verified.
    height: Option<u32>,
    /// How long a video lasts, in milliseconds.
    duration_ms: Option<u64>,
    /// When it was announced.
    created_at: DateTime<Utc>,
}

impl From<Asset> for AssetView {
    fn from(asset: Asset) -> Self {
        Self {
            id: asset.id,
            kind: AssetKind::of(asset.announced.content_type),
            content_type: asset.announced.content_type,
            bytes: asset.announced.bytes,
            sha256: asset.announced.sha256,
            alt: asset.alt,
            rights: asset.rights,
            verified_at: asset.verified_at,
            width: asset.found.map(|found| found.size.0),
            height: asset.found.map(|found| found.size.1),
            duration_ms: asset.found.and_then(|found| found.duration_ms),
            created_at: asset.created_at,
        }
    }
}

/// A request to the object storage, which its holder may make without a key until it expires.
#[derive(Debug, Serialize, ToSchema)]
struct Upload {
    /// The method.
    method: String,
    /// The address, with the signature.
    url: String,
    /// Headers to send exactly so, as pairs of name and value.
    headers: Vec<(String, String)>,
    /// Until when it is taken.
    expires_at: DateTime<Utc>,
}

/// A file to be uploaded, and where to.
#[derive(Debug, Serialize, ToSchema)]
struct Announcement {
    /// The file.
    #[serde(flatten)]
    asset: AssetView,
    /// What to send its bytes with.
    upload: Upload,
}

fn media(app: &App) -> ApiResult<&MediaStore> {
    app.media.as_ref().ok_or_else(|| Problem::new(Code::MediaNotConfigured))
}

/// Announce a file
///
/// The answer holds a signed upload for exactly these bytes. Send them there, then `POST /v1/assets/{id}/complete`.
#[utoipa::path(post, path = "/v1/assets", tag = "assets", operation_id = "announce_asset", request_body = AssetInput,
    responses((status = 201, body = Announcement, description = "Announced"), (status = 503, description = "There is no object storage")))]
async fn announce(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<AssetInput>) -> ApiResult<impl IntoResponse> {
    let store = media(&app)?;
    let now = Utc::now();
    let mut fields = Fields::default();
    if AssetKind::of(input.content_type) != input.kind {
        fields.bad("/kind", format!("{} is no {}", input.content_type, input.kind));
    }
    if input.sha256.len() != 64 || !input.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        fields.bad("/sha256", "must be 64 hexadecimal digits");
    }
    fields.at_most("/alt", &input.alt, 1500);
    fields.text("/rights/source", &input.rights.source, 500);
    fields.text("/rights/license", &input.rights.license, 500);
    if input.rights.expires_at.is_some_and(|end| end <= now) {
        fields.bad("/rights/expires_at", "is over already");
    }
    fields.done()?;
    let announced = Announced { content_type: input.content_type, bytes: input.bytes, sha256: input.sha256.to_ascii_lowercase() };
    let rights = Rights { source: input.rights.source, license: input.rights.license, expires_at: input.rights.expires_at };
    let id = AssetId::derived(ids.0, "asset");
    let signed = store.sign_upload(caller.org, id, &announced, UPLOAD_LIFETIME).await.map_err(|error| match error {
        // Everything else was checked above.
        ActivityError::Rejected { what } => Problem::field("/bytes", what),
        other => other.into(),
    })?;
    let mut tx = app.store.in_org(caller.org).await?;
    assets::announce(&mut tx, id, &announced, &input.alt, &rights).await?;
    let asset = assets::get(&mut tx, id).await?.ok_or_else(|| Problem::internal("an asset that was just announced is gone"))?;
    tx.commit().await?;
    let upload = Upload { method: signed.method, url: signed.url, headers: signed.headers, expires_at: now + UPLOAD_LIFETIME };
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/v1/assets/{id}"))], axum::Json(Announcement { asset: asset.into(), upload })))
}

/// Say that a file is uploaded
///
/// It is read and compared with what was announced: its length, its SHA-256, and by its content what it really is: a picture is decoded to its last
/// pixel; what is broken, an archive, or too large to be decoded is refused. Only then can posts use it.
#[utoipa::path(post, path = "/v1/assets/{id}/complete", tag = "assets", operation_id = "complete_asset", params(("id" = String, Path)),
    responses((status = 200, body = AssetView, description = "It is what was announced"), (status = 404, description = "There is none"),
        (status = 503, description = "There is no object storage")))]
async fn complete(State(app): State<App>, caller: Caller, Id(id): Id<AssetId>) -> ApiResult<axum::Json<AssetView>> {
    let store = media(&app)?;
    let asset = assets::get(&mut app.store.in_org(caller.org).await?, id).await?.ok_or_else(Problem::not_found)?;
    if asset.verified_at.is_some() {
        return Ok(axum::Json(asset.into()));
    }
    // No transaction is open meanwhile: a large file takes its time.
    let found = store.verify(caller.org, id, &asset.announced).await.map_err(|error| match error {
        ActivityError::NotFound { .. } => Problem::new(Code::AssetNotUploaded),
        ActivityError::Rejected { what } => Problem::new(Code::AssetRefused).detail(what),
        other => other.into(),
    })?;
    let mut tx = app.store.in_org(caller.org).await?;
    assets::verified(&mut tx, id, &found).await?;
    let asset = assets::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    tx.commit().await?;
    Ok(axum::Json(asset.into()))
}

/// List files, oldest first
#[utoipa::path(get, path = "/v1/assets", tag = "assets", operation_id = "list_assets", params(PageParams),
    responses((status = 200, body = Page<AssetView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<PageParams>) -> ApiResult<axum::Json<Page<AssetView>>> {
    media(&app)?;
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let rows = assets::list(&mut app.store.in_org(caller.org).await?, slice.after, slice.rows()).await?;
    Ok(axum::Json(slice.page(rows, |asset| asset.id, AssetView::from)))
}
