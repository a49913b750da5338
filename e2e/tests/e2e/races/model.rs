//! Thousands of interleavings, on a real database: what the handlers do to a post's row and its receipts, transaction by transaction, in every order
//! that a seed draws, and at once. The lane's and the objects' exclusiveness is the engine's and is played here by locks; everything else is the code
//! that production runs, and what is sent arrives at a stand-in that would show a repetition.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use activities::{
    ActivityError,
    platform::Apps,
    publishing::{self, Publishing},
    store::{Store, posts, receipts, variants},
};
use anyhow::{Context as _, ensure};
use domain::{
    platform::Platform,
    post::{PostOptions, PostStatus, Threading},
    publication::Submission,
    schedule::{At, ScheduleSpec},
};
use e2e::{Newsroom, Plan};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use sandbox::mastodon::{Options, Software};
use secrecy::ExposeSecret as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    asking::{Case, case},
    judge::{Ask, Asked, Begins, End, ends},
    number, seed,
};

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_interleavings_come_to_what_was_answered() -> anyhow::Result<()> {
    let seed = seed()?;
    let cases = number("PRESSROOM_E2E_RACES_CASES", 1_000)?;
    let mastodon = Options { software: Software::Snac, limits: None, ..Options::default() };
    let newsroom = Newsroom::open(Plan { mastodon, ..Plan::default() }).await?;
    let desk = Arc::new(Desk {
        store: Store::connect_lazy(newsroom.app_url().expose_secret(), 24).map_err(told)?,
        vault: newsroom.vault()?,
        outgoing: newsroom.outgoing()?,
        apps: Apps::default(),
        newsroom,
    });
    let played = stream::iter((0..cases).map(|n| {
        let desk = Arc::clone(&desk);
        async move { one(desk, seed.wrapping_add(n as u64), n).await.with_context(|| format!("case {n} of PRESSROOM_E2E_SEED={seed}")) }
    }));
    let ends: Vec<End> = played.buffer_unordered(6).try_collect().await?;
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for end in ends {
        let name = match end {
            End::Out { plan, words } => format!("out (plan {plan}, words {words})"),
            End::Not(status) => status.to_string(),
        };
        *counted.entry(name).or_default() += 1;
    }
    println!("{cases} interleavings: {counted:?}");
    Ok(())
}

fn told(error: ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// What everybody works with.
struct Desk {
    store: Store,
    vault: activities::vault::Vault,
    outgoing: activities::http::Outgoing,
    apps: Apps,
    newsroom: Newsroom,
}

impl Desk {
    fn publishing(&self) -> Publishing<'_> {
        Publishing {
            store: &self.store,
            vault: &self.vault,
            outgoing: &self.outgoing,
            apps: &self.apps,
            media: None,
            short_link_base: "http://127.0.0.1:8080/l/",
        }
    }
}

/// Who goes next.
enum Pace {
    /// One step at a time, in an order that is drawn: the same one whenever the seed is the same.
    Turns(mpsc::UnboundedSender<Event>),
    /// Everybody at once, with pauses that are drawn.
    Free(Box<Mutex<StdRng>>),
}

enum Event {
    Born,
    Waits(oneshot::Sender<()>),
    Done,
}

/// One post, and everybody who is at it.
struct Stage {
    desk: Arc<Desk>,
    case: Mutex<Case>,
    pace: Pace,
    /// What nobody but one may hold: the post's object, its campaign's, its account's lane.
    held: Mutex<[bool; 3]>,
    trace: Mutex<Vec<String>>,
    /// The plan whose timer sent the post.
    sent_by: Mutex<Option<usize>>,
    /// How often the platform asks to wait, still.
    throttles: AtomicUsize,
    failures: Mutex<Vec<String>>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

static PEOPLE: AtomicUsize = AtomicUsize::new(0);

const POST: usize = 0;
const CAMPAIGN: usize = 1;
const LANE: usize = 2;

impl Stage {
    async fn turn(&self, step: &str) {
        match &self.pace {
            Pace::Turns(events) => {
                let (go, gone) = oneshot::channel();
                let _ = events.send(Event::Waits(go));
                let _ = gone.await;
            }
            Pace::Free(rng) => {
                let pause = rng.lock().unwrap().random_range(0..2_500);
                tokio::time::sleep(Duration::from_micros(pause)).await;
            }
        }
        self.trace.lock().unwrap().push(step.to_owned());
    }

