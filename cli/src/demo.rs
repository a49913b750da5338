//! The story of `pressroom up --demo`, told over the REST API, as any client would tell it.

mod api;
mod tree;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use self::{
    api::{Api, items, text},
    tree::Tree,
};
use crate::up::{Running, Screen};

const STORY: &str = include_str!("demo/story.json");
const ZONE: chrono_tz::Tz = chrono_tz::Europe::Berlin;
/// How long one chapter may take before the demonstration gives up on it.
const PATIENCE: Duration = Duration::from_secs(180);

/// Plays it; with `json`, one object on standard output says what happened, also of a story that broke off.
///
/// # Errors
/// Where the story broke off.
pub(crate) async fn play(running: &Running, screen: Screen, as_json: bool) -> anyhow::Result<()> {
    let story: Value = serde_json::from_str(STORY)?;
    let mut teller = Teller {
        api: Api::new(&running.api, &running.api_key)?,
        tree: Tree::new(screen),
        screen,
        runs: Vec::new(),
        posts: Vec::new(),
        take: Utc::now().timestamp_millis(),
    };
    let told = teller.tell(&story, running).await;
    if as_json {
        println!("{}", teller.summary(&told));
    }
    told.map(drop)
}

struct Teller {
    api: Api,
    tree: Tree,
    screen: Screen,
    runs: Vec<String>,
    /// What became of the posts, as far as it is known.
    posts: Vec<Value>,
    /// Tells this telling from others, so that a second one makes campaigns of its own.
    take: i64,
}

impl Teller {
    /// What happened, as one object.
    fn summary(&self, told: &anyhow::Result<String>) -> Value {
        match told {
            Ok(digest) => json!({ "complete": true, "posts": self.posts, "digest_id": digest, "runs": self.runs }),
            Err(error) => {
                json!({ "complete": false, "error": format!("{error:#}"), "posts": self.posts, "digest_id": null, "runs": self.runs })
            }
        }
    }

    /// Tells all of it; the digest's id is the last of it.
    async fn tell(&mut self, story: &Value, running: &Running) -> anyhow::Result<String> {
        self.screen.say("\nA demonstration against stand-ins: a model, a Mastodon, a Bluesky and a mail server that say so themselves.\n");
        let brand = self.brand(&story["brand"]).await?;
        let connectors = self.accounts(running).await?;

        self.screen.say("1. The brand's voice is trained on its own posts.");
        let examples: Vec<Value> = story["examples"].as_array().into_iter().flatten().map(|text| json!({ "text": text })).collect();
        let started = self.post(&format!("v1/brands/{brand}/voice/train"), &json!({ "examples": examples }), "voice").await?;
        self.watch("Voice training", text(&started, "run_id")?).await?;
        let voice = self.api.get(&format!("v1/brands/{brand}/voice")).await?;
        self.screen.say(&format!("   version {} of the voice, from {} posts\n", voice["version"], voice["examples"]));

        self.screen
            .say("2. A brief becomes posts: two languages, two platforms, three variants each, approved by rule, due in a few seconds.");
        let due = (Utc::now() + TimeDelta::seconds(12)).with_timezone(&ZONE);
        let campaign = self
            .post(
                "v1/campaigns",
                &json!({ "brand_id": brand, "brief": story["campaign"], "connectors": connectors, "variants_per_post": 3, "approval": "auto",
                         "schedule": { "mode": "at", "at": due.format("%Y-%m-%dT%H:%M:%S").to_string(), "timezone": ZONE.name() } }),
                "first",
            )
            .await?;
        let second = self
            .post(
                "v1/campaigns",
                &json!({ "brand_id": brand, "brief": story["second"], "connectors": connectors[..1], "variants_per_post": 2, "approval": "required",
                         "schedule": { "mode": "now" } }),
                "second",
            )
            .await?;
        let title = campaign_title(&story["campaign"]);
        let run = text(&campaign, "run_id")?;
        let posts = self.published(&title, text(&campaign, "id")?, run).await?;
        self.posts = summed_up(&posts, &BTreeMap::new());

        self.screen.say("\n3. Readers click, and the platforms count.");
        self.clicks(&posts).await?;
        let metrics = self.measured(&title, run, &posts).await?;
        self.posts = summed_up(&posts, &metrics);

        self.screen.say("\n4. A second campaign waits for you.");
        self.waits_for_approval(&campaign_title(&story["second"]), text(&second, "id")?, text(&second, "run_id")?).await?;

        self.screen.say("\n5. A digest sums it up and is mailed.");
        let digest = self.digest(&brand, running).await?;

        self.screen.say("\nAll of it happened. Everything stays: look at the API's documentation, at the runs in Restate's UI, at the posts on the stand-ins.\n");
        Ok(digest)
    }

    async fn post(&self, path: &str, body: &Value, chapter: &str) -> anyhow::Result<Value> {
        self.api.post(path, body, &format!("demo-{}-{chapter}", self.take)).await
    }

