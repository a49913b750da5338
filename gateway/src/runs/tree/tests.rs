//! On rows as restate-server 1.7.12 gave them, in `recorded/`.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    super::step::{Journal, WaitingFor},
    *,
};
use crate::runs::{
    parts::Part,
    tables::{Entry, Invocation},
};

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
fn work_that_was_sent_off_and_stopped_makes_the_tree_cancelled() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    let begun = rows.invocations.values_mut().find(|row| row.status == "scheduled").unwrap();
    begun.status = "completed".into();
    begun.running_at = Some(at("2026-11-21T01:40:32Z"));
    begun.completion_result = Some("failure".into());
    begun.completion_failure = Some("[409] cancelled".into());
    let stopped = tree(TELL, &rows);
    assert_eq!((stopped.root.status, stopped.status), (Some(Completed), Some(Cancelled)));

    // The same while it waited for its turn: its time had come, and it never began.
    rows.invocations.values_mut().find(|row| row.running_at == Some(at("2026-11-21T01:40:32Z"))).unwrap().running_at = None;
    let called_off = tree(TELL, &rows);
    assert_eq!((called_off.steps[3].status, called_off.steps[3].started_at), (Some(Cancelled), None));
    assert_eq!(called_off.status, Some(Completed));
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

/// A row of a journal in which `from` asks `to` to end.
fn cancels(from: &str, to: &str) -> Entry {
    let lite = json!({"Command": {"SendSignal": {"target_invocation_id": to, "signal_id": {"Index": 1}}}});
    serde_json::from_value(json!({"id": from, "index": 99, "entry_type": "Command: SendSignal", "entry_lite_json": lite.to_string()}))
        .unwrap()
}

#[test]
fn a_timer_that_the_run_called_off_itself_is_known_to_be_off_at_once() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    let timer = rows.invocations.values().find(|row| row.status == "scheduled").unwrap().id.clone();
    rows.invocations.remove(&timer);
    assert_eq!(tree(TELL, &rows).status, Some(Queued));
    rows.add(Vec::new(), vec![cancels(TELL, &timer.to_string())], Vec::new());
    let told = tree(TELL, &rows);
    assert_eq!((told.steps[3].status, told.steps[3].started_at, told.status), (Some(Cancelled), None, Some(Completed)));
    rows.read_at = at("2026-11-29T00:00:00Z");
    assert_eq!(tree(TELL, &rows).steps[3].status, Some(Cancelled), "long after its time as well");
}

/// `Campaign/<handler>`, joined to `TELL`.
fn joined(rows: &mut Rows, id: &str, handler: &str, status: &str) {
    let row = json!({"id": id, "target_service_name": "Campaign", "target_service_key": "cmp", "target_handler_name": handler, "status": status,
        "completion_result": "success", "running_at": "2026-11-21T01:40:31Z", "completed_at": "2026-11-21T01:40:36Z"});
    rows.add(vec![serde_json::from_value(row).unwrap()], Vec::new(), Vec::new());
    let part = Part { invocation: id.parse().unwrap(), joined_at: at("2026-11-21T01:40:31Z") };
    rows.parts.entry(TELL.parse().unwrap()).or_default().push(part);
}

#[test]
fn what_was_joined_stands_after_the_runs_own_steps_and_keeps_it_open() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    rows.invocations.retain(|_, row| row.status != "scheduled");
    rows.read_at = at("2026-11-21T01:41:00Z");
    joined(&mut rows, "inv_1first", "decide", "completed");
    joined(&mut rows, "inv_1second", "decide", "running");
    // One that a step of the run called all the same stands where it was called.
    let called = tree(TELL, &rows).steps[1].invoked.as_ref().unwrap().invocation_id.clone();
    rows.parts.get_mut(&TELL.parse().unwrap()).unwrap().push(Part { invocation: called.parse().unwrap(), joined_at: rows.read_at });
    let open = tree(TELL, &rows);
    let requests: Vec<_> = open.steps[6..].iter().map(line).collect();
    assert_eq!(
        requests,
        [
            (0, "Campaign/decide", StepKind::Request, Some(Completed), 1, Some(5000)),
            (0, "Campaign/decide", StepKind::Request, Some(Running), 1, Some(5000))
        ]
    );
    assert_eq!((open.status, open.finished_at, open.parts), (Some(Running), None, 3));

    rows.invocations.get_mut(&"inv_1second".parse().unwrap()).unwrap().status = "completed".into();
    let over = tree(TELL, &rows);
    assert_eq!((over.status, over.finished_at), (Some(Completed), Some(at("2026-11-21T01:40:36Z"))));
    rows.invocations.get_mut(&"inv_1second".parse().unwrap()).unwrap().completion_result = Some("failure".into());
    assert_eq!(tree(TELL, &rows).status, Some(Failed), "nobody else would say so");
}

