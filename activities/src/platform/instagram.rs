//! Instagram, with Facebook Login (<https://developers.facebook.com/documentation/instagram-platform>): that way has the paid partnership label and
//! deletion, which Instagram Login has not.

use domain::{
    metrics::Counters,
    platform::{Disclosure, Platform},
    publication::{Frozen, Part, PartKind, Resolution, Sent, Submission},
};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Offered, Sending, Staged, Staging, Window,
    graph::{
        self, FACEBOOK, comments,
        containers::{self, Fields, Listed, Shape},
        edge, id_of, insights, login, posting, read,
    },
    oauth::Rules,
    recognise::Candidate,
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Instagram;

/// The fields of a file. Alone in its post, a video is a reel, as all videos are.
fn of_file(file: &MediaFile, alone: bool) -> ActivityResult<Fields> {
    let url = file
        .public_url
        .as_ref()
        .ok_or_else(|| ActivityError::rejected("the platform fetches media, and the file has no public address"))?;
    let url = url.to_string();
    if file.media.is_video() {
        return Ok(vec![("media_type", if alone { "REELS" } else { "VIDEO" }.to_owned()), ("video_url", url)]);
    }
    let mut fields = vec![("image_url", url)];
    if !file.media.alt.is_empty() {
        fields.push(("alt_text", file.media.alt.clone()));
    }
    Ok(fields)
}

/// With what belongs to the post as a whole: on a carousel, these stand on the container that holds the others.
fn with_caption(mut fields: Fields, part: &Part) -> Fields {
    if !part.text.is_empty() {
        fields.push(("caption", part.text.clone()));
    }
    for (disclosure, name) in [(Disclosure::PaidPartnership, "is_paid_partnership"), (Disclosure::AiGenerated, "is_ai_generated")] {
        if part.disclosures.contains(&disclosure) {
            fields.push((name, "true".to_owned()));
        }
    }
    fields
}

impl Shape for Instagram {
    const VERSION: &'static str = FACEBOOK;
    const CREATE: &'static str = "media";
    const PUBLISH: &'static str = "media_publish";
    const STATE: &'static str = "status_code,status";
    const LIMIT: (&'static str, &'static str) = ("content_publishing_limit", "quota_usage,config");

    fn single(&self, part: &Part, file: Option<&MediaFile>) -> ActivityResult<Fields> {
        let file = file.ok_or_else(|| ActivityError::rejected("a post on Instagram needs an image or a video"))?;
        Ok(with_caption(of_file(file, true)?, part))
    }

    fn child(&self, file: &MediaFile) -> ActivityResult<Fields> {
        let mut fields = of_file(file, false)?;
        fields.push(("is_carousel_item", "true".to_owned()));
        Ok(fields)
    }

    fn carousel(&self, part: &Part, children: &[String]) -> ActivityResult<Fields> {
        Ok(with_caption(vec![("media_type", "CAROUSEL".to_owned()), ("children", children.join(","))], part))
    }

    fn left(&self, _: &Part, limit: &Value) -> Option<i64> {
        Some(limit["config"]["quota_total"].as_i64()? - limit["quota_usage"].as_i64()?)
    }

    fn list(&self, _: bool) -> (&'static str, &'static str) {
        ("media", "id,caption,timestamp,permalink")
    }

    fn candidate(&self, entry: Listed) -> Option<Candidate> {
        entry.candidate()
    }
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let page = login::own_page(call, "id,name,category,instagram_business_account{id,username}").await?;
    let budget = page.budget;
    let account = page.value.instagram_business_account;
    let account = account.ok_or_else(|| ActivityError::rejected("the page is connected to no professional account on Instagram"))?;
    Ok(Answered {
        value: Health {
            remote_id: account.id,
            handle: account.username,
            software: None,
            limits: Limits::default(),
            token_expires_at: call.credentials.expires_at(),
            scopes: call.credentials.scopes().to_vec(),
        },
        budget,
    })
}

async fn counters(call: Call<'_>, id: &str) -> ActivityResult<Answered<Counters>> {
    #[derive(Deserialize)]
    struct Media {
        media_product_type: Option<String>,
        like_count: Option<i64>,
        comments_count: Option<i64>,
    }
    let fields = [("fields", "media_product_type,like_count,comments_count")];
    let media = read::<Media>(call, edge(call.account, FACEBOOK, &[id], &fields)?).await?.value;
    // A metric that the kind of post does not have is an error for all of them: reels have no `follows`.
    let metrics = match media.media_product_type.as_deref() {
        Some("FEED") => "views,likes,comments,shares,saved,follows",
        _ => "views,likes,comments,shares,saved",
    };
    let told = match insights(call, FACEBOOK, id, metrics).await {
        // "(#10) Not enough viewers for the media to show insights": the post itself answered, so the token is good.
        Err(ActivityError::CredentialsExpired { what }) if what.contains("#10") => Answered { value: Default::default(), budget: None },
        other => other?,
    };
    Ok(told.map(|told| {
        let number = |name: &str| told.get(name).copied();
        Counters {
            likes: number("likes").or(media.like_count),
            comments: number("comments").or(media.comments_count),
            shares: number("shares"),
            saves: number("saved"),
            impressions: number("views"),
            followers_delta: number("follows"),
            ..Counters::default()
        }
    }))
}

impl Adapter for Instagram {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(async move {
            if part.kind == PartKind::Comment {
                return Ok(Answered { value: Staging::Ready(Staged::default()), budget: None });
            }
            containers::stage(self, call, part, files, &so_far).await
        })
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        if part.kind == PartKind::Comment {
            comments::freeze(account, part, intent)
        } else {
            containers::freeze(account, part, staged, intent)
        }
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        if let Some(parent) = comments::parent(frozen) {
            return Box::pin(comments::submit(call, frozen, parent));
        }
        let url = edge(call.account, FACEBOOK, &[&call.account.remote_id, Self::PUBLISH], &[]);
        let request = url.and_then(|url| posting(call, url, frozen.body.clone()));
        Box::pin(graph::publish(call, request, |body| Some(Sent { external_id: id_of(body)?, url: String::new(), cid: None })))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, staged, .. }: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        if let Some(parent) = comments::parent(frozen) {
            return Box::pin(comments::resolve(call, frozen, parent, "id,text,timestamp", &[], window));
        }
        Box::pin(containers::resolve(self, call, frozen, staged, window))
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&login::OAUTH)
    }

    fn accounts<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Vec<Offered>>> {
        Box::pin(login::offered(call, Platform::Instagram, |page| {
            let account = page.instagram_business_account.as_ref()?;
            Some((account.id.clone(), account.username.clone()))
        }))
    }

    fn address<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Option<String>>> {
        Box::pin(containers::address(call, FACEBOOK, external_id))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(graph::delete(call, FACEBOOK, external_id))
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(counters(call, external_id))
    }
}
