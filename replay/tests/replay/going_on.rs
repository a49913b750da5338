//! Any step, what if, verify and diff.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use replay::{Answer, Diff, End, Entry, EntryKind, InvocationId, Outcome, Payload, Run, Source, Verify, WhatIfError};

use crate::{
    foreign::{Acts, Build, endpoint},
    recorded::RECORDS,
    replaying::against,
};

/// No handler of the shop issues as many commands at once; fewer make these tests quicker.
const REACH: u32 = 64;

fn json(text: &str) -> Outcome {
    Outcome::Value(Payload::from(text))
}

#[tokio::test]
async fn a_replay_stops_before_any_step() {
    for (name, bundle) in &RECORDS.bundles {
        for run in &bundle.runs {
            let (replayer, acts) = against(Build::AsItWas);
            let steps = run.steps().unwrap();
            for step in &steps {
                let stopped = replayer.stop_before(run, step.index).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!((&stopped.step, stopped.before.len()), (step, step.index), "{name}");
                assert_eq!(stopped.journal.len(), step.entry as usize, "{name}");
            }
            assert!(replayer.stop_before(run, steps.len()).await.unwrap_err().to_string().contains("there is no step"));
            assert_eq!(acts.count(), 0);
        }
    }
}

#[tokio::test]
async fn the_state_is_as_it_was_at_that_step() {
    let (replayer, _) = against(Build::AsItWas);
    let run = RECORDS.run("added again");
    let at = async |step| {
        let stopped = replayer.stop_before(run, step).await.unwrap();
        stopped.state.iter().map(|(key, value)| format!("{key}={}", value.clone().unwrap_or_default())).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(at(1).await, "");
    assert_eq!(at(2).await, "items=3");
    assert_eq!(at(3).await, "items=7");
    assert_eq!(at(5).await, "items=7 last=4");
    assert_eq!(at(7).await, "draft= items=7 last=4");
}

#[tokio::test]
async fn a_stop_waits_for_a_debugger_before_the_handler_is_entered() {
    let (entered, held) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, until) = (Arc::clone(&entered), Arc::clone(&held));
    let (replayer, _) = against(Build::AsItWas);
    let replayer = replayer.patience(Duration::ZERO).guard(move |attempt| {
        count.fetch_add(1, Ordering::SeqCst);
        attempt
    });
    let stopped = replayer
        .hold_before(RECORDS.run("ordered"), 6, move |pause| {
            assert_eq!((pause.step.title().as_str(), pause.process), ("run \"card.charge\"", std::process::id()));
            assert_eq!(entered.load(Ordering::SeqCst), 0, "the handler waits");
            until.fetch_add(1, Ordering::SeqCst);
            Box::pin(tokio::task::yield_now())
        })
        .await
        .unwrap();
    assert_eq!((stopped.before.len(), held.load(Ordering::SeqCst)), (6, 1));
}

#[tokio::test]
async fn a_build_that_does_not_come_there_says_why() {
    let (replayer, _) = against(Build::RenamedRun);
    let error = replayer.stop_before(RECORDS.run("ordered"), 4).await.unwrap_err();
    assert!(error.to_string().contains("renamed"), "{error}");
}

/// Nothing changed: what would have happened is what happened, from every step, in every run that ended.
#[tokio::test]
async fn going_on_as_it_was_gives_what_was() {
    let (replayer, acts) = against(Build::AsItWas);
    for (name, bundle) in &RECORDS.bundles {
        for run in bundle.runs.iter().filter(|run| run.is_complete()) {
            let steps = run.steps().unwrap();
            for from in 1..steps.len() {
                let would = replayer.what_if(run).from(from).reach(REACH).go().await.unwrap();
                let output = steps.last().unwrap().outcome.clone().unwrap();
                assert_eq!(would.end, End::Returned { outcome: output }, "{name} from {from}: {would:#?}");
                assert!(would.diff.is_same(), "{name} from {from}:\n{}", would.diff);
                assert_eq!(would.would.len(), steps.len());
            }
        }
    }
    assert_eq!(acts.count(), 0);
}

