//! What is known after one attempt to send a mail, at every point at which it can fail.

use activities::{
    ActivityError,
    mail::{Mail, Mailer, Security, SmtpSettings},
};
use sandbox::mail::{Fault, MailServer, Options};

fn settings(server: &MailServer) -> SmtpSettings {
    SmtpSettings {
        host: server.address().ip().to_string(),
        port: server.address().port(),
        security: Security::Plain,
        username: None,
        password: None,
        from: "Pressroom <digest@example.org>".into(),
        timeout_seconds: 30,
    }
}

async fn server() -> (MailServer, Mailer) {
    let server = MailServer::start(Options::default()).await.unwrap();
    let mailer = Mailer::new(&settings(&server)).unwrap();
    (server, mailer)
}

fn mail() -> Mail {
    Mail {
        to: "Ada <ada@example.org>".into(),
        subject: "So lief es für Lärche".into(),
        text: "Plain, so that the dots go over the wire as they are.\n.\n..two\n".into(),
        html: "<p>Grüße</p>".into(),
        message_id: "<dig_1@example.org>".into(),
        date: "2026-11-20T08:00:00Z".parse().unwrap(),
        unsubscribe: Some("https://app.example.org/u/1".parse().unwrap()),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_meant() {
    let (server, mailer) = server().await;
    mailer.send(&mail()).await.unwrap();
    let mails = server.mails();
    let [letter] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!((letter.from.as_str(), &letter.to[..]), ("digest@example.org", &["ada@example.org".to_owned()][..]));
    assert_eq!(letter.header("Subject").unwrap(), mail().subject);
    assert_eq!(letter.header("Message-ID").unwrap(), mail().message_id);
    assert_eq!(letter.header("Auto-Submitted").unwrap(), "auto-generated");
    assert_eq!(letter.header("List-Unsubscribe").unwrap(), "<https://app.example.org/u/1>");
    assert_eq!(letter.text().unwrap().trim_end(), mail().text.trim_end(), "lone and leading dots survive");
    assert_eq!(letter.html().unwrap().trim_end(), mail().html);
    assert!(letter.header("Received").unwrap().contains("stand-in"));
}

#[tokio::test]
async fn a_failure_before_the_content_was_sent_is_definite() {
    let (server, mailer) = server().await;
    for fault in [Fault::RefuseSender(451), Fault::RefuseRecipient(450), Fault::DropBeforeContent, Fault::RefuseContent(452)] {
        server.fail_next(fault);
        let error = mailer.send(&mail()).await.unwrap_err();
        assert!(matches!(error, ActivityError::Transient { .. }), "{fault:?}: {error:?}");
    }
    for fault in [Fault::RefuseSender(550), Fault::RefuseRecipient(553), Fault::RefuseContent(554)] {
        server.fail_next(fault);
        let error = mailer.send(&mail()).await.unwrap_err();
        assert!(matches!(error, ActivityError::Rejected { .. }), "{fault:?}: {error:?}");
    }
    assert_eq!((server.faults_left(), server.mails().len()), (0, 0), "one attempt a call, and none arrived");
    mailer.send(&mail()).await.unwrap();
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_after_the_content_is_an_unknown_outcome_and_nothing_is_sent_again() {
    let (server, mailer) = server().await;
    for (fault, arrived) in [(Fault::LoseContent, 0), (Fault::KeepThenDrop, 1)] {
        server.fail_next(fault);
        let error = mailer.send(&mail()).await.unwrap_err();
        assert!(matches!(error, ActivityError::OutcomeUnknown { .. }), "{fault:?}: {error:?}");
        assert_eq!(server.mails().len(), arrived, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_an_unknown_outcome() {
    let (server, _) = server().await;
    let mailer = Mailer::new(&SmtpSettings { timeout_seconds: 1, ..settings(&server) }).unwrap();
    server.fail_next(Fault::KeepThenHang);
    loop {
        match mailer.send(&mail()).await.unwrap_err() {
            ActivityError::OutcomeUnknown { .. } => break,
            // On a machine that is busy elsewhere the greeting alone can take the second; then nothing was sent.
            ActivityError::Transient { what } => assert!(server.mails().is_empty(), "{what}"),
            other => panic!("{other:?}"),
        }
    }
    while server.mails().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let (server, mailer) = server().await;
    drop(server);
    let error = mailer.send(&mail()).await.unwrap_err();
    assert!(matches!(error, ActivityError::Transient { .. }), "{error:?}");
}

#[tokio::test]
async fn wrong_credentials_wait_for_a_person_and_do_not_show() {
    let credentials = Some(("press".to_owned(), "planted-password".to_owned()));
    let server = MailServer::start(Options { credentials, ..Options::default() }).await.unwrap();
    let with = |password: &str| {
        let settings = SmtpSettings { username: Some("press".into()), password: Some(password.to_owned().into()), ..settings(&server) };
        Mailer::new(&settings).unwrap()
    };
    with("planted-password").send(&mail()).await.unwrap();
    for mailer in [with("planted-but-wrong"), Mailer::new(&settings(&server)).unwrap()] {
        let error = mailer.send(&mail()).await.unwrap_err();
        assert!(matches!(error, ActivityError::CredentialsExpired { .. }), "{error:?}");
        assert!(!error.what().contains("planted"), "{error}");
    }
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_when_tls_is_asked_for() {
    let (server, _) = server().await;
    let mailer = Mailer::new(&SmtpSettings { security: Security::StartTls, ..settings(&server) }).unwrap();
    let error = mailer.send(&mail()).await.unwrap_err();
    assert!(matches!(error, ActivityError::Rejected { .. }), "{error:?}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_folder_keeps_mails_across_a_restart_of_the_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { folder: Some(folder.path().to_owned()), ..Options::default() };
    let first = MailServer::start(options()).await.unwrap();
    Mailer::new(&settings(&first)).unwrap().send(&mail()).await.unwrap();
    let kept = first.mails();
    drop(first);
    let second = MailServer::start(options()).await.unwrap();
    assert_eq!(second.mails(), kept);
    Mailer::new(&settings(&second)).unwrap().send(&mail()).await.unwrap();
    assert_eq!(second.mails().len(), 2);
}
