//! Brands' voices: trained on examples, shown with what was learned.

use activities::store::{brands, voices};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use domain::{
    ids::{BrandId, ExampleId, RunId, VoiceId},
    platform::Platform,
    voice::{Example, check_examples},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::voice_training::{TrainVoice, TrainingExample};

use super::started::Started;
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    engine::{self, NotedBy, Start},
    extract::{Id, Json},
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Editor, routes!(train))).routes(may(Role::Viewer, routes!(get)))
}

/// What a voice is trained on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"examples": [
    {"text": "The winter roast is in. Huila, one farm, eleven bags.", "platform": "mastodon"},
    {"text": "We burnt a batch on Tuesday. It is in the compost, not in your cup."},
    {"text": "Open from eight. The kettle is on.", "url": "https://northwind.example/news/3"}
]}))]
struct Training {
    /// 3 to 500 examples.
    examples: Vec<ExampleInput>,
}

/// A post that sounds the way the brand wants to sound.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExampleInput {
    /// What was written.
    text: String,
    /// Where it was published, if that is known.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    platform: Option<Platform>,
    /// Where it can be read, if that is known.
    #[serde(default)]
    url: Option<String>,
}

/// How a training stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VoiceStatus {
    /// It is under way.
    Training,
    /// It can be spoken with.
    Ready,
    /// It ended without a voice.
    Failed,
}

/// A brand's newest voice.
#[derive(Debug, Serialize, ToSchema)]
struct VoiceView {
    /// Its id.
    #[schema(value_type = String, example = "voi_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: VoiceId,
    /// How its training stands.
    status: VoiceStatus,
    /// Counts the brand's trainings, from 1.
    version: i32,
    /// When the training finished.
    trained_at: Option<DateTime<Utc>>,
    /// How many examples it has.
    examples: i32,
    /// The model of its embeddings, if it was trained with any.
    embed_model: Option<String>,
    /// Why it ended without a voice.
    failure: Option<String>,
    /// What was measured; null until the training has finished.
    #[schema(value_type = Option<Object>)]
    profile: Option<Value>,
    /// What prompts state and texts are checked against.
    #[schema(value_type = Vec<Object>)]
    constraints: Value,
}

/// Train a brand's voice
///
/// The new version is put in force in one go when it has been measured; until then the one before stays.
#[utoipa::path(post, path = "/v1/brands/{id}/voice/train", tag = "brands", operation_id = "train_voice", params(("id" = String, Path)),
    request_body = Training, responses((status = 202, body = Started, description = "Started"), (status = 404, description = "There is no such brand")))]
async fn train(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(brand_id): Id<BrandId>,
    Json(input): Json<Training>,
) -> ApiResult<Response> {
    let org = caller.org;
    brands::get(&mut app.store.in_org(org).await?, brand_id).await?.ok_or_else(Problem::not_found)?;
    let (voice_id, run_id) = (VoiceId::derived(ids.0, "voice"), RunId::derived(ids.0, "voice"));
    let mut fields = Fields::default();
    let mut checked = Vec::with_capacity(input.examples.len());
    for (index, example) in input.examples.iter().enumerate() {
        if let Some(url) = &example.url {
            fields.web_url(&format!("/examples/{index}/url"), url);
        }
        let id = ExampleId::derived(voice_id.uuid(), &index.to_string());
        checked.push(Example { id, text: example.text.clone(), platform: example.platform, url: example.url.clone() });
    }
    for problem in check_examples(&checked).err().unwrap_or_default() {
        fields.bad(problem.pointer(), problem.reason.to_string());
    }
    fields.done()?;
    let examples = input.examples.into_iter().map(|e| TrainingExample { text: e.text, platform: e.platform, url: e.url }).collect();
    let start = TrainVoice { org, brand_id, voice_id, run_id, examples };
    let subject = brand_id.to_string();
    let training = Start { service: "VoiceTraining", key: None, handler: "run", run_id, subject: &subject, noted_by: NotedBy::Gateway };
    engine::start(&app, org, &training, &start).await?;
    Ok(Started { id: voice_id.to_string(), run_id }.at(format!("/v1/brands/{brand_id}/voice")))
}

/// A brand's newest voice
#[utoipa::path(get, path = "/v1/brands/{id}/voice", tag = "brands", operation_id = "get_voice", params(("id" = String, Path)),
    responses((status = 200, body = VoiceView, description = "The voice"), (status = 404, description = "There is no such brand, or it was never trained")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<BrandId>) -> ApiResult<axum::Json<VoiceView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    brands::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let voice = voices::latest(&mut tx, id).await?.ok_or_else(|| Problem::not_found().detail("The brand was never trained."))?;
    let status = match (&voice.profile, &voice.failure) {
        (Some(_), _) => VoiceStatus::Ready,
        (None, Some(_)) => VoiceStatus::Failed,
        (None, None) => VoiceStatus::Training,
    };
    let profile = voice.profile.map(serde_json::to_value).transpose().map_err(Problem::internal)?;
    let constraints = profile.as_ref().and_then(|p| p.get("constraints")).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    Ok(axum::Json(VoiceView {
        id: voice.id,
        status,
        version: voice.version,
        trained_at: voice.trained_at,
        examples: voice.examples,
        embed_model: voice.embed_model,
        failure: voice.failure,
        profile,
        constraints,
    }))
}
