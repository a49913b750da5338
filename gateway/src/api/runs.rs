//! Runs: every workflow that was started, step by step.
#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use activities::store::runs::{self, Run};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::RunId;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    engine::{EngineError, Verb},
    extract::{Id, Params},
    page::{Page, Slice},
    problem::{ApiResult, Code, Problem},
    runs::{
        drafts::{DraftWatcher, Piece},
        parts::{self, RunTables},
        status::RunStatus,
        step::{Background, Journal, Step, WaitingFor},
        subject::Named,
        tables::{InvocationId, Rows, Tables},
        tree::{self, Tree},
        watch::Watcher,
    },
};

/// How often a stream says that it is alive while it has nothing to say.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Viewer, routes!(events)))
        .routes(may(Role::Editor, routes!(cancel)))
        .routes(may(Role::Editor, routes!(pause)))
        .routes(may(Role::Editor, routes!(resume)))
}

/// A run in a list.
#[derive(Debug, Serialize, ToSchema)]
struct RunSummary {
    /// Its id.
    #[schema(value_type = String, example = "run_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: RunId,
    /// The workflow.
    #[schema(example = "Campaign")]
    workflow: String,
    /// What it is about.
    #[schema(example = "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    subject: String,
    /// How it is with everything that it caused but its background; null if the engine does not know any more (`journal` says so).
    status: Option<RunStatus>,
    /// When it began; null while it is queued.
    started_at: Option<DateTime<Utc>>,
    /// When the last of it ended; null while anything goes on.
    finished_at: Option<DateTime<Utc>>,
    /// The engine's id of it.
    #[schema(example = "inv_181jcAcAQzx805TjnVxuFslUlqauZxQORy")]
    invocation_id: String,
    /// The build that works on it.
    deployment: Option<String>,
    /// `expired` once the engine has dropped what it knew of the run.
    journal: Journal,
}

/// A run with everything that it caused, as a tree.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "run_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "workflow": "Campaign",
    "subject": "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "status": "backing_off",
    "workflow_status": "completed",
    "started_at": "2026-11-21T09:00:00.000Z",
    "finished_at": null,
    "invocation_id": "inv_181jcAcAQzx805TjnVxuFslUlqauZxQORy",
    "deployment": "dp_17vI4YUZtR31XqLJ2eSe6Ih",
    "journal": "kept",
    "truncated": false,
    "steps": [
        {"index": 1, "name": "store.create_campaign", "kind": "step", "status": "completed", "attempts": 1,
            "started_at": "2026-11-21T09:00:00.004Z", "took_ms": 9, "children": []},
        {"index": 3, "name": "Generation/run", "kind": "send", "status": "backing_off", "attempts": 1,
            "started_at": "2026-11-21T09:00:00.016Z", "took_ms": null, "next_retry_at": "2026-11-21T09:00:05.016Z",
            "invoked": {"invocation_id": "inv_16BzLjQI2Pyf0mCouSj4ZcCHMao731PHix", "workflow": "Generation/run", "key": null,
                "status": "backing_off", "started_at": "2026-11-21T09:00:00.016Z", "finished_at": null,
                "deployment": "dp_17vI4YUZtR31XqLJ2eSe6Ih", "journal": "kept", "next_retry_at": "2026-11-21T09:00:05.016Z"},
            "children": [{"index": 1, "name": "model.complete", "kind": "step", "status": "backing_off", "attempts": 3,
                "started_at": "2026-11-21T09:00:00.020Z", "took_ms": null, "failure": "the model answers 503",
                "next_retry_at": "2026-11-21T09:00:05.016Z", "children": []}]}
    ],
    "background": []
}))]
pub(crate) struct RunView {
    /// Its id.
    #[schema(value_type = String)]
    id: RunId,
    /// The workflow.
    workflow: String,
    /// What it is about.
    subject: String,
    /// How it is with everything that it caused, its `background` left out: what a person should know of first (paused, backing off, running, queued, waiting); when nothing
    /// goes on any more `failed` if something that was sent off has failed, `cancelled` if something was stopped, otherwise as `workflow_status`. Null if the engine does not know any
    /// more (`journal` says so).
    status: Option<RunStatus>,
    /// How the workflow itself is, without what it sent off.
    workflow_status: Option<RunStatus>,
    /// When it began; null while it is queued.
    started_at: Option<DateTime<Utc>>,
    /// When the last of it ended; null while anything goes on.
    finished_at: Option<DateTime<Utc>>,
    /// The engine's id of it.
    invocation_id: String,
    /// The build that works on it.
    deployment: Option<String>,
    /// `expired` once the engine has dropped the steps; `status` may then be null.
    journal: Journal,
    /// What it failed with, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_retry_at: Option<DateTime<Utc>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitingFor>,
    /// Whether there is more than is shown: at most 500 invocations, 24 levels deep, and 500 more of `background`.
    truncated: bool,
    /// Its steps, in the order in which they began; after them the `request`s, which is what people asked for while it went on (`Campaign/decide`,
    /// `Publication/schedule`) with everything that came of it, in the order in which they did. A run that is over goes on when something more is asked
    /// for: a post that was approved without a time and is published later, one that needed attention and is resolved.
    steps: Vec<Step>,
    /// What it left behind to come again and again by itself: each reading of a published post's counters (`Metrics/poll`), each further digest of a
    /// subscription (`Digest/fire`). One after the other, however many there are; the last one waits for its time. It says nothing about `status`,
    /// `finished_at` and `steps`: a run is over when the work that it was started for is over.
    background: Vec<Background>,
}

