//! Every service, in every state that a run can be in, replays faithfully and without effect.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use replay::{Bundle, Cause, Next, Replayer, Report, Run};

use crate::{
    foreign::{Acts, Build, endpoint},
    recorded::RECORDS,
};

pub(crate) fn against(build: Build) -> (Replayer, Acts) {
    let acts = Acts::default();
    (Replayer::new(endpoint(build, &acts)), acts)
}

async fn replay(build: Build, run: &Run) -> Report {
    let (replayer, acts) = against(build);
    let report = replayer.replay(run).await;
    assert_eq!(acts.count(), 0, "{build:?}: {report}");
    report
}

#[tokio::test]
async fn every_state_of_every_service() {
    let (replayer, acts) = against(Build::AsItWas);
    for (name, bundle) in &RECORDS.bundles {
        for run in &bundle.runs {
            let report = replayer.replay(run).await;
            assert!(report.is_faithful(), "{name}: {report}\n{:#?}", run.steps());
            assert_eq!(report.next.is_none(), run.is_complete(), "{name}: {report}");
            for _ in 0..2 {
                assert_eq!(serde_json::to_string(&replayer.replay(run).await).unwrap(), serde_json::to_string(&report).unwrap());
            }
        }
    }
    assert_eq!(acts.count(), 0);
    assert!(RECORDS.acted > 20, "the recording acted: {}", RECORDS.acted);
    assert_eq!(RECORDS.acts.count(), RECORDS.acted);
}

#[tokio::test]
async fn what_was_not_over_tells_what_comes_next() {
    let next = async |name: &str| replay(Build::AsItWas, RECORDS.run(name)).await.next.unwrap().to_string();
    assert!(next("waiting for an answer").await.starts_with("waits for Awakeable sign_1"));
    assert!(next("waiting for either").await.contains("sleep or "));
    assert!(next("waiting for a signal").await.contains("approval"));
    assert!(next("promised").await.contains("get promise \"decision\""));
    assert!(next("failing").await.contains("bank.ask"));
    assert!(
        matches!(replay(Build::AsItWas, RECORDS.run("broken")).await.next, Some(Next::Fails { message }) if message.contains("broken for ever"))
    );
    assert_eq!(RECORDS.run("killed").status, "completed");
    assert!(next("killed").await.contains("waits for"));
}

/// Each change, the run that it shows in, the step at which, and what it is called.
#[tokio::test]
async fn every_change_is_named_at_its_step() {
    use Build::*;
    for (build, run, step, name, cause) in [
        (RenamedRun, "ordered", 1, "run \"price.ask\"", Cause::Renamed),
        (InsertedRun, "ordered", 1, "run \"price.ask\"", Cause::Inserted),
        (RemovedRun, "ordered", 2, "run \"tax.ask\"", Cause::Removed),
        (SwappedRuns, "ordered", 1, "run \"price.ask\"", Cause::Swapped),
        (ChangedCallArgument, "ordered", 4, "call \"Stock/check\"", Cause::ChangedArgument),
        (ChangedFanOutOrder, "ordered", 3, "call \"Stock/check\"", Cause::ChangedFanOutOrder),
        (ChangedOutput, "ordered", 10, "output", Cause::ChangedOutput),
        (ChangedBranch, "ordered", 3, "call \"Stock/check\"", Cause::ChangedBranch),
        (ChangedSendTarget, "ordered", 8, "send \"Mailer/receipt\"", Cause::ChangedArgument),
        (FailsEarly, "ordered", 1, "run \"price.ask\"", Cause::Fails),
        (ResultOfAnotherType, "ordered", 2, "run \"tax.ask\"", Cause::UnreadableResult),
        (RenamedRun, "refused", 1, "run \"card.charge\"", Cause::Renamed),
        (RemovedRun, "refused", 2, "run \"order.undo\"", Cause::Removed),
        (RenamedRun, "failing", 2, "run \"bank.ask\"", Cause::Renamed),
        (RenamedRun, "cancelled", 4, "run \"clean.up\"", Cause::Renamed),
        (ChangedStateValue, "added", 2, "set state \"items\"", Cause::ChangedStateValue),
        (ChangedStateKey, "added", 4, "set state \"last\"", Cause::ChangedStateKey),
        (RemovedClear, "added again", 6, "clear state \"draft\"", Cause::Removed),
        (InsertedRead, "added again", 2, "set state \"items\"", Cause::Inserted),
        (AwaitedEarly, "waiting for an answer", 2, "run \"question.ask\"", Cause::AddedAwait),
        (ChangedPromise, "approved", 2, "get promise \"decision\"", Cause::ChangedArgument),
        (ChangedPromise, "promised", 2, "get promise \"decision\"", Cause::ChangedArgument),
    ] {
        let report = replay(build, RECORDS.run(run)).await;
        println!("{build:?} {report}");
        let divergence = report.divergence().unwrap_or_else(|| panic!("{build:?} is not seen: {report}"));
        assert_eq!((divergence.step, divergence.name.as_str(), divergence.cause), (step, name, cause), "{build:?}: {report}");
        assert_eq!(replay(build, RECORDS.run(run)).await, report, "the same again");
    }
}

