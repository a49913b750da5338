//! Asking through the API, and comparing what was answered with what became of the post.

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, ConnectorId, PostId, VariantId},
    publication::normalise,
    schedule::ScheduleSpec,
};
use e2e::{Newsroom, books::Told, desk, rest::Rest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::judge::{Ask, Asked, Begins, End, ends};

/// A post and everything that was asked of it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub id: PostId,
    pub variant: VariantId,
    pub begins: Begins,
    /// Whether the platform may ask to wait.
    pub throttled: bool,
    /// The instants of its plans; `None`: at once.
    pub plans: Vec<Option<DateTime<Utc>>>,
    /// The words that it was, or may be, approved in; the first are those that it was written in.
    pub words: Vec<String>,
    pub asked: Vec<Asked>,
}

impl Case {
    /// Adds a plan, and says its number.
    pub(super) fn plan(&mut self, due: Option<DateTime<Utc>>) -> Ask {
        self.plans.push(due);
        Ask::Plan(self.plans.len() - 1)
    }

    /// Adds other words, and says their number.
    pub(super) fn other_words(&mut self) -> Ask {
        self.words.push(format!("{} In other words, draft {}.", self.words[0], self.words.len()));
        Ask::Approve(self.words.len() - 1)
    }

    fn request(&self, ask: Ask) -> (Method, String, Option<Value>) {
        let path = format!("v1/posts/{}", self.id);
        match ask {
            Ask::Cancel => (Method::POST, format!("{path}/cancel"), None),
            Ask::Plan(plan) => match self.plans[plan] {
                Some(due) => (Method::POST, format!("{path}/schedule"), Some(serde_json::to_value(desk::at(due)).unwrap())),
                None => (Method::POST, format!("{path}/publish"), None),
            },
            // A change that the platform's books would not show: what it changes is the approval.
            Ask::Edit => (Method::PATCH, path, Some(json!({ "thread": "split" }))),
            Ask::Approve(words) => {
                (Method::POST, format!("{path}/approve"), Some(json!({ "variant_id": self.variant, "content": self.words[words] })))
            }
            Ask::Nothing => unreachable!("nobody asks for nothing"),
            Ask::Reject => (Method::POST, format!("{path}/reject"), Some(json!({ "reason": "not our tone" }))),
        }
    }

    /// Asks, and keeps what was answered; true if it was granted.
    pub(super) async fn ask(&mut self, rest: &Rest, ask: Ask) -> anyhow::Result<bool> {
        let asked = self.send(rest, ask).await?;
        let granted = asked.granted == Some(true);
        self.asked.push(asked);
        Ok(granted)
    }

    /// Asks.
    pub(super) async fn send(&self, rest: &Rest, ask: Ask) -> anyhow::Result<Asked> {
        let (method, path, body) = self.request(ask);
        let began = Instant::now();
        let answer = rest.ask(method, &path, body.as_ref()).await;
        let ended = Instant::now();
        let (granted, said) = match answer {
            Ok((StatusCode::OK, said)) => (Some(true), said.to_string()),
            Ok((StatusCode::CONFLICT, said)) => (Some(false), said["detail"].to_string()),
            Ok((StatusCode::UNPROCESSABLE_ENTITY, said)) if said["code"] == json!("schedule-refused") => {
                return Ok(Asked { ask: Ask::Nothing, began, ended, granted: Some(true), said: said.to_string() });
            }
            Ok((status, said)) if status.is_server_error() => (None, said.to_string()),
            Ok((status, said)) => bail!("{ask:?} of {}: {status}: {said:#}", self.id),
            Err(error) => (None, error.to_string()),
        };
        Ok(Asked { ask, began, ended, granted, said })
    }

