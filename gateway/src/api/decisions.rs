//! What people do to posts: approve, reject, schedule, publish, cancel, resolve. Each is one call of the object that owns the post's state, so
//! that of two people at once one wins and the other is told.

use activities::store::{posts, posts::Post, variants};
use axum::extract::State;
use chrono::Utc;
use domain::{
    ids::{PostId, VariantId},
    schedule::ScheduleSpec,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::{
    campaign::{Decide, Decision},
    publication::{Cancel, PersonsVerdict, Resolve, Schedule, Scheduled},
};

use super::posts::{PostView, view};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json},
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Reviewer, routes!(approve)))
        .routes(may(Role::Reviewer, routes!(reject)))
        .routes(may(Role::Editor, routes!(schedule)))
        .routes(may(Role::Editor, routes!(publish)))
        .routes(may(Role::Editor, routes!(cancel)))
        .routes(may(Role::Editor, routes!(resolve)))
}

/// One request about one post.
struct About {
    app: App,
    caller: Caller,
    ids: IdSource,
    id: PostId,
}

impl About {
    async fn load(&self) -> ApiResult<Post> {
        posts::get(&mut self.app.store.in_org(self.caller.org).await?, self.id).await?.ok_or_else(Problem::not_found)
    }

    /// The same for every repeat of the request, so that a repeat attaches to the first call.
    fn key(&self, what: &str) -> String {
        format!("{}:{what}", self.ids.0)
    }

    async fn decide(&self, decision: Decision) -> ApiResult<axum::Json<PostView>> {
        let campaign = self.load().await?.campaign_id.to_string();
        let decide = Decide { org: self.caller.org, post_id: self.id, by: self.caller.name().to_owned(), decision };
        let decided = self.app.engine.call_object::<()>("Campaign", &campaign, "decide", &decide, &self.key("decide")).await;
        // The words are those that were sent along, or else the variant's own.
        let words = match &decide.decision {
            Decision::Approve { content: Some(_), .. } => "/content",
            Decision::Approve { content: None, .. } | Decision::Reject { .. } => "/variant_id",
        };
        decided.map_err(|refused| Problem::from(refused).pointing(Code::ContentRefused, words))?;
        self.show().await
    }

    async fn plan(&self, spec: ScheduleSpec) -> ApiResult<axum::Json<PostView>> {
        self.load().await?;
        let schedule = Schedule { org: self.caller.org, spec, late_is_fine: false, first_only: false };
        let planned = self
            .app
            .engine
            .call_object::<Scheduled>("Publication", &self.id.to_string(), "schedule", &schedule, &self.key("schedule"))
            .await;
        planned.map_err(|refused| {
            let field = schedule.spec.due(Utc::now()).err().map_or("at", |error| error.field());
            Problem::from(refused).pointing(Code::ScheduleRefused, &format!("/{field}"))
        })?;
        self.show().await
    }

    async fn show(&self) -> ApiResult<axum::Json<PostView>> {
        let mut tx = self.app.store.in_org(self.caller.org).await?;
        let post = posts::get(&mut tx, self.id).await?.ok_or_else(Problem::not_found)?;
        Ok(axum::Json(view(&mut tx, post).await?))
    }
}

/// What is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"variant_id": "var_06bv3s1k1xtkf0q9b4g2m8y7nc"}))]
struct Approve {
    /// The variant that goes out.
    #[schema(value_type = String)]
    variant_id: VariantId,
    /// Its text, if it was edited.
    #[serde(default)]
    content: Option<String>,
}

/// Approve a variant
///
/// The approval is bound to exactly this text. Where the campaign has a schedule, the post is scheduled by it.
#[utoipa::path(post, path = "/v1/posts/{id}/approve", tag = "posts", operation_id = "approve_post", params(("id" = String, Path)),
    request_body = Approve, responses((status = 200, body = PostView, description = "Approved"), (status = 404, description = "There is none")))]
async fn approve(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<PostId>,
    Json(body): Json<Approve>,
) -> ApiResult<axum::Json<PostView>> {
    let mut fields = Fields::default();
    if let Some(content) = &body.content {
        fields.text("/content", content, 100_000);
    }
    let about = About { app, caller, ids, id };
    about.load().await?;
    let variant = variants::get(&mut about.app.store.in_org(about.caller.org).await?, body.variant_id).await?;
    if variant.is_none_or(|v| v.post_id != id) {
        fields.bad("/variant_id", "names no variant of this post");
    }
    fields.done()?;
    about.decide(Decision::Approve { variant_id: body.variant_id, content: body.content }).await
}

