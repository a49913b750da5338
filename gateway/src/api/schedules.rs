//! Recurring schedules: a campaign each time that a cron expression comes in a zone.

mod view;

use activities::store::{
    OrgTx,
    schedules::{self, NewSchedule, Template},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    ids::{OrgId, ScheduleId},
    schedule::{CatchUp, GapRule, Occurrence, OverlapPolicy, OverlapRule, Recurring, ScheduleSpec, WallTime},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::schedule::{BACKFILL_AT_MOST, Backfill, ForSchedule, PauseSchedule, PutSchedule};

use self::view::{BackfilledView, ScheduleView};
use super::campaigns::{self, CampaignInput};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json, Params},
    fields::Fields,
    idempotency::IdSource,
    page::{BrandPageParams, Page, Slice},
    patch::{self, never_null, nullable},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Editor, routes!(create)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Editor, routes!(update)))
        .routes(may(Role::Editor, routes!(delete)))
        .routes(may(Role::Editor, routes!(pause)))
        .routes(may(Role::Editor, routes!(resume)))
        .routes(may(Role::Editor, routes!(backfill)))
}

/// A schedule to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "cron": "0 9 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "on_gap": "shift",
    "on_overlap": "first",
    "overlap": "skip",
    "catch_up": {"window_seconds": 3600, "max": 1},
    "campaign": {
        "brand_id": "brd_06bv3s1k1xtkf0q9b4g2m8y7nc",
        "brief_id": "brf_06bv3s1k1xtkf0q9b4g2m8y7nc",
        "connectors": ["con_06bv3s1k1xtkf0q9b4g2m8y7nc"],
        "approval": "required",
        "schedule": {"mode": "now"}
    }
}))]
struct ScheduleInput {
    /// Five fields (minute, hour, day of the month, month, day of the week, with 0 and 7 for Sunday), or six with seconds first.
    #[schema(example = "0 9 * * MON-FRI")]
    cron: String,
    /// Where the wall is, as IANA names it.
    #[schema(value_type = String, example = "Europe/Berlin")]
    timezone: Tz,
    /// When the zone skips its time: `shift` (later by the length of the gap), `skip`, or `reject` (not accepted if that happens soon, else
    /// left out and told).
    #[serde(default)]
    #[schema(value_type = String, default = "shift")]
    on_gap: GapRule,
    /// When the zone repeats its time: `first`, `second` or `both`.
    #[serde(default)]
    #[schema(value_type = String, default = "first")]
    on_overlap: OverlapRule,
    /// While the campaign of an earlier time still goes: `skip`, `buffer_one`, `buffer_all`, `cancel_previous` or `allow`.
    #[serde(default)]
    #[schema(value_type = String, default = "skip")]
    overlap: OverlapPolicy,
    /// Which times that passed while nothing ran are made up for: `{"window_seconds", "max"}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    catch_up: CatchUp,
    /// Each campaign begins up to so many seconds after its time, 0 to 86400.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 86400, default = 0)]
    jitter_seconds: u32,
    /// The first wall time that counts.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2027-01-01T00:00")]
    start: Option<WallTime>,
    /// The first wall time that does not count any more.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2028-01-01T00:00")]
    end: Option<WallTime>,
    /// The campaign that is made each time, as `POST /v1/campaigns` takes it. It may not have a time of its own (`"mode": "at"`).
    campaign: CampaignInput,
}

/// Changes of a schedule; what is absent stays, and what is null is as if it had never been given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"cron": "30 9 * * MON-FRI", "overlap": "buffer_one", "end": null}))]
struct SchedulePatch {
    /// As in `POST`; not null.
    #[serde(default, deserialize_with = "never_null")]
    cron: Option<String>,
    /// As in `POST`; not null.
    #[serde(default, deserialize_with = "never_null")]
    #[schema(value_type = Option<String>)]
    timezone: Option<Tz>,
    /// As in `POST`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    on_gap: Option<Option<GapRule>>,
    /// As in `POST`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    on_overlap: Option<Option<OverlapRule>>,
    /// As in `POST`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    overlap: Option<Option<OverlapPolicy>>,
    /// As in `POST`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Object>)]
    catch_up: Option<Option<CatchUp>>,
    /// As in `POST`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    jitter_seconds: Option<Option<u32>>,
    /// As in `POST`; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    start: Option<Option<WallTime>>,
    /// As in `POST`; null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    end: Option<Option<WallTime>>,
    /// As in `POST`, as a whole; not null.
    #[serde(default, deserialize_with = "never_null")]
    campaign: Option<CampaignInput>,
}