    /// Compares what became of the post with what was answered, with the platform's books and with the receipts.
    pub(super) async fn holds(&self, newsroom: &Newsroom) -> anyhow::Result<End> {
        let told = newsroom.told(self.id).await?;
        let allowed = ends(self.begins, self.throttled, &self.asked);
        let books = newsroom.books(told.post.platform);
        let mut there = Vec::new();
        for (words, text) in self.words.iter().enumerate() {
            there.extend(books.iter().filter(|e| normalise(&e.text) == normalise(text)).map(|e| (words, e.at)));
        }
        let say = || format!("{self:#?}\nin the books: {there:?}\nallowed: {allowed:?}\n{told:#?}");
        ensure!(!allowed.is_empty(), "the answers contradict each other: {}", say());
        for asked in self.asked.iter().filter(|asked| asked.ask == Ask::Cancel && asked.granted == Some(false) && !asked.said.is_empty()) {
            // Whoever comes too late is told what the post is by then, not what it was when it was looked at.
            let stale = ["scheduled", "approved"].iter().any(|status| asked.said.contains(&format!("is {status}")));
            ensure!(!stale, "a stop is refused with what is not so: {}: {}", asked.said, say());
        }
        match there.as_slice() {
            [] => {
                let end = End::Not(told.post.status);
                ensure!(allowed.contains(&end), "it is not out, and was promised otherwise: {}", say());
                ensure!(told.receipts.iter().all(|r| r.outcome.as_deref() != Some("published")), "a receipt says it is: {}", say());
                Ok(end)
            }
            [(words, at)] => {
                let fits = |end: &&End| match end {
                    End::Out { plan, words: allowed } => allowed == words && self.plans[*plan].is_none_or(|due| *at >= due),
                    End::Not(_) => false,
                };
                let end = allowed.iter().find(fits).with_context(|| format!("it is out, and was promised otherwise: {}", say()))?;
                newsroom.is_there_once(self.id).await?;
                Ok(*end)
            }
            more => bail!("it is out {} times: {}", more.len(), say()),
        }
    }
}

/// Nothing was in flight to an account while something else was: by the database's one clock, each attempt of an account was sent after the one
/// before it was answered.
pub(super) fn one_flight(account: ConnectorId, told: &[Told]) -> anyhow::Result<()> {
    let of_account = told.iter().filter(|told| told.post.connector_id == account);
    let mut flights: Vec<_> = of_account.flat_map(|told| &told.receipts).filter_map(|r| Some((r.sent_at?, r.answered_at, r))).collect();
    flights.sort_by_key(|(sent, ..)| *sent);
    for pair in flights.windows(2) {
        let [(_, answered, first), (sent, _, second)] = pair else { continue };
        ensure!(answered.is_some_and(|answered| answered <= *sent), "two flights at once to {account}: {first:#?}\n{second:#?}");
    }
    Ok(())
}

/// A post that is due under plan 0, in words that no other post has.
pub(super) async fn planned(newsroom: &Newsroom, id: PostId, text: &str, due: Option<DateTime<Utc>>) -> anyhow::Result<Case> {
    let spec = due.map_or_else(|| ScheduleSpec::Now {}, desk::at);
    newsroom.schedule(id, spec).await?;
    Ok(case(id, text, Begins::Planned, due))
}

pub(super) fn case(id: PostId, text: &str, begins: Begins, due: Option<DateTime<Utc>>) -> Case {
    let variant = VariantId::derived(id.uuid(), "variant 0");
    Case { id, variant, begins, throttled: false, plans: vec![due], words: vec![text.to_owned()], asked: Vec::new() }
}

/// Stops a whole campaign; whether each of its posts is among what was stopped.
pub(super) async fn stop_campaign(rest: &Rest, campaign: CampaignId, posts: &[Case]) -> anyhow::Result<Vec<Asked>> {
    let began = Instant::now();
    let (status, said) = rest.ask(Method::POST, &format!("v1/campaigns/{campaign}/cancel"), None).await?;
    let ended = Instant::now();
    ensure!(status == StatusCode::OK, "{status}: {said:#}");
    let stopped = |case: &Case| said["stopped"].as_array().into_iter().flatten().any(|id| *id == json!(case.id));
    let told = |case| Asked { ask: Ask::Cancel, began, ended, granted: Some(stopped(case)), said: said.to_string() };
    Ok(posts.iter().map(told).collect())
}
