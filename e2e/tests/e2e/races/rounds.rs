//! By chance, on a whole system: more than a hundred posts come due at one instant, and people ask for something else at that instant and in the
//! moments in which the lanes work them off.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use domain::{ids::PostId, platform::Platform};
use e2e::{Newsroom, Plan, process::Part, rest::Rest};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Options, Software},
};

use super::{
    asking::{self, Case, one_flight},
    judge::{Ask, End},
    number, seed,
};

/// What one person does to one post: requests one after the other, each this many milliseconds after the due instant.
type Doings = Vec<(i64, Vec<Deed>)>;

/// A request, before its plan or its words are known.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Cancel,
    PublishNow,
    Move { seconds: i64 },
    Edit,
    ApproveOther,
}

/// Draws what happens to a post: mostly one person, at times two at once.
fn draw(rng: &mut StdRng) -> Doings {
    let people = *[1, 1, 1, 2, 2].choose(rng).unwrap();
    let person = |rng: &mut StdRng| {
        // At the very instant, or while the lane is at work.
        let at = if rng.random_bool(0.5) { rng.random_range(-60..120) } else { rng.random_range(-300..4_000) };
        let deeds = match rng.random_range(0..10) {
            0..3 => vec![Deed::Cancel],
            3 => vec![Deed::Cancel, Deed::PublishNow],
            4..6 => vec![Deed::PublishNow],
            6..8 => vec![Deed::Move { seconds: rng.random_range(6..9) }],
            8 => vec![Deed::Edit],
            _ => vec![Deed::Edit, Deed::ApproveOther, Deed::PublishNow],
        };
        (at, deeds)
    };
    (0..people).map(|_| person(rng)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn races() -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed()?);
    let (rounds, posts) = (number("PRESSROOM_E2E_RACES_ROUNDS", 2)?, number("PRESSROOM_E2E_RACES_POSTS", 120)?);
    // A server that posts twice under one key, so that a repetition would show.
    let mastodon = Options { software: Software::Snac, limits: None, ..Options::default() };
    let newsroom = Newsroom::staffed(Plan { mastodon, ..Plan::default() }).await?;
    let gateway = Part::gateway(&newsroom)?;
    gateway.listens().await?;
    let rest = Arc::new(Rest::new(&newsroom, gateway.url()?).await?);
    rest.ready().await?;
    let mut ends: BTreeMap<&'static str, usize> = BTreeMap::new();
    for round in 0..rounds {
        for platform in newsroom.accounts.keys() {
            let faults = newsroom.faults(*platform);
            faults.clear();
            faults.chance(Endpoint::Publish, Fault::AnswerLate { ms: 300 }, 0.15, rng.random());
        }
        for case in one_round(&newsroom, &rest, &mut rng, round, posts).await? {
            let name = match case {
                End::Out { plan: 0, words: 0 } => "out as first planned",
                End::Out { words: 0, .. } => "out under another plan",
                End::Out { .. } => "out in other words",
                End::Not(status) => status.as_str(),
            };
            *ends.entry(name).or_default() += 1;
        }
    }
    println!("{} posts: {ends:?}", rounds * posts);
    Ok(())
}

async fn one_round(newsroom: &Newsroom, rest: &Arc<Rest>, rng: &mut StdRng, round: usize, posts: usize) -> anyhow::Result<Vec<End>> {
    let platforms: Vec<Platform> = newsroom.accounts.keys().copied().collect();
    let due = (Utc::now() + TimeDelta::seconds(5)).trunc_subsecs(0);
    let seeded = stream::iter((0..posts).map(|n| {
        let text = format!("Round {round}, basket {n}: the figs are in.");
        let platform = platforms[n % platforms.len()];
        async move {
            let id = newsroom.approved_text(platform, &text).await?;
            asking::planned(newsroom, id, &text, Some(due)).await
        }
    }));
    let cases: Vec<Case> = seeded.buffered(8).try_collect().await?;
    let doing: Vec<_> = cases
        .into_iter()
        .map(|case| (case, draw(rng)))
        .map(|(case, doings)| tokio::spawn(play(Arc::clone(rest), case, doings, due)))
        .collect();
    let mut played = Vec::new();
    for task in doing {
        played.push(task.await??);
    }
    // Whatever was moved has come due, and the lanes are through.
    let last = played.iter().flat_map(|case: &Case| &case.plans).flatten().max().copied().unwrap_or(due);
    let left = (last - Utc::now()).to_std().unwrap_or_default();
    tokio::time::sleep(left + Duration::from_millis(200)).await;
    settled(newsroom, &played.iter().map(|case| case.id).collect::<Vec<_>>()).await?;
    let mut ends = Vec::new();
    for case in &played {
        ends.push(case.holds(newsroom).await?);
    }
    let mut told = Vec::new();
    for case in &played {
        told.push(newsroom.told(case.id).await?);
    }
    for account in newsroom.accounts.values() {
        one_flight(*account, &told)?;
    }
    Ok(ends)
}

/// Waits until no post is on its way, and the engine has nothing in hand.
pub(super) async fn settled(newsroom: &Newsroom, posts: &[PostId]) -> anyhow::Result<()> {
    for post in posts {
        newsroom.until_post(*post, "the post not to be on its way", |told| !is_on_its_way(told)).await?;
    }
    newsroom.engine_rests().await
}

fn is_on_its_way(told: &e2e::books::Told) -> bool {
    matches!(told.post.status, domain::post::PostStatus::Scheduled | domain::post::PostStatus::Publishing)
}

/// Does to a post what was drawn.
async fn play(rest: Arc<Rest>, mut case: Case, doings: Doings, due: DateTime<Utc>) -> anyhow::Result<Case> {
    let mut edited = false;
    let mut people = Vec::new();
    for (at, deeds) in doings {
        let mut asks = Vec::new();
        for deed in deeds {
            asks.push(match deed {
                Deed::Cancel => Ask::Cancel,
                Deed::PublishNow => case.plan(None),
                Deed::Move { seconds } => case.plan(Some(due + TimeDelta::seconds(seconds))),
                // A second edit would change nothing, and so be granted at any time.
                Deed::Edit if edited => continue,
                Deed::Edit => Ask::Edit,
                Deed::ApproveOther => case.other_words(),
            });
            edited |= matches!(deed, Deed::Edit);
        }
        people.push((at, asks));
    }
    let all = people.into_iter().map(|(at, asks)| {
        let (rest, case) = (Arc::clone(&rest), case.clone());
        tokio::spawn(async move {
            let left = (due + TimeDelta::milliseconds(at) - Utc::now()).to_std().unwrap_or_default();
            tokio::time::sleep(left).await;
            let mut asked = Vec::new();
            for ask in asks {
                asked.push(case.send(&rest, ask).await?);
            }
            anyhow::Ok(asked)
        })
    });
    for person in all.collect::<Vec<_>>() {
        case.asked.extend(person.await??);
    }
    Ok(case)
}
