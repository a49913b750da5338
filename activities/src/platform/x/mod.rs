//! X through its API v2 (<https://docs.x.com/x-api>).
//!
//! A post has no key of ours. X refuses a text that the account has just posted, and says no more than that: a refusal of this kind proves that there
//! is such a post, not which, so it counts as an open outcome and the post is looked for.

mod look_up;
mod media;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    metrics::Counters,
    platform::{Disclosure, Platform},
    publication::{Frozen, Part, Resolution, Sent, Submission},
};
use futures::future::BoxFuture;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    answer::{budget, expect_json, expect_success, send, signed},
    endpoint,
    oauth::{ClientAuth, Rules},
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct X;

/// docs.x.com, "OAuth 2.0 Authorization Code Flow with PKCE", as a confidential client. The token lives for two hours; its refresh token works once.
static OAUTH: Rules = Rules {
    authorize: "https://x.com/i/oauth2/authorize",
    token: "https://api.x.com/2/oauth2/token",
    client: ClientAuth::Basic,
    ..Rules::STANDARD
};

/// For how long X tells the private counters of a post (`non_public_metrics`): 30 days, less an hour for clocks that differ.
const PRIVATE: TimeDelta = TimeDelta::hours(30 * 24 - 1);

/// X's epoch: an id begins with the milliseconds since then.
const EPOCH: i64 = 1_288_834_974_657;

/// An answer: `data`, or `errors` with status 200.
#[derive(Debug, Deserialize)]
struct Told<T> {
    data: Option<T>,
}

#[derive(Debug, Deserialize)]
struct Post {
    id: String,
}

/// Where people read a post.
fn sent(account: &Account, id: &str) -> Option<Sent> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let api = Platform::X.capabilities().api.and_then(|api| Url::parse(api).ok());
    let place = if api.is_some_and(|api| api.host() == account.base_url.host()) {
        "https://x.com/".to_owned()
    } else {
        endpoint(&account.base_url, "").ok()?.to_string()
    };
    Some(Sent { external_id: id.to_owned(), url: format!("{place}{}/status/{id}", account.handle), cid: None })
}

/// An address of one post. The id comes from a server: it must stay one segment of the path.
fn post_url(account: &Account, external_id: &str) -> ActivityResult<Url> {
    let mut url = endpoint(&account.base_url, "2/tweets")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.push(external_id);
    Ok(url)
}

/// When the post of this id was made.
fn made_at(id: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis((id.parse::<i64>().ok()? >> 22) + EPOCH)
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct Me {
        id: String,
        username: String,
    }
    let url = endpoint(&call.account.base_url, "2/users/me")?;
    let told = expect_json::<Told<Me>>(call, signed(call, call.http.get(url)?)?).await?;
    let budget = told.budget;
    let me = told.value.data.ok_or_else(|| ActivityError::rejected("X names no account"))?;
    let value = Health {
        remote_id: me.id,
        handle: me.username,
        software: None,
        limits: Limits::default(),
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    };
    Ok(Answered { value, budget })
}

impl Adapter for X {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        _part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(media::stage(call, files, so_far))
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        let mut body = json!({"text": part.text});
        if !part.media.is_empty() {
            body["media"] = json!({"media_ids": media::ids(staged, part.media.len())?});
        }
        if let Some(reply) = &part.reply_to {
            body["reply"] = json!({"in_reply_to_tweet_id": reply.parent.external_id});
        }
        for disclosure in &part.disclosures {
            match disclosure {
                Disclosure::PaidPartnership => body["paid_partnership"] = true.into(),
                Disclosure::AiGenerated => body["made_with_ai"] = true.into(),
                // X has no switch for it.
                Disclosure::OwnBrand => {}
            }
        }
        Ok(Frozen::new(Platform::X, account.send_class(), intent, body.to_string(), part))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        let request = endpoint(&call.account.base_url, "2/tweets").and_then(|url| {
            let request = signed(call, call.http.once(Method::POST, url)?)?;
            Ok(request.header(http::header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone()))
        });
        Box::pin(send(
            call,
            request,
            |body| sent(call.account, &serde_json::from_slice::<Told<Post>>(body).ok()?.data?.id),
            |status, complaint| {
                // It has such a post, perhaps from an earlier send of ours, perhaps an older one: only looking tells.
                let duplicate = status == 403 && complaint.text.contains("duplicate content");
                duplicate.then(|| Submission::Repeated { what: complaint.text.clone() })
            },
        ))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        sending: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(look_up::resolve(call, sending, window))
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let url = post_url(call.account, external_id)?;
            let answer = expect_success(call, signed(call, call.http.once(Method::DELETE, url)?)?).await?;
            Ok(Answered { value: (), budget: budget(&answer) })
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(async move {
            let mut url = post_url(call.account, external_id)?;
            let private = made_at(external_id).is_some_and(|at| Utc::now() - at < PRIVATE);
            url.query_pairs_mut().append_pair("tweet.fields", if private { "public_metrics,non_public_metrics" } else { "public_metrics" });
            let told = expect_json::<Told<Value>>(call, signed(call, call.http.get(url)?)?).await?;
            let budget = told.budget;
            let post = told.value.data.ok_or_else(|| ActivityError::not_found("the post is not there (any more)"))?;
            let (public, own) = (&post["public_metrics"], &post["non_public_metrics"]);
            let shares = public["retweet_count"].as_i64().map(|reposts| reposts + public["quote_count"].as_i64().unwrap_or(0));
            let value = Counters {
                likes: public["like_count"].as_i64(),
                comments: public["reply_count"].as_i64(),
                shares,
                saves: public["bookmark_count"].as_i64(),
                impressions: own["impression_count"].as_i64().or_else(|| public["impression_count"].as_i64()),
                clicks: own["url_link_clicks"].as_i64(),
                ..Counters::default()
            };
            Ok(Answered { value, budget })
        })
    }
}

#[cfg(test)]
mod tests;
