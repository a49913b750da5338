//! A run (as `GET /v1/runs/{id}` answers it) as people think of it: what is being written, posted and measured, for which platform and language.
//!
//! What a workflow sends off and does not wait for goes on beside it, so it stands beside it here, and all that happens to one post stands in one
//! place. Otherwise this is the tree of the journals.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// How a piece of work is. The order is that in which people should see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Failed,
    Retrying,
    Working,
    Waiting,
    Queued,
    Stopped,
    Done,
}

impl State {
    /// Whether nothing more happens.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Stopped | Self::Done)
    }

    fn of(node: &Value) -> Self {
        let waits_for_others = node.pointer("/waiting_for/what").and_then(Value::as_str) == Some("answer");
        match node.get("status").and_then(Value::as_str).unwrap_or("queued") {
            "completed" => Self::Done,
            "failed" => Self::Failed,
            "cancelled" => Self::Stopped,
            "backing_off" | "paused" => Self::Retrying,
            "waiting" if !waits_for_others => Self::Waiting,
            "queued" => Self::Queued,
            _ => Self::Working,
        }
    }
}

/// A workflow, a step of one, or all that happens to one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// The same every time that the run is read, and of no other work.
    pub(super) id: String,
    /// `Drafting bluesky/de 2`; of a step, the name that it has in the journal.
    pub(super) name: String,
    /// What equal siblings have in common (`Drafting`); `None` for a step, which always stands for itself.
    pub(super) family: Option<&'static str>,
    /// Whether it joins all that happens to one post; its parts are workflows then, each in its turn.
    pub(super) is_joined: bool,
    pub(super) state: State,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) took: Option<TimeDelta>,
    /// What it waits for, or is tried again at.
    pub(super) until: Option<DateTime<Utc>>,
    pub(super) attempts: u64,
    pub(super) failure: Option<String>,
    /// Its steps and what it called, in their order.
    pub(super) parts: Vec<Self>,
}

impl Work {
    /// Whether workflows that it called stand in it.
    pub(super) fn has_calls(&self) -> bool {
        self.parts.iter().any(|part| part.family.is_some())
    }

    /// What is under way in it, or is next, or went wrong; of what is done, nothing.
    pub(super) fn current(&self) -> Option<&Self> {
        self.parts.iter().filter(|part| part.state != State::Done).min_by_key(|part| part.state)
    }

    /// What a run called `title` does.
    pub(super) fn of_run(title: &str, run: &Value) -> Self {
        let mut beside = Vec::new();
        let mut parts = steps(run.get("steps"), "run", &mut beside);
        steps(run.get("background"), "background", &mut beside);
        for sent in beside {
            match parts.iter_mut().find(|known| known.id == sent.id) {
                Some(of_the_same_post) => of_the_same_post.take_in(sent),
                None => parts.push(sent),
            }
        }
        Self {
            id: "run".to_owned(),
            name: title.to_owned(),
            family: None,
            is_joined: false,
            state: State::of(run),
            started_at: instant(run, "started_at"),
            took: instant(run, "started_at").zip(instant(run, "finished_at")).map(|(from, to)| to - from),
            until: None,
            attempts: 1,
            failure: run.get("failure").and_then(Value::as_str).map(str::to_owned),
            parts,
        }
    }

    /// Joins what happens to one post: it is as its latest part is, unless one before that is not over.
    fn take_in(&mut self, other: Self) {
        self.state = if self.state.is_over() { other.state } else { self.state.min(other.state) };
        self.started_at = other.started_at.or(self.started_at);
        self.took = other.took;
        self.until = other.until.or(self.until);
        self.failure = other.failure.or(self.failure.take());
        self.parts.extend(other.parts);
    }
}

/// The steps of one journal; what it sent off, or people asked for, goes `beside`.
fn steps(list: Option<&Value>, journal: &str, beside: &mut Vec<Work>) -> Vec<Work> {
    let mut own = Vec::new();
    for step in list.and_then(Value::as_array).into_iter().flatten() {
        let mut sent = Vec::new();
        let work = one(step, journal, &mut sent);
        if matches!(step.get("kind").and_then(Value::as_str), Some("send" | "request")) {
            beside.push(of_a_post(step, work));
        } else {
            own.push(work);
        }
        beside.extend(sent);
    }
    own
}

