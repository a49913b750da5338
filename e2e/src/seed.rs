//! Rows that a test begins with, written by the functions that production writes them with.

use std::sync::atomic::{AtomicU32, Ordering};

use activities::{
    platform::{self, Apps, Credentials},
    publishing::seal_credentials,
    store::{
        brands, briefs,
        campaigns::{self, Approval, NewCampaign},
        connectors::{self, Connector},
        orgs,
        posts::{self, NewPost},
        variants::{self, Variant},
    },
};
use domain::{
    brand::Brand,
    brief::{Brief, Language},
    ids::{BriefId, CampaignId, ConnectorId, PostId, RunId, VariantId},
    platform::Platform,
    post::{PostOptions, PostStatus},
};
use sandbox::social::Login;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Newsroom, newsroom::told};

/// The org, its brand, and a campaign for posts that no pipeline wrote.
pub(crate) async fn people_and_brand(newsroom: &Newsroom) -> anyhow::Result<()> {
    let mut tx = newsroom.in_org().await?;
    orgs::insert(&mut tx, "Testers").await.map_err(told)?;
    brands::insert(&mut tx, newsroom.brand, &brand()).await.map_err(told)?;
    tx.commit().await.map_err(told)?;
    let brief = brief(newsroom, &[Language::EN, Language::DE]).await?;
    let mut tx = newsroom.in_org().await?;
    let campaign = NewCampaign {
        id: newsroom.campaign,
        brand_id: newsroom.brand,
        brief_id: brief,
        name: "By hand".to_owned(),
        variants_per_post: 1,
        approval: Approval::Required,
        schedule: None,
        options: PostOptions::default(),
        run_id: RunId::derived(newsroom.org.uuid(), "by hand"),
    };
    campaigns::insert(&mut tx, &campaign).await.map_err(told)?;
    tx.commit().await.map_err(told)
}

fn brand() -> Brand {
    Brand {
        name: "Harbour Roastery".to_owned(),
        guidelines: "Plain words, short sentences.".to_owned(),
        banned_phrases: vec!["game changer".to_owned()],
        required_disclosures: Vec::new(),
        colors: vec!["#204060".to_owned()],
        links: std::collections::BTreeMap::new(),
    }
}

/// A brief in these languages for every platform.
///
/// # Errors
/// When the database cannot answer.
pub async fn brief(newsroom: &Newsroom, languages: &[Language]) -> anyhow::Result<BriefId> {
    let id = BriefId::from_uuid(Uuid::now_v7());
    let brief = Brief {
        topic: format!("A new roast from the harbour, lot {}", POSTS.fetch_add(1, Ordering::Relaxed)),
        audience: "people who make coffee at home".to_owned(),
        tone: "warm".to_owned(),
        goal: Some("visit the shop".to_owned()),
        languages: languages.to_vec(),
        platforms: crate::PLATFORMS.to_vec(),
        regions: Vec::new(),
        competitors: Vec::new(),
        constraints: Vec::new(),
        link: Some("https://harbour.example/roast".to_owned()),
        key_points: vec!["roasted on Tuesdays".to_owned()],
    };
    let mut tx = newsroom.in_org().await?;
    briefs::insert(&mut tx, id, newsroom.brand, &brief).await.map_err(told)?;
    tx.commit().await.map_err(told)?;
    Ok(id)
}

/// Connects the stand-in's account as a person would, and stores it sealed.
///
/// # Errors
/// What the platform or the database says.
pub async fn account(newsroom: &Newsroom, platform: Platform) -> anyhow::Result<ConnectorId> {
    let id = newsroom.accounts.get(&platform).copied().unwrap_or_else(|| ConnectorId::from_uuid(Uuid::now_v7()));
    let login = newsroom.stand_in(platform).logins().into_iter().next().ok_or_else(|| anyhow::anyhow!("no account"))?;
    connect(newsroom, platform, &login, id).await?;
    Ok(id)
}

