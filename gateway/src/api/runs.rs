//! Runs: every workflow, step by step, as the engine's own tables show it.

#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use activities::store::runs::{self, Run};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode},
    response::{
        IntoResponse,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use chrono::{DateTime, Utc};
use domain::ids::{OrgId, RunId};
use futures::{FutureExt, Stream, StreamExt, future, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    drafts,
    engine::{EngineError, Verb},
    extract::{Id, Params},
    page::{Page, Slice},
    problem::{ApiResult, Code, Problem},
    runs::{RunSource, RunStatus, RunTree, StepView, Watcher, read_run},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Viewer, routes!(events)))
        .routes(may(Role::Editor, routes!(cancel)))
        .routes(may(Role::Admin, routes!(pause)))
        .routes(may(Role::Admin, routes!(resume)))
}

/// A run, step by step.
#[derive(Debug, Serialize, ToSchema)]
struct RunView {
    /// Its id.
    #[schema(value_type = String, example = "run_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: RunId,
    /// The workflow.
    #[schema(example = "Campaign")]
    workflow: String,
    /// What it is about.
    #[schema(example = "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    subject: String,
    /// How it is.
    status: RunStatus,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When the last thing that it started ended; null while it goes on.
    finished_at: Option<DateTime<Utc>>,
    /// The engine's id of its first invocation.
    invocation_id: String,
    /// The build that works on it.
    deployment: Option<String>,
    /// Why it failed, if it did.
    failure: Option<String>,
    /// Its steps, in order.
    steps: Vec<StepView>,
    /// Whether steps are left out because there are too many.
    truncated: bool,
}

/// A run in a list.
#[derive(Debug, Serialize, ToSchema)]
struct RunBrief {
    /// Its id.
    #[schema(value_type = String, example = "run_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: RunId,
    /// The workflow.
    workflow: String,
    /// What it is about.
    subject: String,
    /// How it is.
    status: RunStatus,
    /// When it began.
    started_at: DateTime<Utc>,
    /// The engine's id of its first invocation.
    invocation_id: String,
}

fn view(run: Run, tree: RunTree) -> RunView {
    RunView {
        id: run.id,
        workflow: run.workflow,
        subject: run.subject,
        status: tree.status,
        started_at: tree.started_at.or(Some(run.created_at)),
        finished_at: tree.finished_at,
        invocation_id: run.invocation_id,
        deployment: tree.deployment,
        failure: tree.failure,
        steps: tree.steps,
        truncated: tree.truncated,
    }
}

