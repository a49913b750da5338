//! A campaign's run in somebody's hands while it writes: paused, resumed, cancelled; and over, though its posts are measured for weeks.

use activities::store::variants;
use domain::{
    ids::{CampaignId, PostId},
    metrics::{PollCadence, polling::PollStep},
    platform::Platform,
    post::PostStatus,
};
use e2e::{
    Newsroom, Plan,
    mirror::{Mirror, Whim},
    process::Part,
    rest::Rest,
    wait,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::runs::events;

/// A newsroom whose model can be held up.
struct Stage {
    rest: Rest,
    _gateway: Part,
    newsroom: Newsroom,
    models: Mirror,
}

impl Stage {
    async fn set(plan: Plan) -> anyhow::Result<Self> {
        let models = Mirror::start().await?;
        let newsroom = Newsroom::staffed(Plan { model_url: Some(models.url().join("v1")?), ..plan }).await?;
        models.front(newsroom.model.openai_url().parse()?);
        let gateway = Part::gateway(&newsroom)?;
        let rest = Rest::new(&newsroom, gateway.url()?).await?;
        rest.ready().await?;
        Ok(Self { rest, _gateway: gateway, newsroom, models })
    }

    /// Starts a campaign of one post, approved by rule and sent at once. Returns it, and the path of its run.
    async fn campaign(&self) -> anyhow::Result<(CampaignId, String)> {
        // Each has a text of its own, by which its post is recognised on the platform.
        let lot = uuid::Uuid::now_v7().simple().to_string();
        let brief = json!({"topic": format!("A roast, lot {lot}"), "audience": "people at home", "tone": "warm", "languages": ["en"],
            "platforms": ["mastodon"]});
        let body = json!({"brand_id": self.newsroom.brand.to_string(), "brief": brief,
            "connectors": [self.newsroom.account(Platform::Mastodon).to_string()], "variants_per_post": 1, "approval": "auto",
            "schedule": {"mode": "now"}});
        let started = self.rest.post("v1/campaigns", &body, &lot).await?;
        Ok((started["id"].as_str().unwrap().parse()?, format!("v1/runs/{}", started["run_id"].as_str().unwrap())))
    }

    /// The same, with the model held up in the middle of its first text.
    async fn held(&self) -> anyhow::Result<(CampaignId, String)> {
        self.models.order("/chat/", Whim::Hold, 1);
        let started = self.campaign().await?;
        wait::until("the model to be asked", async || Ok(self.models.done().pop().ok_or_else(|| "not yet".to_owned()).map(drop))).await?;
        Ok(started)
    }

    async fn change(&self, run: &str, verb: &str) -> anyhow::Result<StatusCode> {
        Ok(self.rest.ask(Method::POST, &format!("{run}/{verb}"), Some(&json!({}))).await?.0)
    }

    async fn until(&self, run: &str, status: &str) -> anyhow::Result<Value> {
        self.rest.until(run, &format!("the run to be {status}"), |run| run["status"] == status).await
    }

    async fn post(&self, campaign: CampaignId) -> anyhow::Result<PostId> {
        Ok(self.newsroom.posts_of(campaign, 1).await?[0])
    }

    /// A campaign from its beginning to its end: what happens meanwhile to another one had time enough to happen.
    async fn another_goes_out(&self) -> anyhow::Result<()> {
        let (campaign, run) = self.campaign().await?;
        self.newsroom.goes_out_once(self.post(campaign).await?).await?;
        self.until(&run, "completed").await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_campaign_rests_while_others_go_on_and_goes_out_once_resumed() -> anyhow::Result<()> {
    let stage = Stage::set(Plan::default()).await?;
    let (campaign, run) = stage.held().await?;
    assert_eq!(stage.change(&run, "resume").await?, StatusCode::CONFLICT, "nothing rests yet");
    assert_eq!(stage.change(&run, "pause").await?, StatusCode::ACCEPTED);
    stage.until(&run, "paused").await?;
    let asked = stage.newsroom.model.received().len();
    stage.models.let_go(1);
    stage.another_goes_out().await?;

    let post = stage.post(campaign).await?;
    assert_eq!(stage.until(&run, "paused").await?["finished_at"], Value::Null);
    let told = stage.newsroom.is_not_there(post).await?;
    assert_eq!((told.post.status, told.receipts.len()), (PostStatus::Drafting, 0));
    let mut tx = stage.newsroom.in_org().await?;
    assert!(variants::of_post(&mut tx, post).await.map_err(|e| anyhow::anyhow!("{e}"))?.is_empty());
    drop(tx);
    assert_eq!(stage.newsroom.books(Platform::Mastodon).len(), 1, "the other one's");
    assert!(stage.newsroom.model.received().len() > asked);

    assert_eq!(stage.change(&run, "resume").await?, StatusCode::ACCEPTED);
    stage.newsroom.goes_out_once(post).await?;
    stage.until(&run, "completed").await?;
    assert_eq!(stage.newsroom.books(Platform::Mastodon).len(), 2);
    let (status, shown) = stage.rest.ask(Method::GET, &format!("v1/campaigns/{campaign}"), None).await?;
    assert_eq!((status, shown["status"].as_str()), (StatusCode::OK, Some("finished")), "{shown:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_campaign_ends_says_so_everywhere_and_sends_nothing_afterwards() -> anyhow::Result<()> {
    let stage = Stage::set(Plan::default()).await?;
    let (campaign, run) = stage.held().await?;
    assert_eq!(stage.change(&run, "cancel").await?, StatusCode::ACCEPTED);
    stage.models.let_go(1);
    let ended = stage.until(&run, "cancelled").await?;
    assert!(ended["finished_at"].is_string(), "{ended:#}");
    let path = format!("v1/campaigns/{campaign}");
    let shown = stage.rest.until(&path, "the campaign to be cancelled", |campaign| campaign["status"] == "cancelled").await?;
    assert_eq!((shown["stage"].as_str(), shown["posts"][0]["status"].as_str()), (Some("done"), Some("cancelled")), "{shown:#}");
    assert_eq!(stage.change(&run, "cancel").await?, StatusCode::CONFLICT, "it is over");
    assert_eq!(stage.change(&run, "resume").await?, StatusCode::CONFLICT);
    let (_, listed) = stage.rest.ask(Method::GET, "v1/runs?status=cancelled", None).await?;
    assert_eq!(listed["items"][0]["id"], ended["id"], "{listed:#}");

    stage.another_goes_out().await?;
    stage.newsroom.engine_rests().await?;
    let told = stage.newsroom.told(stage.post(campaign).await?).await?;
    assert_eq!((told.post.status, told.receipts.len(), told.post.external_id), (PostStatus::Cancelled, 0, None));
    assert_eq!(stage.newsroom.books(Platform::Mastodon).len(), 1, "the other one's");
    stage.until(&run, "cancelled").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_at_once_leaves_no_campaign_that_says_it_writes() -> anyhow::Result<()> {
    let stage = Stage::set(Plan::default()).await?;
    // Whether the cancellation meets the campaign before, in or after its first step is up to the machine.
    let mut granted = Vec::new();
    for _ in 0..10 {
        let (campaign, run) = stage.campaign().await?;
        if stage.change(&run, "cancel").await?.is_success() {
            granted.push(campaign);
        }
        stage
            .rest
            .until(&format!("v1/campaigns/{campaign}"), "the campaign to be over", |c| {
                matches!(c["status"].as_str(), Some("cancelled" | "finished"))
            })
            .await?;
    }
    assert!(!granted.is_empty(), "no cancellation was granted");
    stage.newsroom.engine_rests().await?;
    for campaign in granted {
        let (_, shown) = stage.rest.ask(Method::GET, &format!("v1/campaigns/{campaign}"), None).await?;
        let out = shown["posts"].as_array().unwrap().iter().filter(|post| post["status"] == "published").count();
        assert_eq!(out, 0, "it was cancelled before anything was written: {shown:#}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_done_when_its_posts_are_out_and_their_readings_stand_beside_it() -> anyhow::Result<()> {
    // Read again and again for as long as the test takes, however long that is.
    let metrics = PollCadence::try_from(vec![PollStep { until_ms: 3_600_000, every_ms: 100 }])?;
    let settings = workflows::world::WorkflowSettings { metrics, ..e2e::settings::quick() };
    let stage = Stage::set(Plan { settings, ..Plan::default() }).await?;
    let (campaign, run) = stage.campaign().await?;
    let told = events(&stage.rest.stream(&format!("{run}/events")).await?.text().await?);
    let (_, last, data) = told.last().unwrap();
    assert_eq!((last.as_str(), data["status"].as_str()), ("done", Some("completed")), "{told:#?}");
    stage.newsroom.is_there_once(stage.post(campaign).await?).await?;

    // More of them than a tree has levels. The engine's tables are read one after the other while it goes on, so that what just ended may still show
    // as it was a moment before.
    let thirty_over = |run: &Value| {
        run["background"].as_array().is_some_and(|polls| polls.iter().take_while(|poll| poll["status"] == "completed").count() >= 30)
    };
    let many = stage.rest.until(&run, "thirty readings", thirty_over).await?;
    assert_eq!((many["status"].as_str(), many["truncated"].as_bool()), (Some("completed"), Some(false)), "{many:#}");
    assert!(many["finished_at"].is_string());
    let polls = many["background"].as_array().unwrap();
    for (poll, next) in polls[..30].iter().zip(&polls[1..]) {
        assert_eq!(poll["name"], "Metrics/poll", "{poll:#}");
        assert_eq!(next["invocation_id"], poll["invoked"]["invocation_id"], "each was sent off by the one before");
        assert!(poll["children"].as_array().unwrap().iter().any(|step| step["name"] == "platform.read_counters"), "{poll:#}");
    }
    assert!(!many["steps"].to_string().contains("Metrics/poll"), "{many:#}");
    let (_, listed) = stage.rest.ask(Method::GET, "v1/runs?status=completed", None).await?;
    assert_eq!(listed["items"][0]["id"], many["id"], "{listed:#}");
    Ok(())
}
