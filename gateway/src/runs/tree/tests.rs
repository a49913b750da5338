//! On rows as restate-server 1.7.12 gave them, in `recorded/`.

use serde::de::DeserializeOwned;

use super::*;

const TELL: &str = "inv_181jcAcAQzx805TjnVxuFslUlqauZxQORy";
const CANCELLED: &str = "inv_16zDGbQP9vNG2trHw8vQeCkN6W2n813BkH";
const REFUSED: &str = "inv_10GtekzhyxjP5k0eFJLPMDca62Kgazefbq";

fn rows(recorded: &str) -> Rows {
    fn list<T: DeserializeOwned>(json: &Value, name: &str) -> Vec<T> {
        serde_json::from_value(json[name].clone()).unwrap()
    }
    let json: Value = serde_json::from_str(recorded).unwrap();
    let mut rows = Rows { read_at: at("2026-11-21T01:40:33Z"), ..Rows::default() };
    rows.add(list(&json, "invocations"), list(&json, "entries"), list(&json, "events"));
    rows
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn tree(id: &str, rows: &Rows) -> Tree {
    build(&id.parse().unwrap(), at("2026-11-21T01:40:30Z"), rows)
}

fn line(step: &Step) -> (u32, &str, StepKind, Option<RunStatus>, u64, Option<i64>) {
    (step.index, &step.name, step.kind, step.status, step.attempts, step.took_ms)
}

use RunStatus::{BackingOff, Cancelled, Completed, Failed, Paused, Queued, Running, Waiting};
use StepKind::{Call, Send, Sleep};

#[test]
fn steps_calls_sends_and_sleeps_show_with_their_times() {
    let tree = tree(TELL, &rows(include_str!("../recorded/done.json")));
    let lines: Vec<_> = tree.steps.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            (1, "outline.draw", StepKind::Step, Some(Completed), 1, Some(0)),
            (3, "Chapter/write", Call, Some(Completed), 1, Some(665)),
            (6, "Chapter/write", Call, Some(Completed), 1, Some(52)),
            (9, "Chapter/remind", Send, Some(Waiting), 1, None),
            (11, "press.print", StepKind::Step, Some(Completed), 2, Some(2088)),
            (13, "sleep", Sleep, Some(Completed), 1, Some(1)),
        ]
    );
    let chapter = &tree.steps[1];
    assert_eq!(chapter.children.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["chapter.write", "Chapter/proofread"]);
    assert_eq!(chapter.invoked.as_ref().unwrap().invocation_id, "inv_16BzLjQI2Pyf0mCouSj4ZcCHMao731PHix");
    assert_eq!(line(&chapter.children[1].children[0]), (1, "chapter.proofread", StepKind::Step, Some(Completed), 1, Some(0)));
    assert_eq!(tree.root.deployment.as_deref(), Some("dp_17vI4YUZtR31XqLJ2eSe6Ih"));
    assert_eq!(tree.root.finished_at, Some(at("2026-11-21T01:40:32.979Z")));
}

#[test]
fn a_delayed_send_waits_for_its_time_and_keeps_the_tree_open() {
    let tree = tree(TELL, &rows(include_str!("../recorded/done.json")));
    let send = &tree.steps[3];
    let until = Some(at("2026-11-21T02:40:30.876Z"));
    assert_eq!(send.waiting_for, Some(WaitingFor { what: "start", until }));
    assert_eq!((send.started_at, send.invoked.as_ref().unwrap().started_at), (None, None));
    assert_eq!((tree.root.status, tree.status, tree.is_final()), (Some(Completed), Some(Waiting), false));
}

#[test]
fn a_step_under_way_shows_while_it_runs() {
    let tree = tree(TELL, &rows(include_str!("../recorded/waiting.json")));
    let call = &tree.steps[1];
    assert_eq!((call.status, call.took_ms), (Some(Running), None));
    assert_eq!(line(&call.children[0]), (1, "chapter.write", StepKind::Step, Some(Running), 1, None));
}

#[test]
fn a_failing_step_shows_its_attempts_its_words_and_its_next_retry() {
    let tree = tree(TELL, &rows(include_str!("../recorded/failing.json")));
    let step = tree.steps.last().unwrap();
    assert_eq!(line(step), (11, "press.print", StepKind::Step, Some(BackingOff), 64, None));
    assert_eq!(step.failure.as_deref(), Some("[500 Internal] the press is jammed"));
    assert_eq!(step.next_retry_at, Some(at("2026-11-21T01:40:32.351Z")));
    assert_eq!((tree.root.status, tree.status), (Some(BackingOff), Some(BackingOff)));
}

