//! Runs, step by step and live, on a real engine.

mod story;

use std::{sync::atomic::Ordering, time::Duration};

use activities::store::runs;
use domain::ids::RunId;
use futures::future::join_all;
use gateway::access::Role;
use reqwest::{Method, Response};
use restate_sdk::prelude::HttpServer;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::story::{Press, Tale};
use crate::api_harness::{Answer, Api};

async fn serve(api: &Api, press: &Press) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let endpoint = story::endpoint(press);
    tokio::spawn(async move { HttpServer::new(endpoint).serve(listener).await });
    let url = api.stack.admin_url().join("deployments").unwrap();
    let registered = reqwest::Client::new().post(url).json(&json!({"uri": uri})).send().await.unwrap();
    assert!(registered.status().is_success(), "{}", registered.text().await.unwrap());
}

/// Starts a story as a run of the test's org, and returns its path.
async fn tell(api: &Api, tale: &Tale) -> String {
    let id = RunId::from_uuid(uuid::Uuid::now_v7());
    let invocation = api.app.engine.send("Story", "tell", tale, &id.to_string()).await.unwrap();
    let mut tx = api.store.in_org(api.org).await.unwrap();
    runs::insert(&mut tx, id, "Story", "a story", &invocation).await.unwrap();
    tx.commit().await.unwrap();
    format!("/v1/runs/{id}")
}

/// Asks until `is` holds.
async fn until(api: &Api, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    loop {
        let run = api.get(path).await.expect(200);
        if is(&run) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn open(api: &Api, path: &str, last: Option<&str>) -> Response {
    let mut request = api.request(Role::Viewer, Method::GET, &format!("{path}/events"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

/// The events of a stream as (id, event, data).
pub(crate) fn events(text: &str) -> Vec<(String, String, Value)> {
    let field = |block: &str, name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    let blocks = whole.split("\n\n").filter(|block| block.contains("data: "));
    blocks.map(|b| (field(b, "id: "), field(b, "event: "), serde_json::from_str(&field(b, "data: ")).unwrap())).collect()
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["steps"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("no {name} in {run:#}"))
}

#[tokio::test]
async fn a_run_shows_calls_failing_steps_and_what_waits() {
    let api = Api::start().await;
    let press = Press::new(1);
    press.jammed.store(true, Ordering::SeqCst);
    serve(&api, &press).await;
    let path = tell(&api, &Tale { chapters: 1, remind: true, refused: false }).await;

    let failing =
        |run: &Value| run["steps"].as_array().unwrap().iter().any(|s| s["name"] == "press.print" && s["attempts"].as_u64() > Some(2));
    let run = until(&api, &path, failing).await;
    assert!(step(&run, "press.print")["failure"].as_str().unwrap().contains("the press is jammed"), "{run:#}");
    let call = step(&run, "Chapter/write");
    assert_eq!((call["kind"].as_str(), call["status"].as_str()), (Some("call"), Some("completed")));
    assert_eq!(call["children"][1]["children"][0]["name"], "chapter.proofread", "{run:#}");
    let remind = step(&run, "Chapter/remind");
    assert_eq!((remind["status"].as_str(), remind["waiting_for"]["what"].as_str()), (Some("waiting"), Some("start")));

    let post = async |verb: &str| api.post(&format!("{path}/{verb}"), &json!({})).await;
    assert_eq!(post("pause").await.status, 202);
    until(&api, &path, |run| run["status"] == "paused").await;
    assert_eq!(api.get("/v1/runs?status=paused").await.expect(200)["items"][0]["id"], run["id"]);
    assert_eq!(api.get("/v1/runs?status=running").await.expect(200)["items"], json!([]));
    press.jammed.store(false, Ordering::SeqCst);
    assert_eq!(post("resume").await.status, 202);
    let run = until(&api, &path, |run| run["workflow_status"] == "completed").await;
    assert_eq!(run["status"], "waiting", "the reminder is still to come");
    assert_eq!(post("cancel").await.status, 202);
    let run = until(&api, &path, |run| run["finished_at"].is_string()).await;
    assert_eq!(step(&run, "Chapter/remind")["status"], "cancelled", "{run:#}");
    post("cancel").await.expect_problem(409, "conflict");
    post("resume").await.expect_problem(409, "conflict");

    let stranger = api.stranger().await;
    for (method, path) in [(Method::GET, path.clone()), (Method::GET, format!("{path}/events")), (Method::POST, format!("{path}/pause"))] {
        let theirs = api.anonymous(method, &path).bearer_auth(stranger.expose_secret()).send().await.unwrap();
        Answer::of(theirs).await.expect_problem(404, "not-found");
    }
    let viewer = api.request(Role::Viewer, Method::POST, &format!("{path}/cancel")).send().await.unwrap();
    Answer::of(viewer).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_hundred_watchers_cost_one_poll_and_whoever_comes_back_misses_nothing() {
    let api = Api::start().await;
    let press = Press::new(0);
    serve(&api, &press).await;
    let path = tell(&api, &Tale { chapters: 2, remind: false, refused: false }).await;
    until(&api, &path, |run| run["steps"].as_array().is_some_and(|steps| steps.len() == 2)).await;

    let mut first = open(&api, &path, None).await;
    let mut seen = String::new();
    while events(&seen).iter().all(|(_, event, _)| event != "status") {
        seen.push_str(std::str::from_utf8(&first.chunk().await.unwrap().unwrap()).unwrap());
    }
    drop(first);
    let seen = events(&seen);
    let last = &seen.last().unwrap().0;

    let before = api.app.run_polls();
    let crowd = join_all((0..100).map(|_| open(&api, &path, None))).await;
    let crowd = crowd.into_iter().map(async |response| events(&response.text().await.unwrap()));
    let told = tokio::spawn(join_all(crowd.collect::<Vec<_>>()));
    press.ink.add_permits(2);
    let all = told.await.unwrap();
    let polls = api.app.run_polls() - before;
    assert!(polls < 100, "{polls} polls");
    for one in &all {
        assert_eq!(one.last().unwrap().1, "done", "{one:?}");
    }

    // What it saw and what it gets now is, step by step, what somebody sees who comes only now.
    let newest = |lists: &[&[(String, String, Value)]]| {
        let mut latest = std::collections::BTreeMap::new();
        for (_, event, data) in lists.iter().copied().flatten() {
            latest.insert((event.clone(), data["invocation_id"].to_string(), data["index"].to_string()), data.clone());
        }
        latest
    };
    let back = events(&open(&api, &path, Some(last)).await.text().await.unwrap());
    let fresh = events(&open(&api, &path, None).await.text().await.unwrap());
    assert_eq!(newest(&[&seen, &back]), newest(&[&fresh]));
    assert!(back.len() < fresh.len(), "the first step had been told");
    assert_eq!(open(&api, &path, Some(&fresh.last().unwrap().0)).await.status(), 204);
}
