//! On rows as restate-server 1.7.12 gave them (payloads left out).

use serde_json::json;

use super::*;

fn rows(invocations: Value, entries: Value, events: Value) -> Rows {
    use super::super::rows::JournalEvent;
    Rows {
        invocations: serde_json::from_value(invocations).unwrap(),
        entries: serde_json::from_value(entries).unwrap(),
        events: serde_json::from_value::<Vec<JournalEvent>>(events).unwrap(),
        truncated: false,
    }
}

fn entry(id: &str, index: u32, kind: &str, name: &str, at_ms: u32, lite: Value) -> Value {
    let appended_at = format!("2026-11-21T01:30:14.{at_ms:03}Z");
    json!({"id": id, "index": index, "entry_type": kind, "name": name, "appended_at": appended_at, "entry_lite_json": lite.to_string()})
}

fn create() -> Value {
    json!({"id": "inv_a", "status": "completed", "completion_result": "success", "target_service_name": "Campaign",
        "target_handler_name": "create", "created_at": "2026-11-21T01:30:14.648Z", "running_at": "2026-11-21T01:30:14.648Z",
        "completed_at": "2026-11-21T01:30:14.695Z", "pinned_deployment_id": "dp_1"})
}

fn journal() -> Value {
    json!([
        entry("inv_a", 0, "Command: Input", "", 648, json!({"Command": {"Input": {}}})),
        entry(
            "inv_a",
            1,
            "Command: Run",
            "store.create_campaign",
            692,
            json!({"Command": {"Run": {"completion_id": 1, "name": "store.create_campaign"}}})
        ),
        entry(
            "inv_a",
            2,
            "Notification: Run",
            "",
            692,
            json!({"Notification": {"ty": {"Completion": "Run"}, "id": {"CompletionId": 1}, "result": "Success"}})
        ),
        entry(
            "inv_a",
            3,
            "Command: OneWayCall",
            "",
            695,
            json!({"Command": {"OneWayCall": {"invocation_id": "inv_b",
            "invocation_target": {"Service": {"name": "Generation", "handler": "run", "scope": null}}, "invoke_time": 0, "invocation_id_completion_id": 2}}})
        ),
        entry(
            "inv_a",
            4,
            "Notification: CallInvocationId",
            "",
            695,
            json!({"Notification": {"ty": {"Completion": "CallInvocationId"}, "id": {"CompletionId": 2}, "result": "InvocationId"}})
        ),
        entry("inv_a", 5, "Command: Output", "", 695, json!({"Command": {"Output": {"result": "Success"}}})),
    ])
}

fn generation(more: Value) -> Value {
    let mut row = json!({"id": "inv_b", "target_service_name": "Generation", "target_handler_name": "run", "created_at": "2026-11-21T01:30:14.695Z",
        "running_at": "2026-11-21T01:30:14.695Z"});
    for (name, value) in more.as_object().unwrap() {
        row[name] = value.clone();
    }
    row
}

#[test]
fn steps_calls_and_times_show_as_a_tree() {
    let done = generation(json!({"status": "completed", "completion_result": "success", "completed_at": "2026-11-21T01:30:14.741Z"}));
    let tree = build("inv_a", &rows(json!([create(), done]), journal(), json!([])));
    assert_eq!((tree.status, tree.deployment.as_deref()), (RunStatus::Completed, Some("dp_1")));
    assert_eq!(tree.finished_at.unwrap().to_rfc3339(), "2026-11-21T01:30:14.741+00:00", "a run ends with the last thing that it started");
    let [step, send] = tree.steps.as_slice() else { panic!("{:#?}", tree.steps) };
    assert_eq!((step.name.as_str(), step.kind, step.attempts, step.took_ms), ("store.create_campaign", "run", 1, Some(44)));
    assert_eq!((send.name.as_str(), send.kind, send.status, send.took_ms), ("Generation/run", "send", RunStatus::Completed, Some(46)));
}

#[test]
fn a_failing_step_shows_its_attempts_its_words_and_its_next_retry() {
    let failing = generation(json!({"status": "backing-off", "retry_count": 3, "next_retry_at": "2026-11-21T01:31:00Z",
        "last_failure": "the model answers 503", "last_failure_related_command_name": "model.complete"}));
    let tree = build("inv_a", &rows(json!([create(), failing]), journal(), json!([])));
    assert_eq!((tree.status, tree.finished_at), (RunStatus::BackingOff, None));
    let step = &tree.steps[1].children[0];
    assert_eq!((step.name.as_str(), step.attempts, step.status), ("model.complete", 3, RunStatus::BackingOff));
    assert_eq!(step.failure.as_deref(), Some("the model answers 503"));
    assert!(step.next_at.is_some());
}

#[test]
fn attempts_that_failed_before_are_counted_from_the_events() {
    let done = generation(json!({"status": "completed", "completion_result": "success", "completed_at": "2026-11-21T01:30:14.741Z"}));
    let failed =
        json!({"id": "inv_a", "event_json": json!({"error_message": "away", "related_command_name": "store.create_campaign"}).to_string()});
    let tree = build("inv_a", &rows(json!([create(), done]), journal(), json!([failed, failed])));
    assert_eq!((tree.steps[0].attempts, tree.steps[0].failure.as_deref()), (3, None), "what is over needs no failure shown");
}

#[test]
fn what_was_sent_off_and_failed_fails_the_run_but_background_work_does_not_keep_it_open() {
    let failed = generation(json!({"status": "completed", "completion_result": "failure", "completion_failure": "[422] no"}));
    let tree = build("inv_a", &rows(json!([create(), failed]), journal(), json!([])));
    assert_eq!((tree.status, tree.failure.as_deref()), (RunStatus::Failed, Some("[422] no")));

    let mut polling = generation(json!({"status": "scheduled", "scheduled_start_at": "2026-11-22T01:30:14Z"}));
    let waiting = build("inv_a", &rows(json!([create(), polling]), journal(), json!([])));
    assert_eq!(waiting.status, RunStatus::Waiting);
    polling["target_service_name"] = json!("Metrics");
    let tree = build("inv_a", &rows(json!([create(), polling]), journal(), json!([])));
    assert_eq!(tree.status, RunStatus::Completed);
}

#[test]
fn a_cancelled_run_says_so_and_an_unknown_one_is_queued() {
    let mut cancelled = create();
    cancelled["completion_result"] = json!("failure");
    cancelled["completion_failure"] = json!("[409] cancelled");
    assert_eq!(build("inv_a", &rows(json!([cancelled]), json!([]), json!([]))).status, RunStatus::Cancelled);
    assert_eq!(build("inv_a", &rows(json!([]), json!([]), json!([]))).status, RunStatus::Queued);
}
