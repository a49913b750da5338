use std::str::FromStr as _;

use super::{
    raw_server::{Act, RawServer},
    *,
};

fn development() -> Outgoing {
    Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).unwrap()
}

fn production() -> Outgoing {
    Outgoing::new(&OutgoingSettings::default()).unwrap()
}

async fn post(http: &Outgoing, url: &str) -> Result<Answer, Failure> {
    http.answer(http.once(Method::POST, Url::parse(url).unwrap()).unwrap().body("payload")).await
}

fn failed(answer: Result<Answer, Failure>) -> Failure {
    match answer {
        Ok(answer) => panic!("answered {}", answer.status),
        Err(failure) => failure,
    }
}

#[tokio::test]
async fn a_request_that_is_cut_off_is_not_sent_again() {
    for act in [Act::Reset, Act::Close] {
        let server = RawServer::start(act.clone()).await;
        assert!(matches!(failed(post(&development(), &server.url).await), Failure::Broken(_)), "{act:?}");
        assert_eq!((server.requests(), server.connections()), (1, 1), "{act:?}");
    }
}

#[tokio::test]
async fn every_single_send_has_a_connection_of_its_own() {
    // On a kept connection that the server has just closed, the client underneath would send again by itself.
    let server = RawServer::start(Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned())).await;
    let http = development();
    for _ in 0..3 {
        let answer = post(&http, &server.url).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(answer.body.unwrap(), "ok");
    }
    assert_eq!((server.requests(), server.connections()), (3, 3));
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(failed(post(&development(), &url).await), Failure::NotSent(_)));
}

#[tokio::test]
async fn a_failed_tls_handshake_means_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 this is not TLS\r\n\r\n").await.unwrap();
    });
    assert!(matches!(failed(post(&development(), &url).await), Failure::NotSent(_)));
}

#[tokio::test]
async fn silence_after_the_request_leaves_the_outcome_open() {
    let server = RawServer::start(Act::Hang).await;
    let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_millis(300), ..OutgoingSettings::default() };
    assert!(matches!(failed(post(&Outgoing::new(&settings).unwrap(), &server.url).await), Failure::Broken(_)));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let target = RawServer::start(Act::Close).await;
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.url);
    let server = RawServer::start(Act::Say(answer)).await;
    let http = development();
    assert_eq!(post(&http, &server.url).await.unwrap_or_else(|failure| panic!("{failure:?}")).status, 307);
    let read = http.answer(http.get(Url::parse(&server.url).unwrap()).unwrap()).await;
    assert_eq!(read.unwrap_or_else(|failure| panic!("{failure:?}")).status, 307);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn an_answer_that_is_cut_or_too_large_keeps_its_status() {
    let http = development();
    let server = RawServer::start(Act::SayThenReset("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf".to_owned())).await;
    // The reset may overtake the head as well; then there is no answer at all.
    match post(&http, &server.url).await {
        Ok(answer) => assert!(answer.status == 200 && answer.body.is_err()),
        Err(failure) => assert!(matches!(failure, Failure::Broken(_))),
    }
    let settings = OutgoingSettings { allow_private_networks: true, response_limit: 3, ..OutgoingSettings::default() };
    let server = RawServer::start(Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour".to_owned())).await;
    let answer = post(&Outgoing::new(&settings).unwrap(), &server.url).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(answer.body.unwrap_err(), "the answer is larger than 3 bytes");
}

#[test]
fn addresses_that_users_give_are_checked() {
    let http = production();
    for refused in [
        "http://social.example/",
        "ftp://social.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost:8443/",
        "https://LOCALHOST./",
        "https://db.internal/",
        "https://user:secret@social.example/",
        "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "file:///etc/passwd",
        "social.example",
    ] {
        let error = http.check_url(refused).unwrap_err();
        assert!(matches!(error, ActivityError::Rejected { .. }), "{refused}");
        assert!(!error.what().contains("secret"), "{error}");
    }
    for allowed in ["https://social.example/", "https://8.8.8.8/", " https://mylocalhost.example:8443/x "] {
        assert!(http.check_url(allowed).is_ok(), "{allowed}");
    }
    assert!(development().check_url("http://127.0.0.1:3000/").is_ok());
}

#[tokio::test]
async fn what_a_name_resolves_to_is_checked_when_connecting() {
    let server = RawServer::start(Act::Close).await;
    // `localhost` stands for any name that a user controls and points inside; the look of the name is not what stops it here.
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    let http = production();
    for client in [&http.once, &http.reads] {
        let Failure::Refused(why) = failed(http.answer(client.get(&url)).await) else { panic!("not refused") };
        assert!(why.contains("outgoing.allow_private_networks"), "{why}");
    }
    assert_eq!(server.connections(), 0);
    let resolver = GuardedResolver { allow_private_networks: true };
    assert!(resolver.resolve(Name::from_str("localhost").unwrap()).await.is_ok());
}

#[tokio::test]
async fn errors_do_not_repeat_the_query() {
    let server = RawServer::start(Act::Reset).await;
    let failure = failed(post(&development(), &format!("{}?code=planted-secret", server.url)).await);
    assert!(!format!("{failure:?}").contains("planted-secret"), "{failure:?}");
}
