//! Walls between tenants, over HTTP: the generated contract is walked with another org's ids, so that a route that is added tomorrow is tried as well.

mod contract;
mod tenant;

use contract::{Operation, operations};
use gateway::GatewaySettings;
use reqwest::Method;
use serde_json::Value;
use tenant::Tenant;

use crate::{
    api_harness::{Answer, Api},
    api_runs, assets,
};

/// Two tenants that each have one of everything, on a gateway that never says that it was asked too often.
async fn two_tenants() -> (Api, Tenant, Tenant, assets::Storage) {
    let (media, storage) = assets::storage().await;
    let api = Api::start_storing(GatewaySettings { request_burst: 1_000_000, ..GatewaySettings::default() }, media).await;
    api_runs::worker(&api).await;
    let (ours, theirs) = (Tenant::furnish(&api, "Ours").await, Tenant::furnish(&api, "Theirs").await);
    (api, ours, theirs, storage)
}

async fn ask(api: &Api, as_whom: &Tenant, method: &Method, path: &str, body: Option<&Value>) -> Answer {
    let mut request = api.anonymous(method.clone(), path).bearer_auth(as_whom.key());
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    if response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        // A stream of events goes on; that it began is all that is asked here.
        return Answer { status: response.status(), headers: response.headers().clone(), json: Value::Null };
    }
    Answer::of(response).await
}

/// Those that name a thing by its id and ask who comes.
fn about_one_thing(all: Vec<Operation>) -> Vec<Operation> {
    let of_one: Vec<_> = all.into_iter().filter(|o| o.path.contains('{') && !o.is_open()).collect();
    assert!(of_one.len() >= 20, "the contract lists too few: {of_one:#?}");
    of_one
}

#[tokio::test]
async fn every_route_with_another_orgs_ids_answers_404() {
    let (api, ours, theirs, _storage) = two_tenants().await;
    let mut all = about_one_thing(operations());
    for operation in &all {
        let name = format!("{} {}", operation.method, operation.path);
        let body = operation.body_with(&ours);
        let tried = ask(&api, &theirs, &operation.method, &operation.path_with(&ours), body.as_ref()).await;
        assert_eq!((tried.status.as_u16(), tried.json["code"].as_str()), (404, Some("not-found")), "{name}: {tried:#?}");
        // What is not yours looks exactly like what does not exist.
        let nobody = ask(&api, &theirs, &operation.method, &operation.path_with(&Tenant::nobody()), body.as_ref()).await;
        let without_id = |mut answer: Answer| {
            answer.json["instance"].take();
            (answer.status, answer.json)
        };
        assert_eq!(without_id(tried), without_id(nobody), "{name} tells a foreign thing from a missing one");
    }
    // The same ids in their own org find something, so the answers above are about who asked. What ends things comes last.
    all.sort_by_key(|o| (o.method != Method::GET, o.method == Method::DELETE, o.path.ends_with("/cancel")));
    for operation in &all {
        let name = format!("{} {}", operation.method, operation.path);
        let body = operation.body_with(&ours);
        let own = ask(&api, &ours, &operation.method, &operation.path_with(&ours), body.as_ref()).await;
        assert!(own.status != 404 && own.status.as_u16() < 500, "{name} in its own org: {own:#?}");
        if operation.method == Method::GET {
            assert_eq!(own.status, 200, "{name}: the stranger changed something, or it never worked: {own:#?}");
        }
    }
}

#[tokio::test]
async fn a_route_without_a_body_takes_none() {
    let (api, ours, _theirs, _storage) = two_tenants().await;
    let changes = |o: &Operation| o.method != Method::GET && !o.is_open() && !o.takes_body;
    let all: Vec<_> = operations().into_iter().filter(changes).collect();
    assert!(all.len() >= 12, "{all:#?}");
    for operation in all {
        let (name, path) = (format!("{} {}", operation.method, operation.path), operation.path_with(&ours));
        let sent = serde_json::json!({"reason": "because", "a/b": 1});
        let refused = ask(&api, &ours, &operation.method, &path, Some(&sent)).await;
        let mut pointers = refused.expect_problem(422, "validation-failed").pointers();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/a~1b", "/reason"], "{name}");
        let refused = ask(&api, &ours, &operation.method, &path, Some(&serde_json::json!(["now"]))).await;
        assert_eq!(refused.expect_problem(422, "validation-failed").pointers(), [""], "{name}");
        let broken = api.anonymous(operation.method.clone(), &path).bearer_auth(ours.key()).body("{").send().await.unwrap();
        Answer::of(broken).await.expect_problem(400, "malformed-json");
        // An empty object says nothing, and so does no body: both get past the reading, to where a made-up id is unknown.
        if operation.path.contains('{') {
            let nobody = operation.path_with(&Tenant::nobody());
            for body in [None, Some(serde_json::json!({}))] {
                ask(&api, &ours, &operation.method, &nobody, body.as_ref()).await.expect_problem(404, "not-found");
            }
        }
    }
}

