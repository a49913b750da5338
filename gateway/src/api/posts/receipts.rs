//! Receipts: every attempt to send a post, as the API shows it.

use activities::store::{
    posts,
    receipts::{self, Receipt},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{
    ids::{PostId, ReceiptId},
    publication::SendClass,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::Caller,
    extract::Id,
    problem::{ApiResult, Problem},
};

/// One attempt to send a part of a post.
#[derive(Debug, Serialize, ToSchema)]
struct ReceiptView {
    /// Its id.
    #[schema(value_type = String, example = "rcp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: ReceiptId,
    /// Which part of the post, from 0.
    part: u32,
    /// What that part is: `post`, `continuation`, `comment`.
    kind: String,
    /// Counts the attempts of the part, from 1.
    attempt: i32,
    /// When the exact bytes were put down.
    armed_at: DateTime<Utc>,
    /// When sending began; null: no byte left.
    sent_at: Option<DateTime<Utc>>,
    /// When it was known what came of it.
    answered_at: Option<DateTime<Utc>>,
    /// SHA-256 of the bytes, in hexadecimal.
    body_hash: String,
    /// How many parts the post has.
    parts: i32,
    /// `published`, `rejected`, `rate_limited`, `credentials_expired`, `not_sent`, `refused_by_settings`,
    /// `unknown`, `absent`; null: not known yet.
    outcome: Option<String>,
    /// The platform's id of the post.
    external_id: Option<String>,
    /// Where people see it.
    url: Option<String>,
    /// What came back, for a person.
    what: Option<String>,
    /// How it is known.
    resolved_by: Option<String>,
    /// What a look-up saw.
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
    /// What the account offered against sending twice when the bytes were put down: `A` to `F`, see `GET /v1/connectors/{id}/status`.
    #[schema(value_type = Option<String>)]
    send_class: Option<SendClass>,
}

impl From<Receipt> for ReceiptView {
    fn from(r: Receipt) -> Self {
        Self {
            id: r.id,
            part: r.part,
            kind: r.kind,
            attempt: r.attempt,
            armed_at: r.armed_at,
            sent_at: r.sent_at,
            answered_at: r.answered_at,
            body_hash: r.body_hash,
            parts: r.parts,
            outcome: r.outcome,
            external_id: r.external_id,
            url: r.url,
            what: r.what,
            resolved_by: r.resolved_by,
            evidence: r.evidence,
            send_class: r.class,
        }
    }
}

/// All attempts to send a post.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Receipts {
    /// The attempts, part by part, in order.
    items: Vec<ReceiptView>,
}

/// Every attempt to send a post
#[utoipa::path(get, path = "/v1/posts/{id}/receipts", tag = "posts", operation_id = "list_receipts", params(("id" = String, Path)),
    responses((status = 200, body = Receipts, description = "The attempts"), (status = 404, description = "There is no such post")))]
pub(super) async fn sent(State(app): State<App>, caller: Caller, Id(id): Id<PostId>) -> ApiResult<axum::Json<Receipts>> {
    let mut tx = app.store.in_org(caller.org).await?;
    posts::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let items = receipts::of_post(&mut tx, id).await?.into_iter().map(Into::into).collect();
    Ok(axum::Json(Receipts { items }))
}
