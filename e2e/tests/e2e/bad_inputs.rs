//! A bad request is told which field is bad, by the pointer to that very field.

use domain::ids::{CampaignId, PostId, VariantId};
use gateway::{GatewaySettings, access::Role};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    api_harness::{Answer, Api},
    api_runs::{account, campaign, worker},
};

/// `good` with one value put at, or taken from, a pointer.
fn with(good: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut body = good.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(object), Some(value)) => drop(object.insert(name.replace("~1", "/"), value)),
        (Value::Object(object), None) => assert!(object.remove(name).is_some(), "{pointer} was not there"),
        (Value::Array(list), Some(value)) => list[name.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other:?}"),
    }
    body
}

fn long(characters: usize) -> Value {
    Value::String("x".repeat(characters))
}

/// A good body, and what makes it bad: the change, and where the answer points.
struct Case {
    method: Method,
    path: String,
    good: Value,
    /// Set this (or take it away) there; the answer points to the same place.
    bad: Vec<(&'static str, Option<Value>)>,
}

fn post(path: &str, good: Value, bad: Vec<(&'static str, Option<Value>)>) -> Case {
    Case { method: Method::POST, path: path.to_owned(), good, bad }
}

fn plans() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("/mode", None),
        ("/mode", Some(json!("later"))),
        ("/mode", Some(json!(5))),
        ("/at", None),
        ("/at", Some(json!("2999-12-01"))),
        ("/at", Some(json!("2999-12-01T09:00Z"))),
        ("/at", Some(json!(1_795_000_000))),
        ("/timezone", None),
        ("/timezone", Some(json!("Mars/Olympus"))),
        ("/timezone", Some(json!(2))),
        ("/on_gap", Some(json!("skip"))),
        ("/on_gap", Some(json!({}))),
        ("/on_overlap", Some(json!("third"))),
        ("/zone", Some(json!("Europe/Berlin"))),
    ]
}

