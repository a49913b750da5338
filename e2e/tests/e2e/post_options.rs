//! What a post has beside its text, through the API: given with a campaign, changed on a post, judged, approved and sent.

use domain::platform::Platform;
use e2e::{Newsroom, PLATFORMS, Plan, process::Part, rest::Rest, seed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const TEXT: &str = "The oven is warm again.\n---\nCome and get your loaf at six.";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_voids_the_approval_and_what_is_approved_is_sent() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    gateway.listens().await?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    rest.ready().await?;
    let id = newsroom.approved_text(Platform::Mastodon, TEXT).await?;
    let path = format!("v1/posts/{id}");

    let (_, before) = rest.ask(Method::GET, &path, None).await?;
    assert_eq!(before["status"], "approved");
    assert_eq!(before["variants"][0]["parts"], json!(["The oven is warm again.", "Come and get your loaf at six."]));
    assert_eq!((&before["assets"], &before["first_comment"], &before["thread"]), (&json!([]), &Value::Null, &json!("marked")));

    // What cannot be is told, and changes nothing.
    for (body, pointer) in [
        (json!({"assets": ["ast_06bv3s1k1xtkf0q9b4g2m8y7nc"]}), "/assets/0"),
        (json!({"first_comment": " "}), "/first_comment"),
        (json!({"thread": "long"}), "/thread"),
        (json!({"disclosures": ["paid"]}), "/disclosures/0"),
        (json!({"text": "other"}), "/text"),
    ] {
        let (status, said) = rest.ask(Method::PATCH, &path, Some(&body)).await?;
        assert_eq!((status, &said["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)), "{said:#}");
    }
    let (status, same) = rest.ask(Method::PATCH, &path, Some(&json!({"thread": "marked"}))).await?;
    assert_eq!((status, &same["status"]), (StatusCode::OK, &json!("approved")), "nothing was changed, so nothing is void");

    let patch = json!({"first_comment": "We are at the harbour.", "disclosures": ["paid_partnership"]});
    let (status, changed) = rest.ask(Method::PATCH, &path, Some(&patch)).await?;
    assert_eq!((status, &changed["status"]), (StatusCode::OK, &json!("needs_approval")), "{changed:#}");
    assert_eq!(changed["approved_variant_id"], Value::Null);
    assert_eq!(changed["variants"][0]["lints"][0]["rule"], "unknown-disclosure", "Mastodon has no such switch: {changed:#}");
    let (status, _) = rest.ask(Method::POST, &format!("{path}/publish"), None).await?;
    assert_eq!(status, StatusCode::CONFLICT, "nobody approved this");

    let approve = json!({"variant_id": changed["variants"][0]["id"]});
    let (status, said) = rest.ask(Method::POST, &format!("{path}/approve"), Some(&approve)).await?;
    assert_eq!(status, StatusCode::OK, "{said:#}");
    rest.ask(Method::POST, &format!("{path}/publish"), None).await?;
    let done = rest.until(&path, "the thread and its comment", |post| post["status"] == "published").await?;
    let kinds: Vec<_> = done["published"]["parts"].as_array().unwrap().iter().map(|part| &part["kind"]).collect();
    assert_eq!(kinds, ["post", "continuation", "comment"]);
    assert_eq!(done["published"]["parts"][0]["external_id"], done["published"]["external_id"]);
    let books: Vec<_> = newsroom.books(Platform::Mastodon).into_iter().map(|entry| entry.text).collect();
    assert_eq!(books, ["The oven is warm again.", "Come and get your loaf at six.", "We are at the harbour."]);

    let (_, receipts) = rest.ask(Method::GET, &format!("{path}/receipts"), None).await?;
    let items = receipts["items"].as_array().unwrap();
    let told: Vec<_> = items.iter().map(|r| (&r["part"], &r["kind"], &r["attempt"], &r["parts"], &r["send_class"])).collect();
    let expected: Vec<_> =
        [(0, "post"), (1, "continuation"), (2, "comment")].map(|(n, kind)| (json!(n), json!(kind), json!(1), json!(3), json!("B"))).into();
    assert_eq!(told, expected.iter().map(|(a, b, c, d, e)| (a, b, c, d, e)).collect::<Vec<_>>());
    assert!(items.iter().all(|r| r["armed_at"].is_string() && r["sent_at"].is_string() && r["answered_at"].is_string()), "{receipts:#}");

    let (status, said) = rest.ask(Method::PATCH, &path, Some(&json!({"first_comment": null}))).await?;
    assert_eq!((status, &said["code"]), (StatusCode::CONFLICT, &json!("post-not-changeable")), "{said:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_platform_cannot_take_is_not_approved_and_a_campaigns_options_are_its_posts() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    gateway.listens().await?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    rest.ready().await?;

    // A comment that no server takes: no person can decide for it.
    let id = newsroom.approved_text(Platform::Bluesky, "Bread, as it should be.").await?;
    let path = format!("v1/posts/{id}");
    let long = json!({"first_comment": "And so on. ".repeat(40)});
    let (_, changed) = rest.ask(Method::PATCH, &path, Some(&long)).await?;
    assert_eq!(changed["variants"][0]["lints"][0]["rule"], "too-long", "{changed:#}");
    let approve = json!({"variant_id": changed["variants"][0]["id"]});
    let (status, said) = rest.ask(Method::POST, &format!("{path}/approve"), Some(&approve)).await?;
    assert_eq!((status, &said["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("content-refused")), "{said:#}");
    assert_eq!((&said["errors"][0]["pointer"], &said["errors"][0]["detail"]), (&json!("/variant_id"), &said["detail"]), "{said:#}");
    let edited = json!({"variant_id": changed["variants"][0]["id"], "content": "Bread [NAME], as it should be."});
    let (status, said) = rest.ask(Method::POST, &format!("{path}/approve"), Some(&edited)).await?;
    assert_eq!((status, &said["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/content")), "{said:#}");
    // Without it, it is fine.
    let (_, changed) = rest.ask(Method::PATCH, &path, Some(&json!({"first_comment": null}))).await?;
    assert_eq!((&changed["first_comment"], &changed["variants"][0]["lints"]), (&Value::Null, &json!([])));
    let (status, said) = rest.ask(Method::POST, &format!("{path}/approve"), Some(&approve)).await?;
    assert_eq!((status, &said["status"]), (StatusCode::OK, &json!("approved")), "{said:#}");
    // A time that cannot be is refused by the workflow, and the answer points to the field all the same.
    for (plan, pointer) in [
        (json!({"mode": "at", "at": "2001-12-01T09:00", "timezone": "Europe/Berlin"}), "/at"),
        (json!({"mode": "at", "at": "2030-03-31T02:30", "timezone": "Europe/Berlin", "on_gap": "reject"}), "/at"),
        (json!({"mode": "best_time", "timezone": "Europe/Berlin", "within_hours": 1_000}), "/within_hours"),
    ] {
        let (status, said) = rest.ask(Method::POST, &format!("{path}/schedule"), Some(&plan)).await?;
        assert_eq!((status, &said["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("schedule-refused")), "{said:#}");
        assert_eq!(said["errors"][0]["pointer"], pointer, "{said:#}");
        assert_eq!(said["errors"][0]["detail"], said["detail"], "{said:#}");
    }

    let brief = seed::brief(&newsroom, &[domain::brief::Language::EN]).await?;
    let campaign = json!({
        "brand_id": newsroom.brand, "brief_id": brief, "connectors": PLATFORMS.iter().map(|platform| newsroom.account(*platform)).collect::<Vec<_>>(), "variants_per_post": 1,
        "first_comment": "Ask us anything.", "thread": "split", "disclosures": ["ai_generated"],
    });
    let (status, wrong) = {
        let mut campaign = campaign.clone();
        campaign["assets"] = json!(["ast_06bv3s1k1xtkf0q9b4g2m8y7nc"]);
        rest.ask(Method::POST, "v1/campaigns", Some(&campaign)).await?
    };
    assert_eq!((status, &wrong["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/assets/0")), "{wrong:#}");
    let started = rest.post("v1/campaigns", &campaign, "with options").await?;
    let listed = format!("v1/posts?campaign_id={}", started["id"].as_str().unwrap());
    let drafted = |page: &Value| {
        let posts = page["items"].as_array().unwrap();
        posts.len() == PLATFORMS.len() && posts.iter().all(|post| post["status"] == "needs_approval")
    };
    let page = rest.until(&listed, "the drafts", drafted).await?;
    for post in page["items"].as_array().unwrap() {
        assert_eq!((&post["first_comment"], &post["thread"]), (&json!("Ask us anything."), &json!("split")), "{post:#}");
        assert_eq!(post["disclosures"], json!(["ai_generated"]));
    }
    Ok(())
}
