//! On an engine of the test's own, which answers when the test lets it.

use std::sync::atomic::AtomicUsize;

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Semaphore;

use super::*;
use crate::runs::{
    parts::{Part, ReadError},
    tables::Entry,
};

const RUN: &str = "inv_1run";

/// An engine that gives one answer for each permit, and then the last one.
#[derive(Debug)]
struct Script {
    answers: Mutex<Vec<Rows>>,
    permits: Semaphore,
    reads: AtomicUsize,
}

impl Script {
    fn new(answers: Vec<Rows>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers), permits: Semaphore::new(0), reads: AtomicUsize::new(0) })
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Tables for Script {
    fn read<'a>(&'a self, _: &'a InvocationId, _: &'a Rows) -> BoxFuture<'a, Result<Rows, ReadError>> {
        async {
            self.permits.acquire().await.unwrap().forget();
            self.reads.fetch_add(1, Ordering::SeqCst);
            let mut answers = self.answers.lock().unwrap();
            Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
        }
        .boxed()
    }
}

/// A run with so many finished steps.
fn rows(steps: u32, status: &str) -> Rows {
    let invocation = json!({"id": RUN, "target_service_name": "Story", "target_handler_name": "tell", "status": status,
        "completion_result": "success"});
    let entry = |index: u32, kind: &str, lite: Value| -> Entry {
        serde_json::from_value(json!({"id": RUN, "index": index, "entry_type": kind, "name": format!("step.{index}"),
            "entry_lite_json": lite.to_string()}))
        .unwrap()
    };
    let mut rows = Rows::default();
    let entries = (0..steps).flat_map(|n| {
        let run = json!({"Command": {"Run": {"completion_id": n}}});
        let end = json!({"Notification": {"id": {"CompletionId": n}, "result": "Success"}});
        [entry(2 * n, "Command: Run", run), entry(2 * n + 1, "Notification: Run", end)]
    });
    rows.add(vec![serde_json::from_value(invocation).unwrap()], entries.collect(), Vec::new());
    rows
}

fn watch(watchers: &Watchers, script: &Arc<Script>, last: Option<&str>) -> Watcher {
    let tables: Arc<dyn Tables> = Arc::clone(script) as Arc<dyn Tables>;
    watchers.watch(&tables, &RUN.parse().unwrap(), Utc::now(), 0, last)
}

fn names(updates: &[Update]) -> Vec<String> {
    let name = |update: &Update| {
        let data: Value = serde_json::from_str(&update.data).unwrap();
        data["name"].as_str().map_or_else(|| update.event.to_owned(), str::to_owned)
    };
    updates.iter().map(name).collect()
}

#[tokio::test]
async fn a_hundred_watchers_cost_one_poll() {
    let (watchers, script) = (Watchers::default(), Script::new(vec![rows(1, "running")]));
    let mut all: Vec<Watcher> = (0..100).map(|_| watch(&watchers, &script, None)).collect();
    script.permits.add_permits(1);
    for watcher in &mut all {
        assert_eq!(names(&watcher.next().await.unwrap()), ["step.0", "status"]);
    }
    assert_eq!((script.reads(), watchers.polls() <= 2), (1, true));
}

#[tokio::test]
async fn a_watcher_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let (watchers, script) = (Watchers::default(), Script::new(vec![rows(1, "running"), rows(3, "running"), rows(4, "completed")]));
    let mut first = watch(&watchers, &script, None);
    script.permits.add_permits(1);
    let told = first.next().await.unwrap();
    let last = told.last().unwrap().id.clone();
    drop(first);
    // While it is away two changes happen; somebody else sees them one by one.
    let mut other = watch(&watchers, &script, Some(&last));
    script.permits.add_permits(1);
    assert_eq!(names(&other.next().await.unwrap()), ["step.2", "step.4"]);
    script.permits.add_permits(1);
    assert_eq!(names(&other.next().await.unwrap()), ["step.6", "status", "done"]);
    assert_eq!(other.next().await, None);

    let mut back = watch(&watchers, &script, Some(&last));
    assert_eq!(names(&back.next().await.unwrap()), ["step.2", "step.4", "step.6", "status", "done"]);
    assert!(back.is_over());
    assert_eq!(back.next().await, None);
    assert_eq!(script.reads(), 3, "what is over is not asked for again");
}