fn cases(brand: &Value, account: domain::ids::ConnectorId) -> Vec<Case> {
    let text = |max: usize, at: &'static str| {
        vec![(at, None), (at, Some(json!(5))), (at, Some(json!(" "))), (at, Some(long(max + 1))), (at, Some(json!(null)))]
    };
    let list = |max: usize, at: &'static str| vec![(at, Some(json!("one"))), (at, Some(json!(vec!["x"; max + 1])))];
    let any_id = |prefix: &str| json!(format!("{prefix}_{}", "0".repeat(26)));
    let plan = json!({"mode": "at", "at": "2999-12-01T09:00", "timezone": "Europe/Berlin"});
    let mut started = campaign(brand, account);
    started["schedule"] = plan.clone();
    started["brief"]["competitors"] = json!(["one"]);
    let post_path = format!("/v1/posts/post_{}", "0".repeat(26));
    let brand_path = format!("/v1/brands/{}", brand["id"].as_str().unwrap());
    let mut all = Vec::new();

    let mut bad = vec![
        ("/brand_id", None),
        ("/brand_id", Some(json!("Northwind"))),
        ("/brand_id", Some(any_id("brf"))),
        ("/brand_id", Some(any_id("brd"))),
        ("/brief", None),
        ("/brief", Some(json!("a roast"))),
        ("/connectors", None),
        ("/connectors", Some(json!("con"))),
        ("/connectors", Some(json!([]))),
        ("/connectors/0", Some(json!("nobody"))),
        ("/connectors/0", Some(any_id("con"))),
        ("/variants_per_post", Some(json!("three"))),
        ("/variants_per_post", Some(json!(2.5))),
        ("/variants_per_post", Some(json!(0))),
        ("/variants_per_post", Some(json!(99_999_999_999_i64))),
        ("/approval", Some(json!("never"))),
        ("/approval", Some(json!(5))),
        ("/brief/platforms/0", Some(json!("myspace"))),
        ("/brief/platforms/0", Some(json!(5))),
        ("/schedule", Some(json!("now"))),
        ("/schedule/at", Some(json!("2001-12-01T09:00"))),
        ("/brief/surprise", Some(json!(1))),
        ("/surprise", Some(json!(1))),
        ("/brief/languages", None),
        ("/brief/languages", Some(json!([]))),
        ("/brief/languages", Some(json!("en"))),
        ("/brief/platforms", Some(json!([]))),
        ("/brief/link", Some(json!("ftp://x.example/"))),
        ("/brief/competitors/0", Some(json!(""))),
        ("/brief/competitors/0", Some(json!(7))),
    ];
    bad.extend(text(500, "/brief/topic"));
    bad.extend(text(500, "/brief/audience"));
    bad.extend(text(200, "/brief/tone"));
    for (pointer, value) in plans() {
        bad.push((["/schedule", pointer].concat().leak(), value));
    }
    all.push(post("/v1/campaigns", started, bad));
    all.push(post(&format!("{post_path}/schedule"), plan, plans()));
    all.push(post(&format!("{post_path}/schedule"), json!({"mode": "now"}), vec![("/at", Some(json!("2999-12-01T09:00")))]));
    all.push(post(
        &format!("{post_path}/approve"),
        json!({"variant_id": any_id("var")}),
        vec![("/variant_id", None), ("/variant_id", Some(json!("first"))), ("/content", Some(json!(5))), ("/variant", Some(json!("x")))],
    ));
    all.push(post(&format!("{post_path}/reject"), json!({"reason": "r"}), text(1000, "/reason")));
    all.push(post(
        &format!("{post_path}/resolve"),
        json!({"as": "not_published"}),
        vec![("/as", None), ("/as", Some(json!("maybe"))), ("/external_id", Some(json!(" "))), ("/external_id", Some(json!("1")))],
    ));
    all.push(post(&format!("/v1/variants/var_{}/rewrite", "0".repeat(26)), json!({"instruction": "i"}), text(1000, "/instruction")));
    all.push(post(
        "/v1/posts/generate",
        json!({"brief_id": any_id("brf")}),
        vec![
            ("/brief_id", None),
            ("/brief_id", Some(any_id("brd"))),
            ("/brief_id", Some(any_id("brf"))),
            ("/variants", Some(json!("many"))),
        ],
    ));

    let good = json!({"name": "b", "banned_phrases": ["p"], "required_disclosures": ["d"], "colors": ["#000000"], "links": {"web": "https://x.example"}});
    let mut bad = vec![
        ("/guidelines", Some(long(20_001))),
        ("/guidelines", Some(json!(1))),
        ("/banned_phrases/0", Some(json!(""))),
        ("/banned_phrases/0", Some(long(201))),
        ("/required_disclosures/0", Some(json!(3))),
        ("/colors/0", Some(json!("red"))),
        ("/links", Some(json!([]))),
        ("/links/web", Some(json!("no url"))),
        ("/links/a~1b", Some(json!("javascript:x"))),
        ("/id", Some(json!("brd"))),
    ];
    bad.extend(list(200, "/banned_phrases"));
    let mut patch = bad.clone();
    patch.push(("/name", Some(json!(""))));
    patch.push(("/name", Some(json!(5))));
    bad.extend(text(200, "/name"));
    all.push(post("/v1/brands", good.clone(), bad));
    all.push(Case { method: Method::PATCH, path: brand_path.clone(), good, bad: patch });

    let example = json!({"text": "An example that says something about coffee.", "platform": "mastodon", "url": "https://x.example/1"});
    let examples = json!({"examples": [example, {"text": "Another one, about tea."}, {"text": "And a third, about water."}]});
    let mut bad = vec![
        ("/examples", None),
        ("/examples", Some(json!([]))),
        ("/examples", Some(json!({}))),
        ("/examples/1", Some(json!("text"))),
        ("/examples/1/text", None),
        ("/examples/1/text", Some(json!(""))),
        ("/examples/0/platform", Some(json!("myspace"))),
        ("/examples/0/url", Some(json!("x"))),
        ("/examples/2/by", Some(json!("me"))),
    ];
    bad.push(("/voice", Some(json!(1))));
    all.push(post(&format!("{brand_path}/voice/train"), examples, bad));

    let good = json!({"brand_id": brand["id"], "cadence": "weekly", "at": "09:00", "timezone": "Europe/Berlin", "email": ["a@b.example"]});
    all.push(post(
        "/v1/digests/subscriptions",
        good,
        vec![
            ("/brand_id", None),
            ("/brand_id", Some(any_id("brd"))),
            ("/cadence", None),
            ("/cadence", Some(json!("hourly"))),
            ("/cadence", Some(json!(1))),
            ("/at", Some(json!("9:00"))),
            ("/at", Some(json!(9))),
            ("/timezone", None),
            ("/timezone", Some(json!("Mars/Olympus"))),
            ("/email", None),
            ("/email", Some(json!([]))),
            ("/email", Some(json!("a@b.example"))),
            ("/email/0", Some(json!("nobody"))),
            ("/weekday", Some(json!("someday"))),
        ],
    ));

    let mastodon = json!({"platform": "mastodon", "base_url": "http://127.0.0.1:1", "handle": "h", "credentials": {"access_token": "t"}});
    let mut bad = vec![
        ("/platform", None),
        ("/platform", Some(json!("myspace"))),
        ("/platform", Some(json!(5))),
        ("/base_url", None),
        ("/base_url", Some(json!("ftp://x.example"))),
        ("/base_url", Some(json!(5))),
        ("/base_url", Some(json!(""))),
        ("/credentials", None),
        ("/credentials", Some(json!("secret"))),
        ("/credentials/access_token", None),
        ("/credentials/access_token", Some(json!(5))),
        ("/credentials/access_token", Some(json!(""))),
        ("/credentials/access_token", Some(json!("two words"))),
        ("/credentials/app_password", Some(json!("x"))),
        ("/token", Some(json!("x"))),
    ];
    bad.extend(text(300, "/handle"));
    all.push(post("/v1/connectors", mastodon, bad));
    let bluesky = json!({"platform": "bluesky", "handle": "h.example", "credentials": {"app_password": "t"}});
    all.push(post("/v1/connectors", bluesky, vec![("/credentials/app_password", None), ("/credentials/identifier", Some(json!(5)))]));
    all
}

