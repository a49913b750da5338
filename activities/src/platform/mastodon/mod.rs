//! Mastodon and the servers that speak its client API (<https://docs.joinmastodon.org/client/>).

mod html;
mod lookup;
mod media;

use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, Resolution, Sent, Submission},
};
use futures::future::BoxFuture;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    answer::{budget, expect_json, expect_success, send, signed},
    endpoint,
    oauth::{Refresh, Rules},
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Mastodon;

/// <https://docs.joinmastodon.org/spec/oauth/>. There is no central registry: an application is registered on the account's own server. Tokens do
/// not end.
static OAUTH: Rules =
    Rules { authorize: "oauth/authorize", token: "oauth/token", register: Some("api/v1/apps"), refresh: Refresh::None, ..Rules::STANDARD };

/// An id: a string in Mastodon, a number in some of its likes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum RemoteId {
    Text(String),
    Number(u64),
}

impl RemoteId {
    /// The id as text; `None` for one that is empty.
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.to_string()),
        }
    }
}

/// As much of a status as is needed to say where it is.
#[derive(Debug, Deserialize)]
struct Status {
    id: RemoteId,
    url: Option<String>,
    uri: Option<String>,
}

impl Status {
    /// Where the post is; `None` if the server named no id or no web address.
    fn sent(self) -> Option<Sent> {
        let web = |address: &String| Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        Some(Sent { external_id: self.id.text()?, url: self.url.filter(web).or(self.uri.filter(web)).unwrap_or_default(), cid: None })
    }
}

/// An address of one status. The id comes from a server: it must stay one segment of the path.
fn status_url(account: &Account, external_id: &str) -> ActivityResult<Url> {
    let mut url = endpoint(&account.base_url, "api/v1/statuses")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.push(external_id);
    Ok(url)
}

fn publish_request(call: Call<'_>, frozen: &Frozen) -> ActivityResult<reqwest::RequestBuilder> {
    let url = endpoint(&call.account.base_url, "api/v1/statuses")?;
    let mut request = signed(call, call.http.once(Method::POST, url)?)?;
    if let Some(key) = &frozen.idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    Ok(request.header(http::header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone()))
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct Verified {
        id: RemoteId,
        acct: String,
    }
    let base = &call.account.base_url;
    let url = endpoint(base, "api/v1/accounts/verify_credentials")?;
    let verified = expect_json::<Verified>(call, signed(call, call.http.get(url)?)?).await.map_err(no_user)?;
    let budget = verified.budget;
    let remote_id = verified.value.id.text().ok_or_else(|| ActivityError::rejected("the server names no account"))?;
    let (domain, limits) = instance(call).await?;
    let software = software(call).await?;
    let acct = verified.value.acct;
    let handle = if acct.contains('@') { acct } else { format!("{acct}@{domain}") };
    let scopes = call.credentials.scopes().to_vec();
    Ok(Answered { value: Health { remote_id, handle, software, limits, token_expires_at: None, scopes }, budget })
}

/// Mastodon answers 422 where a token stands for no user, snac wherever it knows the token not (any more).
fn no_user(error: ActivityError) -> ActivityError {
    match error {
        ActivityError::Rejected { what } if what.starts_with("the server answered 422") => ActivityError::CredentialsExpired { what },
        other => other,
    }
}

/// The server's domain and limits: `/api/v2/instance`, or v1 where that is all there is.
async fn instance(call: Call<'_>) -> ActivityResult<(String, Limits)> {
    #[derive(Deserialize)]
    struct Instance {
        domain: Option<String>,
        uri: Option<String>,
        #[serde(default)]
        configuration: Configuration,
        max_toot_chars: Option<u32>,
    }
    #[derive(Deserialize, Default)]
    struct Configuration {
        #[serde(default)]
        statuses: Statuses,
    }
    #[derive(Deserialize, Default)]
    struct Statuses {
        max_characters: Option<u32>,
        characters_reserved_per_url: Option<u32>,
    }
    let read = async |path: &str| expect_json::<Instance>(call, call.http.get(endpoint(&call.account.base_url, path)?)?).await;
    let instance = match read("api/v2/instance").await {
        Err(ActivityError::NotFound { .. } | ActivityError::Rejected { .. }) => read("api/v1/instance").await?.value,
        other => other?.value,
    };
    let limits = Limits {
        max_characters: instance.configuration.statuses.max_characters.or(instance.max_toot_chars),
        characters_per_url: instance.configuration.statuses.characters_reserved_per_url,
    };
    // v1 calls the domain `uri`, and some servers put an address there.
    let named = instance
        .domain
        .or(instance.uri)
        .map(|name| Url::parse(&name).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or(name));
    let domain = named.filter(|name| !name.is_empty()).or_else(|| call.account.base_url.host_str().map(str::to_owned)).unwrap_or_default();
    Ok((domain, limits))
}