/// Why it is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "Company holidays"}))]
struct PauseInput {
    /// For whoever wonders, up to 500 characters.
    note: String,
}

/// Which times to run, though they are over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from": "2026-11-02T00:00:00Z", "to": "2026-11-09T00:00:00Z", "overlap": "buffer_all"}))]
struct BackfillInput {
    /// After this instant.
    from: DateTime<Utc>,
    /// Up to this one, which is over.
    to: DateTime<Utc>,
    /// While the campaign of an earlier time still goes, as in `POST /v1/schedules`.
    #[serde(default = "buffer_all")]
    #[schema(value_type = String, default = "buffer_all")]
    overlap: OverlapPolicy,
}

const fn buffer_all() -> OverlapPolicy {
    OverlapPolicy::BufferAll
}

/// Stores what a campaign names, and checks it as one that is started now would be.
async fn template(tx: &mut OrgTx, input: CampaignInput, ids: IdSource) -> ApiResult<Template> {
    if matches!(input.schedule, Some(ScheduleSpec::At(_))) {
        return Err(Problem::field("/campaign/schedule/mode", "must not be `at`: the schedule says when the campaign begins"));
    }
    let accepted = campaigns::accept(tx, input, ids).await;
    let (campaign, connectors) = accepted.map_err(|problem| problem.inside("/campaign"))?;
    Ok(Template { campaign, connectors })
}

fn accept(recurring: &Recurring) -> ApiResult<()> {
    let mut fields = Fields::default();
    for (pointer, why) in recurring.objections(Utc::now()) {
        fields.bad(pointer, why);
    }
    fields.done()
}

async fn shown(app: &App, org: OrgId, id: ScheduleId) -> ApiResult<ScheduleView> {
    let mut tx = app.store.in_org(org).await?;
    let schedule = schedules::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    ScheduleView::with_times(&mut tx, schedule).await
}

/// Calls a handler of the schedule's object. The same request again calls it once.
async fn call<T: serde::de::DeserializeOwned>(
    app: &App,
    id: ScheduleId,
    handler: &str,
    input: &impl serde::Serialize,
    ids: IdSource,
) -> ApiResult<T> {
    let key = format!("{}:{handler}", ids.0);
    Ok(app.engine.call_object("Schedule", &id.to_string(), handler, input, &key).await?)
}

/// Create a recurring schedule
#[utoipa::path(post, path = "/v1/schedules", tag = "schedules", operation_id = "create_schedule", request_body = ScheduleInput,
    responses((status = 201, body = ScheduleView, description = "In force")))]
async fn create(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<ScheduleInput>) -> ApiResult<impl IntoResponse> {
    let org = caller.org;
    let ScheduleInput { cron, timezone, on_gap, on_overlap, overlap, catch_up, jitter_seconds, start, end, campaign } = input;
    let recurring = Recurring { cron, timezone, on_gap, on_overlap, overlap, catch_up, jitter_seconds, start, end };
    accept(&recurring)?;
    let mut tx = app.store.in_org(org).await?;
    let template = template(&mut tx, campaign, ids).await?;
    tx.commit().await?;
    let id = ScheduleId::derived(ids.0, "schedule");
    let schedule = NewSchedule { id, recurring, template };
    call::<()>(&app, id, "create", &PutSchedule { org, schedule }, ids).await?;
    let view = shown(&app, org, id).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/v1/schedules/{id}"))], axum::Json(view)))
}

/// List recurring schedules, newest first
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", operation_id = "list_schedules", params(BrandPageParams),
    responses((status = 200, body = Page<ScheduleView>, description = "A page")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<BrandPageParams>,
) -> ApiResult<axum::Json<Page<ScheduleView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let mut tx = app.store.in_org(caller.org).await?;
    let rows = schedules::list(&mut tx, params.brand_id, slice.after, slice.rows()).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(ScheduleView::of(row)?);
    }
    Ok(axum::Json(slice.page(views, |v| v.id, |v| v)))
}

