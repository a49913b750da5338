//! Social platforms: connect, send once, look up, measure.
//!
//! One file (or folder) per platform implements `Adapter`; `adapter` names them. A new platform is a variant of `domain::platform::Platform`, its
//! class in `domain::publication::send_class`, its file, and one line in `adapter`. What a person enters is in its capabilities, how it does OAuth is
//! data beside its connector ([`oauth::Rules`]); [`Credentials`] are had by name. `docs/adding-a-platform.md` walks through one.
//!
//! Every function is one attempt. [`submit`] sends at most once and tells what may be concluded; looking afterwards is [`resolve`]. Text that a
//! server returned is cleaned of the account's own secrets before it leaves this module.

mod answer;
pub mod apps;
mod bluesky;
mod budget;
mod buffer;
mod credentials;
mod discord;
mod facebook;
mod graph;
mod hootsuite;
mod instagram;
mod linkedin;
mod mastodon;
mod media_file;
mod network;
pub mod oauth;
mod offered;
mod pieces;
mod recognise;
mod slack;
mod staged;
mod telegram;
mod threads;
mod tiktok;
mod upload;
mod x;
mod youtube;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, PartKind, Resolution, SendClass, Sent, Submission, send_class},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

pub use self::{
    apps::{App, Apps},
    budget::{Answered, RateBudget},
    credentials::{ACCESS_TOKEN, BadField, BadInput, Credentials, REFRESH_TOKEN},
    media_file::MediaFile,
    offered::{Choice, Offered, choose},
    staged::{Staged, Staging},
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::Outgoing,
};

/// A social account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Which platform it is on.
    pub platform: Platform,
    /// The server's address.
    pub base_url: Url,
    /// The account's name as people write it, without a leading `@`.
    pub handle: String,
    /// The platform's id of the account: Mastodon's account id, Bluesky's DID. Empty until the account has been connected.
    pub remote_id: String,
    /// The software that the server runs, as NodeInfo names it.
    #[serde(default)]
    pub software: Option<String>,
    /// What its posts may hold.
    #[serde(default)]
    pub limits: Limits,
}

/// What a server allows in a post, where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// The longest text, in the platform's own count.
    #[serde(default)]
    pub max_characters: Option<u32>,
    /// What every link counts as, in the same count.
    #[serde(default)]
    pub characters_per_url: Option<u32>,
}

impl Account {
    /// What this account's server offers against sending twice.
    #[must_use]
    pub fn send_class(&self) -> SendClass {
        send_class(self.platform, self.software.as_deref())
    }
}

/// What a look at an account found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The platform's id of the account.
    pub remote_id: String,
    /// The account's full name, without a leading `@`.
    pub handle: String,
    /// The software that the server runs; `None` if it does not say.
    pub software: Option<String>,
    /// What its posts may hold.
    pub limits: Limits,
    /// When the access token ends; `None` if it does not.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// What the token allows, where that is known.
    pub scopes: Vec<String>,
}

/// Where [`resolve`] looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When the request may first have left the house.
    pub first_sent_at: DateTime<Utc>,
    /// Ids of this account's posts that are known to come from other intents: they cannot be the one that is looked for.
    #[serde(default)]
    pub known_external_ids: Vec<String>,
}

impl Window {
    /// How far the platform's clock may run behind ours.
    const SKEW: TimeDelta = TimeDelta::minutes(5);

    /// The earliest time that the platform can have given the post.
    fn floor(&self) -> DateTime<Utc> {
        self.first_sent_at - Self::SKEW
    }
}

/// One call to a platform: through what, for whom, with which secrets.
#[derive(Clone, Copy)]
struct Call<'a> {
    http: &'a Outgoing,
    account: &'a Account,
    credentials: &'a Credentials,
}

/// One part on its way: what is sent, what the platform was given ahead of it, and the files that go with it.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The part, frozen.
    pub frozen: &'a Frozen,
    /// What was staged for it.
    pub staged: &'a Staged,
    /// Its media, in its order.
    pub files: &'a [MediaFile],
}

impl<'a> Sending<'a> {
    /// A part of nothing but text.
    #[must_use]
    pub fn text(frozen: &'a Frozen) -> Self {
        static NOTHING: Staged = Staged::NOTHING;
        Self { frozen, staged: &NOTHING, files: &[] }
    }
}