/// The server's software by NodeInfo (<https://nodeinfo.diaspora.software/protocol>); `None` if it does not say.
async fn software(call: Call<'_>) -> ActivityResult<Option<String>> {
    #[derive(Deserialize)]
    struct Links {
        links: Vec<Link>,
    }
    #[derive(Deserialize)]
    struct Link {
        rel: String,
        href: String,
    }
    #[derive(Deserialize)]
    struct NodeInfo {
        software: Software,
    }
    #[derive(Deserialize)]
    struct Software {
        name: String,
    }
    let found = async {
        let links =
            expect_json::<Links>(call, call.http.get(endpoint(&call.account.base_url, "/.well-known/nodeinfo")?)?).await?.value.links;
        let newest = links
            .into_iter()
            .filter(|link| link.rel.starts_with("http://nodeinfo.diaspora.software/ns/schema/2."))
            .max_by(|a, b| a.rel.cmp(&b.rel));
        let href = newest.ok_or_else(|| ActivityError::not_found("the server has no NodeInfo 2"))?.href;
        expect_json::<NodeInfo>(call, call.http.get(call.http.check_url(&href)?)?).await
    };
    match found.await {
        Ok(info) => Ok(Some(info.value.software.name)),
        // A server that does not tell is a server that is not known to honour keys.
        Err(ActivityError::NotFound { .. } | ActivityError::Rejected { .. } | ActivityError::CredentialsExpired { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

impl Adapter for Mastodon {
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
        let mut body = json!({"status": part.text, "language": part.language, "visibility": "public"});
        if !part.media.is_empty() {
            body["media_ids"] = json!(media::ids(&part.media, staged)?);
        }
        if let Some(reply) = &part.reply_to {
            body["in_reply_to_id"] = json!(reply.parent.external_id);
        }
        let frozen = Frozen::new(Platform::Mastodon, account.send_class(), intent, body.to_string(), part);
        Ok(frozen.with_idempotency_key(intent.to_string()))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(send(
            call,
            publish_request(call, frozen),
            |body| serde_json::from_slice::<Status>(body).ok()?.sent(),
            |status, complaint| {
                // A token without `write:statuses` is answered 403; reconnecting mends it.
                let scope = status == 403 && complaint.text.contains("outside the authorized scopes");
                scope.then(|| Submission::CredentialsExpired { what: complaint.text.clone() })
            },
        ))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, .. }: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(lookup::resolve(call, frozen, window))
    }

    fn find<'a>(&'a self, call: Call<'a>, named: &'a str) -> BoxFuture<'a, ActivityResult<Option<Sent>>> {
        Box::pin(lookup::find(call, named))
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let url = status_url(call.account, external_id)?;
            let deleted = expect_success(call, signed(call, call.http.once(Method::DELETE, url.clone())?)?).await;
            let answer = match deleted {
                // snac has no deletion in its API, and answers so to posts that are there.
                Err(ActivityError::NotFound { what }) => {
                    return Err(match expect_success(call, signed(call, call.http.get(url)?)?).await {
                        Ok(_) => ActivityError::rejected("its server takes no deletions from other programs: delete it there"),
                        Err(_) => ActivityError::NotFound { what },
                    });
                }
                other => other?,
            };
            Ok(Answered { value: (), budget: budget(&answer) })
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        #[derive(Deserialize)]
        struct Counted {
            favourites_count: Option<i64>,
            replies_count: Option<i64>,
            reblogs_count: Option<i64>,
            /// Since Mastodon 4.5.
            quotes_count: Option<i64>,
        }
        Box::pin(async move {
            let url = status_url(call.account, external_id)?;
            let counted = expect_json::<Counted>(call, signed(call, call.http.get(url)?)?).await?;
            Ok(counted.map(|counted| Counters {
                likes: counted.favourites_count,
                comments: counted.replies_count,
                shares: counted.reblogs_count.map(|reblogs| reblogs.saturating_add(counted.quotes_count.unwrap_or(0))),
                ..Counters::default()
            }))
        })
    }
}

#[cfg(test)]
mod tests;
