//! Many posts on many accounts: a newsroom whose Mastodon stand-in has a thousand inhabitants, and who heard each timer go off and when.

use std::sync::{Arc, Mutex, PoisonError};

use activities::store::campaigns::{self, Approval, NewCampaign};
use anyhow::{Context as _, ensure};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::{
    brief::Language,
    ids::{CampaignId, ConnectorId, PostId, RunId},
    platform::Platform,
    post::{PostOptions, content_hash},
};
use e2e::{Newsroom, Plan, desk, seed};
use futures::{StreamExt as _, TryStreamExt as _};
use sandbox::{
    Limit,
    mastodon::{self, Account, Limits},
};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    layer::{Context, SubscriberExt as _},
};
use uuid::Uuid;
use workflows::world::WorkflowSettings;

use crate::stage::told;

/// Requests under way at a time, as from so many clients.
pub(crate) const CLIENTS: usize = 32;
/// How many statuses an account may post in a window. (The platform's own is 300 in three hours.)
pub(crate) const STATUSES: Limit = Limit::new(250, 10);
const POSTS_PER_CAMPAIGN: usize = 10;
/// The first step of `Publication/fire`.
pub(crate) const FIRST_STEP: &str = "clock.compare";
/// How long a thing may take before something must have been lost.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// See the module.
pub(crate) struct Posts {
    pub(crate) newsroom: Newsroom,
    pub(crate) owner: PgPool,
    pub(crate) accounts: Vec<ConnectorId>,
    pub(crate) fires: Times,
}

/// Instants in Unix milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Arc<Mutex<Vec<f64>>>);