    async fn lock(&self, which: usize, who: &str) {
        loop {
            self.turn(who).await;
            let held = &mut self.held.lock().unwrap()[which];
            if !*held {
                *held = true;
                return;
            }
            self.trace.lock().unwrap().pop();
        }
    }

    fn unlock(&self, which: usize) {
        self.held.lock().unwrap()[which] = false;
    }

    /// Lets somebody begin.
    fn enter(self: &Arc<Self>, who: impl FnOnce(Arc<Self>) -> BoxFuture<'static, anyhow::Result<()>> + Send + 'static) {
        if let Pace::Turns(events) = &self.pace {
            let _ = events.send(Event::Born);
        }
        let me = Arc::clone(self);
        let task = tokio::spawn(async move {
            if let Err(error) = who(Arc::clone(&me)).await {
                me.failures.lock().unwrap().push(format!("{error:#}"));
            }
            if let Pace::Turns(events) = &me.pace {
                let _ = events.send(Event::Done);
            }
        });
        self.tasks.lock().unwrap().push(task);
    }

    fn case(&self) -> Case {
        self.case.lock().unwrap().clone()
    }

    fn answer(&self, ask: Ask, began: Instant, granted: bool) {
        let asked = Asked { ask, began, ended: Instant::now(), granted: Some(granted), said: String::new() };
        self.case.lock().unwrap().asked.push(asked);
    }
}

/// Plays one drawn case, and compares.
async fn one(desk: Arc<Desk>, seed: u64, n: usize) -> anyhow::Result<End> {
    let mut rng = StdRng::seed_from_u64(seed);
    let text = format!("Interleaving {n} of the dough.");
    let (id, variant) = desk.newsroom.waiting_text(Platform::Mastodon, &text).await?;
    let begins = if rng.random_bool(0.75) { Begins::Planned } else { Begins::Waits { campaign_plan: rng.random_bool(0.5) } };
    let mut case = case(id, &text, begins, None);
    if matches!(begins, Begins::Planned) {
        let mut tx = desk.newsroom.in_org().await?;
        let planned = async {
            let approved = posts::approve(&mut tx, id, variant, &text, "editor@testers.example").await?;
            let planned = posts::plan(&mut tx, id, 1, &spec_of(0), chrono::Utc::now(), false).await?;
            tx.commit().await?;
            Ok(approved && planned)
        };
        ensure!(planned.await.map_err(told)?, "the post could not be planned");
    }
    let mut asks = Vec::new();
    let mut edited = false;
    for _ in 0..rng.random_range(1..5) {
        asks.push(match rng.random_range(0..12) {
            0..2 => (Ask::Cancel, false),
            // By way of its campaign.
            2..4 => (Ask::Cancel, true),
            4..8 => (case.plan(None), false),
            8..10 if !edited => {
                edited = true;
                (Ask::Edit, false)
            }
            10 => (Ask::Reject, false),
            _ => (case.other_words(), false),
        });
    }
    let free = rng.random_bool(0.5);
    let throttles = *[0, 0, 1, 2].choose(&mut rng).unwrap();
    case.throttled = throttles > 0;
    let (events, order) = mpsc::unbounded_channel();
    let pace = if free { Pace::Free(Box::new(Mutex::new(StdRng::seed_from_u64(rng.random())))) } else { Pace::Turns(events) };
    let stage = Arc::new(Stage {
        desk,
        case: Mutex::new(case),
        pace,
        held: Mutex::new([false; 3]),
        trace: Mutex::default(),
        sent_by: Mutex::new(None),
        throttles: AtomicUsize::new(throttles),
        failures: Mutex::default(),
        tasks: Mutex::default(),
    });
    let mut all: Vec<Who> = asks.into_iter().map(|(ask, by_campaign)| Who::Person { ask, by_campaign }).collect();
    if matches!(begins, Begins::Planned) {
        all.push(Who::Timer { revision: 1, plan: 0 });
    }
    for who in all {
        stage.enter(move |stage| who.acts(stage));
    }
    if !free {
        take_turns(order, &mut rng).await;
    }
    loop {
        let Some(task) = stage.tasks.lock().unwrap().pop() else { break };
        task.await?;
    }
    holds(&stage).await.with_context(|| format!("turns: {:#?}", stage.trace.lock().unwrap()))
}

/// Lets one step happen at a time, as drawn, until everybody is through.
async fn take_turns(mut order: mpsc::UnboundedReceiver<Event>, rng: &mut StdRng) {
    let (mut alive, mut waiting) = (0_usize, Vec::new());
    loop {
        // Whoever is at work comes back, or ends, before the next one goes.
        while alive == 0 || waiting.len() < alive {
            match order.recv().await {
                Some(Event::Born) => alive += 1,
                Some(Event::Waits(go)) => waiting.push(go),
                Some(Event::Done) => {
                    alive -= 1;
                    if alive == 0 {
                        return;
                    }
                }
                None => return,
            }
        }
        let next = rng.random_range(0..waiting.len());
        let _ = waiting.swap_remove(next).send(());
    }
}

/// The post is what was answered, on the platform as in its row.
async fn holds(stage: &Stage) -> anyhow::Result<End> {
    let failures = stage.failures.lock().unwrap().clone();
    ensure!(failures.is_empty(), "{failures:#?}");
    let case = stage.case();
    let end = case.holds(&stage.desk.newsroom).await?;
    let (End::Out { words, .. }, Some(plan)) = (end, *stage.sent_by.lock().unwrap()) else { return Ok(end) };
    let sent = End::Out { plan, words };
    ensure!(
        ends(case.begins, case.throttled, &case.asked).contains(&sent),
        "it went out by the timer of a plan that was not in force: {sent:?}, {case:#?}"
    );
    Ok(sent)
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Person {
        ask: Ask,
        by_campaign: bool,
    },
    /// The message that follows an approval, with the plan that it brings.
    FollowingPlan {
        plan: usize,
    },
    /// A plan's timer, and the lane that it hands the post to.
    Timer {
        revision: i32,
        plan: usize,
    },
}

impl Who {
    fn acts(self, stage: Arc<Stage>) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            match self {
                Self::Person { ask: Ask::Nothing, .. } => Ok(()),
                Self::Person { ask: Ask::Cancel, by_campaign: true } => stop_campaign(&stage).await,
                Self::Person { ask: Ask::Cancel, .. } => stop(&stage).await,
                Self::Person { ask: Ask::Plan(plan), .. } => plans(&stage, plan, false).await,
                Self::Person { ask: Ask::Edit, .. } => edit(&stage).await,
                Self::Person { ask: ask @ (Ask::Approve(_) | Ask::Reject), .. } => decide(&stage, ask).await,
                Self::FollowingPlan { plan } => plans(&stage, plan, true).await,
                Self::Timer { revision, plan } => fires(&stage, revision, plan).await,
            }
        })
    }
}

