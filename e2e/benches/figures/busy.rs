//! An account with a thousand posts: whether it keeps their order and its platform's rate, and whether anybody else waits for it.
//!
//! Two hundred posts on accounts of their own come due in the midst of it. Beside how late they are then stands how late they are alone, and, because a
//! thousand posts more are work for the machine whosoever's they are, how late they are beside a thousand on as many accounts.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{ConnectorId, PostId};

use crate::{
    posts::{self, Posts, STATUSES},
    spread::{Spread, share},
    table::Figure,
};

/// Turns of each.
const ROUNDS: usize = 3;
/// The posts of the busy account come due over so many seconds, as many in each: posts of one instant have no order.
const SECONDS: usize = 5;

/// Measures it, and returns the figures.
pub(crate) async fn measure(posts: &Posts) -> anyhow::Result<Vec<Figure>> {
    let (busy, rest) = posts.accounts.split_first().context("accounts")?;
    let (others, spare) = rest.split_at(rest.len() / 5);
    let many = posts.accounts.len();
    let one: Vec<ConnectorId> = std::iter::repeat_n(*busy, many).collect();
    let spread_out: Vec<ConnectorId> = spare.iter().copied().cycle().take(many).collect();

    let [mut alone, mut beside_one, mut beside_many] = [const { Vec::new() }; 3];
    let (mut disorder, mut refused, mut windows, mut most) = (0, 0, 0, 0);
    for _ in 0..ROUNDS {
        alone.push(turn(posts, others, &[]).await?.0);
        beside_many.push(turn(posts, others, &spread_out).await?.0);
        let (late, ids) = turn(posts, others, &one).await?;
        beside_one.push(late);
        let kept = Kept::of(posts, &ids).await?;
        (disorder, refused, windows, most) =
            (disorder + kept.disorder, refused + kept.refused, windows + kept.windows, most.max(kept.most));
    }
    let at = |turns: &[Vec<f64>], part| Spread::of(turns.iter().map(|late| share(late.clone(), part)).collect());
    println!("\n{} posts on accounts of their own, ms from their due time until they were out, {ROUNDS} turns:", others.len());
    for (name, turns) in [
        ("alone".to_owned(), &alone),
        (format!("beside {many} on {} accounts", spare.len()), &beside_many),
        (format!("beside {many} on one account"), &beside_one),
    ] {
        println!("  {name:<32} p50 {:.0}   p99 {:.0}", at(turns, 0.5), at(turns, 0.99));
    }
    println!(
        "The one account, {} posts in {} s by its platform's leave: at most {most} in a window, {refused} refused in {windows} windows, {disorder} out of order.",
        STATUSES.points, STATUSES.seconds
    );
    let (one, many) = (at(&beside_one, 0.99), at(&beside_many, 0.99));
    let ratio = one.median / many.median;
    Ok(vec![
        Figure {
            name: "others beside a busy account, p99 / beside as many accounts",
            ours: format!("{one:.0} ms"),
            baseline: format!("{many:.0} ms"),
            result: format!("ratio {ratio:.2}"),
            goal: "<= 1.1",
            met: Some(ratio <= 1.1),
        },
        Figure {
            name: "the busy account: posts out of order",
            ours: format!("{disorder}"),
            baseline: String::new(),
            result: format!("{refused} refused in {windows} windows"),
            goal: "0; <= 1 each",
            met: Some(disorder == 0 && refused <= windows),
        },
    ])
}

/// Posts on `others` that are due at one instant, amid one on each of `beside`; how late those were, and which these.
async fn turn(posts: &Posts, others: &[ConnectorId], beside: &[ConnectorId]) -> anyhow::Result<(Vec<f64>, Vec<PostId>)> {
    let (ids, more) = (posts.approved(others).await?, posts.approved(beside).await?);
    let due = posts::soon(ids.len() + more.len())?;
    let second = |n: usize| due + TimeDelta::seconds(i64::try_from(n).unwrap_or_default());
    let mut planned: Vec<(PostId, DateTime<Utc>)> = ids.iter().map(|id| (*id, second(SECONDS / 2))).collect();
    planned.extend(more.iter().enumerate().map(|(n, id)| (*id, second(n * SECONDS / more.len()))));
    posts.schedule(&planned).await?;
    posts::in_time(due)?;
    let late = posts.out(&ids).await?;
    posts.out(&more).await?;
    Ok((late, more))
}

/// What an account kept to.
struct Kept {
    /// Posts that went out before one that was due before them.
    disorder: usize,
    /// Requests that ran into the end of a window.
    refused: usize,
    /// Windows in which something went out.
    windows: usize,
    /// The most in a window.
    most: usize,
}

impl Kept {
    async fn of(posts: &Posts, ids: &[PostId]) -> anyhow::Result<Self> {
        let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
        let out: Vec<(DateTime<Utc>, DateTime<Utc>)> =
            sqlx::query_as("SELECT due_at, published_at FROM posts WHERE id = ANY ($1) ORDER BY published_at, due_at")
                .bind(&ids)
                .fetch_all(&posts.owner)
                .await?;
        ensure!(out.len() == ids.len(), "{} rows of {}", out.len(), ids.len());
        let mut latest = DateTime::<Utc>::MIN_UTC;
        let mut disorder = 0;
        let mut windows: BTreeMap<i64, usize> = BTreeMap::new();
        for (due, at) in &out {
            disorder += usize::from(*due < latest);
            latest = latest.max(*due);
            *windows.entry(at.timestamp() / i64::try_from(STATUSES.seconds)?).or_default() += 1;
        }
        let refused: i64 = sqlx::query_scalar("SELECT count(*) FROM receipts WHERE post_id = ANY ($1) AND outcome = 'rate_limited'")
            .bind(&ids)
            .fetch_one(&posts.owner)
            .await?;
        Ok(Self {
            disorder,
            refused: usize::try_from(refused)?,
            windows: windows.len(),
            most: windows.values().copied().max().unwrap_or_default(),
        })
    }
}