    /// The brand, made at the first telling.
    async fn brand(&self, brand: &Value) -> anyhow::Result<String> {
        let known = self.api.get("v1/brands?limit=200").await?;
        let made = match items(&known).iter().find(|b| b["name"] == brand["name"]) {
            Some(known) => known.clone(),
            None => self.post("v1/brands", brand, "brand").await?,
        };
        Ok(text(&made, "id")?.to_owned())
    }

    /// The accounts on the stand-ins, connected at the first telling.
    async fn accounts(&self, running: &Running) -> anyhow::Result<Vec<String>> {
        let known = self.api.get("v1/connectors?limit=200").await?;
        let mastodon = running.stand_ins.mastodon.as_ref().context("the demonstration needs its stand-in for Mastodon")?;
        let bluesky = running.stand_ins.bluesky.as_ref().context("the demonstration needs its stand-in for Bluesky")?;
        let wanted = [
            (
                "mastodon",
                json!({ "platform": "mastodon", "base_url": mastodon.base_url(), "handle": "pressroom",
                                 "credentials": { "access_token": "mastodon-stand-in-token" } }),
            ),
            (
                "bluesky",
                json!({ "platform": "bluesky", "base_url": bluesky.base_url(), "handle": "pressroom.test",
                                "credentials": { "app_password": "bluesky-stand-in-password" } }),
            ),
        ];
        let mut ids = Vec::new();
        for (platform, body) in wanted {
            let connected = items(&known).iter().find(|c| c["platform"] == platform && c["base_url"] == body["base_url"]);
            let connector = match connected {
                Some(known) => known.clone(),
                None => self.post("v1/connectors", &body, platform).await?,
            };
            ids.push(text(&connector, "id")?.to_owned());
        }
        Ok(ids)
    }

