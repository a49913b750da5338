//! Who gets digests of what, and when.

use activities::store::{
    brands,
    digests::{self, NewSubscription, Subscription},
};
use axum::{extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    ids::{BrandId, OrgId, RunId, SubscriptionId},
    schedule::{Cadence, Rhythm, TimeOfDay, Weekday},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::digest::{Enable, ForOrg};

use crate::{
    access::{Role, may},
    api::started::Started,
    app::App,
    auth::Caller,
    engine::{self, NotedBy, Start},
    extract::{Id, Json, Params},
    fields::Fields,
    idempotency::IdSource,
    page::{BrandPageParams, Page, Slice},
    problem::{ApiResult, Problem},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Editor, routes!(subscribe)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Editor, routes!(unsubscribe)))
        .routes(may(Role::Editor, routes!(make_now)))
}

/// Who gets a digest of what, and when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "brand_id": "brd_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "cadence": "weekly",
    "weekday": "friday",
    "at": "09:00",
    "timezone": "Europe/Berlin",
    "email": ["team@northwind.example"]
}))]
struct SubscriptionInput {
    /// The brand whose posts are summed up.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// `daily` or `weekly`.
    #[schema(value_type = String)]
    cadence: Cadence,
    /// The day of a weekly digest, `monday` to `sunday`; Monday unless said. A daily one has none.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "monday")]
    weekday: Option<Weekday>,
    /// What the clock on the wall shows.
    #[schema(value_type = String, example = "09:00")]
    at: TimeOfDay,
    /// Where the wall is, as IANA names it.
    #[schema(value_type = String, example = "Europe/Berlin")]
    timezone: Tz,
    /// Whom it is mailed to, 1 to 20 addresses; one mail each.
    email: Vec<String>,
}

/// A subscription in force.
#[derive(Debug, Serialize, ToSchema)]
struct SubscriptionView {
    /// Its id.
    #[schema(value_type = String, example = "sub_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: SubscriptionId,
    /// The brand whose posts are summed up.
    #[schema(value_type = String, example = "brd_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    brand_id: BrandId,
    /// `daily` or `weekly`.
    #[schema(value_type = String, example = "weekly")]
    cadence: Cadence,
    /// The day of a weekly digest; null for a daily one.
    #[schema(value_type = Option<String>, example = "friday")]
    weekday: Option<Weekday>,
    /// What the clock on the wall shows.
    #[schema(value_type = String, example = "09:00")]
    at: TimeOfDay,
    /// Where the wall is, as IANA names it.
    #[schema(value_type = String, example = "Europe/Berlin")]
    timezone: Tz,
    /// Whom it is mailed to.
    #[schema(example = json!(["team@northwind.example"]))]
    email: Vec<String>,
    /// When the next digest is made.
    next_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
}

impl From<Subscription> for SubscriptionView {
    fn from(subscription: Subscription) -> Self {
        let NewSubscription { id, brand_id, rhythm, email } = subscription.asked;
        let Rhythm { cadence, at, timezone, weekday } = rhythm;
        let weekday = Some(weekday).filter(|_| cadence == Cadence::Weekly);
        let next_at = rhythm.next_after(Utc::now());
        Self { id, brand_id, cadence, weekday, at, timezone, email, next_at, created_at: subscription.created_at }
    }
}

/// An address as a mail server takes it: whether there is a mailbox shows when a mail is sent.
fn is_address(text: &str) -> bool {
    let plain = text.len() <= 254 && text.is_ascii() && !text.bytes().any(|b| b.is_ascii_control() || b" <>,;:\"\\()[]".contains(&b));
    plain
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@') && !host.ends_with('.'))
}

/// Subscribe to digests
#[utoipa::path(post, path = "/v1/digests/subscriptions", tag = "digests", operation_id = "subscribe", request_body = SubscriptionInput,
    responses((status = 202, body = Started, description = "Subscribed; the first digest comes at its time")))]
