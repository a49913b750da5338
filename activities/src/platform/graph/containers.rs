//! Containers: what Threads and Instagram are given before anything is published. A container is published at most once, and says whether it was.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::publication::{Frozen, Part, Resolution, SendClass, Sent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{ask, edge, form, id_of, posting, read};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Account, Answered, Call, MediaFile, Staged, Staging, Window,
        recognise::{Candidate, recognise},
    },
};

/// A container "not published within 24 hours" has expired; one that is nearly that old is not begun with.
const FRESH: TimeDelta = TimeDelta::hours(23);
/// How often a container whose processing failed is made anew. Fetching a file fails now and then without a reason that stays.
const TRIES: u32 = 3;
/// How many of an account's posts a look-up sees: as many as one page has.
const PAGE: &str = "100";

/// The fields of a container.
pub(in crate::platform) type Fields = Vec<(&'static str, String)>;

/// What is particular to a platform.
pub(in crate::platform) trait Shape: Sync {
    /// The version in the path.
    const VERSION: &'static str;
    /// The edge that makes containers.
    const CREATE: &'static str;
    /// The edge that publishes them.
    const PUBLISH: &'static str;
    /// The fields of a container that tell its state.
    const STATE: &'static str;
    /// The edge that tells how much may still be published, and its fields.
    const LIMIT: (&'static str, &'static str);

    /// A container of a post with one file, or none.
    fn single(&self, part: &Part, file: Option<&MediaFile>) -> ActivityResult<Fields>;
    /// A container of one of several files.
    fn child(&self, file: &MediaFile) -> ActivityResult<Fields>;
    /// The container that holds the others.
    fn carousel(&self, part: &Part, children: &[String]) -> ActivityResult<Fields>;
    /// How many posts like this one the limit still has; `None` if it does not say.
    fn left(&self, part: &Part, limit: &Value) -> Option<i64>;
    /// The edge where a post like this one is listed, and the fields to ask for.
    fn list(&self, part_is_reply: bool) -> (&'static str, &'static str);
    /// One entry of that list.
    fn candidate(&self, entry: Listed) -> Option<Candidate>;
}

/// One of the account's posts.
#[derive(Debug, Deserialize)]
pub(in crate::platform) struct Listed {
    pub(in crate::platform) id: String,
    #[serde(alias = "caption", alias = "message")]
    pub(in crate::platform) text: Option<String>,
    #[serde(alias = "created_time")]
    pub(in crate::platform) timestamp: String,
    #[serde(default, alias = "permalink_url")]
    pub(in crate::platform) permalink: String,
}

impl Listed {
    /// As a candidate for a look-up; `None` if its time cannot be read.
    pub(in crate::platform) fn candidate(self) -> Option<Candidate> {
        let at = DateTime::parse_from_str(&self.timestamp, "%Y-%m-%dT%H:%M:%S%z").ok()?.to_utc();
        let sent = Sent { external_id: self.id.clone(), url: self.permalink, cid: None };
        Some(Candidate { id: Some(self.id), at, text: self.text.unwrap_or_default(), hidden: String::new(), sent: Some(sent) })
    }
}

/// What was made so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::platform) struct Made {
    /// Since when.
    at: Option<DateTime<Utc>>,
    /// One for each of several files, in order.
    #[serde(default)]
    children: Vec<String>,
    /// The one that will be published.
    pub(in crate::platform) container: Option<String>,
    /// How often it was begun anew because processing failed.
    #[serde(default)]
    failed: u32,
    /// Whether it hangs on another post.
    #[serde(default)]
    reply: bool,
}

/// Where a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Finished,
    Working,
    Published,
    Expired,
    Failed(String),
}

async fn state<S: Shape>(call: Call<'_>, id: &str) -> ActivityResult<Answered<State>> {
    #[derive(Deserialize)]
    struct Told {
        status_code: Option<String>,
        status: Option<String>,
        error_message: Option<String>,
    }
    let told = read::<Told>(call, edge(call.account, S::VERSION, &[id], &[("fields", S::STATE)])?).await?;
    let Told { status_code, status, error_message } = told.value;
    let why = error_message.or_else(|| status_code.as_ref().and(status.clone())).unwrap_or_else(|| "without a reason".to_owned());
    let state = match status_code.or(status).as_deref() {
        Some("FINISHED") => State::Finished,
        Some("PUBLISHED") => State::Published,
        Some("EXPIRED") => State::Expired,
        Some("ERROR") => State::Failed(why),
        // Also what nobody knows yet: waiting is harmless.
        _ => State::Working,
    };
    Ok(Answered { value: state, budget: told.budget })
}

async fn create<S: Shape>(call: Call<'_>, fields: Fields) -> ActivityResult<String> {
    let url = edge(call.account, S::VERSION, &[&call.account.remote_id, S::CREATE], &[])?;
    let made = ask::<Value>(call, posting(call, url, form(fields))?).await?.value;
    id_of(&made).ok_or_else(|| ActivityError::transient("the platform names no container"))
}

/// How long a file takes, about.
fn pause(files: &[MediaFile]) -> Duration {
    Duration::from_secs(if files.iter().any(|file| file.media.is_video()) { 15 } else { 3 })
}