#[test]
fn a_run_whose_campaign_was_stopped_is_cancelled_and_one_of_which_the_beginning_is_forgotten_shows_what_goes_on() {
    let mut rows = rows(include_str!("../recorded/done.json"));
    rows.invocations.retain(|_, row| row.status != "scheduled");
    rows.read_at = at("2026-11-21T01:41:00Z");
    joined(&mut rows, "inv_1stop", "cancel", "running");
    assert_eq!(tree(TELL, &rows).status, Some(Running));
    rows.invocations.get_mut(&"inv_1stop".parse().unwrap()).unwrap().status = "completed".into();
    assert_eq!(tree(TELL, &rows).status, Some(Cancelled));

    rows.read_at = at("2026-11-29T00:00:00Z");
    rows.invocations.remove(&TELL.parse().unwrap());
    rows.entries.clear();
    assert_eq!(tree(TELL, &rows).status, None, "nobody knows what it all came to");
    joined(&mut rows, "inv_1later", "decide", "running");
    assert_eq!((tree(TELL, &rows).status, tree(TELL, &rows).root.journal), (Some(Running), Journal::Expired));
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

/// `Metrics/start` that sent off a first poll, each poll the next one: so many, of which the last waits for its time. All under `TELL`, which is over.
fn measured(polls: u32) -> Rows {
    let mut rows = rows(include_str!("../recorded/done.json"));
    let tell = TELL.parse().unwrap();
    rows.invocations.retain(|id, _| *id == tell);
    rows.entries.retain(|id, _| *id == tell);
    rows.entries.get_mut(&tell).unwrap().retain(|entry| entry.index < 3);
    let poll = |number: u32| format!("inv_1poll{number}");
    let send = |from: &str, handler: &str, to: &str| -> Entry {
        let target = json!({"Object": {"name": "Metrics", "key": "post", "handler": handler}});
        let lite =
            json!({"Command": {"OneWayCall": {"invocation_id": to, "invocation_target": target, "invoke_time": 1_795_228_830_876_u64}}});
        serde_json::from_value(json!({"id": from, "index": 4, "entry_type": "Command: OneWayCall", "entry_lite_json": lite.to_string()}))
            .unwrap()
    };
    let invocation = |id: &str, handler: &str, status: &str| -> Invocation {
        serde_json::from_value(json!({"id": id, "target_service_name": "Metrics", "target_service_key": "post",
            "target_handler_name": handler, "status": status, "completion_result": "success", "completed_at": "2026-11-21T01:40:33Z"}))
        .unwrap()
    };
    let mut invocations = vec![invocation("inv_1start", "start", "completed")];
    let mut entries = vec![send(TELL, "start", "inv_1start"), send("inv_1start", "poll", &poll(1))];
    for number in 1..=polls {
        let last = number == polls;
        invocations.push(invocation(&poll(number), "poll", if last { "scheduled" } else { "completed" }));
        entries.extend((!last).then(|| send(&poll(number), "poll", &poll(number + 1))));
    }
    rows.add(invocations, entries, Vec::new());
    rows
}

#[test]
fn what_goes_on_by_itself_stands_beside_the_tree_one_after_the_other_and_keeps_nothing_open() {
    let tree = tree(TELL, &measured(40));
    assert_eq!((tree.status, tree.is_final()), (Some(Completed), true));
    assert_eq!(tree.finished_at, Some(at("2026-11-21T01:40:33Z")), "the end of what it waited for");
    let start = tree.steps.last().unwrap();
    assert_eq!((start.name.as_str(), start.children.len()), ("Metrics/start", 0));
    assert_eq!(tree.background.len(), 40);
    assert_eq!(tree.background[0].invocation_id, "inv_1start", "where the first one was sent off");
    for (number, poll) in (1..).zip(&tree.background) {
        let invoked = poll.step.invoked.as_ref().unwrap();
        assert_eq!((invoked.invocation_id.as_str(), poll.step.name.as_str()), (format!("inv_1poll{number}").as_str(), "Metrics/poll"));
        assert_eq!((poll.step.kind, poll.step.children.len()), (Send, 0));
    }
    let last = &tree.background[39];
    assert_eq!((last.invocation_id.as_str(), last.step.status), ("inv_1poll39", Some(Waiting)));
    assert_eq!(last.step.waiting_for.as_ref().unwrap().until, Some(at("2026-11-21T02:40:30.876Z")), "the sender's journal says when");
}

#[test]
fn what_becomes_of_the_background_is_not_what_became_of_the_run() {
    let mut rows = measured(2);
    for (status, result) in [("running", None), ("backing-off", None), ("paused", None), ("completed", Some("failure"))] {
        let poll = rows.invocations.values_mut().find(|row| row.id.to_string() == "inv_1poll2").unwrap();
        poll.status = status.into();
        poll.completion_result = result.map(str::to_owned);
        let tree = tree(TELL, &rows);
        assert_eq!((tree.status, tree.is_final()), (Some(Completed), true), "{status}");
        // It can be helped through this run all the same, as every object can.
        assert_eq!(tree.changeable(true).iter().filter(|(id, _)| *id == "inv_1poll2").count(), 1);
        assert_eq!(tree.changeable(false).len(), 1);
    }
}

#[test]
fn what_is_started_as_a_run_of_its_own_is_no_background() {
    let rows = measured(1);
    let tree = tree("inv_1poll1", &rows);
    assert_eq!((tree.status, tree.background.len()), (Some(Waiting), 0));
}
