//! How posts did: readings of their counters, over time.
#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use activities::store::{campaigns, metrics, posts};
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, PostId},
    metrics::{Counters, Reading},
    platform::Platform,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::Params,
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Viewer, routes!(read)))
}

/// Which metrics: of one post, or of all posts of a campaign.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MetricsParams {
    /// Of this post.
    #[param(value_type = Option<String>)]
    post_id: Option<PostId>,
    /// Of the posts of this campaign.
    #[param(value_type = Option<String>)]
    campaign_id: Option<CampaignId>,
    /// Only readings observed since then.
    since: Option<DateTime<Utc>>,
}

/// Counters of posts.
#[derive(Debug, Serialize, ToSchema)]
struct MetricsView {
    /// By post.
    items: Vec<PostMetrics>,
}

/// Counters of one post.
#[derive(Debug, Serialize, ToSchema)]
struct PostMetrics {
    /// The post.
    #[schema(value_type = String)]
    post_id: PostId,
    /// Its platform.
    #[schema(value_type = String)]
    platform: Platform,
    /// What was last told of each counter. Null: the platform does not tell.
    #[schema(value_type = Object)]
    totals: Counters,
    /// Clicks per impression, where both are known.
    ctr: Option<f64>,
    /// The readings, oldest first.
    readings: Vec<ReadingView>,
}

/// One reading.
#[derive(Debug, Serialize, ToSchema)]
struct ReadingView {
    /// When the counters had these values, by the source.
    observed_at: DateTime<Utc>,
    /// Who told: `poll:<n>`, `webhook:<delivery>`.
    source: String,
    /// Totals since publication.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    counters: Counters,
}

fn of_post(post: PostId, platform: Platform, readings: Vec<Reading>) -> PostMetrics {
    let mut totals = Counters::default();
    for reading in &readings {
        for metric in domain::metrics::Metric::ALL {
            if let Some(value) = reading.counters.get(metric) {
                *totals.get_mut(metric) = Some(value);
            }
        }
    }
    PostMetrics {
        post_id: post,
        platform,
        ctr: totals.ctr(),
        totals,
        readings: readings
            .into_iter()
            .map(|r| ReadingView { observed_at: r.observed_at, source: r.source_id, counters: r.counters })
            .collect(),
    }
}

/// How posts did
#[utoipa::path(get, path = "/v1/metrics", tag = "metrics", operation_id = "get_metrics", params(MetricsParams),
    responses((status = 200, body = MetricsView, description = "Counters"), (status = 404, description = "There is no such post or campaign")))]
async fn read(State(app): State<App>, caller: Caller, Params(params): Params<MetricsParams>) -> ApiResult<axum::Json<MetricsView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let asked = match (params.post_id, params.campaign_id) {
        (Some(id), None) => vec![posts::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?],
        (None, Some(id)) => {
            campaigns::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
            posts::list(&mut tx, Some(id), None, None, None, i64::MAX).await?
        }
        _ => return Err(Problem::field("/post_id", "give either `post_id` or `campaign_id`")),
    };
    let mut items = Vec::with_capacity(asked.len());
    for post in asked {
        let readings = metrics::of_post(&mut tx, post.id, params.since).await?;
        items.push(of_post(post.id, post.platform, readings));
    }
    Ok(axum::Json(MetricsView { items }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_as_it_was_last_told() {
        let reading = |seconds, likes, clicks| Reading {
            source_id: format!("poll:{seconds}"),
            observed_at: DateTime::from_timestamp(seconds, 0).unwrap(),
            counters: Counters { likes, clicks, ..Counters::default() },
        };
        let post = PostId::from_uuid(uuid::Uuid::nil());
        let view = of_post(post, Platform::Mastodon, vec![reading(1, Some(3), Some(9)), reading(2, Some(5), None)]);
        assert_eq!((view.totals.likes, view.totals.clicks, view.totals.impressions), (Some(5), Some(9), None));
        assert_eq!(view.ctr, None, "without impressions there is no rate");
    }
}
