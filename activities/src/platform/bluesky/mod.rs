//! Bluesky, over the AT Protocol's XRPC (<https://docs.bsky.app/docs/api/>).
//!
//! A post is a record under a key that we choose, so sending it twice writes it once, and one look-up by the key tells whether it is there.

mod facets;
mod media;
mod session;

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, ReplyTo, Resolution, Sent, Submission, is_tid, tid},
};
use futures::future::BoxFuture;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Apps, Call, Credentials, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    answer::{budget, expect_json, expect_success, send, signed},
    endpoint,
};
use crate::error::{ActivityError, ActivityResult};

/// The collection that posts are records of.
const COLLECTION: &str = "app.bsky.feed.post";

/// The longest post in graphemes (lexicon `app.bsky.feed.post`, `maxGraphemes`; the other bound is 3000 bytes).
const MAX_GRAPHEMES: u32 = 300;

/// The adapter.
pub(super) struct Bluesky;

/// The address of a method.
fn method(account: &Account, nsid: &str) -> ActivityResult<Url> {
    endpoint(&account.base_url, &format!("xrpc/{nsid}"))
}

/// The record key of a post's `at://` address, if it is one of this account.
fn record_key<'a>(account: &Account, external_id: &'a str) -> ActivityResult<&'a str> {
    let key = external_id
        .strip_prefix("at://")
        .and_then(|rest| rest.strip_prefix(account.remote_id.as_str()))
        .and_then(|rest| rest.strip_prefix('/'));
    let key = key.and_then(|rest| rest.strip_prefix(COLLECTION)).and_then(|rest| rest.strip_prefix('/'));
    key.filter(|key| is_tid(key)).ok_or_else(|| ActivityError::rejected("not the address of a post of this account"))
}

/// Where a post can be read. On a server of Bluesky's own (`bsky.social` and the hosts under `bsky.network` that its accounts live on) that is its page
/// on bsky.app, under the DID, which stays when the handle changes. Of any other server it cannot be known whether that page ever shows it: a
/// server may be alone, or a stand-in. There it is the record itself, which each answers without a sign-in.
fn page(account: &Account, key: &str) -> String {
    let did = account.remote_id.as_str();
    let host = account.base_url.host_str().unwrap_or_default();
    if host == "bsky.social" || host.ends_with(".bsky.network") {
        return format!("https://bsky.app/profile/{did}/post/{key}");
    }
    record_url(account, did, key).map(String::from).unwrap_or_default()
}

fn record_url(account: &Account, repo: &str, key: &str) -> ActivityResult<Url> {
    let mut url = method(account, "com.atproto.repo.getRecord")?;
    url.query_pairs_mut().append_pair("repo", repo).append_pair("collection", COLLECTION).append_pair("rkey", key);
    Ok(url)
}

/// The DID of a handle; `None` if it has none.
async fn resolve_handle(call: Call<'_>, handle: &str) -> ActivityResult<Option<String>> {
    #[derive(Deserialize)]
    struct Resolved {
        did: String,
    }
    let mut url = method(call.account, "com.atproto.identity.resolveHandle")?;
    url.query_pairs_mut().append_pair("handle", handle);
    match expect_json::<Resolved>(call, call.http.get(url)?).await {
        Ok(resolved) => Ok(Some(resolved.value.did).filter(|did| did.starts_with("did:"))),
        Err(passing @ (ActivityError::Transient { .. } | ActivityError::RateLimited { .. })) => Err(passing),
        // The reference PDS answers 400 `InvalidRequest` to a handle that nobody has.
        Err(_) => Ok(None),
    }
}

fn reference(sent: &Sent) -> ActivityResult<Value> {
    let cid = sent.cid.as_deref().ok_or_else(|| ActivityError::rejected("a reply on Bluesky needs the hash of the post it answers"))?;
    Ok(json!({"uri": sent.external_id, "cid": cid}))
}

fn record(post: &Part, staged: &Staged) -> ActivityResult<Value> {
    let mut record = json!({
        "$type": COLLECTION,
        "text": post.text,
        "langs": [post.language],
        "createdAt": post.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
    });
    let facets = facets::facets(&post.text, &post.mentions);
    if !facets.is_empty() {
        record["facets"] = Value::Array(facets);
    }
    if let Some(embed) = media::embed(&post.media, staged)? {
        record["embed"] = embed;
    }
    if let Some(ReplyTo { root, parent }) = &post.reply_to {
        record["reply"] = json!({"root": reference(root)?, "parent": reference(parent)?});
    }
    Ok(record)
}

