//! Digests, and who gets them when.

#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use activities::store::{
    brands,
    digests::{self, Digest, NewSubscription},
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    ids::{BrandId, DigestId, OrgId, RunId, SubscriptionId},
    schedule::{Cadence, Rhythm, TimeOfDay, Weekday},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::digest::{Enable, ForOrg};

use super::started::Started;
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    engine::{self, NotedBy, Start},
    extract::{Id, Json, Params},
    fields::Fields,
    idempotency::IdSource,
    page::{Page, Slice},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Editor, routes!(subscribe)))
        .routes(may(Role::Editor, routes!(make_now)))
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Viewer, routes!(get)))
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

/// A digest.
#[derive(Debug, Serialize, ToSchema)]
struct DigestView {
    /// Its id.
    #[schema(value_type = String, example = "dig_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: DigestId,
    /// The subscription that asked for it.
    #[schema(value_type = String)]
    subscription_id: SubscriptionId,
    /// Whose posts it sums up.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// The numbers.
    #[schema(value_type = Object)]
    data: serde_json::Value,
    /// In words.
    summary: String,
    /// As a page.
    html: String,
    /// As text.
    text: String,
    /// The Message-ID of its mail.
    message_id: String,
    /// When it was mailed.
    mailed_at: Option<DateTime<Utc>>,
    /// What is to be known about its mail.
    mail_note: Option<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

fn view(digest: Digest) -> DigestView {
    DigestView {
        id: digest.id,
        subscription_id: digest.subscription_id,
        brand_id: digest.brand_id,
        data: serde_json::to_value(digest.data).unwrap_or_default(),
        summary: digest.summary,
        html: digest.html,
        text: digest.text,
        message_id: digest.message_id,
        mailed_at: digest.mailed_at,
        mail_note: digest.mail_note,
        created_at: digest.created_at,
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
    digests::subscription(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
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

/// Which digests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Of this brand only.
    #[param(value_type = Option<String>)]
    brand_id: Option<BrandId>,
    /// How many items, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List digests, newest first
#[utoipa::path(get, path = "/v1/digests", tag = "digests", operation_id = "list_digests", params(ListParams),
    responses((status = 200, body = Page<DigestView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<ListParams>) -> ApiResult<axum::Json<Page<DigestView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let rows = digests::list(&mut app.store.in_org(caller.org).await?, params.brand_id, slice.after, slice.rows()).await?;
    Ok(axum::Json(slice.page(rows, |d| d.id, view)))
}

/// One digest, as data, HTML and text
#[utoipa::path(get, path = "/v1/digests/{id}", tag = "digests", operation_id = "get_digest", params(("id" = String, Path)),
    responses((status = 200, body = DigestView, description = "The digest"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<DigestId>) -> ApiResult<axum::Json<DigestView>> {
    let digest = digests::get(&mut app.store.in_org(caller.org).await?, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(digest)))
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