#[tokio::test]
async fn another_result_leads_to_another_end() {
    let (replayer, acts) = against(Build::AsItWas);
    let run = RECORDS.run("ordered");
    // The price is 5 instead of 3; what is asked with it afterwards has stand-ins or the record's answer.
    let would = replayer.what_if(run).outcome(1, json("5")).go().await.unwrap();
    let End::Returned { outcome } = &would.end else { panic!("{would:#?}") };
    assert!(outcome.to_string().contains("\"total\":12"), "{outcome}");
    assert_eq!(would.would[1].source, Some(Source::Change));
    assert_eq!(would.would[3].source, Some(Source::Record));
    let first = would.diff.first_divergence().unwrap();
    assert!(first.left.as_ref().unwrap().kind == EntryKind::OUTPUT, "{}", would.diff);
    assert_eq!(would.diff.changed_results().count(), 1, "{}", would.diff);
    assert!(would.to_owned().passed_ms < 60_000);

    // The card is refused: a terminal failure, which the handler passes on.
    let refused = Outcome::Failure { code: 402, message: "no funds".to_owned() };
    let would = replayer.what_if(run).outcome(6, refused.clone()).go().await.unwrap();
    assert_eq!(would.end, End::Returned { outcome: refused });
    assert_eq!(would.from, 7);

    // A call fails, while others are under way.
    let would = replayer.what_if(run).outcome(4, Outcome::Failure { code: 500, message: "burnt".to_owned() }).go().await.unwrap();
    assert_eq!(would.end, End::Returned { outcome: Outcome::Failure { code: 500, message: "burnt".to_owned() } });

    // State was another.
    let would = replayer.what_if(RECORDS.run("added")).outcome(1, json("90")).go().await.unwrap();
    assert!(would.diff.to_string().contains("value: 3 in the record, 93 now"), "{}", would.diff);
    assert_eq!(acts.count(), 0);
}

