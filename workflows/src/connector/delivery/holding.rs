//! What keeps a post back: a token that has ended, a platform that is away, a question to a person.

use activities::{ActivityError, publishing, store::posts};
use domain::{
    ids::{CampaignId, OrgId, PostId},
    post::PostStatus,
    schedule::lateness::Held,
};
use restate_sdk::prelude::*;

use super::{Connector, Delivery, Done};
use crate::step::{Failure, Retry, step};

impl Connector {
    /// Gets a fresh token once in a delivery; the hold that the lane needs if there is none to be had.
    pub(super) async fn fresh_token(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        refreshed: &mut bool,
    ) -> Result<Result<(), Done>, TerminalError> {
        let tried = if *refreshed {
            Err(Failure(ActivityError::credentials_expired("the platform refuses a token that was just refreshed")))
        } else {
            *refreshed = true;
            self.refresh_token(ctx, d.org, d.connector).await
        };
        match tried {
            Ok(()) => Ok(Ok(())),
            Err(Failure(ActivityError::CredentialsExpired { what })) => {
                let (org, connector) = (d.org, d.connector);
                step(ctx, &self.world, "store.set_account_state", Retry::Always, move |w| async move {
                    let mut tx = w.store.in_org(org).await?;
                    activities::store::connectors::set_state(&mut tx, connector, "needs_reconnect", Some(&what)).await?;
                    tx.commit().await
                })
                .await?;
                self.wait(ctx, d, "waits until the account is reconnected".to_owned(), Held::Reconnect).await?;
                Ok(Err(Done::WaitForReconnect))
            }
            Err(Failure(error)) => {
                let note = match error {
                    ActivityError::Rejected { what } => format!("the account's token could not be refreshed: {what}"),
                    _ => "the platform cannot be reached to refresh the account's token".to_owned(),
                };
                self.wait(ctx, d, note, Held::Platform).await?;
                Ok(Err(Done::WaitFor(self.world.settings.rest())))
            }
        }
    }

    /// The post waits in the lane and can still be cancelled; only one that may have been sent stays as it is.
    pub(super) async fn wait(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, note: String, by: Held) -> Result<(), TerminalError> {
        let (org, id, revision) = (d.org, d.id, d.revision);
        step(ctx, &self.world, "store.wait_in_lane", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            publishing::wait_in_lane(&mut tx, id, revision, &note, by).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }

    /// Takes the post out of its way as `to`. Returns the campaign that it belongs to, if it is still there.
    pub(super) async fn hold_back(
        &self,
        ctx: &ObjectContext<'_>,
        org: OrgId,
        id: PostId,
        to: PostStatus,
        note: String,
    ) -> Result<Option<CampaignId>, TerminalError> {
        let campaign = step(ctx, &self.world, "store.hold_back", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            posts::advance(&mut tx, id, &[PostStatus::Publishing, PostStatus::Scheduled], to, Some(&note)).await?;
            let post = posts::get(&mut tx, id).await?;
            tx.commit().await?;
            Ok(post.map(|post| post.campaign_id))
        })
        .await?;
        Ok(campaign)
    }

    /// A person is asked; the note says which parts are out.
    pub(super) async fn ask(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, note: String) -> Result<(), TerminalError> {
        let (org, id, several) = (d.org, d.id, d.begun.parts > 1);
        step(ctx, &self.world, "store.hold_back", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let note = if several { publishing::with_parts(&mut tx, id, &note).await? } else { note.clone() };
            posts::advance(&mut tx, id, &[PostStatus::Publishing, PostStatus::Scheduled], PostStatus::NeedsAttention, Some(&note)).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}