/// A spec that tells which plan it is, by how long it may be late.
fn spec_of(plan: usize) -> ScheduleSpec {
    let ScheduleSpec::At(at) = e2e::desk::at(chrono::Utc::now()) else { unreachable!("a wall time") };
    ScheduleSpec::At(At { window_seconds: u32::try_from(100_000 + plan).ok(), ..at })
}

fn plan_of(spec: &ScheduleSpec) -> Option<usize> {
    usize::try_from(spec.window_seconds()?).ok()?.checked_sub(100_000)
}

/// As `Publication.cancel`.
async fn stop(stage: &Stage) -> anyhow::Result<()> {
    let began = Instant::now();
    let id = stage.case().id;
    stage.lock(POST, "a stop looks").await;
    let post = posts::require(&mut stage.desk.newsroom.in_org().await?, id).await.map_err(told)?;
    stage.turn("a stop is written").await;
    let mut tx = stage.desk.store.in_org(stage.desk.newsroom.org).await.map_err(told)?;
    let done = posts::cancel(&mut tx, id, post.revision + 1, Some("stopped")).await.map_err(told)?;
    tx.commit().await.map_err(told)?;
    stage.answer(Ask::Cancel, began, done);
    stage.unlock(POST);
    Ok(())
}

/// As `Campaign.cancel`: it looks and writes in one transaction, past the post's object.
async fn stop_campaign(stage: &Stage) -> anyhow::Result<()> {
    let began = Instant::now();
    let id = stage.case().id;
    stage.lock(CAMPAIGN, "a campaign's stop looks").await;
    let mut tx = stage.desk.store.in_org(stage.desk.newsroom.org).await.map_err(told)?;
    let post = posts::require(&mut tx, id).await.map_err(told)?;
    stage.turn("a campaign's stop is written").await;
    let done = post.status == PostStatus::Cancelled
        || posts::cancel(&mut tx, id, post.revision + 1, Some("the campaign was stopped")).await.map_err(told)?;
    tx.commit().await.map_err(told)?;
    // What others have stopped is stopped.
    if post.status != PostStatus::Cancelled {
        stage.answer(Ask::Cancel, began, done);
    }
    stage.unlock(CAMPAIGN);
    Ok(())
}

