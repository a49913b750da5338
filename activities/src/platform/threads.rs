//! Threads (<https://developers.facebook.com/documentation/threads>).

use chrono::TimeDelta;
use domain::{
    metrics::Counters,
    publication::{Frozen, Part, Resolution, Sent, Submission},
};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    graph::{
        self,
        containers::{self, Fields, Listed, Shape},
        edge, id_of, insights, posting, read,
    },
    oauth::{Exchange, Refresh, Rules},
    recognise::Candidate,
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Threads;

const VERSION: &str = "v1.0";

// "Get access tokens" (Aug 2026: the page is on threads.com) and "Long-lived tokens": one hour, exchanged for sixty days, renewed when they are a
// day old and have not ended. PKCE is not documented.
static OAUTH: Rules = Rules {
    authorize: "https://threads.com/oauth/authorize",
    token: "https://graph.threads.net/oauth/access_token",
    separator: ",",
    pkce: false,
    lengthen: Some(Exchange {
        url: "https://graph.threads.net/access_token",
        grant_type: "th_exchange_token",
        token: "access_token",
        with_id: false,
        with_secret: true,
    }),
    refresh: Refresh::Itself(Exchange {
        url: "https://graph.threads.net/refresh_access_token",
        grant_type: "th_refresh_token",
        token: "access_token",
        with_id: false,
        with_secret: false,
    }),
    renew_before: TimeDelta::days(10),
    ..Rules::STANDARD
};

/// The address that Threads fetches a file from.
fn fetched(file: &MediaFile, image: &'static str, video: &'static str) -> ActivityResult<(&'static str, String)> {
    let url = file
        .public_url
        .as_ref()
        .ok_or_else(|| ActivityError::rejected("the platform fetches media, and the file has no public address"))?;
    Ok((if file.media.is_video() { video } else { image }, url.to_string()))
}

fn of_file(file: &MediaFile) -> ActivityResult<Fields> {
    let kind = if file.media.is_video() { "VIDEO" } else { "IMAGE" };
    let mut fields = vec![("media_type", kind.to_owned()), fetched(file, "image_url", "video_url")?];
    if !file.media.alt.is_empty() {
        fields.push(("alt_text", file.media.alt.clone()));
    }
    Ok(fields)
}

fn with_text(mut fields: Fields, part: &Part) -> Fields {
    if !part.text.is_empty() {
        fields.push(("text", part.text.clone()));
    }
    if let Some(reply) = &part.reply_to {
        fields.push(("reply_to_id", reply.parent.external_id.clone()));
    }
    fields
}

impl Shape for Threads {
    const VERSION: &'static str = VERSION;
    const CREATE: &'static str = "threads";
    const PUBLISH: &'static str = "threads_publish";
    const STATE: &'static str = "status,error_message";
    const LIMIT: (&'static str, &'static str) = ("threads_publishing_limit", "quota_usage,config,reply_quota_usage,reply_config");

    fn single(&self, part: &Part, file: Option<&MediaFile>) -> ActivityResult<Fields> {
        let fields = match file {
            Some(file) => of_file(file)?,
            None => vec![("media_type", "TEXT".to_owned())],
        };
        Ok(with_text(fields, part))
    }

    fn child(&self, file: &MediaFile) -> ActivityResult<Fields> {
        let mut fields = of_file(file)?;
        fields.push(("is_carousel_item", "true".to_owned()));
        Ok(fields)
    }

    fn carousel(&self, part: &Part, children: &[String]) -> ActivityResult<Fields> {
        Ok(with_text(vec![("media_type", "CAROUSEL".to_owned()), ("children", children.join(","))], part))
    }

    fn left(&self, part: &Part, limit: &Value) -> Option<i64> {
        let (usage, config) = if part.reply_to.is_some() { ("reply_quota_usage", "reply_config") } else { ("quota_usage", "config") };
        Some(limit[config]["quota_total"].as_i64()? - limit[usage].as_i64()?)
    }

    fn list(&self, part_is_reply: bool) -> (&'static str, &'static str) {
        (if part_is_reply { "replies" } else { "threads" }, "id,text,timestamp,permalink")
    }

    fn candidate(&self, entry: Listed) -> Option<Candidate> {
        entry.candidate()
    }
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct Me {
        id: String,
        username: String,
    }
    let me = read::<Me>(call, edge(call.account, VERSION, &["me"], &[("fields", "id,username")])?).await?;
    Ok(me.map(|me| Health {
        remote_id: me.id,
        handle: me.username,
        software: None,
        limits: Limits::default(),
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    }))
}

impl Adapter for Threads {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(async move { containers::stage(self, call, part, files, &so_far).await })
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        containers::freeze(account, part, staged, intent)
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        let url = edge(call.account, VERSION, &[&call.account.remote_id, Self::PUBLISH], &[]);
        let request = url.and_then(|url| posting(call, url, frozen.body.clone()));
        Box::pin(graph::publish(call, request, |body| Some(Sent { external_id: id_of(body)?, url: String::new(), cid: None })))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, staged, .. }: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(containers::resolve(self, call, frozen, staged, window))
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn address<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Option<String>>> {
        Box::pin(containers::address(call, VERSION, external_id))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(graph::delete(call, VERSION, external_id))
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(async move {
            let told = insights(call, VERSION, external_id, "views,likes,replies,reposts,quotes,shares").await?;
            Ok(told.map(|told| {
                let number = |name: &str| told.get(name).copied();
                let shares: Vec<i64> = ["reposts", "quotes", "shares"].into_iter().filter_map(number).collect();
                Counters {
                    likes: number("likes"),
                    comments: number("replies"),
                    shares: (!shares.is_empty()).then(|| shares.into_iter().fold(0, i64::saturating_add)),
                    impressions: number("views"),
                    ..Counters::default()
                }
            }))
        })
    }
}
