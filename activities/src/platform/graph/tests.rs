use http::HeaderValue;

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status: http::StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: Ok(body.to_owned().into()) }
}

fn meaning(status: u16, code: i64, subcode: i64) -> Meaning {
    let body =
        serde_json::json!({"error": {"message": "m", "type": "OAuthException", "code": code, "error_subcode": subcode, "fbtrace_id": "A"}});
    let answer = answer(status, &body.to_string());
    Trouble::of(&answer).unwrap().meaning(&answer)
}

#[test]
fn codes_mean_what_the_documents_say() {
    for (code, subcode, means) in [
        (190, 463, Meaning::Token),
        (10, 0, Meaning::Token),
        (200, 0, Meaning::Token),
        (4, 0, Meaning::Limit(PAUSE)),
        (32, 0, Meaning::Limit(PAUSE)),
        (80_002, 0, Meaning::Limit(PAUSE)),
        (9, 2_207_042, Meaning::Limit(DAILY)),
        (4, 2_207_051, Meaning::Refused),
        (24, 4_279_009, Meaning::NotReady),
        (9007, 2_207_027, Meaning::NotReady),
        (100, 33, Meaning::Missing),
        (100, 0, Meaning::Refused),
        (2, 0, Meaning::Passing),
        (368, 0, Meaning::Refused),
    ] {
        assert_eq!(meaning(400, code, subcode), means, "{code}/{subcode}");
    }
    assert!(Trouble::of(&answer(200, r#"{"error": {"code": 190}}"#)).is_none());
    assert!(Trouble::of(&answer(400, "<html>")).is_none());
}

#[test]
fn limits_are_told_in_per_cent_and_minutes() {
    let now = Utc::now();
    let mut headers = HeaderMap::new();
    assert_eq!(usage(&headers, now), None);
    headers.insert("x-app-usage", HeaderValue::from_static(r#"{"call_count": 28, "total_time": 25, "total_cputime": 40}"#));
    assert_eq!(usage(&headers, now).map(|budget| (budget.limit, budget.remaining)), Some((100, 60)));
    assert_eq!(regained(&headers), None);
    let cases = r#"{"178": [{"type": "instagram", "call_count": 100, "total_cputime": 2, "total_time": 2, "estimated_time_to_regain_access": 19}]}"#;
    headers.insert("x-business-use-case-usage", HeaderValue::from_static(cases));
    let budget = usage(&headers, now).unwrap();
    assert_eq!((budget.remaining, budget.reset_at), (0, now + TimeDelta::minutes(19)));
    assert_eq!(regained(&headers), Some(Duration::from_secs(19 * 60)));
    headers.insert("x-business-use-case-usage", HeaderValue::from_static("[1]"));
    assert_eq!(usage(&headers, now).unwrap().remaining, 60);
}

#[test]
fn an_id_stays_one_segment_of_the_path() {
    let account = crate::platform::tests::account(domain::platform::Platform::Threads, "https://graph.example/");
    let url = edge(&account, "v1.0", &["../me", "insights"], &[("metric", "a,b")]).unwrap();
    assert_eq!(url.as_str(), "https://graph.example/v1.0/..%2Fme/insights?metric=a%2Cb");
}