/// What a platform has to be able to do.
trait Adapter: Sync {
    /// Whether `text` mentions accounts that can only be mentioned by their id.
    fn needs_ids(&self, _text: &str) -> bool {
        false
    }
    fn mentions<'a>(&'a self, _call: Call<'a>, _text: &'a str) -> BoxFuture<'a, ActivityResult<BTreeMap<String, String>>> {
        Box::pin(std::future::ready(Ok(BTreeMap::new())))
    }
    /// Gives the platform what a part needs before it can be published: uploads, containers, drafts. Nobody can see any of it, so it may be done
    /// twice; `so_far` is what an earlier call got to. A platform that needs nothing keeps this.
    fn stage<'a>(
        &'a self,
        _call: Call<'a>,
        _part: &'a Part,
        _files: &'a [MediaFile],
        _so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(async { Ok(Answered { value: Staging::Ready(Staged::default()), budget: None }) })
    }
    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen>;
    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>>;
    fn submit<'a>(&'a self, call: Call<'a>, sending: Sending<'a>) -> BoxFuture<'a, Answered<Submission>>;
    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        sending: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>>;
    /// How the platform does OAuth; `None` where it does not. What this says, [`oauth`] does.
    fn oauth(&self) -> Option<&'static oauth::Rules> {
        None
    }
    /// Whether what a person enters is no token, but opens a session that has one: then [`Self::refresh`] opens it.
    fn opens_sessions(&self) -> bool {
        false
    }
    /// Renews the token by the platform's rules of OAuth; without such, credentials stay as they are.
    fn refresh<'a>(&'a self, call: Call<'a>, apps: &'a Apps) -> BoxFuture<'a, ActivityResult<Credentials>> {
        match self.oauth() {
            Some(rules) => Box::pin(oauth::refresh(call, apps, rules)),
            None => Box::pin(async move { Ok(call.credentials.clone()) }),
        }
    }
    /// The accounts that an authorisation opened, each with the credentials to keep for it (a page's own token, a fact that names it). Empty on
    /// platforms where it is always one: whose it is, [`Self::check`] tells. `account.remote_id` and `.handle` are empty.
    fn accounts<'a>(&'a self, _call: Call<'a>) -> BoxFuture<'a, ActivityResult<Vec<Offered>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    /// Where people read a post, on platforms whose answer to a publication has only its id. To be asked after that id was kept.
    fn address<'a>(&'a self, _call: Call<'a>, _external_id: &'a str) -> BoxFuture<'a, ActivityResult<Option<String>>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// The post that a person names, by its id or by the address where people read it, as the platform knows it; `None` where it cannot tell.
    fn find<'a>(&'a self, call: Call<'a>, named: &'a str) -> BoxFuture<'a, ActivityResult<Option<Sent>>> {
        Box::pin(async move {
            let url = self.address(call, named).await?;
            Ok(url.map(|url| Sent { external_id: named.to_owned(), url, cid: None }))
        })
    }
    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>>;
    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>>;
}

/// The one place that knows which platforms there are.
fn adapter(platform: Platform) -> &'static dyn Adapter {
    match platform {
        Platform::Mastodon => &mastodon::Mastodon,
        Platform::Bluesky => &bluesky::Bluesky,
        Platform::Telegram => &telegram::Telegram,
        Platform::Discord => &discord::Discord,
        Platform::Slack => &slack::Slack,
        Platform::TikTok => &tiktok::TikTok,
        Platform::YouTube => &youtube::YouTube,
        Platform::Threads => &threads::Threads,
        Platform::Instagram => &instagram::Instagram,
        Platform::Facebook => &facebook::Facebook,
        Platform::X => &x::X,
        Platform::LinkedIn => &linkedin::LinkedIn,
        Platform::Buffer => &buffer::Buffer,
        Platform::Hootsuite => &hootsuite::Hootsuite,
    }
}

/// Whether [`mentions`] is to be asked before `text` is frozen: it mentions accounts, and the platform knows them by their id only.
#[must_use]
pub fn needs_ids(platform: Platform, text: &str) -> bool {
    platform.capabilities().steps.resolve_mentions.is_some() && adapter(platform).needs_ids(text)
}

/// The platform's ids of the accounts that `text` mentions, by their handles as [`Part::mentions`] takes them. A handle that nobody has is left out.
///
/// # Errors
/// If the platform cannot be asked now.
pub async fn mentions(
    http: &Outgoing,
    account: &Account,
    credentials: &Credentials,
    text: &str,
) -> ActivityResult<BTreeMap<String, String>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).mentions(call, text).await.map_err(|error| clean_error(credentials, error))
}