/// Makes the containers of a part, one after the other, until the one that will be published is ready.
pub(in crate::platform) async fn stage<S: Shape>(
    shape: &S,
    call: Call<'_>,
    part: &Part,
    files: &[MediaFile],
    so_far: &Staged,
) -> ActivityResult<Answered<Staging>> {
    let now = Utc::now();
    let mut made = so_far.read::<Made>()?.unwrap_or_default();
    if made.at.is_none_or(|at| now - at > FRESH) {
        made = Made { at: Some(now), failed: made.failed, reply: part.reply_to.is_some(), ..Made::default() };
        let (limit, fields) = S::LIMIT;
        let told = read::<Value>(call, edge(call.account, S::VERSION, &[&call.account.remote_id, limit], &[("fields", fields)])?).await?;
        if shape.left(part, &told.value["data"][0]).is_some_and(|left| left <= 0) {
            return Err(ActivityError::rate_limited(super::DAILY, "the posts of a day that the platform allows are used up"));
        }
    }
    if files.len() > 1 {
        while let Some(file) = files.get(made.children.len()) {
            made.children.push(create::<S>(call, shape.child(file)?).await?);
        }
        if made.container.is_none() {
            for id in &made.children.clone() {
                let answered = state::<S>(call, id).await?;
                if answered.value != State::Finished {
                    return unready(made, files, answered);
                }
            }
            made.container = Some(create::<S>(call, shape.carousel(part, &made.children)?).await?);
        }
    }
    let id = match &made.container {
        Some(id) => id.clone(),
        None => create::<S>(call, shape.single(part, files.first())?).await?,
    };
    made.container = Some(id.clone());
    let answered = state::<S>(call, &id).await?;
    match answered.value {
        // Whether a published one is this part, only a look-up may say: it is what comes of a send whose answer was lost.
        State::Finished | State::Published => Ok(Answered { value: Staging::Ready(Staged::of(&made)?), budget: answered.budget }),
        _ => unready(made, files, answered),
    }
}

/// What to do about containers of which one is not ready.
fn unready(made: Made, files: &[MediaFile], Answered { value, budget }: Answered<State>) -> ActivityResult<Answered<Staging>> {
    let anew = |failed| Made { failed, ..Made::default() };
    let (made, what, after) = match value {
        State::Failed(why) if made.failed + 1 >= TRIES => {
            return Err(ActivityError::rejected(format_args!("the platform could not process it: {why}")));
        }
        State::Failed(why) => (anew(made.failed + 1), format!("processing failed and is begun anew: {why}"), pause(files)),
        State::Expired => (anew(made.failed), "what was prepared has expired and is made anew".to_owned(), Duration::from_secs(1)),
        State::Finished | State::Published | State::Working => (made, "processing".to_owned(), pause(files)),
    };
    Ok(Answered { value: Staging::Wait { staged: Staged::of(&made)?, what, after }, budget })
}

/// The publication of the container that was staged.
pub(in crate::platform) fn freeze(account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
    let container = staged.read::<Made>()?.and_then(|made| made.container);
    let container = container.ok_or_else(|| ActivityError::rejected("the post has not been prepared on the platform"))?;
    let mut frozen = Frozen::new(account.platform, SendClass::C, intent, form([("creation_id", &container)]), part);
    super::FORM.clone_into(&mut frozen.content_type);
    Ok(frozen.with_record_key(container))
}

/// Asks the container whether it was published, and if so, looks for the post among the account's newest.
pub(in crate::platform) async fn resolve<S: Shape>(
    shape: &S,
    call: Call<'_>,
    frozen: &Frozen,
    staged: &Staged,
    window: &Window,
) -> ActivityResult<Answered<Resolution>> {
    let Some(container) = &frozen.record_key else {
        return Err(ActivityError::rejected("the post names no container"));
    };
    let asked = match state::<S>(call, container).await {
        Err(ActivityError::NotFound { .. }) => None,
        other => Some(other?),
    };
    let budget = asked.as_ref().and_then(|asked| asked.budget);
    let answered = |value| Ok(Answered { value, budget });
    let absent = |evidence: &str| Resolution::Absent { evidence: format!("container {container} {evidence}") };
    match asked.map(|asked| asked.value) {
        Some(State::Finished) => return answered(absent("is ready and was not published")),
        Some(State::Expired) => return answered(absent("expired without being published")),
        Some(State::Failed(_)) => return answered(absent("failed without being published")),
        Some(State::Working) => {
            return answered(Resolution::Unknown { evidence: format!("container {container} is still in the publishing process") });
        }
        // It was published, or the platform has forgotten it.
        Some(State::Published) | None => {}
    }
    let reply = staged.read::<Made>()?.is_some_and(|made| made.reply);
    let (list, fields) = shape.list(reply);
    let since = window.floor().timestamp().to_string();
    let query = [("fields", fields), ("since", since.as_str()), ("limit", PAGE)];
    let url = edge(call.account, S::VERSION, &[&call.account.remote_id, list], &query)?;
    let listed = read::<Data>(call, url).await?.value.data;
    let candidates = listed.into_iter().filter_map(|entry| shape.candidate(entry)).collect();
    // That it is out is certain, so one that is nearly its text would be it; but which id it has has to be certain too.
    answered(match recognise(candidates, frozen, window) {
        Resolution::Found { sent, evidence } => {
            Resolution::Found { sent, evidence: format!("container {container} was published, and {evidence}") }
        }
        Resolution::Absent { evidence } => {
            Resolution::Unknown { evidence: format!("container {container} was published or is forgotten, but {evidence}") }
        }
        unknown @ Resolution::Unknown { .. } => unknown,
    })
}

#[derive(Debug, Deserialize)]
struct Data {
    data: Vec<Listed>,
}

/// The address of a post, which the answer to its publication does not tell.
pub(in crate::platform) async fn address(call: Call<'_>, version: &str, id: &str) -> ActivityResult<Option<String>> {
    #[derive(Deserialize)]
    struct Told {
        permalink: Option<String>,
    }
    let told = read::<Told>(call, edge(call.account, version, &[id], &[("fields", "permalink")])?).await?;
    Ok(told.value.permalink.filter(|link| !link.is_empty()))
}