/// Connects this account of a stand-in, and stores it sealed under this id.
///
/// # Errors
/// What the platform or the database says.
pub async fn connect(newsroom: &Newsroom, platform: Platform, login: &Login, id: ConnectorId) -> anyhow::Result<()> {
    let credentials = Credentials::from_input(platform, &login.credentials).map_err(|bad| told(bad.into()))?;
    let connected = platform::connect(&newsroom.outgoing()?, &Apps::default(), platform, &login.base_url, &login.handle, credentials).await;
    let (account, credentials, health) = connected.map_err(told)?;
    let row = Connector {
        id,
        platform,
        base_url: account.base_url.as_str().trim_end_matches('/').to_owned(),
        handle: account.handle,
        remote_id: account.remote_id,
        software: account.software,
        max_characters: account.limits.max_characters.and_then(|n| i32::try_from(n).ok()),
        token_expires_at: credentials.expires_at().or(health.token_expires_at),
        scopes: credentials.scopes().to_vec(),
        state: "connected".to_owned(),
        state_reason: None,
        budget: None,
        checked_at: None,
        created_at: chrono::Utc::now(),
    };
    let mut tx = newsroom.in_org().await?;
    let sealed = seal_credentials(&newsroom.vault()?, &tx, id, &credentials).map_err(told)?;
    connectors::save(&mut tx, &row, sealed.as_bytes()).await.map_err(told)?;
    tx.commit().await.map_err(told)
}

static POSTS: AtomicU32 = AtomicU32::new(1);

impl Newsroom {
    /// A post that a person has approved, with a text that no other post has.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn approved_post(&self, platform: Platform) -> anyhow::Result<PostId> {
        let n = POSTS.fetch_add(1, Ordering::Relaxed);
        self.approved_text(platform, &format!("Beans number {n} came in on the morning boat.")).await
    }

    /// A post that a person has approved, with this text.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn approved_text(&self, platform: Platform, text: &str) -> anyhow::Result<PostId> {
        self.approved_with(platform, text, &PostOptions::default()).await
    }

    /// A post that a person has approved, with this text and these options.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn approved_with(&self, platform: Platform, text: &str, options: &PostOptions) -> anyhow::Result<PostId> {
        self.approved_in(self.account(platform), platform, text, options).await
    }

    /// A post on this account that a person has approved, with this text.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn approved_on(&self, account: ConnectorId, platform: Platform, text: &str) -> anyhow::Result<PostId> {
        self.approved_in(account, platform, text, &PostOptions::default()).await
    }

    async fn approved_in(&self, account: ConnectorId, platform: Platform, text: &str, options: &PostOptions) -> anyhow::Result<PostId> {
        let (id, variant) = self.waiting_on(self.campaign, account, platform, text).await?;
        let mut tx = self.in_org().await?;
        if !options.is_default() {
            let set = posts::set_options(&mut tx, id, options).await.map_err(told)?;
            anyhow::ensure!(set, "the options could not be set");
        }
        let approved = posts::approve(&mut tx, id, variant, text, "editor@testers.example").await.map_err(told)?;
        anyhow::ensure!(approved, "the post could not be approved");
        tx.commit().await.map_err(told)?;
        Ok(id)
    }

    /// A post with one variant that waits for a person's decision.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn waiting_text(&self, platform: Platform, text: &str) -> anyhow::Result<(PostId, VariantId)> {
        self.waiting_in(self.campaign, platform, text).await
    }

    /// The same, in this campaign.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn waiting_in(&self, campaign: CampaignId, platform: Platform, text: &str) -> anyhow::Result<(PostId, VariantId)> {
        self.waiting_on(campaign, self.account(platform), platform, text).await
    }

    async fn waiting_on(
        &self,
        campaign: CampaignId,
        account: ConnectorId,
        platform: Platform,
        text: &str,
    ) -> anyhow::Result<(PostId, VariantId)> {
        let id = PostId::from_uuid(Uuid::now_v7());
        let post = NewPost { id, connector_id: account, platform, language: Language::EN };
        let variant = Variant {
            id: VariantId::derived(id.uuid(), "variant 0"),
            post_id: id,
            position: 0,
            content: text.to_owned(),
            hashtags: Vec::new(),
            links: json!([]),
            image_prompt: None,
            language: Language::EN,
            score: None,
            reasons: json!([]),
            lints: Value::Array(Vec::new()),
            model: "by hand".to_owned(),
            rewrites: 0,
            translation: None,
        };
        let mut tx = self.in_org().await?;
        posts::insert_all(&mut tx, campaign, &[post]).await.map_err(told)?;
        variants::save(&mut tx, &variant).await.map_err(told)?;
        posts::advance(&mut tx, id, &[PostStatus::Drafting], PostStatus::NeedsApproval, None).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        Ok((id, variant.id))
    }
}
