//! Brands.

use std::collections::BTreeMap;

use activities::store::brands::{self, BrandRecord};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use domain::{
    brand::Brand,
    ids::{BrandId, VoiceId},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json, Params},
    fields::{Fields, segment},
    idempotency::IdSource,
    page::{Page, PageParams, Slice},
    patch::{self, never_null, nullable},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Editor, routes!(create)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Editor, routes!(update)))
}

/// A brand to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Northwind Coffee",
    "guidelines": "Warm, plain, a little dry. We name the farm.",
    "banned_phrases": ["world's best"],
    "required_disclosures": ["#ad"],
    "colors": ["#3b2f2f"],
    "links": {"website": "https://northwind.example"}
}))]
struct BrandInput {
    /// The name that readers know, 1 to 200 characters.
    name: String,
    /// Free text for writers, up to 20,000 characters.
    #[serde(default)]
    guidelines: String,
    /// Phrases that must not appear, however they are cased, spaced or disguised; up to 200.
    #[serde(default)]
    banned_phrases: Vec<String>,
    /// Texts of which each must appear in every post; up to 10.
    #[serde(default)]
    required_disclosures: Vec<String>,
    /// Colours as `#rrggbb`; up to 20.
    #[serde(default)]
    colors: Vec<String>,
    /// Named links; up to 20.
    #[serde(default)]
    links: BTreeMap<String, String>,
}

/// What is to change. A field that is left out stays; one that is null is taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"guidelines": "Warm and plain. We name the farm and the year."}))]
struct BrandPatch {
    /// See `POST /v1/brands`; not null.
    #[serde(default, deserialize_with = "never_null")]
    name: Option<String>,
    /// See `POST /v1/brands`; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    guidelines: Option<Option<String>>,
    /// Replaces the whole list; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    banned_phrases: Option<Option<Vec<String>>>,
    /// Replaces the whole list; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    required_disclosures: Option<Option<Vec<String>>>,
    /// Replaces the whole list; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    colors: Option<Option<Vec<String>>>,
    /// Replaces all links; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    links: Option<Option<BTreeMap<String, String>>>,
}

/// A brand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BrandView {
    /// Its id.
    #[schema(value_type = String, example = "brd_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: BrandId,
    /// The name that readers know.
    name: String,
    /// Free text for writers.
    guidelines: String,
    /// Phrases that must not appear.
    banned_phrases: Vec<String>,
    /// Texts of which each must appear in every post.
    required_disclosures: Vec<String>,
    /// Colours as `#rrggbb`.
    colors: Vec<String>,
    /// Named links.
    links: BTreeMap<String, String>,
    /// The voice in use; null before the first training has finished.
    #[schema(value_type = Option<String>, example = "voi_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    voice_id: Option<VoiceId>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