/// Makes the exact request of a part. Pure: the same arguments give the same bytes and keys, so it can be made again after a crash.
///
/// # Errors
/// [`ActivityError::Rejected`] if the account is not connected or a reply lacks what the platform needs to hang it on.
pub fn freeze(account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
    if account.remote_id.is_empty() {
        return Err(ActivityError::rejected("the account is not connected yet"));
    }
    if part.reply_to.is_none() && part.kind != PartKind::Post {
        return Err(ActivityError::rejected("a further part needs the part that it hangs on"));
    }
    adapter(account.platform).freeze(account, part, staged, intent)
}

/// Gives the platform what a part needs before it can be published. Safe to repeat: `so_far` is what an earlier call answered, and nothing of it
/// can be seen by anybody.
///
/// # Errors
/// As [`check`].
pub async fn stage(
    http: &Outgoing,
    account: &Account,
    credentials: &Credentials,
    part: &Part,
    files: &[MediaFile],
    so_far: Staged,
) -> ActivityResult<Answered<Staging>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).stage(call, part, files, so_far).await.map_err(|error| clean_error(credentials, error))
}

/// The accounts that fresh credentials open, where there can be several; empty where it is the one that [`check`] tells.
///
/// # Errors
/// As [`check`].
pub async fn accounts(http: &Outgoing, platform: Platform, base_url: &Url, credentials: &Credentials) -> ActivityResult<Vec<Offered>> {
    let account = Account {
        platform,
        base_url: base_url.clone(),
        handle: String::new(),
        remote_id: String::new(),
        software: None,
        limits: Limits::default(),
    };
    let call = Call { http, account: &account, credentials };
    adapter(platform).accounts(call).await.map_err(|error| clean_error(credentials, error))
}

/// Whether accounts of the platform can be connected by an authorisation ([`oauth::begin`]).
#[must_use]
pub fn has_oauth(platform: Platform) -> bool {
    adapter(platform).oauth().is_some()
}

/// How long before its end an account's token is to be renewed, unasked; `None` where the next use of the account is early enough.
#[must_use]
pub fn renews_ahead(platform: Platform) -> Option<TimeDelta> {
    let before = adapter(platform).oauth()?.renew_before;
    (before > Credentials::MARGIN).then_some(before)
}

/// Looks whether the account's credentials work, and what its server is and allows.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] if they do not, [`ActivityError::Rejected`] if this is no such server, or a passing failure.
pub async fn check(http: &Outgoing, account: &Account, credentials: &Credentials) -> ActivityResult<Answered<Health>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).check(call).await.map_err(|error| clean_error(credentials, error))
}

/// Connects an account: opens a session where the platform needs one, and looks whose it is.
///
/// Returns the account, complete, and the credentials to keep.
///
/// # Errors
/// As [`check`]; [`ActivityError::Rejected`] also if the credentials belong to another account than `handle`.
pub async fn connect(
    http: &Outgoing,
    apps: &Apps,
    platform: Platform,
    base_url: &str,
    handle: &str,
    credentials: Credentials,
) -> ActivityResult<(Account, Credentials, Health)> {
    let handle = handle.trim().trim_start_matches('@').to_owned();
    let mut base_url = http.check_url(base_url)?;
    base_url.set_query(None);
    base_url.set_fragment(None);
    let mut account = Account { platform, base_url, handle, remote_id: String::new(), software: None, limits: Limits::default() };
    // Only what is needed: a refresh token may work once, and an exchange may be refused for a token that is an hour old.
    let credentials = if credentials.needs_refresh(Utc::now()) { refresh(http, apps, &account, &credentials).await? } else { credentials };
    let health = check(http, &account, &credentials).await?.value;
    if !account.handle.is_empty() && !same_handle(&account.handle, &health.handle) {
        return Err(ActivityError::rejected(format!("these credentials belong to @{}, not to @{}", health.handle, account.handle)));
    }
    account.handle.clone_from(&health.handle);
    account.remote_id.clone_from(&health.remote_id);
    account.software.clone_from(&health.software);
    account.limits = health.limits;
    Ok((account, credentials, health))
}

/// Whether a handle as a person wrote it, perhaps without its server, means the full one.
fn same_handle(written: &str, full: &str) -> bool {
    let (written, full) = (written.to_lowercase(), full.to_lowercase());
    written == full || full.split_once('@').is_some_and(|(user, _)| user == written)
}