impl RunView {
    fn new(run: Run, tree: Tree) -> Self {
        let root = tree.root;
        Self {
            id: run.id,
            workflow: run.workflow,
            subject: run.subject,
            status: tree.status,
            workflow_status: root.status,
            started_at: root.started_at,
            finished_at: tree.finished_at,
            invocation_id: root.invocation_id,
            deployment: root.deployment,
            journal: root.journal,
            failure: root.failure,
            next_retry_at: root.next_retry_at,
            waiting_for: root.waiting_for,
            truncated: tree.truncated,
            steps: tree.steps,
            background: tree.background,
        }
    }
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RunParams {
    /// Of this workflow (`Campaign`).
    workflow: Option<String>,
    /// In this status. The engine is asked for a page at a time, so that a page may have fewer items than `limit`, or none, and still be
    /// followed by another.
    status: Option<RunStatus>,
    /// About this (`cmp_...`).
    subject: Option<String>,
    /// How many runs are looked at, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Runs, newest first
#[utoipa::path(get, path = "/v1/runs", tag = "runs", operation_id = "list_runs", params(RunParams),
    responses((status = 200, body = Page<RunSummary>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<RunParams>) -> ApiResult<axum::Json<Page<RunSummary>>> {
    let slice = Slice::<RunId>::new(params.limit, params.cursor.as_deref())?;
    let mut tx = app.store.in_org(caller.org).await?;
    let rows = runs::list(&mut tx, params.workflow.as_deref(), params.subject.as_deref(), slice.after, slice.rows()).await?;
    drop(tx);
    let page = slice.page(rows, |run| run.id, |run| run);
    let roots: HashMap<RunId, InvocationId> = page.items.iter().filter_map(|run| Some((run.id, run.invocation_id.parse().ok()?))).collect();
    let rows = parts::outlines(&app.engine, &app.store, caller.org, &roots).await?;
    let items = page.items.into_iter().filter_map(|run| summary(run, &rows));
    let items = items.filter(|run| params.status.is_none() || run.status == params.status).collect();
    Ok(axum::Json(Page { items, next_cursor: page.next_cursor }))
}

fn summary(run: Run, rows: &Rows) -> Option<RunSummary> {
    let tree = tree::build(&run.invocation_id.parse().ok()?, run.created_at, rows);
    Some(RunSummary {
        id: run.id,
        workflow: run.workflow,
        subject: run.subject,
        status: tree.status,
        started_at: tree.root.started_at,
        finished_at: tree.finished_at,
        invocation_id: tree.root.invocation_id,
        deployment: tree.root.deployment,
        // Only steps that are gone would say more, and a list has none.
        journal: if tree.status.is_none() { Journal::Expired } else { Journal::Kept },
    })
}

/// The run of this org, and where the engine keeps it.
async fn find(app: &App, caller: &Caller, id: RunId) -> ApiResult<(Run, InvocationId)> {
    for look in 0.. {
        let run = runs::get(&mut app.store.in_org(caller.org).await?, id).await?;
        if let Some(run) = run {
            let invocation = run.invocation_id.parse().map_err(Problem::internal)?;
            return Ok((run, invocation));
        }
        if look >= LOOKS || !is_young(id, Utc::now()) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(Problem::not_found())
}

fn tables_of(app: &App, caller: &Caller, run: RunId) -> RunTables {
    RunTables { engine: app.engine.clone(), store: app.store.clone(), org: caller.org, run }
}

/// A start is answered a moment before its run is noted: a run that began just now is looked for again.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);
/// For how long after its start that can be so, clocks of other gateways included.
const YOUNG: TimeDelta = TimeDelta::seconds(10);

/// Whether the id, which carries the time, was made around `now`.
fn is_young(id: RunId, now: DateTime<Utc>) -> bool {
    let made = id.uuid().get_timestamp().and_then(|t| DateTime::from_timestamp(i64::try_from(t.to_unix().0).ok()?, t.to_unix().1));
    made.is_some_and(|made| (now - made).abs() < YOUNG)
}

/// One run, step by step
///
/// The tree is read from the engine's own tables. The engine keeps the steps of a finished run for some days (`[workflows] journal_days`);
/// afterwards `journal` is `expired`.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", operation_id = "get_run", params(("id" = String, Path)),
    responses((status = 200, body = RunView, description = "The run"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<axum::Json<RunView>> {
    let (run, invocation) = find(&app, &caller, id).await?;
    let rows = Named(tables_of(&app, &caller, id)).read(&invocation, &Rows::default()).await?;
    let tree = tree::build(&invocation, run.created_at, &rows);
    Ok(axum::Json(RunView::new(run, tree)))
}

/// Follow a run live
///
/// Server-sent events. `step`: all there is to say about one step, with `invocation_id` (in whose journal it stands) and `index`; the steps of
/// what it called or sent come by themselves, under the id of its `invoked`; a `request`, which no journal of the run has, under its own id. `status`: of the run. `variant`: a piece of a text while the model
/// writes it, with `offset` (characters before it; 0 begins the text anew), of the campaign, post or variant that the run is about. `done`: the work is over; the
/// stream ends. Steps of its `background` carry `background: true`; they may go on after `done`, which `GET /v1/runs/{id}` shows.
///
/// At first comes everything that is known. With `Last-Event-ID` comes what has changed since, each step once and as it is now; if that
/// event is from another gateway or too long ago, everything comes anew. A run that is over and told is answered with 204, which keeps browsers
/// from coming back.
#[utoipa::path(get, path = "/v1/runs/{id}/events", tag = "runs", operation_id = "follow_run",
    params(("id" = String, Path), ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "Events",
            example = json!("id: 01JD3W0FQH8Z0V0V6D4C6W1R8M.4\nevent: step\ndata: {\"invocation_id\": \"inv_1...\", \"index\": 1, \"name\": \"model.complete\", ...}\n\n")),
        (status = 204, description = "It is over, and the last event was seen"),
        (status = 404, description = "There is none")))]
async fn events(State(app): State<App>, caller: Caller, Id(id): Id<RunId>, headers: HeaderMap) -> ApiResult<Response> {
    let (run, invocation) = find(&app, &caller, id).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    // A run that was over when it was last looked at goes on if something was joined to it since.
    let joined = parts::of(&app.store, caller.org, &[id]).await?.len();
    let tables: Arc<dyn Tables> = Arc::new(Named(tables_of(&app, &caller, id)));
    let watcher = app.watchers.watch(&tables, &invocation, run.created_at, joined, last);
    if watcher.is_over() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let texts = app.drafts.watch(caller.org, run.subject);
    let mut stopping = app.stopping();
    let stopped = async move {
        // An error means that the app is gone, which is a stop as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    // Ends when the process is asked to stop, so that the client comes back to another one.
    let stream = follow(watcher, texts).map(Ok::<_, Infallible>).take_until(Box::pin(stopped));
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    // Proxies that gather answers would hold events back.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], sse).into_response())
}

/// Both, until the run is over.
fn follow(watcher: Watcher, texts: DraftWatcher) -> impl Stream<Item = Event> + Send {
    stream::unfold((watcher, texts), |(mut watcher, mut texts)| async move {
        let events: Vec<Event> = tokio::select! {
            updates = watcher.next() => {
                updates?.into_iter().map(|update| Event::default().id(update.id).event(update.event).data(&*update.data)).collect()
            }
            // Without an id: coming back, a client gets what is being written from its beginning.
            pieces = texts.next() => pieces.iter().map(|piece| Event::default().event("variant").data(json_of(piece))).collect(),
        };
        Some((stream::iter(events), (watcher, texts)))
    })
    .flatten()
}

fn json_of(piece: &Piece) -> String {
    serde_json::to_string(piece).unwrap_or_default()
}

/// Cancel a run
///
/// Asks the workflow to end, and what it waits for (calls) with it; what it has sent off is asked by itself, as sends are detached. They may
/// compensate first: a campaign whose writing is cancelled is cancelled itself, and none of its posts goes out. Objects (campaigns, posts, accounts), which serve other runs as well, go on: to stop what a campaign has not sent yet, cancel the
/// campaign with `POST /v1/campaigns/{id}/cancel`.
#[utoipa::path(post, path = "/v1/runs/{id}/cancel", tag = "runs", operation_id = "cancel_run", params(("id" = String, Path)),
    responses((status = 202, description = "It was asked to end"), (status = 404, description = "There is none")))]
async fn cancel(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<StatusCode> {
    change(&app, &caller, id, Verb::Cancel, false, |status| !status.is_final()).await
}

/// Pause a run
///
/// The workflow, and what it called or sent off, rest until they are resumed. Objects, which serve other runs as well, go on.
#[utoipa::path(post, path = "/v1/runs/{id}/pause", tag = "runs", operation_id = "pause_run", params(("id" = String, Path)),
    responses((status = 202, description = "It will rest from its next step on"), (status = 404, description = "There is none")))]
async fn pause(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<StatusCode> {
    change(&app, &caller, id, Verb::Pause, false, |status| matches!(status, RunStatus::Running | RunStatus::BackingOff)).await
}

/// Resume a run
///
/// Everything in it that is paused goes on, and what is backing off is tried again at once.
#[utoipa::path(post, path = "/v1/runs/{id}/resume", tag = "runs", operation_id = "resume_run", params(("id" = String, Path)),
    responses((status = 202, description = "It goes on"), (status = 404, description = "There is none")))]
