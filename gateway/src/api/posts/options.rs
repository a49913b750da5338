//! What a post has beside its text.

use std::collections::BTreeSet;

use activities::{
    drafting,
    store::{OrgTx, assets, posts, variants},
};
use axum::extract::State;
use chrono::Utc;
use domain::{
    ids::{AssetId, PostId},
    platform::Disclosure,
    post::{PostOptions, PostStatus, Threading},
};
use serde::Deserialize;
use utoipa::ToSchema;
use workflows::campaign::ForCampaign;

use super::view::{PostView, view};
use crate::{
    app::App,
    auth::Caller,
    extract::{Id, Json},
    fields::Fields,
    idempotency::IdSource,
    patch::{after, nullable},
    problem::{ApiResult, Code, Problem},
};

/// The most files of one post on any platform (TikTok's photos).
const MOST_FILES: usize = 35;

/// What is to change of a post; what is not named stays, and what is null is as if it had never been given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"assets": ["ast_06bv3s1k1xtkf0q9b4g2m8y7nc"], "first_comment": "More on our page.", "disclosures": ["paid_partnership"],
    "thread": "split"}))]
pub(super) struct PostPatch {
    /// The files that hang on it, in order; at most 35. They hang on the first part of a thread.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    assets: Option<Option<Vec<AssetId>>>,
    /// A comment of our own that follows it, up to 10,000 characters; null for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    first_comment: Option<Option<String>>,
    /// What the platform is told of its origin: `paid_partnership`, `own_brand`, `ai_generated`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    disclosures: Option<Option<BTreeSet<Disclosure>>>,
    /// How its text becomes a thread. `marked`: where a line holds only `---`. `split`: as well where it is too long for one post.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    thread: Option<Option<Threading>>,
}

/// Names what is wrong with options by themselves.
pub(crate) fn check(options: &PostOptions, fields: &mut Fields) {
    if let Some(comment) = &options.first_comment {
        fields.text("/first_comment", comment, 10_000);
    }
    if options.assets.len() > MOST_FILES {
        fields.bad("/assets", format!("must have at most {MOST_FILES} entries"));
    }
}

/// Names the files that the org does not have, or may not use.
pub(crate) async fn check_files(tx: &mut OrgTx, ids: &[AssetId], fields: &mut Fields) -> ApiResult<()> {
    let now = Utc::now();
    for (index, id) in ids.iter().enumerate().take(MOST_FILES) {
        let at = format!("/assets/{index}");
        match assets::get(tx, *id).await? {
            None => fields.bad(at, "names no file of yours"),
            Some(asset) if asset.verified_at.is_none() => fields.bad(at, "was not completed: POST /v1/assets/{id}/complete"),
            Some(asset) if asset.rights.expires_at.is_some_and(|end| end <= now) => fields.bad(at, "the rights to it have ended"),
            Some(_) if ids[..index].contains(id) => fields.bad(at, "is named twice"),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Change what a post has beside its text
///
/// Its texts are linted anew. If it was approved, the approval is void: it covers the options as well. Once something of the post was sent, it is
/// refused.
#[utoipa::path(patch, path = "/v1/posts/{id}", tag = "posts", operation_id = "update_post", params(("id" = String, Path)),
    request_body = PostPatch, responses((status = 200, body = PostView, description = "Changed"), (status = 404, description = "There is none")))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<PostId>,
    Json(patch): Json<PostPatch>,
) -> ApiResult<axum::Json<PostView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    posts::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    // From here on neither the lane nor a person changes the post until this is done.
    posts::lock(&mut tx, id).await?;
    let post = posts::require(&mut tx, id).await?;
    let was = post.status;
    let PostPatch { assets, first_comment, disclosures, thread } = patch;
    let before = post.options;
    let options = PostOptions {
        assets: after(assets, before.assets.clone()),
        first_comment: after(first_comment.map(Some), before.first_comment.clone()),
        disclosures: after(disclosures, before.disclosures.clone()),
        thread: after(thread, before.thread),
    };
    let mut fields = Fields::default();
    check(&options, &mut fields);
    if options.assets != before.assets {
        check_files(&mut tx, &options.assets, &mut fields).await?;
    }
    fields.done()?;
    if options != before {
        if !posts::set_options(&mut tx, id, &options).await? {
            let detail = format!("The post is {}, so what it has beside its text cannot be changed now.", post.status);
            return Err(Problem::new(Code::PostNotChangeable).detail(detail));
        }
        for variant in variants::of_post(&mut tx, id).await? {
            drafting::score_variant(&mut tx, variant).await?;
        }
    }
    let post = posts::require(&mut tx, id).await?;
    let reopened = (post.status == PostStatus::NeedsApproval && was != post.status).then_some(post.campaign_id);
    let shown = view(&mut tx, post).await?;
    tx.commit().await?;
    if let Some(campaign) = reopened {
        let asked = ForCampaign { org: caller.org };
        let key = format!("{}:reopened", ids.0);
        // The change counts whether or not people get a new deadline for it.
        if let Err(error) = app.engine.send_object("Campaign", &campaign.to_string(), "reopened", &asked, &key).await {
            tracing::warn!(%error, %campaign, "a post waits for a decision again, without a reminder or a deadline");
        }
    }
    Ok(axum::Json(shown))
}