#[tokio::test]
async fn a_difference_is_told_field_by_field() {
    let differences = async |build, run| {
        let report = replay(build, RECORDS.run(run)).await;
        report.divergence().unwrap().differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(differences(Build::ChangedCallArgument, "ordered").await, ["parameter[0]: \"paris\" in the record, \"lyon\" now"]);
    assert_eq!(differences(Build::ChangedOutput, "ordered").await, ["result.total: 8 in the record, 9 now"]);
    assert_eq!(differences(Build::ChangedStateValue, "added").await, ["value: 3 in the record, 4 now"]);
    assert_eq!(differences(Build::RenamedRun, "ordered").await, ["name: price.ask in the record, price.fetch now"]);
}

#[tokio::test]
async fn harmless_changes_pass() {
    use Build::*;
    for build in [OtherClosure, OtherRetries, LogLine, LongerSleep] {
        for bundle in RECORDS.bundles.values() {
            for run in &bundle.runs {
                let report = replay(build, run).await;
                assert!(report.is_faithful(), "{build:?}: {report}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_told_says_why() {
    let report = replay(Build::Panics, RECORDS.run("ordered")).await;
    assert!(report.to_string().contains("incomplete") && report.to_string().contains("this build panics"), "{report}");

    let mut run = RECORDS.run("ordered").clone();
    run.handler = "nothing".to_owned();
    let report = replay(Build::AsItWas, &run).await;
    assert!(report.to_string().contains("no such handler"), "{report}");
    run.service = "Nothing".to_owned();
    assert!(replay(Build::AsItWas, &run).await.to_string().contains("no such handler"));
    run.journal.clear();
    assert!(replay(Build::AsItWas, &run).await.to_string().contains("no journal"));

    let mut run = RECORDS.run("ordered").clone();
    run.journal[3].raw = vec![0xff; 9].into();
    let report = replay(Build::AsItWas, &run).await;
    assert!(report.to_string().contains("entry 3 (") && report.to_string().contains("cannot be read"), "{report}");

    let unsigned =
        restate_sdk::prelude::Endpoint::builder().identity_key("publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f").unwrap().build();
    let report = Replayer::new(unsigned).replay(RECORDS.run("ordered")).await;
    assert!(report.to_string().contains("refused with 401"), "{report}");
}

/// Every prefix of every journal: whatever is missing, nothing acts.
#[tokio::test]
async fn no_prefix_has_an_effect() {
    use Build::*;
    for build in [AsItWas, RenamedRun, InsertedRun, AwaitedEarly] {
        let (replayer, acts) = against(build);
        for run in RECORDS.bundles.values().filter_map(Bundle::root) {
            for length in 1..run.journal.len() {
                let mut cut = run.clone();
                cut.journal.truncate(length);
                let report = replayer.replay(&cut).await;
                assert!(build != AsItWas || report.is_faithful(), "{length} entries: {report}");
                assert_eq!(acts.count(), 0, "{build:?}, {length} entries: {report}");
            }
        }
    }
}

#[tokio::test]
async fn a_guard_sees_every_attempt() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let (replayer, _) = against(Build::AsItWas);
    let replayer = replayer.guard(move |attempt| {
        count.fetch_add(1, Ordering::SeqCst);
        attempt
    });
    assert!(replayer.replay(RECORDS.run("ordered")).await.is_faithful());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}