async fn resume(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<StatusCode> {
    change(&app, &caller, id, Verb::Resume, true, |status| matches!(status, RunStatus::Paused | RunStatus::BackingOff)).await
}

/// Does `verb` to everything in the run that it `applies` to, the callers before their callees.
async fn change(app: &App, caller: &Caller, id: RunId, verb: Verb, objects: bool, applies: fn(RunStatus) -> bool) -> ApiResult<StatusCode> {
    let (run, root) = find(app, caller, id).await?;
    let rows = tables_of(app, caller, id).read(&root, &Rows::default()).await?;
    let tree = tree::build(&root, run.created_at, &rows);
    let mut changed = false;
    for (invocation, _) in tree.changeable(objects).into_iter().filter(|(_, status)| applies(*status)) {
        match app.engine.change(invocation, verb).await {
            Ok(()) => changed = true,
            // It went on meanwhile, and is now in a state in which there is nothing to do.
            Err(EngineError::NotFound | EngineError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if changed {
        return Ok(StatusCode::ACCEPTED);
    }
    let name = tree.status.and_then(|status| Some(serde_json::to_value(status).ok()?.as_str()?.replace('_', " ")));
    Err(Problem::new(Code::Conflict).detail(match name {
        Some(name) => format!("The run is {name}; there is nothing in it that this could be done to."),
        None => "The engine has dropped this run: it ended long ago.".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use uuid::{Timestamp, Uuid};

    use super::*;

    #[test]
    fn only_a_run_of_just_now_is_looked_for_again() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let made = |seconds: i64| {
            let time = u64::try_from(now.timestamp() + seconds).unwrap();
            RunId::from_uuid(Uuid::new_v7(Timestamp::from_unix_time(time, 0, 0, 0)))
        };
        assert!(is_young(made(0), now) && is_young(made(-9), now) && is_young(made(9), now));
        assert!(!is_young(made(-10), now) && !is_young(made(3600), now));
        assert!(is_young(RunId::derived(made(0).uuid(), "campaign"), now), "what a run's id is derived from has the time");
        assert!(!is_young(RunId::from_uuid(Uuid::nil()), now));
    }
}
