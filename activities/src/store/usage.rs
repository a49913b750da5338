//! Tokens that an org spent on language models, and what it may spend.

use chrono::{DateTime, Utc};
use domain::ids::UsageId;
use uuid::Uuid;

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// What one answer cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage<'a> {
    /// Its id, derived from what it was for: a step that runs twice counts once.
    pub id: UsageId,
    /// What it was for (`draft`, `rewrite`, ...).
    pub purpose: &'a str,
    /// The model that answered.
    pub model: &'a str,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// Counts answers; one that was counted before is not counted again.
///
/// # Errors
/// When the database cannot answer.
pub async fn record(tx: &mut OrgTx, answers: &[Usage<'_>]) -> ActivityResult<()> {
    let org = tx.org().uuid();
    let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    let ids: Vec<Uuid> = answers.iter().map(|a| a.id.uuid()).collect();
    let purposes: Vec<String> = answers.iter().map(|a| a.purpose.to_owned()).collect();
    let models: Vec<String> = answers.iter().map(|a| a.model.to_owned()).collect();
    let read: Vec<i64> = answers.iter().map(|a| count(a.input_tokens)).collect();
    let written: Vec<i64> = answers.iter().map(|a| count(a.output_tokens)).collect();
    sqlx::query!(
        "INSERT INTO token_usage (id, org_id, purpose, model, input_tokens, output_tokens)
         SELECT a.id, $1, a.purpose, a.model, a.read, a.written
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[]) AS a (id, purpose, model, read, written)
         ON CONFLICT (id) DO NOTHING",
        org,
        &ids,
        &purposes,
        &models,
        &read,
        &written
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Tokens, question and answer together, that the org spent in the present calendar month (UTC).
///
/// # Errors
/// When the database cannot answer.
pub async fn spent_this_month(tx: &mut OrgTx) -> ActivityResult<i64> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(sum(input_tokens + output_tokens), 0)::bigint AS "spent!" FROM token_usage
           WHERE at >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"#
    )
    .fetch_one(tx.conn())
    .await
    .map_err(classify)
}

/// Refuses when the org has spent what it may in a month.
///
/// # Errors
/// [`ActivityError::Rejected`] when nothing is left.
pub async fn check_budget(tx: &mut OrgTx) -> ActivityResult<()> {
    let budget = sqlx::query_scalar!("SELECT token_budget FROM orgs").fetch_optional(tx.conn()).await.map_err(classify)?.flatten();
    let Some(budget) = budget else { return Ok(()) };
    let spent = spent_this_month(tx).await?;
    if spent < budget {
        return Ok(());
    }
    Err(ActivityError::rejected(format_args!(
        "the organisation has spent its {budget} tokens of this month ({spent} used): raise its token budget, or wait for the next month"
    )))
}

/// Tokens of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTokens {
    /// The model, as its provider calls it.
    pub model: String,
    /// Tokens read.
    pub input: i64,
    /// Tokens written.
    pub output: i64,
}

/// What was used since the month began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// When the month began.
    pub since: DateTime<Utc>,
    /// Tokens by model.
    pub tokens: Vec<ModelTokens>,
    /// Posts that were made.
    pub posts_created: i64,
    /// Posts that went out.
    pub posts_published: i64,
}

/// What the org used in this month.
///
/// # Errors
/// When the database cannot answer.
pub async fn this_month(tx: &mut OrgTx) -> ActivityResult<Month> {
    let since = sqlx::query_scalar!(r#"SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS "since!""#)
        .fetch_one(tx.conn())
        .await
        .map_err(classify)?;
    let tokens = sqlx::query!(
        r#"SELECT model, sum(input_tokens)::bigint AS "input!", sum(output_tokens)::bigint AS "output!"
           FROM token_usage WHERE at >= $1 GROUP BY model ORDER BY model"#,
        since
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    let posts = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE created_at >= $1) AS "created!", count(*) FILTER (WHERE published_at >= $1) AS "published!" FROM posts"#,
        since
    )
    .fetch_one(tx.conn())
    .await
    .map_err(classify)?;
    Ok(Month {
        since,
        tokens: tokens.into_iter().map(|r| ModelTokens { model: r.model, input: r.input, output: r.output }).collect(),
        posts_created: posts.created,
        posts_published: posts.published,
    })
}