/// The frozen request, read back.
#[derive(Deserialize)]
struct Put {
    repo: String,
    rkey: String,
    record: Value,
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct Session {
        did: String,
        handle: String,
        active: Option<bool>,
        status: Option<String>,
    }
    let request = signed(call, call.http.get(method(call.account, "com.atproto.server.getSession")?)?)?;
    let session = expect_json::<Session>(call, request).await.map_err(session::expired)?;
    if session.value.active == Some(false) {
        let status = session.value.status.as_deref().unwrap_or("no reason given");
        return Err(ActivityError::rejected(format!("the account is not active: {status}")));
    }
    Ok(session.map(|session| Health {
        remote_id: session.did,
        handle: session.handle,
        software: Some("bluesky".to_owned()),
        limits: Limits { max_characters: Some(MAX_GRAPHEMES), characters_per_url: None },
        token_expires_at: call.credentials.expires_at(),
        // An app password allows all but account management; there are no finer ones.
        scopes: vec!["app-password".to_owned()],
    }))
}

/// The record key in what a person names a post by: its `at://` address, its page on bsky.app or on another client that writes addresses in the same
/// way, or the address of the record itself. The account may be named by its DID or by its handle.
fn named_key(account: &Account, named: &str) -> ActivityResult<String> {
    let key = if let Some(rest) = named.strip_prefix("at://") {
        match rest.split('/').collect::<Vec<_>>()[..] {
            [whose, COLLECTION, key] if is_own(account, whose) => Some(key.to_owned()),
            _ => None,
        }
    } else if let Ok(url) = Url::parse(named) {
        let path: Vec<_> = url.path_segments().into_iter().flatten().collect();
        let asked = |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        match path[..] {
            ["profile", whose, "post", key] if is_own(account, &whose.replace("%3A", ":")) => Some(key.to_owned()),
            [.., "com.atproto.repo.getRecord"] if asked("repo").is_some_and(|whose| is_own(account, &whose)) => asked("rkey"),
            _ => None,
        }
    } else {
        Some(named.to_owned())
    };
    key.filter(|key| is_tid(key)).ok_or_else(|| ActivityError::rejected("not the address of a post of this account"))
}

fn is_own(account: &Account, whose: &str) -> bool {
    whose == account.remote_id || whose.eq_ignore_ascii_case(&account.handle)
}

/// A record of the account, as its server has it.
#[derive(Deserialize)]
struct Record {
    uri: String,
    cid: Option<String>,
    value: Value,
}

/// The post that a person names. Needs no token.
async fn find(call: Call<'_>, named: &str) -> ActivityResult<Option<Sent>> {
    let key = named_key(call.account, named)?;
    let url = record_url(call.account, &call.account.remote_id, &key)?;
    match expect_json::<Record>(call, call.http.get(url)?).await {
        Ok(found) => Ok(Some(Sent { url: page(call.account, &key), external_id: found.value.uri, cid: found.value.cid })),
        Err(ActivityError::Rejected { what }) if what.contains("RecordNotFound") => Err(ActivityError::NotFound { what }),
        Err(error) => Err(error),
    }
}

/// Whether the record is there, and ours. Needs no token, so it works while the session is expired.
async fn look(call: Call<'_>, frozen: &Frozen) -> ActivityResult<Answered<Resolution>> {
    let Put { repo, rkey, record } =
        serde_json::from_str(&frozen.body).map_err(|_| ActivityError::rejected("the frozen post is not one for Bluesky"))?;
    let url = record_url(call.account, &repo, &rkey)?;
    let found = match expect_json::<Record>(call, call.http.get(url)?).await {
        Ok(found) => found,
        Err(ActivityError::Rejected { what } | ActivityError::NotFound { what }) if what.contains("RecordNotFound") => {
            let evidence = format!("there is no record under the key {rkey}");
            return Ok(Answered { value: Resolution::Absent { evidence }, budget: None });
        }
        Err(error) => return Err(error),
    };
    Ok(found.map(|found| {
        if found.value == record {
            let evidence = format!("the record under the key {rkey} is the one that was frozen");
            Resolution::Found { sent: Sent { url: page(call.account, &rkey), external_id: found.uri, cid: found.cid }, evidence }
        } else {
            Resolution::Unknown { evidence: format!("the record under the key {rkey} is another one than was frozen") }
        }
    }))
}