/// As `Publication.schedule`.
async fn plans(stage: &Arc<Stage>, plan: usize, first_only: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    let id = stage.case().id;
    stage.lock(POST, "a plan looks").await;
    let mut granted = None;
    for _ in 0..5 {
        let post = posts::require(&mut stage.desk.newsroom.in_org().await?, id).await.map_err(told)?;
        if first_only && post.status != PostStatus::Approved {
            break;
        }
        stage.turn("a plan is written").await;
        let (revision, due) = (post.revision + 1, chrono::Utc::now());
        let mut tx = stage.desk.store.in_org(stage.desk.newsroom.org).await.map_err(told)?;
        let done = posts::plan(&mut tx, id, revision, &spec_of(plan), due, first_only).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        if done {
            granted = Some(revision);
            break;
        }
        stage.turn("a plan that was not taken looks again").await;
        let status = posts::require(&mut stage.desk.newsroom.in_org().await?, id).await.map_err(told)?.status;
        if first_only || !matches!(status, PostStatus::Approved | PostStatus::Scheduled | PostStatus::Cancelled) {
            break;
        }
    }
    if !first_only {
        stage.answer(Ask::Plan(plan), began, granted.is_some());
    }
    stage.unlock(POST);
    if let Some(revision) = granted {
        stage.enter(move |stage| Who::Timer { revision, plan }.acts(stage));
    }
    Ok(())
}

/// As `PATCH /v1/posts/{id}`.
async fn edit(stage: &Stage) -> anyhow::Result<()> {
    let began = Instant::now();
    let id = stage.case().id;
    stage.turn("an edit").await;
    let mut tx = stage.desk.store.in_org(stage.desk.newsroom.org).await.map_err(told)?;
    posts::lock(&mut tx, id).await.map_err(told)?;
    let options = PostOptions { thread: Threading::Split, ..PostOptions::default() };
    let done = posts::set_options(&mut tx, id, &options).await.map_err(told)?;
    tx.commit().await.map_err(told)?;
    stage.answer(Ask::Edit, began, done);
    Ok(())
}

