//! Pages on Facebook (<https://developers.facebook.com/documentation/pages-api>).
//!
//! A post is made with `published=false` and made public by `is_published=true` under the same id, so that publishing twice is publishing once. The
//! second is documented for unpublished posts since they exist; today's reference of a post names the field, but shows no example.

use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, PartKind, Resolution, SendClass, Sent, Submission},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Offered, Sending, Staged, Staging, Window,
    graph::{self, FACEBOOK, FORM, ask, comments, edge, form, id_of, insights, login, posting, read},
    oauth::Rules,
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Facebook;

/// What was made unpublished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// The photos, in order.
    #[serde(default)]
    photos: Vec<String>,
    /// The post.
    post: Option<String>,
    /// Where people will read it.
    #[serde(default)]
    url: String,
}

/// What is told of a post.
#[derive(Debug, Deserialize)]
struct Told {
    is_published: Option<bool>,
    #[serde(default)]
    permalink_url: String,
}

async fn create(call: Call<'_>, on: &str, fields: &[(&str, String)]) -> ActivityResult<String> {
    let url = edge(call.account, FACEBOOK, &[&call.account.remote_id, on], &[])?;
    let made = ask::<Value>(call, posting(call, url, form(fields.iter().map(|(k, v)| (k, v))))?).await?.value;
    id_of(&made).ok_or_else(|| ActivityError::transient("the platform names nothing that it made"))
}

async fn state(call: Call<'_>, post: &str) -> ActivityResult<Answered<Told>> {
    read(call, edge(call.account, FACEBOOK, &[post], &[("fields", "is_published,permalink_url")])?).await
}

/// Uploads the photos and makes the post, nothing of it public.
async fn stage(call: Call<'_>, part: &Part, files: &[MediaFile], so_far: &Staged) -> ActivityResult<Answered<Staging>> {
    let mut made = so_far.read::<Made>()?.unwrap_or_default();
    let ready = |made: &Made, budget| Ok(Answered { value: Staging::Ready(Staged::of(made)?), budget });
    if part.kind == PartKind::Comment || made.post.is_some() {
        return ready(&made, None);
    }
    while let Some(file) = files.get(made.photos.len()) {
        let url = file
            .public_url
            .as_ref()
            .ok_or_else(|| ActivityError::rejected("the platform fetches media, and the file has no public address"))?;
        let mut fields = vec![("url", url.to_string()), ("published", "false".to_owned())];
        if !file.media.alt.is_empty() {
            fields.push(("alt_text_custom", file.media.alt.clone()));
        }
        made.photos.push(create(call, "photos", &fields).await?);
    }
    let mut fields = vec![("published", "false".to_owned())];
    if !part.text.is_empty() {
        fields.push(("message", part.text.clone()));
    }
    if !made.photos.is_empty() {
        let attached: Vec<Value> = made.photos.iter().map(|id| json!({ "media_fbid": id })).collect();
        fields.push(("attached_media", Value::from(attached).to_string()));
    }
    let post = create(call, "feed", &fields).await?;
    let told = state(call, &post).await?;
    made.post = Some(post);
    made.url = told.value.permalink_url;
    ready(&made, told.budget)
}

async fn resolve(call: Call<'_>, post: &str) -> ActivityResult<Answered<Resolution>> {
    let told = match state(call, post).await {
        Err(ActivityError::NotFound { .. }) => {
            let evidence = format!("there is no post {post}, published or not");
            return Ok(Answered { value: Resolution::Absent { evidence }, budget: None });
        }
        other => other?,
    };
    Ok(told.map(|told| match told.is_published {
        Some(true) => Resolution::Found {
            sent: Sent { external_id: post.to_owned(), url: told.permalink_url, cid: None },
            evidence: format!("post {post} is published"),
        },
        Some(false) => Resolution::Absent { evidence: format!("post {post} is not published") },
        None => Resolution::Unknown { evidence: format!("post {post} does not say whether it is published") },
    }))
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let page = login::own_page(call, "id,name,category").await?;
    Ok(page.map(|page| Health {
        remote_id: page.id,
        handle: page.name,
        software: None,
        limits: Limits::default(),
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    }))
}

async fn counters(call: Call<'_>, id: &str) -> ActivityResult<Answered<Counters>> {
    let fields = "reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count),shares";
    let post = read::<Value>(call, edge(call.account, FACEBOOK, &[id], &[("fields", fields)])?).await?.value;
    let told = insights(call, FACEBOOK, id, "post_media_view,post_clicks").await?;
    let total = |name: &str| post[name]["summary"]["total_count"].as_i64();
    Ok(told.map(|told| Counters {
        likes: total("reactions"),
        comments: total("comments"),
        // A post that nobody shared has no `shares`; that it has none is told all the same, because it was asked for.
        shares: Some(post["shares"]["count"].as_i64().unwrap_or(0)),
        impressions: told.get("post_media_view").copied(),
        clicks: told.get("post_clicks").copied(),
        ..Counters::default()
    }))
}

impl Adapter for Facebook {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(async move { stage(call, part, files, &so_far).await })
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        if part.kind == PartKind::Comment {
            return comments::freeze(account, part, intent);
        }
        let post = staged.read::<Made>()?.and_then(|made| made.post);
        let post = post.ok_or_else(|| ActivityError::rejected("the post has not been prepared on the platform"))?;
        let mut frozen = Frozen::new(Platform::Facebook, SendClass::C, intent, form([("is_published", "true")]), part);
        FORM.clone_into(&mut frozen.content_type);
        Ok(frozen.with_record_key(post))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, staged, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        if let Some(parent) = comments::parent(frozen) {
            return Box::pin(comments::submit(call, frozen, parent));
        }
        Box::pin(async move {
            let post = frozen.record_key.as_deref().unwrap_or_default();
            let request = edge(call.account, FACEBOOK, &[post], &[]).and_then(|url| posting(call, url, frozen.body.clone()));
            let url = staged.read::<Made>().ok().flatten().map(|made| made.url).unwrap_or_default();
            let sent = Sent { external_id: post.to_owned(), url, cid: None };
            graph::publish(call, request, |body| (body["success"] == true).then_some(sent)).await
        })
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, .. }: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        if let Some(parent) = comments::parent(frozen) {
            let more = &[("filter", "stream"), ("order", "reverse_chronological")];
            return Box::pin(comments::resolve(call, frozen, parent, "id,message,created_time,permalink_url", more, window));
        }
        Box::pin(async move { resolve(call, frozen.record_key.as_deref().unwrap_or_default()).await })
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&login::OAUTH)
    }

    fn accounts<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Vec<Offered>>> {
        Box::pin(login::offered(call, Platform::Facebook, |page| Some((page.id.clone(), page.name.clone()))))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(graph::delete(call, FACEBOOK, external_id))
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(counters(call, external_id))
    }
}