#[test]
fn a_paused_run_shows_which_step_it_rests_at_and_why() {
    let tree = tree(TELL, &rows(include_str!("../recorded/paused.json")));
    let step = tree.steps.last().unwrap();
    assert_eq!((step.status, step.failure.as_deref(), step.next_retry_at), (Some(Paused), Some("the press is jammed"), None));
    assert_eq!(tree.status, Some(Paused));
}

#[test]
fn cancelled_is_not_failed() {
    let rows = rows(include_str!("../recorded/cancelled.json"));
    let cancelled = tree(CANCELLED, &rows);
    assert_eq!((cancelled.root.status, cancelled.status, cancelled.is_final()), (Some(Cancelled), Some(Cancelled), true));
    assert_eq!(cancelled.steps[1].status, Some(Cancelled), "the call that was cancelled with it");
    let refused = tree(REFUSED, &rows);
    assert_eq!((refused.status, refused.root.failure.as_deref()), (Some(Failed), Some("[422] nobody wants to read this")));
}

#[test]
fn what_nobody_waited_for_and_failed_fails_the_tree() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    let late = rows.invocations.values_mut().find(|row| row.status == "scheduled").unwrap();
    late.status = "completed".into();
    late.completion_result = Some("failure".into());
    let failed = tree(TELL, &rows);
    assert_eq!((failed.root.status, failed.status), (Some(Completed), Some(Failed)));
}

#[test]
fn what_the_engine_does_not_know_is_on_its_way_at_first_and_expired_later() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    let fresh = build(&TELL.parse().unwrap(), rows.read_at, &Rows { read_at: rows.read_at, ..Rows::default() });
    assert_eq!((fresh.root.status, fresh.root.journal), (Some(Queued), Journal::Kept));

    let known = |step: &Step| step.invoked.as_ref().map(|i| (i.status, i.journal)).unwrap();
    rows.read_at = at("2026-11-29T00:00:00Z");
    rows.invocations.retain(|id, _| id.to_string() == TELL);
    let old = tree(TELL, &rows);
    let call = &old.steps[1];
    assert_eq!((call.status, call.name.as_str()), (Some(Completed), "Chapter/write"), "the caller's journal has the answer");
    assert_eq!(known(call), (None, Journal::Expired));
    let send = &old.steps[3];
    assert_eq!(known(send), (None, Journal::Expired), "nobody waited, so nobody knows");

    rows.entries.clear();
    assert_eq!(tree(TELL, &rows).root.journal, Journal::Expired, "the result outlives the journal");
    rows.invocations.clear();
    let gone = tree(TELL, &rows);
    assert_eq!((gone.root.status, gone.root.journal, gone.is_final()), (None, Journal::Expired, true));
}

#[test]
fn a_failed_step_is_told_from_its_payload() {
    let payload = r#"{"Notification":{"Completion":{"Run":{"completion_id":1,"result":{"Failure":{"code":422,"message":"refused"}}}}}}"#;
    assert_eq!(failure_message(payload).as_deref(), Some("refused"));
    assert_eq!(failure_message("no json"), None);
}

#[test]
fn a_timer_that_is_gone_before_its_time_was_cancelled() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    rows.invocations.retain(|_, row| row.status != "scheduled");
    assert_eq!(tree(TELL, &rows).steps[3].status, Some(Queued), "it may still be on its way");
    rows.read_at = at("2026-11-21T01:41:00Z");
    let gone = tree(TELL, &rows);
    assert_eq!((gone.steps[3].status, gone.steps[3].started_at, gone.status), (Some(Cancelled), None, Some(Completed)));
    rows.read_at = at("2026-11-21T02:41:00Z");
    assert_eq!(tree(TELL, &rows).steps[3].status, None, "it may have fired and been forgotten since");
}

#[test]
fn objects_are_left_to_their_other_runs() {
    let mut rows = rows(include_str!("../recorded/waiting.json"));
    let ids = |rows: &Rows, objects| tree(TELL, rows).changeable(objects).iter().map(|(id, _)| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&rows, false), [TELL, "inv_16BzLjQI2Pyf0mCouSj4ZcCHMao731PHix"]);
    rows.invocations.values_mut().find(|row| row.id.to_string() != TELL).unwrap().target_service_key = Some("shared".into());
    assert_eq!(ids(&rows, false), [TELL]);
    assert_eq!(ids(&rows, true).len(), 2);
}