/// As `Campaign.decide`.
async fn decide(stage: &Arc<Stage>, ask: Ask) -> anyhow::Result<()> {
    let began = Instant::now();
    let case = stage.case();
    stage.lock(CAMPAIGN, "a decision").await;
    let mut tx = stage.desk.store.in_org(stage.desk.newsroom.org).await.map_err(told)?;
    let done = match ask {
        Ask::Approve(words) => {
            let variant = variants::get(&mut tx, case.variant).await.map_err(told)?.context("a variant")?;
            posts::approve(&mut tx, case.id, variant.id, &case.words[words], &format!("editor {words}")).await
        }
        // Each of them another person: one who repeats a decision is told that it stands.
        _ => posts::reject(&mut tx, case.id, "not our tone", &format!("reviewer {}", PEOPLE.fetch_add(1, Ordering::SeqCst))).await,
    };
    let done = done.map_err(told)?;
    // The plan that the post had, as `approval::outcome` answers it.
    let had = posts::require(&mut tx, case.id).await.map_err(told)?.schedule.and_then(|spec| plan_of(&spec));
    tx.commit().await.map_err(told)?;
    stage.answer(ask, began, done);
    stage.unlock(CAMPAIGN);
    let of_campaign = matches!(case.begins, Begins::Waits { campaign_plan: true }).then_some(0);
    if let (true, Ask::Approve(_), Some(plan)) = (done, ask, had.or(of_campaign)) {
        stage.enter(move |stage| Who::FollowingPlan { plan }.acts(stage));
    }
    Ok(())
}

/// As `Publication.fire` and `Connector.publish`, with every step of the lane in a transaction of its own.
async fn fires(stage: &Stage, revision: i32, plan: usize) -> anyhow::Result<()> {
    loop {
        stage.lock(LANE, "the lane takes it up").await;
        let again = deliver(stage, revision, plan).await;
        stage.unlock(LANE);
        if !again? {
            return Ok(());
        }
    }
}

/// True: the platform asked to wait.
async fn deliver(stage: &Stage, revision: i32, plan: usize) -> anyhow::Result<bool> {
    let newsroom = &stage.desk.newsroom;
    let (org, id, connector) = (newsroom.org, stage.case().id, newsroom.account(Platform::Mastodon));
    let p = stage.desk.publishing();
    let lateness = newsroom.plan.settings.lateness;
    let begun = match publishing::begin(&p, &lateness, org, id, connector, revision).await {
        Ok(Some(begun)) => begun,
        Ok(None) => return Ok(false),
        Err(error) => anyhow::bail!("it could not be taken up: {error}"),
    };
    let attempt = begun.attempt(org, id, connector, revision, 0, begun.attempts + 1);
    stage.turn("armed").await;
    publishing::arm(&p, attempt, BTreeMap::new()).await.map_err(told)?;
    if stage.throttles.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        stage.turn("throttled").await;
        let receipt = publishing::receipt(id, 0, attempt.number);
        let mut tx = stage.desk.store.in_org(org).await.map_err(told)?;
        ensure!(receipts::claim(&mut tx, receipt).await.map_err(told)?, "the attempt was claimed before");
        receipts::settle(&mut tx, receipt, &receipts::Outcome::named("rate_limited")).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        stage.turn("put back").await;
        let mut tx = stage.desk.store.in_org(org).await.map_err(told)?;
        let held = domain::schedule::lateness::Held::RateWindow;
        publishing::wait_in_lane(&mut tx, id, revision, "the platform asks to wait", held).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        return Ok(true);
    }
    stage.turn("sent").await;
    let submission = publishing::submit(&p, attempt).await.map_err(told)?;
    // The engine did not hear of the answer: the step is repeated, and sends nothing.
    let again = publishing::submit(&p, attempt).await.map_err(told)?;
    ensure!(submission == again, "a repeated step answers otherwise: {submission:?}, {again:?}");
    let Submission::Published(sent) = submission else { anyhow::bail!("it was not published: {submission:?}") };
    *stage.sent_by.lock().unwrap() = Some(plan);
    stage.turn("noted").await;
    let mut tx = stage.desk.store.in_org(org).await.map_err(told)?;
    publishing::record_published(&mut tx, attempt, &sent, "answer", None).await.map_err(told)?;
    tx.commit().await.map_err(told)?;
    Ok(false)
}
