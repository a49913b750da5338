//! Through the whole product to platforms' own servers: what the stand-ins claim of Bluesky's PDS and of a Mastodon-like, said by the real ones.
//!
//! A line that breaks on order stands before each, so that the worker can die while the server has the post and nobody has heard so.

mod pds;
mod snac;

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use domain::{
    ids::{AssetId, PostId},
    platform::Platform,
    post::PostStatus,
};
use e2e::{Newsroom, Plan, process::Part, rest::Rest, wait};
use reqwest::{Method, StatusCode};
use sandbox::proxy::Proxy;
use serde_json::{Value, json};
use url::Url;

use crate::assets::{PNG, Storage, announcement, stored_at, upload};

/// A newsroom whose posts for one platform go to a real server.
struct Desk {
    rest: Rest,
    worker: Part,
    gateway: Part,
    /// Before the server.
    line: Proxy,
    newsroom: Newsroom,
    platform: Platform,
    _storage: Storage,
}

/// What the server has of an account, in order.
struct Entry {
    external_id: String,
    text: String,
    answers: Option<String>,
}

impl Desk {
    /// Opens one before a server. No account is connected there yet.
    async fn open(platform: Platform, server: &Url) -> anyhow::Result<Self> {
        let (media, storage) = stored_at().await;
        let newsroom = Newsroom::open(Plan { media: Some(media), ..Plan::default() }).await?;
        let gateway = Part::gateway(&newsroom)?;
        let worker = Part::worker(&newsroom, None)?;
        let rest = Rest::new(&newsroom, gateway.url()?).await?;
        rest_is_ready(&gateway, &rest).await?;
        let port = server.port().context("a port")?;
        let line = Proxy::start(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        Ok(Self { rest, worker, gateway, line, newsroom, platform, _storage: storage })
    }

    /// The server's address, as it is connected to.
    fn address(&self) -> String {
        format!("http://{}", self.line.address())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, said) = self.rest.ask(Method::GET, path, None).await?;
        ensure!(status.is_success(), "GET {path}: {status}: {said:#}");
        Ok(said)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, said) = self.rest.ask(Method::POST, path, Some(body)).await?;
        ensure!(status.is_success(), "POST {path}: {status}: {said:#}");
        Ok(said)
    }

    /// From here on the newsroom's posts for the platform go out by this account.
    fn uses(&mut self, connected: &Value) -> anyhow::Result<()> {
        let id = connected["id"].as_str().context("an id")?.parse()?;
        self.newsroom.accounts.insert(self.platform, id);
        Ok(())
    }

    /// A picture with its description, uploaded.
    async fn picture(&self) -> anyhow::Result<AssetId> {
        let announced = self.post("v1/assets", &announcement(PNG)).await?;
        ensure!(upload(&announced, PNG).await.is_success(), "the upload");
        let id = announced["id"].as_str().context("an id")?;
        self.post(&format!("v1/assets/{id}/complete"), &json!({})).await?;
        Ok(id.parse()?)
    }

    /// A post that is approved and told to go out now.
    async fn publish(&self, text: &str, picture: Option<AssetId>) -> anyhow::Result<PostId> {
        let (id, variant) = self.newsroom.waiting_text(self.platform, text).await?;
        if let Some(picture) = picture {
            let (status, said) = self.rest.ask(Method::PATCH, &format!("v1/posts/{id}"), Some(&json!({ "assets": [picture] }))).await?;
            ensure!(status.is_success(), "{said:#}");
        }
        self.post(&format!("v1/posts/{id}/approve"), &json!({ "variant_id": variant })).await?;
        wait::until("the post to be taken", async || {
            let (status, said) = self.rest.ask(Method::POST, &format!("v1/posts/{id}/publish"), None).await?;
            Ok(if status.is_success() || status == StatusCode::CONFLICT { Ok(()) } else { Err(format!("{status}: {said}")) })
        })
        .await?;
        Ok(id)
    }

    async fn until_published(&self, id: PostId) -> anyhow::Result<Value> {
        self.newsroom.until_status(id, PostStatus::Published).await?;
        self.get(&format!("v1/posts/{id}")).await
    }

    /// A person's answer. Returns the status and what is said.
    async fn resolve(&self, id: PostId, body: &Value) -> anyhow::Result<(StatusCode, Value)> {
        self.rest.ask(Method::POST, &format!("v1/posts/{id}/resolve"), Some(body)).await
    }

    /// The worker dies at a step, and comes back.
    async fn dies_at(&self, step: &str, text: &str) -> anyhow::Result<PostId> {
        self.worker.kill9();
        self.worker.start(Some(step))?;
        let id = self.publish(text, None).await?;
        self.worker.crashes(step).await?;
        self.worker.start(None)?;
        Ok(id)
    }

    /// The worker dies when the server has what it was sent and the answer is under way.
    async fn dies_unheard(&self, text: &str, arrived: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<PostId> {
        let id = self.publish_into_silence(text, arrived).await?;
        self.worker.kill9();
        self.line.cut_all();
        self.line.restore();
        self.worker.start(None)?;
        Ok(id)
    }

    /// The server has it, and no answer comes.
    async fn publish_into_silence(&self, text: &str, arrived: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<PostId> {
        self.line.silence();
        let id = self.publish(text, None).await?;
        wait::until("the server to have the post", async || Ok(if arrived().await? { Ok(()) } else { Err("not yet".to_owned()) })).await?;
        Ok(id)
    }

    /// Each text is on the server once, each hangs on the one before it, and the post and its receipts name these very entries.
    async fn is_there_once(&self, id: PostId, texts: &[&str], entries: &[Entry]) -> anyhow::Result<Value> {
        let shown = self.get(&format!("v1/posts/{id}")).await?;
        let receipts = self.get(&format!("v1/posts/{id}/receipts")).await?;
        let say =
            || format!("{shown:#}\n{receipts:#}\nthere: {:#?}", entries.iter().map(|e| (&e.external_id, &e.text)).collect::<Vec<_>>());
        let mut before: Option<&Entry> = None;
        for (part, text) in texts.iter().enumerate() {
            let found: Vec<_> = entries.iter().filter(|entry| entry.text == *text).collect();
            ensure!(found.len() == 1, "{text:?} is there {} times: {}", found.len(), say());
            ensure!(found[0].answers.as_ref() == before.map(|entry| &entry.external_id), "{text:?} hangs elsewhere: {}", say());
            let of_part = receipts["items"].as_array().context("receipts")?.iter().filter(|r| r["part"] == part);
            let named: Vec<_> = of_part.filter(|r| r["outcome"] == "published").map(|r| &r["external_id"]).collect();
            ensure!(named == [&json!(found[0].external_id)], "part {part} is named otherwise: {}", say());
            before = Some(found[0]);
        }
        let first = entries.iter().find(|entry| entry.text == texts[0]).context("the first part")?;
        ensure!(shown["status"] == "published" && shown["published"]["external_id"] == first.external_id.as_str(), "{}", say());
        Ok(shown)
    }
}

async fn rest_is_ready(gateway: &Part, rest: &Rest) -> anyhow::Result<()> {
    gateway.listens().await?;
    rest.ready().await
}

/// The resident memory of a process, in MB, to be told.
fn megabytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() / 1024
}