/// Why a post does not go out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "The farm's name is misspelt."}))]
struct Reject {
    /// Up to 1,000 characters.
    reason: String,
}

/// Reject a post
#[utoipa::path(post, path = "/v1/posts/{id}/reject", tag = "posts", operation_id = "reject_post", params(("id" = String, Path)),
    request_body = Reject, responses((status = 200, body = PostView, description = "Rejected"), (status = 404, description = "There is none")))]
async fn reject(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<PostId>,
    Json(body): Json<Reject>,
) -> ApiResult<axum::Json<PostView>> {
    let mut fields = Fields::default();
    fields.text("/reason", &body.reason, 1000);
    fields.done()?;
    About { app, caller, ids, id }.decide(Decision::Reject { reason: body.reason }).await
}

/// When a post goes out, by itself a body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
struct PlanInput(ScheduleSpec);

/// Give a post its time, or another one
#[utoipa::path(post, path = "/v1/posts/{id}/schedule", tag = "posts", operation_id = "schedule_post", params(("id" = String, Path)),
    request_body(content = Object, description = "`{\"mode\": \"now\"}`, or a wall time in a zone",
        example = json!({"mode": "at", "at": "2027-01-15T09:00", "timezone": "Europe/Berlin", "on_gap": "shift", "on_overlap": "first"})),
    responses((status = 200, body = PostView, description = "Scheduled; `schedule.due_at` is the instant"), (status = 404, description = "There is none")))]
async fn schedule(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<PostId>,
    Json(PlanInput(spec)): Json<PlanInput>,
) -> ApiResult<axum::Json<PostView>> {
    About { app, caller, ids, id }.plan(spec).await
}

/// Publish an approved post now
#[utoipa::path(post, path = "/v1/posts/{id}/publish", tag = "posts", operation_id = "publish_post", params(("id" = String, Path)),
    responses((status = 200, body = PostView, description = "On its way"), (status = 404, description = "There is none")))]
async fn publish(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<PostId>) -> ApiResult<axum::Json<PostView>> {
    About { app, caller, ids, id }.plan(ScheduleSpec::Now {}).await
}

/// Stop a post that has not begun to be sent
#[utoipa::path(post, path = "/v1/posts/{id}/cancel", tag = "posts", operation_id = "cancel_post", params(("id" = String, Path)),
    responses((status = 200, body = PostView, description = "Stopped"), (status = 404, description = "There is none")))]
async fn cancel(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<PostId>) -> ApiResult<axum::Json<PostView>> {
    let about = About { app, caller, ids, id };
    about.load().await?;
    let reason = Some(format!("stopped by {}", about.caller.name()));
    let cancel = Cancel { org: about.caller.org, reason };
    let () = about.app.engine.call_object("Publication", &id.to_string(), "cancel", &cancel, &about.key("cancel")).await?;
    about.show().await
}

/// What a person found on the platform.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"as": "published", "external_id": "113456789012345678"}))]
struct Answer {
    /// `published`: it is there. `not_published`: it is not, and is sent again.
    r#as: Found,
    /// The platform's id of it, or the address where people read it, where it is known. It is looked up there: what is not there is refused.
    #[serde(default)]
    external_id: Option<String>,
}

/// See [`Answer`].
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Found {
    /// It is there.
    Published,
    /// It is not there.
    NotPublished,
}

/// Answer for a post that needs attention
#[utoipa::path(post, path = "/v1/posts/{id}/resolve", tag = "posts", operation_id = "resolve_post", params(("id" = String, Path)),
    request_body = Answer, responses((status = 200, body = PostView, description = "Resolved"), (status = 404, description = "There is none")))]
async fn resolve(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<PostId>,
    Json(body): Json<Answer>,
) -> ApiResult<axum::Json<PostView>> {
    let mut fields = Fields::default();
    if let Some(external_id) = &body.external_id {
        match body.r#as {
            Found::Published => fields.text("/external_id", external_id, 500),
            Found::NotPublished => fields.bad("/external_id", "belongs to `published` only"),
        }
    }
    fields.done()?;
    let verdict = match body.r#as {
        Found::Published => PersonsVerdict::Published { external_id: body.external_id },
        Found::NotPublished => PersonsVerdict::NotPublished,
    };
    let about = About { app, caller, ids, id };
    about.load().await?;
    let resolve = Resolve { org: about.caller.org, by: about.caller.name().to_owned(), verdict };
    let () = about.app.engine.call_object("Publication", &id.to_string(), "resolve", &resolve, &about.key("resolve")).await?;
    about.show().await
}