impl Adapter for Bluesky {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        _part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(media::stage(call, files, so_far))
    }

    fn needs_ids(&self, text: &str) -> bool {
        !facets::handles(text).is_empty()
    }

    fn mentions<'a>(&'a self, call: Call<'a>, text: &'a str) -> BoxFuture<'a, ActivityResult<BTreeMap<String, String>>> {
        Box::pin(async move {
            let mut found = BTreeMap::new();
            for handle in facets::handles(text) {
                if let Some(did) = resolve_handle(call, &handle).await? {
                    found.insert(handle, did);
                }
            }
            Ok(found)
        })
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        let key = tid(part.planned_at, intent);
        // `swapRecord: null` means: only if there is nothing under the key. The same record again is still a success, another one is refused.
        let body =
            json!({"repo": account.remote_id, "collection": COLLECTION, "rkey": key, "record": record(part, staged)?, "swapRecord": null});
        Ok(Frozen::new(Platform::Bluesky, account.send_class(), intent, body.to_string(), part).with_record_key(key))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        #[derive(Deserialize)]
        struct Written {
            uri: String,
            cid: String,
        }
        let request = method(call.account, "com.atproto.repo.putRecord").and_then(|url| {
            let request = signed(call, call.http.once(Method::POST, url)?)?;
            Ok(request.header(http::header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone()))
        });
        Box::pin(send(
            call,
            request,
            |body| {
                let Written { uri, cid } = serde_json::from_slice(body).ok()?;
                let key = record_key(call.account, &uri).ok()?;
                Some(Sent { url: page(call.account, key), external_id: uri, cid: Some(cid) })
            },
            |status, complaint| match complaint.code.as_deref() {
                Some("ExpiredToken" | "InvalidToken") if status.is_client_error() => {
                    Some(Submission::CredentialsExpired { what: complaint.text.clone() })
                }
                // Something is under our key already: an earlier send that arrived and was changed since, or a chance in a thousand million.
                Some("InvalidSwap") => Some(Submission::Unknown { what: complaint.text.clone() }),
                _ => None,
            },
        ))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, .. }: Sending<'a>,
        _window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(look(call, frozen))
    }

    fn opens_sessions(&self) -> bool {
        true
    }

    fn find<'a>(&'a self, call: Call<'a>, named: &'a str) -> BoxFuture<'a, ActivityResult<Option<Sent>>> {
        Box::pin(find(call, named))
    }

    fn refresh<'a>(&'a self, call: Call<'a>, _apps: &'a Apps) -> BoxFuture<'a, ActivityResult<Credentials>> {
        Box::pin(session::refresh(call))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let key = record_key(call.account, external_id)?;
            let body = json!({"repo": call.account.remote_id, "collection": COLLECTION, "rkey": key});
            let url = method(call.account, "com.atproto.repo.deleteRecord")?;
            let request = signed(call, call.http.once(Method::POST, url)?)?.json(&body);
            let answer = expect_success(call, request).await.map_err(session::expired)?;
            Ok(Answered { value: (), budget: budget(&answer) })
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        #[derive(Deserialize)]
        struct Posts {
            posts: Vec<Counted>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Counted {
            like_count: Option<i64>,
            reply_count: Option<i64>,
            repost_count: Option<i64>,
            quote_count: Option<i64>,
            bookmark_count: Option<i64>,
        }
        Box::pin(async move {
            record_key(call.account, external_id)?;
            // The account's server passes this on to the AppView, which does the counting.
            let mut url = method(call.account, "app.bsky.feed.getPosts")?;
            url.query_pairs_mut().append_pair("uris", external_id);
            let answered = expect_json::<Posts>(call, signed(call, call.http.get(url)?)?).await.map_err(session::expired)?;
            let budget = answered.budget;
            let post =
                answered.value.posts.into_iter().next().ok_or_else(|| ActivityError::not_found("the post is not there (any more)"))?;
            let value = Counters {
                likes: post.like_count,
                comments: post.reply_count,
                shares: post.repost_count.map(|reposts| reposts.saturating_add(post.quote_count.unwrap_or(0))),
                saves: post.bookmark_count,
                ..Counters::default()
            };
            Ok(Answered { value, budget })
        })
    }
}

#[cfg(test)]
mod tests;
