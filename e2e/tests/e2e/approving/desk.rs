//! A newsroom with a gateway, and a person at it who decides.

use domain::{
    ids::{CampaignId, PostId},
    platform::Platform,
    post::PostStatus,
    schedule::ScheduleSpec,
};
use e2e::{Newsroom, Plan, process::Part, rest::Rest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use workflows::world::WorkflowSettings;

pub(super) struct Desk {
    pub(super) rest: Rest,
    _gateway: Part,
    pub(super) newsroom: Newsroom,
}

impl Desk {
    pub(super) async fn open(settings: WorkflowSettings) -> anyhow::Result<Self> {
        let newsroom = Newsroom::staffed(Plan { settings, ..Plan::default() }).await?;
        let gateway = Part::gateway(&newsroom)?;
        let rest = Rest::new(&newsroom, gateway.url()?).await?;
        rest.ready().await?;
        Ok(Self { rest, _gateway: gateway, newsroom })
    }

    /// Starts a campaign that people decide over, of one post on each platform. Returns it, and the path of its run.
    pub(super) async fn campaign(&self, platforms: &[Platform], schedule: Option<&ScheduleSpec>) -> anyhow::Result<(CampaignId, String)> {
        let lot = uuid::Uuid::now_v7().simple().to_string();
        let brief = json!({"topic": format!("A roast, lot {lot}"), "audience": "people at home", "tone": "warm", "languages": ["en"],
            "platforms": platforms});
        let accounts: Vec<_> = platforms.iter().map(|platform| self.newsroom.account(*platform)).collect();
        let mut body = json!({"brand_id": self.newsroom.brand, "brief": brief, "connectors": accounts, "variants_per_post": 1,
            "approval": "required"});
        if let Some(schedule) = schedule {
            body["schedule"] = serde_json::to_value(schedule)?;
        }
        let started = self.rest.post("v1/campaigns", &body, &lot).await?;
        Ok((started["id"].as_str().unwrap().parse()?, format!("v1/runs/{}", started["run_id"].as_str().unwrap())))
    }

    /// Waits until all posts of a campaign wait for a decision; in the order of the platforms.
    pub(super) async fn waiting(&self, campaign: CampaignId, count: usize) -> anyhow::Result<Vec<PostId>> {
        let mut posts = Vec::new();
        for post in self.newsroom.posts_of(campaign, count).await? {
            posts.push(self.newsroom.until_status(post, PostStatus::NeedsApproval).await?.post);
        }
        posts.sort_by_key(|post| e2e::PLATFORMS.iter().position(|platform| *platform == post.platform));
        Ok(posts.into_iter().map(|post| post.id).collect())
    }

    pub(super) async fn ask_to_approve(&self, post: PostId) -> anyhow::Result<(StatusCode, Value)> {
        let (_, shown) = self.rest.ask(Method::GET, &format!("v1/posts/{post}"), None).await?;
        let body = json!({"variant_id": shown["variants"][0]["id"]});
        self.rest.ask(Method::POST, &format!("v1/posts/{post}/approve"), Some(&body)).await
    }

    pub(super) async fn approve(&self, post: PostId) -> anyhow::Result<()> {
        let (status, said) = self.ask_to_approve(post).await?;
        anyhow::ensure!(status == StatusCode::OK, "{status}: {said:#}");
        Ok(())
    }

    pub(super) async fn reject(&self, post: PostId) -> anyhow::Result<()> {
        let body = json!({"reason": "not our tone"});
        let (status, said) = self.rest.ask(Method::POST, &format!("v1/posts/{post}/reject"), Some(&body)).await?;
        anyhow::ensure!(status == StatusCode::OK, "{status}: {said:#}");
        Ok(())
    }

    pub(super) async fn until(&self, run: &str, status: &str) -> anyhow::Result<Value> {
        self.rest.until(run, &format!("the run to be {status}"), |run| run["status"] == status).await
    }
}

/// Every step under `at` that `is` is content with, wherever it stands.
pub(super) fn every<'a>(at: &'a Value, is: &dyn Fn(&Value) -> bool) -> Vec<&'a Value> {
    let mut found = Vec::new();
    for step in at["steps"].as_array().into_iter().chain(at["children"].as_array()).flatten() {
        if is(step) {
            found.push(step);
        }
        found.extend(every(step, is));
    }
    found
}

pub(super) fn named<'a>(at: &'a Value, name: &str) -> Vec<&'a Value> {
    every(at, &|step| step["name"] == name)
}

/// The only step of that name under `at`.
pub(super) fn one<'a>(at: &'a Value, name: &str) -> &'a Value {
    let found = named(at, name);
    assert_eq!(found.len(), 1, "{name} in {at:#}");
    found[0]
}