async fn subscribe(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<SubscriptionInput>) -> ApiResult<Response> {
    let org = caller.org;
    let mut fields = Fields::default();
    if input.email.is_empty() || input.email.len() > 20 {
        fields.bad("/email", "must have 1 to 20 addresses");
    }
    for (index, address) in input.email.iter().enumerate().take(20) {
        if !is_address(address) {
            fields.bad(format!("/email/{index}"), "must be an address such as team@example.com");
        }
    }
    if input.cadence == Cadence::Daily && input.weekday.is_some() {
        fields.bad("/weekday", "is for a weekly digest: a daily one comes every day");
    }
    let mut tx = app.store.in_org(org).await?;
    if brands::get(&mut tx, input.brand_id).await?.is_none() {
        fields.bad("/brand_id", "names no brand of yours");
    }
    fields.done()?;
    let id = SubscriptionId::derived(ids.0, "subscription");
    let run_id = RunId::derived(ids.0, "subscription");
    let weekday = input.weekday.unwrap_or_default();
    let rhythm = Rhythm { cadence: input.cadence, at: input.at, timezone: input.timezone, weekday };
    digests::insert_subscription(&mut tx, &NewSubscription { id, brand_id: input.brand_id, rhythm, email: input.email }).await?;
    tx.commit().await?;
    start(&app, org, id, run_id, "enable", &Enable { org }).await
}

/// Make and mail a digest now, of the time since the last one
///
/// The plan stays as it is: the next digest comes at its time.
#[utoipa::path(post, path = "/v1/digests/subscriptions/{id}/run", tag = "digests", operation_id = "run_subscription",
    params(("id" = String, Path)),
    responses((status = 202, body = Started, description = "Started"), (status = 404, description = "There is none")))]
async fn make_now(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<SubscriptionId>) -> ApiResult<Response> {
    let org = caller.org;
    in_force(&app, org, id).await?;
    let run_id = RunId::derived(ids.0, "digest now");
    start(&app, org, id, run_id, "now", &ForOrg { org }).await
}

async fn start(
    app: &App,
    org: OrgId,
    id: SubscriptionId,
    run_id: RunId,
    handler: &'static str,
    input: &(impl Serialize + Sync),
) -> ApiResult<Response> {
    let id = id.to_string();
    let start = Start { service: "Digest", key: Some(&id), handler, run_id, subject: &id, noted_by: NotedBy::Gateway };
    engine::start(app, org, &start, input).await?;
    Ok(Started { id, run_id }.at(format!("/v1/runs/{run_id}")))
}

/// The subscription, if it is this org's and was not ended.
async fn in_force(app: &App, org: OrgId, id: SubscriptionId) -> ApiResult<Subscription> {
    let found = digests::subscription(&mut app.store.in_org(org).await?, id).await?;
    found.filter(|subscription| subscription.enabled).ok_or_else(Problem::not_found)
}

/// List the subscriptions in force, newest first
#[utoipa::path(get, path = "/v1/digests/subscriptions", tag = "digests", operation_id = "list_subscriptions", params(BrandPageParams),
    responses((status = 200, body = Page<SubscriptionView>, description = "A page")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<BrandPageParams>,
) -> ApiResult<axum::Json<Page<SubscriptionView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let rows = digests::subscriptions(&mut app.store.in_org(caller.org).await?, params.brand_id, slice.after, slice.rows()).await?;
    Ok(axum::Json(slice.page(rows, |s| s.asked.id, SubscriptionView::from)))
}

/// One subscription in force
#[utoipa::path(get, path = "/v1/digests/subscriptions/{id}", tag = "digests", operation_id = "get_subscription", params(("id" = String, Path)),
    responses((status = 200, body = SubscriptionView, description = "The subscription"), (status = 404, description = "There is none in force")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<SubscriptionId>) -> ApiResult<axum::Json<SubscriptionView>> {
    Ok(axum::Json(in_force(&app, caller.org, id).await?.into()))
}

/// End a subscription
///
/// No further digest is made; those that were made stay. Ending it again answers the same.
#[utoipa::path(delete, path = "/v1/digests/subscriptions/{id}", tag = "digests", operation_id = "unsubscribe", params(("id" = String, Path)),
    responses((status = 204, description = "Ended"), (status = 404, description = "There never was one")))]
async fn unsubscribe(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<SubscriptionId>) -> ApiResult<StatusCode> {
    let org = caller.org;
    digests::subscription(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
    let key = format!("{}:disable", ids.0);
    // The object ends the plan and the row in one durable handler; the answer waits for it.
    app.engine.call_object::<()>("Digest", &id.to_string(), "disable", &ForOrg { org }, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_out_of_a_mail_header_is_no_address() {
        assert!(is_address("team@northwind.example"));
        for bad in
            ["", "team", "@x.example", "a@b", "a@b.example\r\nBcc: c@d.example", "a <a@b.example>", "a@b.example,c@d.example", "a@b@c.d"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