    /// Watches a run until it has ended.
    async fn watch(&mut self, title: &str, run: &str) -> anyhow::Result<()> {
        self.runs.push(run.to_owned());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tree = self.api.get(&format!("v1/runs/{run}")).await?;
            self.tree.show(title, &tree);
            match tree["status"].as_str() {
                Some("completed") => break,
                Some(ended @ ("failed" | "cancelled")) => bail!("{title} {ended}"),
                _ => pause(deadline, title).await?,
            }
        }
        self.tree.settle();
        Ok(())
    }

    /// Watches a campaign until all of its posts are on their platforms.
    async fn published(&mut self, title: &str, campaign: &str, run: &str) -> anyhow::Result<Vec<Value>> {
        self.runs.push(run.to_owned());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tree = self.api.get(&format!("v1/runs/{run}")).await?;
            self.tree.show(title, &tree);
            let campaign = self.api.get(&format!("v1/campaigns/{campaign}")).await?;
            let posts = campaign["posts"].as_array().map_or(&[][..], Vec::as_slice);
            let is = |status: &str| posts.iter().filter(|p| p["status"] == status).count();
            // What is drawn last stays, so that it shows the last of it.
            if !posts.is_empty() && is("published") == posts.len() && tree["status"] == "completed" {
                break;
            }
            if is("failed") + is("needs_attention") + is("needs_approval") + is("rejected") > 0 {
                bail!("a post did not go out: {campaign}");
            }
            pause(deadline, "the campaign").await?;
        }
        self.tree.settle();
        let listed = self.api.get(&format!("v1/posts?campaign_id={campaign}&limit=200")).await?;
        let mut posts = Vec::new();
        for post in items(&listed) {
            let post = self.api.get(&format!("v1/posts/{}", text(post, "id")?)).await?;
            self.screen.say(&format!(
                "   {} {}: {}",
                text(&post, "platform")?,
                text(&post, "language")?,
                post["published"]["url"].as_str().unwrap_or("?")
            ));
            posts.push(post);
        }
        Ok(posts)
    }

    async fn clicks(&self, posts: &[Value]) -> anyhow::Result<()> {
        for (n, post) in posts.iter().enumerate() {
            let approved = post["variants"].as_array().into_iter().flatten().find(|v| v["id"] == post["approved_variant_id"]);
            let link = approved
                .and_then(|v| v["links"].as_array())
                .and_then(|links| links.iter().find_map(|l| l["short_url"].as_str()))
                .context("a published post has no short link")?;
            for _ in 0..=n {
                self.api.click(link).await?;
            }
        }
        Ok(())
    }

    /// Waits until every post has a reading with the clicks in it.
    async fn measured(&mut self, title: &str, run: &str, posts: &[Value]) -> anyhow::Result<BTreeMap<String, Value>> {
        let deadline = Instant::now() + PATIENCE;
        let mut measured = BTreeMap::new();
        loop {
            self.tree.show(title, &self.api.get(&format!("v1/runs/{run}")).await?);
            for (n, post) in posts.iter().enumerate() {
                let id = text(post, "id")?;
                let told = self.api.get(&format!("v1/metrics?post_id={id}")).await?;
                let totals = items(&told).first().map(|m| m["totals"].clone()).unwrap_or_default();
                if totals["clicks"].as_u64().is_some_and(|clicks| clicks > n as u64) {
                    measured.insert(id.to_owned(), totals);
                }
            }
            if measured.len() == posts.len() {
                break;
            }
            pause(deadline, "the metrics").await?;
        }
        self.tree.settle();
        for post in posts {
            let counted = |what: &str, one: &str| {
                let n = measured.get(post["id"].as_str().unwrap_or_default()).map(|totals| totals[what].clone()).unwrap_or_default();
                format!("{n} {one}{}", if n == 1 { "" } else { "s" })
            };
            let counts = [("likes", "like"), ("comments", "comment"), ("shares", "share"), ("clicks", "click")]
                .map(|(what, one)| counted(what, one));
            self.screen.say(&format!("   {} {}: {}", text(post, "platform")?, text(post, "language")?, counts.join(", ")));
        }
        Ok(measured)
    }

    async fn waits_for_approval(&mut self, title: &str, campaign: &str, run: &str) -> anyhow::Result<()> {
        self.runs.push(run.to_owned());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let campaign = self.api.get(&format!("v1/campaigns/{campaign}")).await?;
            self.tree.show(title, &self.api.get(&format!("v1/runs/{run}")).await?);
            if campaign["stage"] == "approval" {
                self.tree.settle();
                for post in campaign["posts"].as_array().into_iter().flatten() {
                    let id = text(post, "id")?;
                    self.screen.say(&format!("   GET /v1/posts/{id} shows its variants; POST /v1/posts/{id}/approve decides."));
                }
                return Ok(());
            }
            pause(deadline, "the second campaign").await?;
        }
    }

    /// The demonstration's subscription; one that an earlier demonstration in this folder made is taken up.
    async fn subscription(&self, brand: &str) -> anyhow::Result<String> {
        let body = json!({ "brand_id": brand, "cadence": "daily", "at": "18:00", "timezone": ZONE.name(), "email": ["editor@harbour-roasters.example"] });
        let known = self.api.get(&format!("v1/digests/subscriptions?brand_id={brand}&limit=200")).await?;
        let same = |known: &&Value| body.as_object().is_some_and(|body| body.iter().all(|(field, value)| known[field] == *value));
        match items(&known).iter().find(same) {
            Some(known) => Ok(text(known, "id")?.to_owned()),
            None => Ok(text(&self.post("v1/digests/subscriptions", &body, "subscription").await?, "id")?.to_owned()),
        }
    }

    async fn digest(&self, brand: &str, running: &Running) -> anyhow::Result<String> {
        let id = &self.subscription(brand).await?;
        let before = self.api.get(&format!("v1/digests?brand_id={brand}&limit=200")).await?;
        let is_new = |digest: &Value| items(&before).iter().all(|old| old["id"] != digest["id"]);
        self.post(&format!("v1/digests/subscriptions/{id}/run"), &json!({}), "digest").await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let digests = self.api.get(&format!("v1/digests?brand_id={brand}")).await?;
            if let Some(digest) = items(&digests).iter().find(|d| d["subscription_id"] == **id && is_new(d) && !d["mailed_at"].is_null()) {
                let digest = self.api.get(&format!("v1/digests/{}", text(digest, "id")?)).await?;
                self.screen.say(&indented(digest["summary"].as_str().or_else(|| digest["text"].as_str()).unwrap_or_default()));
                if let Some(mail) = &running.stand_ins.mail {
                    let message_id = text(&digest, "message_id")?;
                    let copies = mail
                        .mails()
                        .iter()
                        .filter(|m| m.header("Message-ID").is_some_and(|h| h.contains(message_id.trim_matches(['<', '>']))))
                        .count();
                    if copies != 1 {
                        bail!("the digest was mailed {copies} times");
                    }
                }
                return Ok(text(&digest, "id")?.to_owned());
            }
            pause(deadline, "the digest").await?;
        }
    }
}

fn campaign_title(brief: &Value) -> String {
    format!("Campaign \"{}\"", brief["topic"].as_str().unwrap_or_default())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}")).collect::<Vec<_>>().join("\n")
}

async fn pause(deadline: Instant, what: &str) -> anyhow::Result<()> {
    if Instant::now() > deadline {
        bail!("{what} did not get through in {} s", PATIENCE.as_secs());
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    Ok(())
}

/// What the object on standard output says of each post.
fn summed_up(posts: &[Value], metrics: &BTreeMap<String, Value>) -> Vec<Value> {
    let one = |post: &Value| {
        json!({ "id": post["id"], "platform": post["platform"], "language": post["language"], "status": post["status"],
                "url": post["published"]["url"], "metrics": metrics.get(post["id"].as_str().unwrap_or_default()) })
    };
    posts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_keeps_its_promises() {
        let story: Value = serde_json::from_str(STORY).unwrap();
        assert!(story["examples"].as_array().unwrap().len() >= 24);
        assert_eq!(story["campaign"]["languages"], json!(["en", "de"]));
        assert_eq!(story["campaign"]["platforms"], json!(["mastodon", "bluesky"]));
        assert!(!story["brand"]["banned_phrases"].as_array().unwrap().is_empty());
        assert!(!story["brand"]["required_disclosures"].as_array().unwrap().is_empty());
    }
}