fn one(step: &Value, journal: &str, beside: &mut Vec<Work>) -> Work {
    let text = |field: &str| step.get(field).and_then(Value::as_str);
    let journalled = text("name").filter(|name| !name.is_empty()).or_else(|| text("kind")).unwrap_or("step");
    let id = step
        .pointer("/invoked/invocation_id")
        .and_then(Value::as_str)
        .map_or_else(|| format!("{journal}/{}", step.get("index").and_then(Value::as_u64).unwrap_or_default()), str::to_owned);
    let family = step.get("invoked").map(|_| family(journalled));
    let name = family.map_or_else(|| journalled.to_owned(), |family| [family, &place(step)].join(" ").trim_end().to_owned());
    Work {
        parts: steps(step.get("children"), &id, beside),
        id,
        name,
        family,
        is_joined: false,
        state: State::of(step),
        started_at: instant(step, "started_at"),
        took: step.get("took_ms").and_then(Value::as_i64).map(TimeDelta::milliseconds),
        until: instant(step, "next_retry_at").or_else(|| step.pointer("/waiting_for/until").and_then(parsed)),
        attempts: step.get("attempts").and_then(Value::as_u64).unwrap_or(1),
        failure: text("failure").map(str::to_owned),
    }
}

/// Under the post that it happens to, and there beside what else does, if it is about one.
fn of_a_post(step: &Value, work: Work) -> Work {
    let (Some(post), Some(family)) = (step.pointer("/invoked/subject/post_id").and_then(Value::as_str), work.family) else { return work };
    let family = if family == METRICS { METRICS } else { POST };
    let name = work.family.unwrap_or_default().to_owned();
    Work {
        id: format!("{family} {post}"),
        name: format!("{family} {}", place(step)),
        family: Some(family),
        is_joined: true,
        parts: vec![Work { name, family: None, ..work.clone() }],
        ..work
    }
}

const POST: &str = "Post";
const METRICS: &str = "Metrics";

/// What a workflow (`Service/handler`) does, in the words of who uses it.
fn family(workflow: &str) -> &'static str {
    match workflow.split_once('/').unwrap_or((workflow, "")) {
        ("VoiceTraining", _) => "Voice training",
        ("Generation", _) => "Writing",
        ("Drafting", "rewrite") => "Rewriting",
        ("Drafting", _) => "Drafting",
        ("Enrichment", _) => "Enrichment",
        ("Campaign", "generated") => "Approval",
        ("Campaign", "decide") => "Decision",
        ("Campaign", "remind") => "Reminder to approve",
        ("Campaign", "finish") => "Deadline of approval",
        ("Campaign", "published") => "Note that a post is out",
        ("Campaign", _) => "Campaign",
        ("Publication", "fire") => "Due time",
        ("Publication", "cancel") => "Cancellation",
        ("Publication", "resolve") => "Resolution",
        ("Publication", _) => "Schedule",
        ("Connector", "publish" | "go_on") => "Delivery",
        ("Connector", _) => "Account",
        ("Metrics", _) => METRICS,
        ("Digest", "mail") => "Mail",
        ("Digest", _) => "Digest",
        ("Schedule", _) => "Recurring campaign",
        ("Reporting", _) => "Report",
        _ => "Workflow",
    }
}

/// `bluesky/de 2`: platform, language and which draft; nothing, where the API does not say.
fn place(step: &Value) -> String {
    let Some(subject) = step.pointer("/invoked/subject") else { return String::new() };
    let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or("?");
    let variant = subject.get("variant").and_then(Value::as_u64).map(|n| format!(" {n}")).unwrap_or_default();
    format!("{}/{}{variant}", text("platform"), text("language"))
}

fn instant(node: &Value, field: &str) -> Option<DateTime<Utc>> {
    node.get(field).and_then(parsed)
}

