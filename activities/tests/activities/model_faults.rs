//! Models that fail: every way is survived, classified, and told without secrets.

use std::{sync::Mutex, time::Duration};

use activities::{
    ActivityError, ActivityResult,
    model::{Completed, Embedder as _, ModelSettings, Progress, ProviderKind, ProviderSettings, Timeouts},
};
use domain::prompt::Prompt;
use sandbox::model::{Door, Fault, NAME, Options, Pace, StandInModel};
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::model::{PLANTED, models, provider, request, settings};

const KINDS: [ProviderKind; 2] = [ProviderKind::OpenAi, ProviderKind::Anthropic];

/// Short only where the fault is, so that a slow machine cannot make another timeout of it.
fn timeouts(fault: &Fault) -> Timeouts {
    match fault {
        Fault::Hang => Timeouts { first_byte_ms: 1000, ..Timeouts::default() },
        Fault::Stall => Timeouts { idle_ms: 1000, ..Timeouts::default() },
        _ => Timeouts::default(),
    }
}

fn hello() -> Prompt {
    Prompt { system: "Be brief.".to_owned(), user: "Say hello to the people of the house, all of them".to_owned() }
}

async fn ask(settings: &ModelSettings) -> ActivityResult<Completed> {
    models(settings).0.complete(&request(hello()), &mut |_| {}).await
}

/// What one provider of each kind makes of a fault.
async fn failing(fault: Fault) -> Vec<ActivityError> {
    let mut errors = Vec::new();
    for kind in KINDS {
        let server = StandInModel::start(Options::default()).await.unwrap();
        let well = provider("main", kind, &server);
        let failing = ProviderSettings { timeouts: timeouts(&fault), ..well.clone() };
        server.fail(fault.clone(), 1, None);
        errors.push(ask(&settings(vec![failing], &server)).await.unwrap_err());
        assert!(ask(&settings(vec![well], &server)).await.is_ok(), "{fault:?} is over after one answer");
    }
    errors
}

#[tokio::test]
async fn too_many_requests_wait_as_long_as_is_asked() {
    for (retry_after, ms) in [(Some("7"), 7000), (Some("Fri, 20 Nov 2020 00:00:00 GMT"), 0), (None, 5000)] {
        for error in failing(Fault::RateLimited { retry_after: retry_after.map(str::to_owned) }).await {
            let what = "main: 429 Too Many Requests: the stand-in was told to be busy";
            assert_eq!(error, ActivityError::rate_limited(Duration::from_millis(ms), what));
        }
    }
}