#[tokio::test]
async fn an_unknown_last_event_gets_everything_anew() {
    let (watchers, script) = (Watchers::default(), Script::new(vec![rows(2, "completed")]));
    script.permits.add_permits(1);
    let all = watch(&watchers, &script, None).next().await.unwrap();
    assert_eq!(names(&all), ["step.0", "step.2", "status", "done"]);
    let epoch = all[0].id.split('.').next().unwrap().to_owned();
    for unknown in ["", "x", "01ABC.3", &format!("{epoch}.99"), &format!("{epoch}.-1"), &epoch] {
        assert_eq!(watch(&watchers, &script, Some(unknown)).next().await.unwrap(), all, "{unknown}");
    }
    assert_eq!(watch(&watchers, &script, Some(&all[1].id)).next().await.unwrap(), all[2..]);
}

#[tokio::test]
async fn a_slow_watcher_gets_the_newest_only() {
    let (watchers, script) = (Watchers::default(), Script::new(vec![rows(0, "running"), rows(0, "paused"), rows(0, "completed")]));
    let (mut slow, mut quick) = (watch(&watchers, &script, None), watch(&watchers, &script, None));
    script.permits.add_permits(3);
    while quick.next().await.is_some() {}
    let updates = slow.next().await.unwrap();
    assert_eq!(names(&updates), ["status", "done"]);
    assert!(updates[0].data.contains("completed"), "{updates:?}");
}

#[tokio::test]
async fn nobody_watching_ends_the_asking_and_somebody_starts_it_again() {
    let (watchers, script) = (Watchers::default(), Script::new(vec![rows(1, "running"), rows(2, "completed")]));
    let mut watcher = watch(&watchers, &script, None);
    script.permits.add_permits(1);
    let last = watcher.next().await.unwrap().last().unwrap().id.clone();
    let id = RUN.parse().unwrap();
    let resting = || watchers.0.runs.lock().unwrap().get(&id).is_some_and(|kept: &Kept| kept.idle_since.is_some());
    assert!(!resting());
    drop(watcher);
    // A read that was under way is let through; then the task finds nobody there.
    script.permits.add_permits(1);
    while !resting() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut back = watch(&watchers, &script, Some(&last));
    script.permits.add_permits(1);
    let mut all = Vec::new();
    while let Some(updates) = back.next().await {
        all.extend(names(&updates));
    }
    assert_eq!(all, ["step.2", "status", "done"]);
}

#[tokio::test]
async fn a_run_that_was_over_goes_on_for_those_who_look_again_once_something_was_joined_to_it() {
    let mut joined = rows(1, "completed");
    let decision = json!({"id": "inv_1decision", "target_service_name": "Campaign", "target_handler_name": "decide", "status": "completed",
        "completion_result": "success"});
    joined.add(vec![serde_json::from_value(decision).unwrap()], Vec::new(), Vec::new());
    joined.parts.insert(RUN.parse().unwrap(), vec![Part { invocation: "inv_1decision".parse().unwrap(), joined_at: Utc::now() }]);
    let (watchers, script) = (Watchers::default(), Script::new(vec![rows(1, "completed"), joined]));
    script.permits.add_permits(2);
    let mut first = watch(&watchers, &script, None);
    let told = first.next().await.unwrap();
    assert_eq!(names(&told), ["step.0", "status", "done"]);
    assert_eq!(first.next().await, None);

    let tables: Arc<dyn Tables> = Arc::clone(&script) as Arc<dyn Tables>;
    let again = |parts| watchers.watch(&tables, &RUN.parse().unwrap(), Utc::now(), parts, Some(&told.last().unwrap().id));
    assert!(again(0).is_over());
    let mut back = again(1);
    assert!(!back.is_over());
    assert_eq!(names(&back.next().await.unwrap()), ["Campaign/decide", "done"]);
    assert_eq!(back.next().await, None);
    let all = watch(&watchers, &script, None).next().await.unwrap();
    assert_eq!(names(&all), ["step.0", "status", "Campaign/decide", "done"], "it is over again");
    let decision: Value = serde_json::from_str(&all[2].data).unwrap();
    assert_eq!((&decision["invocation_id"], &decision["index"]), (&"inv_1decision".into(), &0.into()));
    assert_eq!(script.reads(), 2);
}