#[tokio::test]
async fn another_orgs_ids_in_a_body_are_refused_by_their_pointer() {
    let (api, ours, theirs, _storage) = two_tenants().await;
    let mut tried = Vec::new();
    for operation in operations().into_iter().filter(|o| !o.is_open()) {
        let Some(own) = operation.body_with(&theirs) else { continue };
        for (pointer, foreign) in operation.references(&ours) {
            let name = format!("{} {} {pointer}", operation.method, operation.path);
            let mut body = own.clone();
            *body.pointer_mut(&pointer).unwrap() = foreign;
            let path = operation.path_with(&theirs);
            let refused = ask(&api, &theirs, &operation.method, &path, Some(&body)).await;
            match refused.status.as_u16() {
                404 => {}
                // A rule may be about a field and what it refers to; the foreign one is named in any case, and nothing of another branch.
                _ => {
                    assert!(refused.expect_problem(422, "validation-failed").pointers().contains(&pointer.as_str()), "{name}: {refused:#?}")
                }
            }
            tried.push(name);
        }
        if !operation.references(&ours).is_empty() {
            let fine = ask(&api, &theirs, &operation.method, &operation.path_with(&theirs), Some(&own)).await;
            let name = format!("{} {}", operation.method, operation.path);
            assert!(fine.status.is_success(), "{name} with its own ids: {fine:#?}");
        }
    }
    for wanted in [
        "POST /v1/briefs /brand_id",
        "POST /v1/campaigns /brand_id",
        "POST /v1/campaigns /brief_id",
        "POST /v1/campaigns /connectors/0",
        "POST /v1/digests/subscriptions /brand_id",
        "POST /v1/posts/{id}/approve /variant_id",
        "PATCH /v1/posts/{id} /assets/0",
    ] {
        assert!(tried.iter().any(|name| name == wanted), "{wanted} was not tried: {tried:#?}");
    }
}

#[tokio::test]
async fn filters_by_another_orgs_ids_find_what_made_up_ids_find() {
    let (api, ours, theirs, _storage) = two_tenants().await;
    let mut tried = 0;
    for operation in operations().into_iter().filter(|o| o.method == Method::GET && !o.is_open() && !o.path.contains('{')) {
        for (name, prefix) in operation.filters() {
            let path = |whose: &Tenant| format!("{}?{name}={}", operation.path, whose.id(prefix));
            let own = ask(&api, &ours, &Method::GET, &path(&ours), None).await;
            let foreign = ask(&api, &theirs, &Method::GET, &path(&ours), None).await;
            let nobody = ask(&api, &theirs, &Method::GET, &path(&Tenant::nobody()), None).await;
            let found = |answer: &Answer| answer.json["items"].as_array().map_or(0, Vec::len);
            assert!(own.status == 200 && found(&own) > 0, "{} in its own org finds nothing: {own:#?}", path(&ours));
            assert_eq!(found(&foreign), 0, "{}: {foreign:#?}", path(&ours));
            assert!(matches!(foreign.status.as_u16(), 200 | 404 | 422), "{}: {foreign:#?}", path(&ours));
            assert_eq!(foreign.status, nobody.status, "{}: {foreign:#?} {nobody:#?}", path(&ours));
            assert_eq!(foreign.json["errors"], nobody.json["errors"]);
            tried += 1;
        }
        // Without a filter, each sees its own.
        let list = ask(&api, &theirs, &Method::GET, &operation.path, None).await;
        let shown = list.json.to_string();
        for id in ours.ids() {
            assert!(!shown.contains(id), "{} shows {id} of another org: {list:#?}", operation.path);
        }
    }
    assert!(tried >= 5, "only {tried} filters were tried");
}
