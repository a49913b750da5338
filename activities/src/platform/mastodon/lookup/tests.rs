use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{path, query_param, query_param_is_missing},
};

use super::*;
use crate::platform::{
    Account, Sending, Staged, freeze, resolve,
    tests::{account, credentials, http, intent, post},
};
use domain::platform::Platform;

const TEXT: &str = "Die neue Röstung ist da: https://shop.example/kaffee #Kaffee";

fn listed(id: u64, created_at: &str, content: &str) -> serde_json::Value {
    json!({"id": id.to_string(), "url": format!("https://social.example/@ann/{id}"), "created_at": created_at, "content": content})
}

fn rendered() -> String {
    r##"<p>Die neue Röstung ist da: <a href="https://shop.example/kaffee"><span class="invisible">https://</span><span class="">shop.example/kaffee</span></a> <a href="https://social.example/tags/Kaffee">#<span>Kaffee</span></a></p>"##.to_owned()
}

fn window(known: &[&str]) -> Window {
    Window { first_sent_at: "2026-12-01T09:00:02Z".parse().unwrap(), known_external_ids: known.iter().map(|id| (*id).to_owned()).collect() }
}

async fn looked_up(link: Option<&str>, statuses: serde_json::Value, window: &Window) -> Resolution {
    let server = MockServer::start().await;
    let list = Mock::given(path("/api/v1/accounts/109/statuses"));
    list.and(query_param_is_missing("max_id")).respond_with(ResponseTemplate::new(200).set_body_json(statuses)).mount(&server).await;
    Mock::given(query_param("limit", "40")).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    let account: Account = account(Platform::Mastodon, &server.uri());
    let mut text = post(TEXT);
    text.unique_link = link.map(str::to_owned);
    let frozen = freeze(&account, &text, &Staged::NOTHING, intent()).unwrap();
    resolve(&http(), &account, &credentials(Platform::Mastodon), Sending::text(&frozen), window).await.unwrap().value
}

#[tokio::test]
async fn one_status_with_the_text_is_it() {
    let statuses = json!([
        listed(3, "2026-12-01T09:01:00Z", "<p>Etwas anderes</p>"),
        listed(2, "2026-12-01T08:59:00Z", &rendered()),
        listed(1, "2026-11-30T09:00:00Z", &rendered())
    ]);
    let Resolution::Found { sent, evidence } = looked_up(None, statuses, &window(&[])).await else { panic!("not found") };
    assert_eq!((sent.external_id.as_str(), sent.url.as_str()), ("2", "https://social.example/@ann/2"));
    assert_eq!(evidence, "one of 2 posts since 2026-12-01T08:55:02+00:00 has its text");
}

#[tokio::test]
async fn an_old_or_known_status_is_not_it() {
    let old = json!([listed(1, "2026-11-30T09:00:00Z", &rendered())]);
    assert_eq!(looked_up(None, old, &window(&[])).await.name(), "absent");
    let known = json!([listed(1, "2026-12-01T09:00:00Z", &rendered())]);
    assert_eq!(looked_up(None, known, &window(&["1"])).await.name(), "absent");
    assert_eq!(looked_up(None, json!([]), &window(&[])).await.name(), "absent");
}

#[tokio::test]
async fn two_statuses_with_the_text_decide_nothing() {
    let statuses = json!([listed(2, "2026-12-01T09:02:00Z", &rendered()), listed(1, "2026-12-01T09:00:00Z", &rendered())]);
    assert_eq!(looked_up(None, statuses, &window(&[])).await.name(), "unknown");
}

#[tokio::test]
async fn a_text_that_a_server_changed_is_not_taken_for_absent() {
    let cut = listed(1, "2026-12-01T09:00:03Z", "<p>Die neue Röstung ist da: https://shop.example/…</p>");
    let resolution = looked_up(None, json!([cut]), &window(&[])).await;
    assert_eq!(resolution.name(), "unknown", "{}", resolution.evidence());
}

