//! Planning the posts of a campaign.

use domain::{
    brief::Language,
    ids::{CampaignId, ConnectorId, PostId},
    platform::Platform,
};
use serde::{Deserialize, Serialize};

use crate::{
    ActivityError, ActivityResult,
    store::{
        OrgTx, campaigns, connectors,
        posts::{self, NewPost},
    },
};

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The posts.
    pub posts: Vec<PostId>,
    /// How many variants each of them gets.
    pub variants: u32,
}

/// Plans a post for each account and language of the brief, and stores them. A campaign that was cancelled has none.
///
/// # Errors
/// [`ActivityError::Rejected`] when no account is on one of the brief's platforms; [`ActivityError::NotFound`] when the campaign or an account
/// does not exist.
pub async fn plan(tx: &mut OrgTx, id: CampaignId, accounts: &[ConnectorId]) -> ActivityResult<Plan> {
    let campaign = campaigns::require(tx, id).await?;
    let variants = u32::try_from(campaign.asked.variants_per_post).unwrap_or(1).max(1);
    if campaign.cancelled_at.is_some() {
        return Ok(Plan { posts: Vec::new(), variants });
    }
    let mut on = Vec::new();
    for account in accounts {
        on.push((*account, connectors::require(tx, *account).await?.platform));
    }
    let planned = posts_of(id, &on, &campaign.brief.platforms, &campaign.brief.languages);
    if planned.is_empty() {
        return Err(ActivityError::rejected("none of the accounts is on a platform that the brief is for"));
    }
    posts::insert_all(tx, id, &planned).await?;
    Ok(Plan { posts: planned.iter().map(|post| post.id).collect(), variants })
}

/// A post for each account on one of `platforms` (any, if there are none) and each language; an account or language named twice counts once.
fn posts_of(campaign: CampaignId, accounts: &[(ConnectorId, Platform)], platforms: &[Platform], languages: &[Language]) -> Vec<NewPost> {
    let mut planned: Vec<NewPost> = Vec::new();
    for &(connector_id, platform) in accounts.iter().filter(|(_, platform)| platforms.is_empty() || platforms.contains(platform)) {
        for &language in languages {
            let id = PostId::derived(campaign.uuid(), &format!("{connector_id} {language}"));
            if planned.iter().all(|post| post.id != id) {
                planned.push(NewPost { id, connector_id, platform, language });
            }
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_fitting_account_gets_a_post_in_each_language_once() {
        let campaign = CampaignId::from_uuid(Uuid::from_u128(1));
        let [m, b] = [2, 3].map(|n| ConnectorId::from_uuid(Uuid::from_u128(n)));
        let accounts = [(m, Platform::Mastodon), (b, Platform::Bluesky), (m, Platform::Mastodon)];
        let languages = [Language::EN, Language::DE];
        let all = posts_of(campaign, &accounts, &[], &languages);
        let named: Vec<_> = all.iter().map(|p| (p.connector_id, p.language)).collect();
        assert_eq!(named, [(m, Language::EN), (m, Language::DE), (b, Language::EN), (b, Language::DE)]);
        assert_eq!(all, posts_of(campaign, &accounts, &[], &languages), "the ids are the same every time");
        let only = posts_of(campaign, &accounts, &[Platform::Bluesky], &languages);
        assert_eq!(only.iter().map(|p| p.connector_id).collect::<Vec<_>>(), [b, b]);
    }
}
