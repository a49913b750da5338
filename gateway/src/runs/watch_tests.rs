use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use super::*;
use crate::{engine::EngineError, runs::tree::RunStatus};

/// Answers as many reads as the test permits, each with one step more.
struct Scripted {
    permits: Semaphore,
    reads: AtomicUsize,
    last: usize,
}

impl RunSource for Scripted {
    fn read<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<RunTree, EngineError>> {
        Box::pin(async {
            self.permits.acquire().await.unwrap().forget();
            let n = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
            let status = if n == self.last { RunStatus::Completed } else { RunStatus::Running };
            let step = |index| StepView {
                index,
                name: format!("step.{index}"),
                kind: "run",
                status: RunStatus::Completed,
                attempts: 1,
                started_at: None,
                took_ms: None,
                failure: None,
                next_at: None,
                invocation_id: None,
                children: Vec::new(),
            };
            let steps = (0..u32::try_from(n).unwrap()).map(step).collect();
            Ok(RunTree { status, started_at: None, finished_at: None, deployment: None, failure: None, steps, truncated: false })
        })
    }
}

fn scripted(last: usize) -> (Arc<Scripted>, Arc<dyn RunSource>) {
    let source = Arc::new(Scripted { permits: Semaphore::new(0), reads: AtomicUsize::new(0), last });
    (Arc::clone(&source), source)
}

fn run() -> RunId {
    RunId::from_uuid(uuid::Uuid::now_v7())
}

async fn all(mut watcher: Watcher) -> Vec<(String, Event)> {
    let mut seen = Vec::new();
    while let Some(events) = watcher.next().await {
        seen.extend(events);
    }
    seen
}

#[tokio::test]
async fn a_hundred_watchers_cost_one_poll() {
    let (script, source) = scripted(3);
    let (watchers, run) = (Watchers::default(), run());
    let all_of_them: Vec<_> = (0..100).map(|_| tokio::spawn(all(watchers.watch(&source, run, "inv_a", None)))).collect();
    script.permits.add_permits(1000);
    let mut first: Option<Vec<(String, Event)>> = None;
    for watcher in all_of_them {
        let seen = watcher.await.unwrap();
        assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen, "all see the same");
    }
    let kinds: Vec<_> = first.unwrap().iter().map(|(_, e)| e.kind).collect();
    assert_eq!(kinds, ["step", "status", "step", "step", "status", "done"]);
    assert_eq!(script.reads.load(Ordering::SeqCst), 3, "one read for each state, not one for each watcher");
    assert!(watchers.0.lock().unwrap().is_empty(), "nothing is kept of a run that nobody watches");
}

#[tokio::test]
async fn a_watcher_that_comes_back_goes_on_where_it_was() {
    let (script, source) = scripted(3);
    let (watchers, run) = (Watchers::default(), run());
    let mut stays = watchers.watch(&source, run, "inv_a", None);
    script.permits.add_permits(1);
    let before = stays.next().await.unwrap();
    let last = before.last().unwrap().0.clone();
    let back = watchers.watch(&source, run, "inv_a", Some(&last));
    let elsewhere = watchers.watch(&source, run, "inv_a", Some("01JD3W0FQH8Z0V0V6D4C6W1R8M.2"));
    script.permits.add_permits(10);
    let rest = all(stays).await;
    assert_eq!(all(back).await, rest);
    let anew = all(elsewhere).await;
    assert_eq!(anew.len(), before.len() + rest.len(), "an id of another log shows everything again");
}

#[tokio::test]
async fn a_watcher_that_never_reads_holds_up_nobody() {
    let (script, source) = scripted(3);
    let (watchers, run) = (Watchers::default(), run());
    let asleep = watchers.watch(&source, run, "inv_a", None);
    let awake = watchers.watch(&source, run, "inv_a", None);
    script.permits.add_permits(10);
    assert_eq!(all(awake).await.len(), 6);
    assert_eq!(all(asleep).await.len(), 6, "and loses nothing itself");
}

#[tokio::test]
async fn polling_ends_with_the_last_watcher() {
    let (script, source) = scripted(1000);
    let (watchers, run) = (Watchers::default(), run());
    let mut watcher = watchers.watch(&source, run, "inv_a", None);
    script.permits.add_permits(1);
    watcher.next().await.unwrap();
    drop(watcher);
    while !watchers.0.lock().unwrap().is_empty() {
        // The task may be in a read; a permit lets it come to its end.
        script.permits.add_permits(1);
        tokio::task::yield_now().await;
    }
    assert!(script.reads.load(Ordering::SeqCst) < 1000);
}