impl Times {
    /// Notes this instant.
    pub(crate) fn note(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(unix_ms(Utc::now()));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes them, as milliseconds after `due`.
    pub(crate) fn take(&self, due: DateTime<Utc>) -> Vec<f64> {
        let times = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        times.into_iter().map(|at| at - unix_ms(due)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of this century")]
pub(crate) const fn unix_ms(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1000.0
}

/// Hears every timer that goes off in this process's worker.
struct Ear(Times);

impl<S: Subscriber> Layer<S> for Ear {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        struct Named(bool);
        impl Visit for Named {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0 |= field.name() == "step" && value == FIRST_STEP;
            }

            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        let mut named = Named(false);
        attributes.record(&mut named);
        if named.0 {
            self.0.note();
        }
    }
}

/// Has every timer noted from now on.
fn hear() -> anyhow::Result<Times> {
    static HEARD: Mutex<Option<Times>> = Mutex::new(None);
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(times) = &*heard {
        return Ok(times.clone());
    }
    let times = Times::default();
    let steps = filter_fn(|about| about.is_span() && about.name() == "step");
    let subscriber = tracing_subscriber::registry().with(Ear(times.clone()).with_filter(steps));
    tracing::subscriber::set_global_default(subscriber).context("somebody else hears the steps")?;
    *heard = Some(times.clone());
    Ok(times)
}

impl Posts {
    /// Starts everything, with so many accounts.
    pub(crate) async fn open(accounts: usize) -> anyhow::Result<Self> {
        let fires = hear()?;
        let inhabitants = (0..accounts).map(|n| Account::new(&format!("desk{n}"), &format!("token-of-desk-{n}"))).collect();
        let ample = Limit::new(1_000_000, 300);
        let plan = Plan {
            settings: WorkflowSettings::default(),
            mastodon: mastodon::Options {
                accounts: inhabitants,
                limits: Some(Limits { api: ample, statuses: STATUSES, ..Limits::default() }),
                ..mastodon::Options::default()
            },
            ..Plan::default()
        };
        let mut newsroom = Newsroom::open(plan).await?;
        newsroom.start_worker().await?;
        let owner = PgPool::connect(newsroom.stack.superuser_url().expose_secret()).await?;
        let connected = newsroom.stand_in(Platform::Mastodon).logins().into_iter().map(|login| {
            let newsroom = &newsroom;
            async move {
                let id = ConnectorId::from_uuid(Uuid::now_v7());
                seed::connect(newsroom, Platform::Mastodon, &login, id).await?;
                anyhow::Ok(id)
            }
        });
        let accounts = futures::stream::iter(connected).buffered(8).try_collect().await?;
        Ok(Self { newsroom, owner, accounts, fires })
    }

    /// Approved posts, one on each of these accounts, in their order.
    pub(crate) async fn approved(&self, accounts: &[ConnectorId]) -> anyhow::Result<Vec<PostId>> {
        let mut ids = Vec::with_capacity(accounts.len());
        let brief = seed::brief(&self.newsroom, &[Language::EN]).await?;
        for accounts in accounts.chunks(1_000) {
            let mut tx = self.newsroom.in_org().await?;
            let mut of_campaign = Vec::new();
            for some in accounts.chunks(POSTS_PER_CAMPAIGN) {
                let id = CampaignId::from_uuid(Uuid::now_v7());
                let campaign = NewCampaign {
                    id,
                    brand_id: self.newsroom.brand,
                    brief_id: brief,
                    name: "Measured".to_owned(),
                    variants_per_post: 1,
                    approval: Approval::Required,
                    schedule: None,
                    options: PostOptions::default(),
                    run_id: RunId::from_uuid(id.uuid()),
                };
                campaigns::insert(&mut tx, &campaign).await.map_err(told)?;
                of_campaign.extend(some.iter().map(|_| id.uuid()));
            }
            tx.commit().await.map_err(told)?;
            let posts: Vec<Uuid> = accounts.iter().map(|_| Uuid::now_v7()).collect();
            let variants: Vec<Uuid> = accounts.iter().map(|_| Uuid::now_v7()).collect();
            let texts: Vec<String> = posts.iter().map(|id| format!("Beans of lot {} came in on the morning boat.", id.simple())).collect();
            let hashes: Vec<Vec<u8>> = texts.iter().map(|text| content_hash(text, &PostOptions::default()).to_vec()).collect();
            // References are checked at the end of the statement.
            sqlx::query(
                "WITH made AS (INSERT INTO variants (id, org_id, post_id, position, content, language)
                               SELECT v, $1, p, 0, t, 'en' FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS m (p, v, t))
                 INSERT INTO posts (id, org_id, campaign_id, connector_id, platform, language, status, approved_variant_id, approved_hash, decided_by, decided_at)
                 SELECT p, $1, c, a, 'mastodon', 'en', 'approved', v, h, 'bench', now()
                 FROM unnest($2::uuid[], $3::uuid[], $5::uuid[], $6::uuid[], $7::bytea[]) AS m (p, v, c, a, h)",
            )
            .bind(self.newsroom.org.uuid())
            .bind(&posts)
            .bind(&variants)
            .bind(&texts)
            .bind(&of_campaign)
            .bind(accounts.iter().map(|id| id.uuid()).collect::<Vec<_>>())
            .bind(&hashes)
            .execute(&self.owner)
            .await?;
            ids.extend(posts.into_iter().map(PostId::from_uuid));
        }
        Ok(ids)
    }

    /// Plans posts, as the end of a campaign does.
    pub(crate) async fn schedule(&self, posts: &[(PostId, DateTime<Utc>)]) -> anyhow::Result<()> {
        let planned = posts.iter().map(|(post, due)| self.newsroom.schedule(*post, desk::at(*due)));
        futures::stream::iter(planned).buffer_unordered(CLIENTS).try_for_each(|_| async { Ok(()) }).await
    }

    /// Waits until these are out, and returns how many milliseconds after its due time each of them was; in no order.
    pub(crate) async fn out(&self, posts: &[PostId]) -> anyhow::Result<Vec<f64>> {
        let give_up = Utc::now() + PATIENCE;
        let ids: Vec<Uuid> = posts.iter().map(|id| id.uuid()).collect();
        loop {
            let (out, stopped): (i64, i64) = sqlx::query_as(
                "SELECT count(*) FILTER (WHERE status = 'published'), count(*) FILTER (WHERE status IN ('needs_attention', 'failed', 'needs_approval'))
                 FROM posts WHERE id = ANY ($1)",
            )
            .bind(&ids)
            .fetch_one(&self.owner)
            .await?;
            ensure!(stopped == 0 && Utc::now() < give_up, "{out} of {} posts are out, {stopped} have stopped", ids.len());
            if usize::try_from(out)? == ids.len() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let after: Vec<f64> =
            sqlx::query_scalar("SELECT (extract(epoch FROM published_at - due_at) * 1000)::float8 FROM posts WHERE id = ANY ($1)")
                .bind(&ids)
                .fetch_all(&self.owner)
                .await?;
        self.newsroom.engine_rests().await?;
        Ok(after)
    }
}

/// A whole second (as wall times are) that is far enough away to plan so many posts before.
pub(crate) fn soon(posts: usize) -> anyhow::Result<DateTime<Utc>> {
    // A debug build on a busy machine plans 50 a second.
    let lead = TimeDelta::seconds(5) + TimeDelta::milliseconds(20) * i32::try_from(posts)?;
    Ok((Utc::now() + lead).duration_trunc(TimeDelta::seconds(1))? + TimeDelta::seconds(1))
}

/// What was planned for `due` was planned in time.
pub(crate) fn in_time(due: DateTime<Utc>) -> anyhow::Result<()> {
    ensure!(Utc::now() < due, "planning took longer than this machine was given: what was due has come and gone");
    Ok(())
}