#[tokio::test]
async fn the_pointer_names_the_very_field() {
    let api = Api::start_with(GatewaySettings { request_burst: 100_000, ..GatewaySettings::default() }).await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let account = account(&api).await;
    let mut wrong = Vec::new();
    for case in cases(&brand, account) {
        for (pointer, value) in &case.bad {
            let body = with(&case.good, pointer, value.clone());
            let sent = api.request(Role::Owner, case.method.clone(), &case.path).json(&body).send().await.unwrap();
            let answer = Answer::of(sent).await;
            let shown = value.as_ref().map_or("nothing".to_owned(), |v| v.to_string().chars().take(40).collect());
            let pointers = answer.pointers();
            if (answer.status.as_u16(), pointers.as_slice()) != (422, &[*pointer]) {
                wrong.push(format!(
                    "{} {} with {shown} at {pointer}: {} {pointers:?} {}",
                    case.method, case.path, answer.status, answer.json
                ));
            }
            for error in answer.json["errors"].as_array().into_iter().flatten() {
                let detail = error["detail"].as_str().unwrap();
                assert!(!detail.is_empty() && !detail.contains("line ") && !detail.contains("column"), "{detail}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What cannot be an id in a path names nothing.
    for path in
        ["/v1/brands/x", "/v1/campaigns/brd_00000000000000000000000000", "/v1/posts/post_", "/v1/digests/1", "/v1/connectors/x/status"]
    {
        api.get(path).await.expect_problem(404, "not-found");
    }
}

#[tokio::test]
async fn every_bad_field_of_a_body_is_named_at_once() {
    let api = Api::start().await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let mut body = campaign(&brand, account(&api).await);
    body["brand_id"] = json!(5);
    body["connectors"] = json!(["con_00000000000000000000000000", 7, "nobody"]);
    body["brief"] = json!({"topic": 1, "languages": "en", "tone": null, "surprise": true, "platforms": ["mastodon", "myspace"]});
    body["approval"] = json!([]);
    let answer = api.post("/v1/campaigns", &body).await;
    let mut pointers = answer.expect_problem(422, "validation-failed").pointers();
    pointers.sort_unstable();
    let expected = [
        "/approval",
        "/brand_id",
        "/brief/audience",
        "/brief/languages",
        "/brief/platforms/1",
        "/brief/surprise",
        "/brief/tone",
        "/brief/topic",
        "/connectors/1",
        "/connectors/2",
    ];
    assert_eq!(pointers, expected, "{answer:#?}");
    let texts = json!({"name": "b\0", "banned_phrases": ["ok", "n\0"], "links": {"web": "https://x.example/\0"}});
    let answer = api.post("/v1/brands", &texts).await;
    assert_eq!(answer.expect_problem(422, "validation-failed").pointers(), ["/banned_phrases/1", "/links/web", "/name"]);
    let answer = api.get("/v1/posts?limit=many&status=lost&campaign_id=x&other=1").await;
    let mut pointers = answer.expect_problem(422, "validation-failed").pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/campaign_id", "/limit", "/other", "/status"]);
}

/// `null` in a `PATCH` takes a field away, or is refused by its pointer; it never does nothing.
#[tokio::test]
async fn a_null_in_a_patch_takes_the_field_away_or_is_refused() {
    let api = Api::start().await;
    let full = json!({"name": "b", "guidelines": "Plain.", "banned_phrases": ["p"], "required_disclosures": ["d"], "colors": ["#000000"],
        "links": {"web": "https://x.example"}});
    let brand = api.post("/v1/brands", &full).await.expect(201);
    let bare = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let path = format!("/v1/brands/{}", brand["id"].as_str().unwrap());
    let patch = async |body: Value| Answer::of(api.request(Role::Editor, Method::PATCH, &path).json(&body).send().await.unwrap()).await;
    for name in full.as_object().unwrap().keys() {
        let answer = patch(json!({name: null})).await;
        if name == "name" {
            assert_eq!(answer.expect_problem(422, "validation-failed").pointers(), ["/name"]);
        } else {
            assert_eq!(answer.expect(200)[name], bare[name], "{name}");
        }
    }
    assert_eq!(api.get(&path).await.expect(200)["guidelines"], "");
}

#[tokio::test]
async fn a_post_that_is_out_refuses_a_rewrite_at_once() {
    let api = Api::start().await;
    worker(&api).await;
    let account = account(&api).await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let started = api.post("/v1/campaigns", &campaign(&brand, account)).await.expect(202);
    let campaign: CampaignId = started["id"].as_str().unwrap().parse().unwrap();
    let (post, variant) = (PostId::from_uuid(Uuid::now_v7()), VariantId::from_uuid(Uuid::now_v7()));
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let insert = "INSERT INTO posts (id, org_id, campaign_id, connector_id, platform, language) VALUES ($1, $2, $3, $4, 'mastodon', 'fr')";
    let post_row = sqlx::query(insert).bind(post.uuid()).bind(api.org.uuid()).bind(campaign.uuid()).bind(account.uuid());
    post_row.execute(&owner).await.unwrap();
    let insert = "INSERT INTO variants (id, org_id, post_id, position, content, language) VALUES ($1, $2, $3, 0, 'text', 'fr')";
    sqlx::query(insert).bind(variant.uuid()).bind(api.org.uuid()).bind(post.uuid()).execute(&owner).await.unwrap();
    for (status, expected) in [
        ("draft", 202),
        ("needs_approval", 202),
        ("publishing", 409),
        ("published", 409),
        ("needs_attention", 409),
        ("failed", 409),
        ("rejected", 409),
        ("cancelled", 409),
    ] {
        sqlx::query("UPDATE posts SET status = $2 WHERE id = $1").bind(post.uuid()).bind(status).execute(&owner).await.unwrap();
        let answer = api.post(&format!("/v1/variants/{variant}/rewrite"), &json!({"instruction": "Shorter."})).await;
        assert_eq!(answer.status.as_u16(), expected, "{status}: {answer:#?}");
        if expected == 409 {
            answer.expect_problem(409, "post-not-rewritable");
            assert!(answer.json["detail"].as_str().unwrap().contains(status), "{answer:#?}");
        }
    }
}