#[tokio::test]
async fn another_input_takes_another_way_and_asks_for_what_nobody_recorded() {
    let (replayer, acts) = against(Build::AsItWas);
    let run = RECORDS.run("ordered");
    let dear = || replayer.what_if(run).input(r#"{"sku":"tea","amount":500,"token":"t"}"#);
    let would = dear().go().await.unwrap();
    let End::Incomplete { step, name, why } = &would.end else { panic!("{would:#?}") };
    assert_eq!((*step, name.as_str()), (3, "run \"credit.check\""), "{why}");

    let would = dear().stand_in(|asked| (asked.step.name == "credit.check").then(|| Answer::json(&7).unwrap())).go().await.unwrap();
    let End::Returned { outcome } = &would.end else { panic!("{would:#?}") };
    assert!(outcome.to_string().contains("by hand"));
    let sources: Vec<_> = would.would.iter().map(|would| (would.step.title(), would.source)).collect();
    assert_eq!(sources[3], ("run \"credit.check\"".to_owned(), Some(Source::StandIn)), "{sources:?}");
    let first = would.diff.first_divergence().unwrap();
    assert_eq!(first.left.as_ref().map(|step| step.kind), Some(EntryKind::INPUT));
    assert_eq!(acts.count(), 0);
}

#[tokio::test]
async fn a_day_passes_at_once() {
    let (replayer, acts) = against(Build::AsItWas);
    // It waits for an answer or for a day. Nobody answers.
    let run = RECORDS.run("waiting for either");
    let note = |asked: &replay::Asked<'_>| (asked.step.name == "said.note").then(|| Answer::json(&1).unwrap());
    let would = replayer.what_if(run).from(2).stand_in(note).go().await.unwrap();
    let End::Returned { outcome } = &would.end else { panic!("{would:#?}") };
    assert_eq!(outcome.to_string(), "\"too late\"");
    assert!((86_000_000..=86_401_000).contains(&would.passed_ms), "{}", would.passed_ms);

    // Somebody answers after an hour.
    let would = replayer
        .what_if(run)
        .from(2)
        .stand_in(move |asked| {
            let answers = asked.step.kind == EntryKind::SIGNAL && asked.step.name == "awakeable 17";
            if answers { Some(Answer::json(&"in time").unwrap().after(Duration::from_secs(3600))) } else { note(asked) }
        })
        .go()
        .await
        .unwrap();
    let End::Returned { outcome } = &would.end else { panic!("{would:#?}") };
    assert_eq!((outcome.to_string().as_str(), would.passed_ms), ("\"in time\"", 3_600_000));

    // From the beginning, the delay is told as it was written.
    let would = replayer.what_if(run).from(1).stand_in(note).go().await.unwrap();
    assert_eq!((would.would[1].delay_ms, would.passed_ms), (Some(86_400_000), 86_400_000));
    assert_eq!(acts.count(), 0);
}

#[tokio::test]
async fn what_is_stuck_goes_on_with_another_result() {
    let (replayer, acts) = against(Build::AsItWas);
    let run = RECORDS.run("failing");
    let would = replayer.what_if(run).from(3).go().await.unwrap();
    assert!(matches!(&would.end, End::Incomplete { name, .. } if name == "run \"bank.ask\""), "{would:#?}");
    let would = replayer.what_if(run).outcome(2, json("null")).go().await.unwrap();
    assert!(matches!(would.end, End::Returned { .. }), "{would:#?}");
    let would = replayer.what_if(RECORDS.run("broken")).from(2).go().await.unwrap();
    assert!(matches!(&would.end, End::Failed { message } if message.contains("broken for ever")), "{would:#?}");
    assert_eq!(acts.count(), 0);
}

#[tokio::test]
async fn another_build_goes_on_from_any_step_without_effect() {
    use Build::*;
    for build in
        [RenamedRun, InsertedRun, RemovedRun, SwappedRuns, ChangedBranch, ChangedFanOutOrder, ChangedStateKey, AwaitedEarly, InsertedRead]
    {
        let (replayer, acts) = against(build);
        for (name, bundle) in &RECORDS.bundles {
            let run = bundle.root().unwrap();
            for from in 1..run.steps().unwrap().len() {
                let would = replayer.what_if(run).from(from).reach(REACH).go().await.unwrap();
                assert_eq!(acts.count(), 0, "{build:?} {name} from {from}: {would:#?}");
                if from == 1 {
                    let again = replayer.what_if(run).from(from).reach(REACH).go().await.unwrap();
                    assert!(would == again, "{build:?} {name} from {from}: {:#?}\n{:#?}", would.would, again.would);
                }
            }
        }
    }
}

/// Hundreds of messages are sent without waiting for one; the side effect behind them does not act.
#[tokio::test]
async fn a_flood_of_messages_has_no_effect_either() {
    let (replayer, acts) = against(Build::AsItWas);
    // A run that was just begun: its journal is its input.
    let begun = |messages: &str| {
        let mut value = vec![0x0a, u8::try_from(messages.len()).unwrap()];
        value.extend(messages.as_bytes());
        let mut input = vec![0x72, u8::try_from(value.len()).unwrap()];
        input.extend(value);
        let mut run = Run::new(InvocationId::from_bytes([9; 24]), "Stock", "flood");
        run.journal.push(Entry::new(0, EntryKind::INPUT, input, None));
        run
    };
    let (many, more) = (begun("900"), begun("3000"));
    let would = replayer.what_if(&many).go().await.unwrap();
    assert!(matches!(&would.end, End::Incomplete { name, .. } if name == "run \"flood.note\""), "{:?}", would.end);
    assert_eq!((would.would.len(), acts.count()), (902, 0));
    let note = |asked: &replay::Asked<'_>| (asked.step.kind == EntryKind::RUN).then(|| Answer::json(&1).unwrap());
    let would = replayer.what_if(&more).reach(4000).stand_in(note).go().await.unwrap();
    assert!(matches!(&would.end, End::Returned { .. }), "{:?}", would.end);
    assert_eq!((would.would.len(), acts.count()), (3003, 0));
    let would = replayer.what_if(&more).reach(4000).most(100).go().await.unwrap();
    assert!(matches!(&would.end, End::Incomplete { why, .. } if why.contains("more steps than were allowed")), "{:?}", would.end);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let (replayer, _) = against(Build::AsItWas);
    let run = RECORDS.run("ordered");
    assert!(matches!(replayer.what_if(run).from(99).go().await, Err(WhatIfError::NoSuchStep { step: 99, .. })));
    assert!(matches!(replayer.what_if(run).outcome(99, json("1")).go().await, Err(WhatIfError::NoSuchStep { .. })));
    let error = replayer.what_if(run).outcome(8, json("1")).go().await.unwrap_err();
    assert!(error.to_string().contains("send \"Mailer/receipt\""), "{error}");
}

#[tokio::test]
async fn a_build_is_verified_against_files_and_what_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    for (number, bundle) in RECORDS.bundles.values().enumerate() {
        bundle.save(folder.path().join(format!("{number:03}.bundle"))).unwrap();
    }
    let verify = async |build| {
        let acts = Acts::default();
        let report = Verify::new(replay::Replayer::new(endpoint(build, &acts))).at_once(4).folder(folder.path()).await.unwrap();
        assert_eq!(acts.count(), 0);
        report
    };
    let runs: usize = RECORDS.bundles.values().map(|bundle| bundle.runs.len()).sum();
    let same = verify(Build::AsItWas).await;
    assert_eq!((same.counts.runs, same.counts.faithful, same.exit_code()), (runs, runs, 0), "{same}");
    let changed = verify(Build::RenamedRun).await;
    assert_eq!((changed.counts.diverged, changed.exit_code(), changed.is_safe()), (5, 1, false), "{changed}");
    assert!(changed.runs.iter().all(|run| run.file.as_ref().unwrap().ends_with(".bundle")));
    let junit = changed.to_junit();
    assert!(junit.contains("failures=\"5\"") && junit.contains("<failure type=\"Renamed\""), "{junit}");
    assert_eq!(changed.to_json()["counts"]["diverged"], 5);
    assert_eq!(verify(Build::RenamedRun).await, changed, "the same again, whatever comes first");

    std::fs::write(folder.path().join("broken.bundle"), b"no bundle").unwrap();
    let unread = verify(Build::AsItWas).await;
    assert_eq!((unread.counts.unread, unread.counts.faithful, unread.exit_code()), (1, runs, 2), "{unread}");

    let (same, changed) = &RECORDS.in_flight;
    assert!(same.is_safe() && same.counts.runs >= 5, "{same}");
    assert_eq!(changed.counts.diverged, 1, "{changed}");
    assert!(changed.runs[0].report.target == "Checkout/stuck", "{changed}");
    assert_eq!(RECORDS.acts.count(), RECORDS.acted, "verifying has no effect");
}

#[test]
fn two_runs_are_laid_beside_each_other() {
    let (one, other) = (RECORDS.run("ordered"), RECORDS.run("ordered by hand"));
    let diff = Diff::of(one, other).unwrap();
    let text = diff.to_string();
    assert!(text.contains("- call \"Stock/check\"") && text.contains("+ run \"credit.check\"") && text.contains("~ output"), "{text}");
    assert!(text.contains("value.amount: 2 in the record, 200 now"), "{text}");
    assert_eq!(diff.first_divergence().unwrap().left.as_ref().unwrap().kind, EntryKind::INPUT);
    assert!(Diff::of(one, one).unwrap().is_same());
    let added = Diff::of(RECORDS.run("added"), RECORDS.run("added again")).unwrap();
    assert!(added.changed_results().any(|row| row.left.as_ref().unwrap().name == "items"), "{added}");
    assert!(added.rows.iter().all(|row| row.left.is_some() && row.right.is_some()), "{added}");
}