async fn load(app: &App, caller: &Caller, id: RunId) -> ApiResult<Run> {
    runs::get(&mut app.store.in_org(caller.org).await?, id).await?.ok_or_else(Problem::not_found)
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Of this workflow only.
    workflow: Option<String>,
    /// In this status only. The page may then have fewer items than `limit`, also none, and still lead on.
    #[param(value_type = Option<String>)]
    status: Option<RunStatus>,
    /// About this only.
    subject: Option<String>,
    /// How many items, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List runs, newest first
#[utoipa::path(get, path = "/v1/runs", tag = "runs", operation_id = "list_runs", params(ListParams),
    responses((status = 200, body = Page<RunBrief>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<ListParams>) -> ApiResult<axum::Json<Page<RunBrief>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let mut tx = app.store.in_org(caller.org).await?;
    let rows = runs::list(&mut tx, params.workflow.as_deref(), params.subject.as_deref(), slice.after, slice.rows()).await?;
    drop(tx);
    let page = slice.page(rows, |run| run.id, |run| run);
    // A run's status is that of all that it started, so each is read as a whole; a few at a time, so that a long page does not crowd the engine.
    let reads = page.items.iter().map(|run| (app.engine.clone(), run.invocation_id.clone()));
    let reads: Vec<_> = reads.map(|(engine, invocation)| async move { read_run(&engine, &invocation).await }.boxed()).collect();
    let trees: Vec<Result<RunTree, EngineError>> = stream::iter(reads).buffered(4).collect().await;
    let mut items = Vec::with_capacity(page.items.len());
    for (run, tree) in page.items.into_iter().zip(trees) {
        let status = tree?.status;
        if params.status.is_none_or(|asked| asked == status) {
            let Run { id, workflow, subject, invocation_id, created_at } = run;
            items.push(RunBrief { id, workflow, subject, status, started_at: created_at, invocation_id });
        }
    }
    Ok(axum::Json(Page { items, next_cursor: page.next_cursor }))
}

/// One run, step by step
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", operation_id = "get_run", params(("id" = String, Path)),
    responses((status = 200, body = RunView, description = "The run"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<axum::Json<RunView>> {
    let run = load(&app, &caller, id).await?;
    let tree = read_run(&app.engine, &run.invocation_id).await?;
    Ok(axum::Json(view(run, tree)))
}

/// Follow a run live
///
/// Server-sent events: `step` (all about one step, with its `path` in the tree), `status`, `variant` (a piece of a text as the model writes it),
/// and `done`, after which the stream ends. `Last-Event-ID` goes on after that event.
#[utoipa::path(get, path = "/v1/runs/{id}/events", tag = "runs", operation_id = "follow_run",
    params(("id" = String, Path), ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Events"), (status = 404, description = "There is none")))]
async fn events(State(app): State<App>, caller: Caller, Id(id): Id<RunId>, headers: HeaderMap) -> ApiResult<impl IntoResponse> {
    let run = load(&app, &caller, id).await?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let source: Arc<dyn RunSource> = Arc::new(app.engine.clone());
    let watcher = app.watchers.watch(&source, id, &run.invocation_id, last);
    let mut stopping = app.stopping();
    let stopped = async move {
        // An error means that the app is gone, which is a stop as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    // Ends when the process is asked to stop, so that the client comes back to another one.
    let all = with_drafts(progress(watcher), pieces(&app, caller.org, run.subject)).take_until(Box::pin(stopped));
    let quiet = KeepAlive::new().interval(Duration::from_secs(15));
    // Proxies that gather answers would hold events back.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], Sse::new(all).keep_alive(quiet)))
}

fn progress(watcher: Watcher) -> impl Stream<Item = Sent> + Send {
    stream::unfold(watcher, |mut watcher| async move {
        let events = watcher.next().await?;
        let sent: Vec<Sent> =
            events.into_iter().map(|(id, event)| Sent::default().id(id).event(event.kind).data(event.data.to_string())).collect();
        Some((stream::iter(sent), watcher))
    })
    .flatten()
}

fn pieces(app: &App, org: OrgId, subject: String) -> impl Stream<Item = Sent> + Send + use<> {
    stream::unfold((app.drafts.subscribe(), subject), move |(mut pieces, subject)| async move {
        loop {
            match pieces.recv().await {
                Ok(piece) if drafts::belongs(&piece, org, &subject) => {
                    return Some((Sent::default().event("variant").data(drafts::show(&piece)), (pieces, subject)));
                }
                // Somebody else's; or too slow for some pieces, which `seq` of the next one shows.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

/// Both, until the progress ends.
fn with_drafts(
    progress: impl Stream<Item = Sent> + Send,
    drafts: impl Stream<Item = Sent> + Send,
) -> impl Stream<Item = Result<Sent, Infallible>> + Send {
    let progress = progress.map(Some).chain(stream::once(future::ready(None)));
    stream::select(progress, drafts.map(Some))
        .take_while(|sent| future::ready(sent.is_some()))
        .filter_map(|sent| future::ready(sent.map(Ok)))
}

/// Does `verb` to every invocation of the run that has not ended, the first one first.
async fn change(app: &App, caller: &Caller, id: RunId, verb: Verb, applies: fn(RunStatus) -> bool) -> ApiResult<StatusCode> {
    let run = load(app, caller, id).await?;
    let tree = read_run(&app.engine, &run.invocation_id).await?;
    let mut targets = vec![run.invocation_id];
    open_invocations(&tree.steps, applies, &mut targets);
    let mut changed = false;
    for invocation in targets {
        match app.engine.change(&invocation, verb).await {
            Ok(()) => changed = true,
            // Ended, or in a state in which there is nothing to do.
            Err(EngineError::NotFound | EngineError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if changed && !tree.status.is_final() {
        Ok(StatusCode::ACCEPTED)
    } else {
        let name = serde_json::to_value(tree.status).unwrap_or_default();
        Err(Problem::new(Code::Conflict).detail(format!("The run is {}.", name.as_str().unwrap_or("over"))))
    }
}

fn open_invocations(steps: &[StepView], applies: fn(RunStatus) -> bool, found: &mut Vec<String>) {
    for step in steps {
        if let Some(id) = step.invocation_id.as_ref().filter(|_| applies(step.status)) {
            found.push(id.clone());
        }
        open_invocations(&step.children, applies, found);
    }
}

/// Stop a run
///
/// Everything that it started and that has not ended is asked to end. What was sent to a platform stays there.
#[utoipa::path(post, path = "/v1/runs/{id}/cancel", tag = "runs", operation_id = "cancel_run", params(("id" = String, Path)),
    responses((status = 202, description = "Asked to end"), (status = 404, description = "There is none")))]
async fn cancel(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<StatusCode> {
    change(&app, &caller, id, Verb::Cancel, |status| !status.is_final()).await
}

/// Pause a run: no further attempts until it is resumed
#[utoipa::path(post, path = "/v1/runs/{id}/pause", tag = "runs", operation_id = "pause_run", params(("id" = String, Path)),
    responses((status = 202, description = "Asked to pause"), (status = 404, description = "There is none")))]
async fn pause(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<StatusCode> {
    change(&app, &caller, id, Verb::Pause, |status| matches!(status, RunStatus::Running | RunStatus::BackingOff)).await
}

/// Go on with a paused run, or try again at once
#[utoipa::path(post, path = "/v1/runs/{id}/resume", tag = "runs", operation_id = "resume_run", params(("id" = String, Path)),
    responses((status = 202, description = "Goes on"), (status = 404, description = "There is none")))]
async fn resume(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> ApiResult<StatusCode> {
    change(&app, &caller, id, Verb::Resume, |status| matches!(status, RunStatus::Paused | RunStatus::BackingOff)).await
}