/// One recurring schedule, with its next and its last times
#[utoipa::path(get, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "get_schedule", params(("id" = String, Path)),
    responses((status = 200, body = ScheduleView, description = "The schedule"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<ScheduleId>) -> ApiResult<axum::Json<ScheduleView>> {
    shown(&app, caller.org, id).await.map(axum::Json)
}

/// Change a recurring schedule
///
/// Campaigns that it made stay as they are.
#[utoipa::path(patch, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "update_schedule", params(("id" = String, Path)),
    request_body = SchedulePatch,
    responses((status = 200, body = ScheduleView, description = "Changed"), (status = 404, description = "There is none")))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<ScheduleId>,
    Json(changes): Json<SchedulePatch>,
) -> ApiResult<axum::Json<ScheduleView>> {
    let org = caller.org;
    let mut tx = app.store.in_org(org).await?;
    let mut schedule = schedules::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?.asked;
    let recurring = &mut schedule.recurring;
    let SchedulePatch { cron, timezone, on_gap, on_overlap, overlap, catch_up, jitter_seconds, start, end, campaign } = changes;
    recurring.cron = cron.unwrap_or_else(|| recurring.cron.clone());
    recurring.timezone = timezone.unwrap_or(recurring.timezone);
    recurring.on_gap = patch::after(on_gap, recurring.on_gap);
    recurring.on_overlap = patch::after(on_overlap, recurring.on_overlap);
    recurring.overlap = patch::after(overlap, recurring.overlap);
    recurring.catch_up = patch::after(catch_up, recurring.catch_up);
    recurring.jitter_seconds = patch::after(jitter_seconds, recurring.jitter_seconds);
    recurring.start = start.unwrap_or(recurring.start);
    recurring.end = end.unwrap_or(recurring.end);
    accept(recurring)?;
    if let Some(campaign) = campaign {
        schedule.template = template(&mut tx, campaign, ids).await?;
    }
    tx.commit().await?;
    call::<()>(&app, id, "update", &PutSchedule { org, schedule }, ids).await?;
    shown(&app, org, id).await.map(axum::Json)
}

/// Delete a recurring schedule
///
/// Campaigns that it made stay as they are.
#[utoipa::path(delete, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "delete_schedule", params(("id" = String, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "There is none")))]
async fn delete(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<ScheduleId>) -> ApiResult<StatusCode> {
    let org = caller.org;
    schedules::get(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
    call::<()>(&app, id, "delete", &ForSchedule { org }, ids).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pause a recurring schedule
#[utoipa::path(post, path = "/v1/schedules/{id}/pause", tag = "schedules", operation_id = "pause_schedule", params(("id" = String, Path)),
    request_body = PauseInput,
    responses((status = 200, body = ScheduleView, description = "Paused"), (status = 404, description = "There is none")))]
async fn pause(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<ScheduleId>,
    Json(input): Json<PauseInput>,
) -> ApiResult<axum::Json<ScheduleView>> {
    let org = caller.org;
    schedules::get(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
    let mut fields = Fields::default();
    fields.text("/note", &input.note, 500);
    fields.done()?;
    call::<()>(&app, id, "pause", &PauseSchedule { org, note: input.note }, ids).await?;
    shown(&app, org, id).await.map(axum::Json)
}

/// Go on with a recurring schedule that is paused
///
/// Times that passed during the pause are not made up for; see `/backfill`.
#[utoipa::path(post, path = "/v1/schedules/{id}/resume", tag = "schedules", operation_id = "resume_schedule", params(("id" = String, Path)),
    responses((status = 200, body = ScheduleView, description = "In force"), (status = 404, description = "There is none")))]
async fn resume(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<ScheduleId>) -> ApiResult<axum::Json<ScheduleView>> {
    let org = caller.org;
    schedules::get(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
    call::<()>(&app, id, "resume", &ForSchedule { org }, ids).await?;
    shown(&app, org, id).await.map(axum::Json)
}

/// Run times of a recurring schedule that are over
///
/// Those that had their campaign get no second one.
#[utoipa::path(post, path = "/v1/schedules/{id}/backfill", tag = "schedules", operation_id = "backfill_schedule", params(("id" = String, Path)),
    request_body = BackfillInput,
    responses((status = 202, body = BackfilledView, description = "Under way"), (status = 404, description = "There is none")))]
async fn backfill(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<ScheduleId>,
    Json(input): Json<BackfillInput>,
) -> ApiResult<impl IntoResponse> {
    let org = caller.org;
    let schedule = schedules::get(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?.asked;
    let BackfillInput { from, to, overlap } = input;
    let mut fields = Fields::default();
    if to <= from {
        fields.bad("/to", "must be after `from`");
    }
    if to > Utc::now() {
        fields.bad("/to", "must be over: what is to come comes by itself");
    }
    fields.done()?;
    let plan = schedule.recurring.plan().map_err(|error| Problem::internal(error.to_string()))?;
    if plan.after(from).take_while(|o| o.due_at <= to).nth(BACKFILL_AT_MOST).is_some() {
        return Err(Problem::field("/to", format!("leaves more than {BACKFILL_AT_MOST} times after `from`; ask for fewer at once")));
    }
    let times: Vec<Occurrence> = call(&app, id, "backfill", &Backfill { org, from, to, overlap }, ids).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(BackfilledView::of(&schedule, &times))))
}