/// Sends a frozen post **once** and says what may be concluded. It never retries, follows a redirect or uses a connection that was used before.
pub async fn submit(http: &Outgoing, account: &Account, credentials: &Credentials, sending: Sending<'_>) -> Answered<Submission> {
    let frozen = sending.frozen;
    if !frozen.is_intact() || frozen.platform != account.platform {
        let what = "the post is not the one that was frozen for this account".to_owned();
        return Answered { value: Submission::Rejected { what }, budget: None };
    }
    if let Err(what) = http.admits(&account.base_url) {
        return Answered { value: Submission::RefusedBySettings { what }, budget: None };
    }
    let answered = adapter(account.platform).submit(Call { http, account, credentials }, sending).await;
    answered.map(|submission| match submission {
        Submission::Rejected { what } => Submission::Rejected { what: credentials.redact(&what) },
        Submission::CredentialsExpired { what } => Submission::CredentialsExpired { what: credentials.redact(&what) },
        Submission::NotSent { what } => Submission::NotSent { what: credentials.redact(&what) },
        Submission::RefusedBySettings { what } => Submission::RefusedBySettings { what: credentials.redact(&what) },
        Submission::Repeated { what } => Submission::Repeated { what: credentials.redact(&what) },
        Submission::Unknown { what } => Submission::Unknown { what: credentials.redact(&what) },
        other @ (Submission::Published(_) | Submission::Duplicate(_) | Submission::RateLimited { .. }) => other,
    })
}

/// Looks once whether a post whose sending had no definite outcome is on its platform.
///
/// [`Resolution::Absent`] says only that it is not there now. Send again at once if [`Frozen::can_resend`] allows, otherwise only after it stayed
/// absent across a settling window.
///
/// # Errors
/// If the look-up itself fails; that says nothing about the post.
pub async fn resolve(
    http: &Outgoing,
    account: &Account,
    credentials: &Credentials,
    sending: Sending<'_>,
    window: &Window,
) -> ActivityResult<Answered<Resolution>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).resolve(call, sending, window).await.map_err(|error| clean_error(credentials, error))
}

/// Renews an access token; credentials that never expire come back as they are. To be called alone for an account: refresh tokens are used once.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] if a person has to reconnect, or a passing failure.
pub async fn refresh(http: &Outgoing, apps: &Apps, account: &Account, credentials: &Credentials) -> ActivityResult<Credentials> {
    let call = Call { http, account, credentials };
    adapter(account.platform).refresh(call, apps).await.map_err(|error| clean_error(credentials, error))
}

/// Where people read a post whose [`Submission::Published`] told no address; `None` where the platform has nothing to add.
///
/// # Errors
/// [`ActivityError::NotFound`] if the post is gone, or a passing failure.
pub async fn address(http: &Outgoing, account: &Account, credentials: &Credentials, external_id: &str) -> ActivityResult<Option<String>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).address(call, external_id).await.map_err(|error| clean_error(credentials, error))
}

/// The post that a person names, by its id or by the address where people read it, with all that the platform tells of it; `None` where the platform
/// has nothing to tell, and the person's word is all there is.
///
/// # Errors
/// [`ActivityError::NotFound`] if there is no such post, [`ActivityError::Rejected`] if it is none of this account's, or a passing failure.
pub async fn find(http: &Outgoing, account: &Account, credentials: &Credentials, named: &str) -> ActivityResult<Option<Sent>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).find(call, named).await.map_err(|error| clean_error(credentials, error))
}

/// Deletes a post.
///
/// # Errors
/// [`ActivityError::NotFound`] where the platform says that there is no such post (any more).
pub async fn delete(http: &Outgoing, account: &Account, credentials: &Credentials, external_id: &str) -> ActivityResult<Answered<()>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).delete(call, external_id).await.map_err(|error| clean_error(credentials, error))
}

/// Reads a post's counters since its publication; what the platform does not tell is `None`.
///
/// # Errors
/// [`ActivityError::NotFound`] if the post is gone.
pub async fn metrics(
    http: &Outgoing,
    account: &Account,
    credentials: &Credentials,
    external_id: &str,
) -> ActivityResult<Answered<Counters>> {
    let call = Call { http, account, credentials };
    adapter(account.platform).metrics(call, external_id).await.map_err(|error| clean_error(credentials, error))
}

/// An error without the account's secrets: a server may repeat a request's headers in its answer.
fn clean_error(credentials: &Credentials, mut error: ActivityError) -> ActivityError {
    match &mut error {
        ActivityError::Transient { what }
        | ActivityError::RateLimited { what, .. }
        | ActivityError::Rejected { what }
        | ActivityError::NotFound { what }
        | ActivityError::CredentialsExpired { what }
        | ActivityError::OutcomeUnknown { what } => *what = credentials.redact(what),
    }
    error
}

/// An address under the account's server: `base_url` may have a path of its own.
fn endpoint(base_url: &Url, path: &str) -> ActivityResult<Url> {
    let mut base = base_url.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(path).map_err(|error| ActivityError::rejected(format!("not an address: {error}")))
}

#[cfg(test)]
mod tests;