#[tokio::test]
async fn statuses_are_classified() {
    for status in [500, 502, 503, 529, 408] {
        for error in failing(Fault::Status { status }).await {
            assert!(matches!(error, ActivityError::Transient { .. }), "{status}: {error:?}");
        }
    }
    for status in [400, 401, 403, 404, 413, 422] {
        for error in failing(Fault::Status { status }).await {
            assert!(matches!(error, ActivityError::Rejected { .. }), "{status}: {error:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_whole_answer_is_transient() {
    for (fault, says) in [
        (Fault::WebPage, "not a stream of events"),
        (Fault::Nonsense, "not the JSON of its protocol"),
        (Fault::NotUtf8, "not UTF-8"),
        (Fault::EmptyText, "the answer has no text"),
        (Fault::HalfStream, "the answer ended in the middle"),
        (Fault::BrokenStream, "the connection broke in the middle of the answer"),
        (Fault::ErrorInStream, "an error instead of the rest of the answer"),
        (Fault::Stall, "the answer stopped for 1000 ms"),
        (Fault::Hang, "no answer within 1000 ms"),
    ] {
        for error in failing(fault.clone()).await {
            assert!(
                matches!(&error, ActivityError::Transient { what } if what.starts_with("main: ") && what.contains(says)),
                "{fault:?}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let mut provider = provider("main", ProviderKind::OpenAi, &server);
    provider.timeouts = Timeouts { total_ms: 700, ..Timeouts::default() };
    server.set_pace(Pace { first_token_ms: 0, token_delay_ms: 200 });
    let error = ask(&settings(vec![provider], &server)).await.unwrap_err();
    assert_eq!(error, ActivityError::transient("main: the answer took longer than 700 ms"));
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let settings = settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server);
    server.stop().await;
    let error = ask(&settings).await.unwrap_err();
    assert!(
        matches!(&error, ActivityError::Transient { what } if what.starts_with("main: cannot connect: ") && !what.contains("127.0.0.1")),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_cut_at_its_limit_is_no_answer() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    for kind in KINDS {
        let (models, _) = models(&settings(vec![provider("main", kind, &server)], &server));
        let request = activities::model::CompletionRequest { max_tokens: 3, ..request(hello()) };
        let error = models.complete(&request, &mut |_| {}).await.unwrap_err();
        assert_eq!(error, ActivityError::rejected("main: the answer was cut at the most tokens that were asked for"));
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_model_are_rejected_and_the_key_is_not_told() {
    let server = StandInModel::start(Options { api_key: Some("another".to_owned()), ..Options::default() }).await.unwrap();
    for kind in KINDS {
        let error = ask(&settings(vec![provider("main", kind, &server)], &server)).await.unwrap_err();
        assert_eq!(error, ActivityError::rejected("main: 401 Unauthorized: the stand-in does not know this API key"));
    }
    let server = StandInModel::start(Options::default()).await.unwrap();
    let mut provider = provider("main", ProviderKind::OpenAi, &server);
    provider.model = "gpt-unknown".to_owned();
    let error = ask(&settings(vec![provider], &server)).await.unwrap_err();
    assert!(matches!(&error, ActivityError::Rejected { what } if what.contains("404") && what.contains("gpt-unknown")), "{error:?}");

    // Some servers repeat the key in what they object to.
    let echo = MockServer::start().await;
    let said = json!({"error": {"message": format!("Incorrect API key provided: {PLANTED}.")}});
    Mock::given(any()).respond_with(ResponseTemplate::new(401).set_body_json(said)).mount(&echo).await;
    for kind in KINDS {
        let mut provider = crate::model::provider("main", kind, &server);
        provider.base_url = echo.uri().parse().unwrap();
        let settings = settings(vec![provider], &server);
        let (models, embedder) = models(&settings);
        let error = models.complete(&request(hello()), &mut |_| {}).await.unwrap_err();
        assert_eq!(error, ActivityError::rejected("main: 401 Unauthorized: Incorrect API key provided: [key]."));
        for shown in [format!("{settings:?}"), format!("{models:?}"), format!("{embedder:?}"), serde_json::to_string(&settings).unwrap()] {
            assert!(!shown.contains("planted"), "{shown}");
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let elsewhere = MockServer::start().await;
    let target = ResponseTemplate::new(307).insert_header("location", format!("{}/v1/messages", server.anthropic_url()));
    Mock::given(any()).respond_with(target).mount(&elsewhere).await;
    let mut provider = provider("main", ProviderKind::Anthropic, &server);
    provider.base_url = elsewhere.uri().parse().unwrap();
    let error = ask(&settings(vec![provider], &server)).await.unwrap_err();
    assert!(matches!(&error, ActivityError::Rejected { what } if what.contains("correct `base_url`")), "{error:?}");
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_read_whole_and_its_tokens_are_estimated() {
    let whole = MockServer::start().await;
    let body = json!({"choices": [{"message": {"role": "assistant", "content": "\"Eight b.\""}, "finish_reason": "stop"}]});
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&whole).await;
    let server = StandInModel::start(Options::default()).await.unwrap();
    let mut provider = provider("main", ProviderKind::OpenAi, &server);
    provider.base_url = whole.uri().parse().unwrap();
    let completed = ask(&settings(vec![provider], &server)).await.unwrap();
    assert_eq!((completed.text.as_str(), completed.tokens_estimated, completed.output_tokens), ("Eight b.", true, 3));
}

#[tokio::test]
async fn the_next_model_answers_when_one_fails_and_the_failed_one_rests() {
    for fault in [Fault::Status { status: 500 }, Fault::HalfStream, Fault::RateLimited { retry_after: Some("600".to_owned()) }] {
        let (first, second) =
            (StandInModel::start(Options::default()).await.unwrap(), StandInModel::start(Options::default()).await.unwrap());
        let providers = vec![provider("first", ProviderKind::OpenAi, &first), provider("second", ProviderKind::Anthropic, &second)];
        let (models, _) = models(&settings(providers, &first));
        first.fail(fault.clone(), 1, None);
        let heard = Mutex::new(Vec::new());
        let mut listen = |progress: Progress<'_>| match progress {
            Progress::Started { provider } => heard.lock().unwrap().push((provider.to_owned(), String::new())),
            Progress::Text(text) => heard.lock().unwrap().last_mut().unwrap().1.push_str(text),
        };
        let completed = models.complete(&request(hello()), &mut listen).await.unwrap();
        assert_eq!(completed.provider, "second", "{fault:?}");
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard.iter().map(|(provider, _)| provider.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(heard[1].1, completed.text);
        assert_eq!(!heard[0].1.is_empty(), fault == Fault::HalfStream);

        assert_eq!(models.complete(&request(hello()), &mut |_| {}).await.unwrap().provider, "second");
        assert_eq!((first.counts().chat, second.counts().messages), (1, 2));
    }
}

#[tokio::test]
async fn embeddings_fail_as_completions_do() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let mut settings = settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server);
    let (_, embedder) = models(&settings);
    let texts = ["one".to_owned(), "two".to_owned()];
    for (fault, says) in [
        (Fault::Status { status: 503 }, "503"),
        (Fault::WebPage, "not the JSON of its protocol"),
        (Fault::Nonsense, "not the JSON of its protocol"),
        (Fault::NotUtf8, "not the JSON of its protocol"),
        (Fault::HalfStream, "not the JSON of its protocol"),
        (Fault::BrokenStream, "the connection broke in the middle of the answer"),
        (Fault::Stall, "the answer stopped"),
        (Fault::Hang, "no answer within"),
    ] {
        server.fail(fault.clone(), 1, Some(Door::Embeddings));
        settings.embedder.timeouts = timeouts(&fault);
        let error = models(&settings).1.embed(&texts).await.unwrap_err();
        assert!(
            matches!(&error, ActivityError::Transient { what } if what.starts_with("embedder: ") && what.contains(says)),
            "{fault:?}: {error:?}"
        );
        assert_eq!(embedder.embed(&texts).await.unwrap().vectors.len(), 2);
    }
    server.fail(Fault::RateLimited { retry_after: Some("2".to_owned()) }, 1, None);
    assert!(matches!(embedder.embed(&texts).await, Err(ActivityError::RateLimited { retry_after_ms: 2000, .. })));
    server.fail(Fault::WrongDimensions, 1, None);
    let error = embedder.embed(&texts).await.unwrap_err();
    assert!(matches!(&error, ActivityError::Rejected { what } if what.contains("255") && what.contains("256")), "{error:?}");
    let error = embedder.embed(&["one".to_owned(), " ".to_owned()]).await.unwrap_err();
    assert_eq!(error, ActivityError::rejected("embedder: text 1 is empty: there is nothing to embed"));
}

#[tokio::test]
async fn vectors_are_taken_by_their_index_and_only_if_all_are_there() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let texts = ["one".to_owned(), "two".to_owned()];
    for (data, expected) in [
        (json!([{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}]), Ok(vec![vec![1.0, 0.0], vec![0.0, 1.0]])),
        (json!([{"index": 0, "embedding": [1.0, 0.0]}]), Err("the vector of text 1 is missing")),
        (
            json!([{"index": 0, "embedding": [1.0, 0.0]}, {"index": 0, "embedding": [1.0, 0.0]}]),
            Err("an unexpected vector with index 0 for 2 texts"),
        ),
        (json!([{"index": 2, "embedding": [1.0, 0.0]}]), Err("an unexpected vector with index 2 for 2 texts")),
        (json!([{"index": 0, "embedding": [0.0, 0.0]}]), Err("the vector of text 0 is zero or not finite")),
        (json!([{"index": 0, "embedding": [1e300, 0.0]}]), Err("the vector of text 0 is zero or not finite")),
    ] {
        let mock = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!({"data": data}))).mount(&mock).await;
        let mut settings = settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server);
        settings.embedder.base_url = mock.uri().parse().unwrap();
        settings.embedder.dimensions = 2;
        let result = models(&settings).1.embed(&texts).await;
        assert_eq!(
            result.map(|embedded| embedded.vectors),
            expected.map_err(|what| ActivityError::transient(format_args!("embedder: {what}")))
        );
    }
}

#[tokio::test]
async fn faults_can_be_ordered_over_http_too() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (client, base) = (reqwest::Client::new(), server.anthropic_url());
    let fault = json!({"fault": {"kind": "status", "status": 500}, "times": 2, "on": "chat"});
    assert_eq!(client.post(format!("{base}/_sandbox/faults")).json(&fault).send().await.unwrap().status(), 204);
    let settings_of = |kind| settings(vec![provider("main", kind, &server)], &server);
    assert!(ask(&settings_of(ProviderKind::Anthropic)).await.is_ok());
    assert!(ask(&settings_of(ProviderKind::OpenAi)).await.is_err());
    assert_eq!(client.delete(format!("{base}/_sandbox/faults")).send().await.unwrap().status(), 204);
    assert!(ask(&settings_of(ProviderKind::OpenAi)).await.is_ok());

    let response = client.get(format!("{base}/_sandbox/requests")).send().await.unwrap();
    let seen = response.text().await.unwrap();
    assert!(!seen.contains("planted"), "{seen}");
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["counts"], json!({"chat": 2, "messages": 1, "embeddings": 0, "faults": 1}));
    assert_eq!(seen["received"][1]["fault"], json!({"kind": "status", "status": 500}));

    let answer =
        client.post(format!("{base}/v1/chat/completions")).json(&json!({"model": NAME, "messages": [{"role": "user", "content": "Hi"}]}));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.headers()["x-pressroom-stand-in"], NAME);
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("stand-in"));
}