fn parsed(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A call or send of `name`, about this post.
    pub(in super::super) fn invoked(kind: &str, name: &str, id: &str, status: &str, place: (&str, &str), children: Value) -> Value {
        let mut step = json!({ "index": 1, "name": name, "kind": kind, "status": status, "attempts": 1, "children": children,
            "invoked": { "invocation_id": id, "workflow": name, "status": status } });
        if !place.0.is_empty() {
            step["invoked"]["subject"] =
                json!({ "post_id": format!("post_{}{}", place.0, place.1), "platform": place.0, "language": place.1 });
        }
        step
    }

    pub(in super::super) fn leaf(name: &str, status: &str) -> Value {
        json!({ "index": 1, "name": name, "kind": "step", "status": status, "attempts": 1, "children": [] })
    }

    /// As a campaign's tree is nested: each stage was sent off by the one before it.
    pub(in super::super) fn campaign(stage: &str) -> Value {
        let at = ("mastodon", "en");
        let poll = json!([{ "invocation_id": "inv_metrics", "index": 9, "name": "Metrics/poll", "kind": "send", "status": "waiting", "children": [],
            "waiting_for": { "what": "start", "until": "2026-11-21T09:00:30Z" },
            "invoked": { "invocation_id": "inv_poll", "subject": { "post_id": "post_mastodonen", "platform": "mastodon", "language": "en" } } }]);
        let delivery = |status: &str, started: Value| json!([invoked("send", "Connector/publish", "inv_publish", status, at, started)]);
        let (fire, background) = match stage {
            "due" => {
                let mut fire = invoked("send", "Publication/fire", "inv_fire", "waiting", at, json!([]));
                fire["waiting_for"] = json!({ "what": "start", "until": "2026-11-21T09:00:10Z" });
                (fire, json!([]))
            }
            "delivery" => {
                let running = delivery("running", json!([leaf("store.arm", "completed"), leaf("mastodon.submit", "running")]));
                (invoked("send", "Publication/fire", "inv_fire", "completed", at, running), json!([]))
            }
            _ => {
                let start =
                    json!([invoked("send", "Metrics/start", "inv_metrics", "completed", at, json!([leaf("clock.read", "completed")]))]);
                (invoked("send", "Publication/fire", "inv_fire", "completed", at, delivery("completed", start)), poll)
            }
        };
        let schedule = invoked("send", "Publication/schedule", "inv_schedule", "completed", at, json!([fire]));
        let generated = invoked("send", "Campaign/generated", "inv_generated", "completed", ("", ""), json!([schedule]));
        let generation = invoked("send", "Generation/run", "inv_generation", "completed", ("", ""), json!([generated]));
        json!({ "status": "running", "steps": [leaf("store.create_campaign", "completed"), generation], "background": background })
    }

    fn names(work: &Work) -> Vec<(&str, State)> {
        work.parts.iter().map(|part| (part.name.as_str(), part.state)).collect()
    }

    #[test]
    fn all_that_happens_to_a_post_stands_in_one_place_and_its_metrics_in_another() {
        let before = [("store.create_campaign", State::Done), ("Writing", State::Done), ("Approval", State::Done)];
        let due = Work::of_run("Campaign", &campaign("due"));
        assert_eq!(names(&due), [&before[..], &[("Post mastodon/en", State::Waiting)]].concat());
        let post = &due.parts[3];
        assert_eq!(names(post), [("Schedule", State::Done), ("Due time", State::Waiting)]);
        assert_eq!(post.until, Some("2026-11-21T09:00:10Z".parse().unwrap()));

        let delivery = Work::of_run("Campaign", &campaign("delivery"));
        let post = &delivery.parts[3];
        assert_eq!((post.state, post.current().map(|part| part.name.as_str())), (State::Working, Some("Delivery")));
        assert_eq!(post.current().unwrap().current().unwrap().name, "mastodon.submit");

        let measured = Work::of_run("Campaign", &campaign("measured"));
        let after = [("Post mastodon/en", State::Done), ("Metrics mastodon/en", State::Waiting)];
        assert_eq!(names(&measured), [&before[..], &after].concat(), "a post that is out does not wait for its next reading");
    }

    #[test]
    fn a_call_is_named_by_its_platform_language_and_draft() {
        let mut call = invoked("call", "Drafting/write", "inv_1", "running", ("bluesky", "de"), json!([]));
        call["invoked"]["subject"]["variant"] = json!(2);
        let run =
            json!({ "status": "running", "steps": [call, invoked("call", "Drafting/write", "inv_2", "queued", ("", ""), json!([]))] });
        let work = Work::of_run("Campaign", &run);
        assert_eq!(names(&work), [("Drafting bluesky/de 2", State::Working), ("Drafting", State::Queued)]);
    }
}