#[tokio::test]
async fn its_own_link_goes_before_the_text() {
    let link = Some("https://go.example/l/a1");
    let by_link = |id, url: &str| {
        listed(id, "2026-12-01T09:00:03Z", &format!(r#"<p>Geändert <a href="{url}"><span class="invisible">https://</span>go…</a></p>"#))
    };
    let found = looked_up(link, json!([by_link(2, "https://go.example/l/a12"), by_link(1, "https://go.example/l/a1")]), &window(&[])).await;
    assert!(matches!(&found, Resolution::Found { sent, .. } if sent.external_id == "1"), "{found:?}");
    let longer = looked_up(link, json!([by_link(2, "https://go.example/l/a12")]), &window(&[])).await;
    assert_eq!(longer.name(), "absent");
    let twice = looked_up(link, json!([by_link(2, "https://go.example/l/a1"), by_link(1, "https://go.example/l/a1")]), &window(&[])).await;
    assert_eq!(twice.name(), "unknown");
}

#[tokio::test]
async fn later_pages_are_read_until_before_the_send() {
    let server = MockServer::start().await;
    let list = || Mock::given(path("/api/v1/accounts/109/statuses"));
    let first: Vec<_> = (100..140).rev().map(|id| listed(id, "2026-12-01T09:05:00Z", "<p>x</p>")).collect();
    list().and(query_param_is_missing("max_id")).respond_with(ResponseTemplate::new(200).set_body_json(first)).mount(&server).await;
    let second = json!([listed(99, "2026-12-01T09:00:05Z", &rendered()), listed(98, "2026-11-01T09:00:00Z", "<p>y</p>")]);
    list().and(query_param("max_id", "100")).respond_with(ResponseTemplate::new(200).set_body_json(second)).expect(1).mount(&server).await;
    let account = account(Platform::Mastodon, &server.uri());
    let frozen = freeze(&account, &post(TEXT), &Staged::NOTHING, intent()).unwrap();
    let resolution =
        resolve(&http(), &account, &credentials(Platform::Mastodon), Sending::text(&frozen), &window(&[])).await.unwrap().value;
    assert!(matches!(&resolution, Resolution::Found { sent, .. } if sent.external_id == "99"), "{resolution:?}");
}

#[tokio::test]
async fn a_list_that_does_not_end_and_a_failing_look_up_decide_nothing() {
    let server = MockServer::start().await;
    let page = |request: &wiremock::Request| {
        let below = request.url.query_pairs().find(|(name, _)| name == "max_id").map_or(9_000, |(_, id)| id.parse().unwrap());
        let page: Vec<_> = (below - 40..below).rev().map(|id| listed(id, "2026-12-01T09:05:00Z", "<p>x</p>")).collect();
        ResponseTemplate::new(200).set_body_json(page)
    };
    Mock::given(path("/api/v1/accounts/109/statuses")).respond_with(page).expect(5).mount(&server).await;
    let account = account(Platform::Mastodon, &server.uri());
    let frozen = freeze(&account, &post(TEXT), &Staged::NOTHING, intent()).unwrap();
    let credentials = credentials(Platform::Mastodon);
    assert_eq!(resolve(&http(), &account, &credentials, Sending::text(&frozen), &window(&[])).await.unwrap().value.name(), "unknown");
    server.reset().await;
    for status in [500, 401, 404] {
        Mock::given(path("/api/v1/accounts/109/statuses"))
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        assert!(resolve(&http(), &account, &credentials, Sending::text(&frozen), &window(&[])).await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn a_text_without_anything_to_recognise_is_unknown_not_absent() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/accounts/109/statuses"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([])))
        .mount(&server)
        .await;
    let account = account(Platform::Mastodon, &server.uri());
    let frozen = freeze(&account, &post("…!"), &Staged::NOTHING, intent()).unwrap();
    assert_eq!(
        resolve(&http(), &account, &credentials(Platform::Mastodon), Sending::text(&frozen), &window(&[])).await.unwrap().value.name(),
        "unknown"
    );
}

/// A server that shows the same list whatever is asked for, as snac does.
async fn shown_at_once(statuses: serde_json::Value) -> Resolution {
    let server = MockServer::start().await;
    let list = Mock::given(path("/api/v1/accounts/109/statuses")).respond_with(ResponseTemplate::new(200).set_body_json(statuses));
    list.expect(2).mount(&server).await;
    let account = account(Platform::Mastodon, &server.uri());
    let frozen = freeze(&account, &post(TEXT), &Staged::NOTHING, intent()).unwrap();
    resolve(&http(), &account, &credentials(Platform::Mastodon), Sending::text(&frozen), &window(&[])).await.unwrap().value
}

#[tokio::test]
async fn a_list_that_cannot_be_turned_over_says_absent_only_while_it_is_short() {
    let others = |n: u64| (100..100 + n).map(|id| listed(id, "2026-12-01T09:05:00Z", "<p>x</p>")).collect::<Vec<_>>();
    assert_eq!(shown_at_once(json!(others(3))).await.name(), "absent");
    let full = shown_at_once(json!(others(20))).await;
    assert!(matches!(&full, Resolution::Unknown { evidence } if evidence.contains("no older ones")), "{full:?}");
    let mut with_it = others(20);
    with_it.push(listed(7, "2026-12-01T09:00:05Z", &rendered()));
    let found = shown_at_once(json!(with_it)).await;
    assert!(
        matches!(&found, Resolution::Found { sent, .. } if sent.external_id == "7"),
        "shown twice, and one post all the same: {found:?}"
    );
}

#[tokio::test]
async fn words_that_a_server_tells_go_before_the_html_that_it_made_of_them() {
    let mut raw = listed(1, "2026-12-01T09:00:03Z", "Die neue Röstung <b> ist kaputt<br>");
    raw["text"] = json!(TEXT);
    assert_eq!(looked_up(None, json!([raw]), &window(&[])).await.name(), "found");
}

#[tokio::test]
async fn a_post_that_a_person_names_is_found_by_its_id_and_by_its_addresses() {
    let server = MockServer::start().await;
    let status = |id: &str, owner: &str| {
        let url = format!("https://social.example/ann/p/{id}.5");
        json!({"id": id, "url": url, "uri": format!("{url}#uri"), "account": {"id": owner}, "created_at": "2026-12-01T09:00:00Z"})
    };
    let list = json!([status("8", "109"), status("7", "109")]);
    Mock::given(path("/api/v1/accounts/109/statuses")).respond_with(ResponseTemplate::new(200).set_body_json(list)).mount(&server).await;
    for (id, owner) in [("7", "109"), ("5", "110")] {
        let one = ResponseTemplate::new(200).set_body_json(status(id, owner));
        Mock::given(path(format!("/api/v1/statuses/{id}"))).respond_with(one).mount(&server).await;
    }
    let account = account(Platform::Mastodon, &server.uri());
    let find = async |named: &str| crate::platform::find(&http(), &account, &credentials(Platform::Mastodon), named).await;
    for named in ["7", "https://social.example/ann/p/7.5", "https://social.example/ann/p/7.5#uri", "https://social.example/@ann/7"] {
        let found = find(named).await.unwrap().unwrap();
        assert_eq!((found.external_id.as_str(), found.url.as_str()), ("7", "https://social.example/ann/p/7.5"), "{named}");
    }
    assert!(matches!(find("5").await, Err(ActivityError::Rejected { what }) if what.contains("not a post of this account")));
    assert!(matches!(find("https://social.example/@ann/6").await, Err(ActivityError::NotFound { .. })));
}
