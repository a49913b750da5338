//! Counters: "Organization Share Statistics" for organisations, "Member Post Statistics" for members.

use domain::metrics::Counters;
use serde::Deserialize;

use super::{List, encoded, is_organization, is_post, read};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Answered, Call, answer::expect_json},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shared {
    total_share_statistics: Statistics,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    click_count: Option<i64>,
    like_count: Option<i64>,
    comment_count: Option<i64>,
    share_count: Option<i64>,
    impression_count: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Counted {
    count: i64,
}

/// The counters of a post.
pub(super) async fn metrics(call: Call<'_>, urn: &str) -> ActivityResult<Answered<Counters>> {
    if !is_post(urn) {
        // LinkedIn counts nothing for a comment here.
        return Ok(Answered { value: Counters::default(), budget: None });
    }
    let is_share = urn.starts_with("urn:li:share:");
    if is_organization(call.account) {
        let (owner, list) = (encoded(&call.account.remote_id), if is_share { "shares" } else { "ugcPosts" });
        let path = format!(
            "organizationalEntityShareStatistics?q=organizationalEntity&organizationalEntity={owner}&{list}=List({})",
            encoded(urn)
        );
        let told = expect_json::<List<Shared>>(call, read(call, &path)?).await?;
        let budget = told.budget;
        let Some(Shared { total_share_statistics: told }) = told.value.elements.into_iter().next() else {
            return Err(ActivityError::not_found("LinkedIn has no statistics of the post (any more)"));
        };
        let value = Counters {
            likes: told.like_count,
            comments: told.comment_count,
            shares: told.share_count,
            impressions: told.impression_count,
            clicks: told.click_count,
            ..Counters::default()
        };
        return Ok(Answered { value, budget });
    }
    let mut counters = Counters::default();
    let kind = if is_share { "share" } else { "ugcPost" };
    for (name, counter) in [
        ("REACTION", &mut counters.likes),
        ("COMMENT", &mut counters.comments),
        ("RESHARE", &mut counters.shares),
        ("IMPRESSION", &mut counters.impressions),
    ] {
        let entity = format!("({kind}:{})", encoded(urn));
        let path = format!("memberCreatorPostAnalytics?q=entity&entity={entity}&queryType={name}&aggregation=TOTAL");
        match expect_json::<List<Counted>>(call, read(call, &path)?).await {
            Ok(told) => *counter = told.value.elements.first().map(|told| told.count),
            // An application without that permission is told nothing.
            Err(ActivityError::Rejected { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Answered { value: counters, budget: None })
}