impl From<BrandRecord> for BrandView {
    fn from(record: BrandRecord) -> Self {
        let Brand { name, guidelines, banned_phrases, required_disclosures, colors, links } = record.brand;
        Self {
            id: record.id,
            name,
            guidelines,
            banned_phrases,
            required_disclosures,
            colors,
            links,
            voice_id: record.voice,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// Names everything that is wrong with a brand.
fn check(brand: &Brand) -> ApiResult<()> {
    let mut fields = Fields::default();
    fields.text("/name", &brand.name, 200);
    fields.at_most("/guidelines", &brand.guidelines, 20_000);
    fields.texts("/banned_phrases", &brand.banned_phrases, 200, 200);
    fields.texts("/required_disclosures", &brand.required_disclosures, 10, 200);
    if brand.colors.len() > 20 {
        fields.bad("/colors", "must have at most 20 entries");
    }
    for (index, color) in brand.colors.iter().enumerate() {
        let hex = color.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if !hex {
            fields.bad(format!("/colors/{index}"), "must be a colour such as #3b2f2f");
        }
    }
    if brand.links.len() > 20 {
        fields.bad("/links", "must have at most 20 entries");
    }
    for (name, link) in &brand.links {
        let pointer = format!("/links/{}", segment(name));
        fields.text(&pointer, name, 50);
        fields.web_url(&pointer, link);
    }
    fields.done()
}

/// Create a brand
#[utoipa::path(post, path = "/v1/brands", tag = "brands", operation_id = "create_brand", request_body = BrandInput,
    responses((status = 201, body = BrandView, description = "Created")))]
async fn create(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<BrandInput>) -> ApiResult<impl IntoResponse> {
    let BrandInput { name, guidelines, banned_phrases, required_disclosures, colors, links } = input;
    let brand = Brand { name, guidelines, banned_phrases, required_disclosures, colors, links };
    check(&brand)?;
    let id = BrandId::derived(ids.0, "brand");
    let mut tx = app.store.in_org(caller.org).await?;
    brands::insert(&mut tx, id, &brand).await?;
    let record = brands::get(&mut tx, id).await?.ok_or_else(|| Problem::internal("a brand that was just written is gone"))?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/v1/brands/{id}"))], axum::Json(BrandView::from(record))))
}

/// List brands
#[utoipa::path(get, path = "/v1/brands", tag = "brands", operation_id = "list_brands", params(PageParams),
    responses((status = 200, body = Page<BrandView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<PageParams>) -> ApiResult<axum::Json<Page<BrandView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let mut tx = app.store.in_org(caller.org).await?;
    let rows = brands::list(&mut tx, slice.after, slice.rows()).await?;
    Ok(axum::Json(slice.page(rows, |row| row.id, BrandView::from)))
}

/// One brand
#[utoipa::path(get, path = "/v1/brands/{id}", tag = "brands", operation_id = "get_brand", params(("id" = String, Path)),
    responses((status = 200, body = BrandView, description = "The brand"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<BrandId>) -> ApiResult<axum::Json<BrandView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let record = brands::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(record.into()))
}

/// Change a brand
#[utoipa::path(patch, path = "/v1/brands/{id}", tag = "brands", operation_id = "update_brand", params(("id" = String, Path)),
    request_body = BrandPatch, responses((status = 200, body = BrandView, description = "Changed"), (status = 404, description = "There is none")))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<BrandId>,
    Json(changes): Json<BrandPatch>,
) -> ApiResult<axum::Json<BrandView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let mut brand = brands::get_for_update(&mut tx, id).await?.ok_or_else(Problem::not_found)?.brand;
    let BrandPatch { name, guidelines, banned_phrases, required_disclosures, colors, links } = changes;
    brand.name = name.unwrap_or(brand.name);
    brand.guidelines = patch::after(guidelines, brand.guidelines);
    brand.banned_phrases = patch::after(banned_phrases, brand.banned_phrases);
    brand.required_disclosures = patch::after(required_disclosures, brand.required_disclosures);
    brand.colors = patch::after(colors, brand.colors);
    brand.links = patch::after(links, brand.links);
    check(&brand)?;
    brands::update(&mut tx, id, &brand).await?;
    let record = brands::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    tx.commit().await?;
    Ok(axum::Json(record.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_named_at_once() {
        let brand = Brand {
            name: " ".into(),
            guidelines: String::new(),
            banned_phrases: vec!["ok".into(), String::new()],
            required_disclosures: vec![],
            colors: vec!["#12345".into(), "#A0b1C2".into()],
            links: [("a/b".to_owned(), "javascript:alert(1)".to_owned())].into(),
        };
        let text = format!("{:?}", check(&brand).unwrap_err());
        for pointer in ["/name", "/banned_phrases/1", "/colors/0", "/links/a~1b"] {
            assert!(text.contains(&format!("\"{pointer}\"")), "{pointer}: {text}");
        }
        assert!(!text.contains("/colors/1") && !text.contains("/banned_phrases/0"), "{text}");
    }
}
