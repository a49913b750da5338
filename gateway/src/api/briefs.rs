//! Briefs.

use activities::store::{
    brands,
    briefs::{self, BriefRecord},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use domain::{
    brief::{Brief, Language},
    ids::{BrandId, BriefId},
    platform::Platform,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json},
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Editor, routes!(create))).routes(may(Role::Viewer, routes!(get)))
}

/// What a campaign is to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BriefText {
    /// What it is about, 1 to 500 characters.
    topic: String,
    /// Who is to read it, 1 to 500 characters.
    audience: String,
    /// How it is to sound, 1 to 200 characters.
    tone: String,
    /// What readers are to do afterwards.
    #[serde(default)]
    goal: Option<String>,
    /// ISO 639-1 codes; the first is the source that the others are checked against.
    #[schema(value_type = Vec<String>)]
    languages: Vec<Language>,
    /// The platforms to write for.
    #[schema(value_type = Vec<String>)]
    platforms: Vec<Platform>,
    /// Regions, as people name them.
    #[serde(default)]
    regions: Vec<String>,
    /// Names that must not be mentioned.
    #[serde(default)]
    competitors: Vec<String>,
    /// Further instructions.
    #[serde(default)]
    constraints: Vec<String>,
    /// The page that the posts lead to.
    #[serde(default)]
    link: Option<String>,
    /// What every post should get across.
    #[serde(default)]
    key_points: Vec<String>,
}

impl BriefText {
    /// The brief, if it makes sense; otherwise every bad field under `at`.
    pub(crate) fn check(self, at: &str, fields: &mut Fields) -> Brief {
        let p = |name: &str| format!("{at}/{name}");
        fields.text(&p("topic"), &self.topic, 500);
        fields.text(&p("audience"), &self.audience, 500);
        fields.text(&p("tone"), &self.tone, 200);
        if let Some(goal) = &self.goal {
            fields.text(&p("goal"), goal, 500);
        }
        if let Some(link) = &self.link {
            fields.web_url(&p("link"), link);
        }
        distinct(fields, &p("languages"), &self.languages, 10);
        distinct(fields, &p("platforms"), &self.platforms, Platform::ALL.len());
        for (name, list) in [
            ("regions", &self.regions),
            ("competitors", &self.competitors),
            ("constraints", &self.constraints),
            ("key_points", &self.key_points),
        ] {
            fields.texts(&p(name), list, 50, 500);
        }
        Brief {
            topic: self.topic,
            audience: self.audience,
            tone: self.tone,
            goal: self.goal,
            languages: self.languages,
            platforms: self.platforms,
            regions: self.regions,
            competitors: self.competitors,
            constraints: self.constraints,
            link: self.link,
            key_points: self.key_points,
        }
    }
}

fn distinct<T: PartialEq>(fields: &mut Fields, pointer: &str, list: &[T], max: usize) {
    if list.is_empty() {
        fields.bad(pointer, "must name at least one");
    }
    if list.len() > max {
        fields.bad(pointer, format!("must have at most {max} entries"));
    }
    for (index, value) in list.iter().enumerate() {
        if list[..index].contains(value) {
            fields.bad(format!("{pointer}/{index}"), "is named twice");
        }
    }
}

/// A brief to be. The fields beside `brand_id` are those of the brief.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "brand_id": "brd_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "topic": "The winter roast is back",
    "audience": "People who brew at home",
    "tone": "warm",
    "languages": ["en", "de"],
    "platforms": ["mastodon", "bluesky"],
    "link": "https://northwind.example/winter",
    "key_points": ["From one farm in Huila", "Until the end of January"]
}))]
struct BriefInput {
    /// The brand that it is for.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// What it is about, 1 to 500 characters.
    topic: String,
    /// Who is to read it, 1 to 500 characters.
    audience: String,
    /// How it is to sound, 1 to 200 characters.
    tone: String,
    /// What readers are to do afterwards.
    #[serde(default)]
    goal: Option<String>,
    /// ISO 639-1 codes; the first is the source that the others are checked against.
    #[schema(value_type = Vec<String>)]
    languages: Vec<Language>,
    /// The platforms to write for.
    #[schema(value_type = Vec<String>)]
    platforms: Vec<Platform>,
    /// Regions, as people name them.
    #[serde(default)]
    regions: Vec<String>,
    /// Names that must not be mentioned.
    #[serde(default)]
    competitors: Vec<String>,
    /// Further instructions.
    #[serde(default)]
    constraints: Vec<String>,
    /// The page that the posts lead to.
    #[serde(default)]
    link: Option<String>,
    /// What every post should get across.
    #[serde(default)]
    key_points: Vec<String>,
}

/// A brief.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BriefView {
    /// Its id.
    #[schema(value_type = String, example = "brf_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: BriefId,
    /// The brand that it is for.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// What it says: the fields of `POST /v1/briefs`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    brief: Brief,
    /// When it was written.
    created_at: DateTime<Utc>,
}

impl From<BriefRecord> for BriefView {
    fn from(record: BriefRecord) -> Self {
        Self { id: record.id, brand_id: record.brand, brief: record.brief, created_at: record.created_at }
    }
}

/// Write a brief
#[utoipa::path(post, path = "/v1/briefs", tag = "briefs", operation_id = "create_brief", request_body = BriefInput,
    responses((status = 201, body = BriefView, description = "Written")))]
async fn create(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<BriefInput>) -> ApiResult<impl IntoResponse> {
    let brand = input.brand_id;
    let text = BriefText {
        topic: input.topic,
        audience: input.audience,
        tone: input.tone,
        goal: input.goal,
        languages: input.languages,
        platforms: input.platforms,
        regions: input.regions,
        competitors: input.competitors,
        constraints: input.constraints,
        link: input.link,
        key_points: input.key_points,
    };
    let mut fields = Fields::default();
    let brief = text.check("", &mut fields);
    let mut tx = app.store.in_org(caller.org).await?;
    if brands::get(&mut tx, brand).await?.is_none() {
        fields.bad("/brand_id", "names no brand of yours");
    }
    fields.done()?;
    let id = BriefId::derived(ids.0, "brief");
    briefs::insert(&mut tx, id, brand, &brief).await?;
    let record = briefs::get(&mut tx, id).await?.ok_or_else(|| Problem::internal("a brief that was just written is gone"))?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/v1/briefs/{id}"))], axum::Json(BriefView::from(record))))
}

/// One brief
#[utoipa::path(get, path = "/v1/briefs/{id}", tag = "briefs", operation_id = "get_brief", params(("id" = String, Path)),
    responses((status = 200, body = BriefView, description = "The brief"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<BriefId>) -> ApiResult<axum::Json<BriefView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let record = briefs::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(record.into()))
}
