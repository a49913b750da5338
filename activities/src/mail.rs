//! Mail over SMTP: one mail to one address, one attempt.
//!
//! A mail cannot be taken back and SMTP has no key against repeating, so an attempt ends in one of three ways: it was accepted; it certainly was
//! not; or its content had been sent and the server's answer was lost ([`ActivityError::OutcomeUnknown`]). The bytes are the same for every
//! attempt (Message-ID, date and MIME boundary come from the caller), so that a mailbox that does get a mail twice can tell.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::{
    address::Envelope,
    message::Mailbox,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail as From, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Severity,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{ActivityError, ActivityResult};

mod message;

pub use message::Mail;

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte (port 465).
    #[default]
    Tls,
    /// Plain at first, TLS before anything is said (port 587); refused if the server does not offer it.
    StartTls,
    /// No TLS; only to a server on this machine.
    Plain,
}

/// Where mail is handed in.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// The user name, if the server wants one.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(default, serialize_with = "crate::secret::set_or_not")]
    pub password: Option<SecretString>,
    /// The sender: `Pressroom <digest@example.org>` or the address alone.
    pub from: String,
    /// How many seconds connecting, and then every answer of the server, may take.
    #[serde(default = "half_a_minute")]
    pub timeout_seconds: u64,
}

/// Less than the minutes that RFC 5321 4.5.3.2 allows: the engine tries again, and a step should not sit on its slot.
const fn half_a_minute() -> u64 {
    30
}

/// The settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpSettingsError {
    /// The sender is no address.
    #[error("mail: `from` is not an address such as `Pressroom <digest@example.org>`: {0}")]
    From(String),
    /// Plain text to another machine.
    #[error("mail: `security = \"plain\"` is for a server on this machine; use `tls` or `start_tls` for {0}")]
    PlainAbroad(String),
    /// A user name without a password, or the other way round.
    #[error("mail: `username` and `password` go together")]
    HalfCredentials,
}

/// Hands mails to an SMTP server.
#[derive(Debug, Clone)]
pub struct Mailer {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    /// What a server that repeats what it was told could show: the password, and the forms in which it travels.
    secrets: Vec<SecretString>,
    from: Mailbox,
    hello: ClientId,
    timeout: Duration,
}

impl Mailer {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SmtpSettingsError`] says which setting is wrong.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SmtpSettingsError> {
        let from: Mailbox = settings.from.parse().map_err(|error| SmtpSettingsError::From(format!("{error}")))?;
        if settings.security == Security::Plain && !on_this_machine(&settings.host) {
            return Err(SmtpSettingsError::PlainAbroad(settings.host.clone()));
        }
        let credentials = match (&settings.username, &settings.password) {
            (Some(username), Some(password)) => Some(Credentials::new(username.clone(), password.expose_secret().to_owned())),
            (None, None) => None,
            _ => return Err(SmtpSettingsError::HalfCredentials),
        };
        let secrets = match (&settings.username, &settings.password) {
            (Some(username), Some(password)) => forms(username, password.expose_secret()),
            _ => Vec::new(),
        };
        Ok(Self {
            secrets,
            host: settings.host.clone(),
            port: settings.port,
            security: settings.security,
            credentials,
            hello: ClientId::Domain(from.email.domain().to_owned()),
            from,
            timeout: Duration::from_secs(settings.timeout_seconds),
        })
    }

    /// The sender's domain, for [`domain::digest::message_id`].
    #[must_use]
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Tries once to hand a mail to the server. `Ok` means that the server took responsibility for it.
    ///
    /// # Errors
    /// - [`ActivityError::Transient`]: not sent: no connection, or the server said to come back (4xx).
    /// - [`ActivityError::Rejected`]: not sent and never will be: a bad address, or the server refused it for good (5xx).
    /// - [`ActivityError::CredentialsExpired`]: not sent: user name or password are not accepted.
    /// - [`ActivityError::OutcomeUnknown`]: the content was on its way when the connection broke or the answer did not come.
    pub async fn send(&self, mail: &Mail) -> ActivityResult<()> {
        let (envelope, content) = message::compose(mail, &self.from)?;
        let mut connection = self.connect().await?;
        self.announce(&mut connection, &envelope, &content).await?;
        // From here on the server may hold the whole mail: only its own answer says whether it was accepted.
        match timeout(self.timeout, connection.message(&content)).await {
            Ok(Ok(_accepted)) => {}
            Ok(Err(error)) if error.status().is_some() => return Err(self.classify("content", &error)),
            Ok(Err(error)) => return Err(self.unknown(&self.clean(&error.to_string()))),
            Err(_elapsed) => return Err(self.unknown("no answer in time")),
        }
        // The mail is the server's now, whatever becomes of the farewell.
        let _farewell = timeout(self.timeout, connection.quit()).await;
        Ok(())
    }

    async fn connect(&self) -> ActivityResult<AsyncSmtpConnection> {
        let tls =
            || TlsParameters::new(self.host.clone()).map_err(|error| ActivityError::rejected(format!("mail: {}: {error}", self.host)));
        let implicit = if self.security == Security::Tls { Some(tls()?) } else { None };
        let connecting =
            AsyncSmtpConnection::connect_tokio1((self.host.as_str(), self.port), Some(self.timeout), &self.hello, implicit, None);
        let mut connection = self.within("connect", connecting).await?;
        if self.security == Security::StartTls {
            self.within("STARTTLS", connection.starttls(tls()?, &self.hello)).await?;
        }
        if let Some(credentials) = &self.credentials {
            self.within("AUTH", connection.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        Ok(connection)
    }

    /// Everything before the content: the sender, the recipient, and the leave to send.
    async fn announce(&self, connection: &mut AsyncSmtpConnection, envelope: &Envelope, content: &[u8]) -> ActivityResult<()> {
        let mut parameters = Vec::new();
        let addresses = envelope.from().into_iter().chain(envelope.to());
        if !addresses.map(AsRef::<str>::as_ref).all(str::is_ascii) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(ActivityError::rejected(format!("mail: {} does not take addresses beyond ASCII", self.host)));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !content.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.within("MAIL", connection.command(From::new(envelope.from().cloned(), parameters))).await?;
        for recipient in envelope.to() {
            self.within("RCPT", connection.command(Rcpt::new(recipient.clone(), Vec::new()))).await?;
        }
        self.within("DATA", connection.command(Data)).await?;
        Ok(())
    }

    /// Waits for one exchange that happens before the content, after whose failure the mail certainly was not sent.
    async fn within<T>(&self, stage: &str, exchange: impl Future<Output = Result<T, lettre::transport::smtp::Error>>) -> ActivityResult<T> {
        match timeout(self.timeout, exchange).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.classify(stage, &error)),
            Err(_elapsed) => Err(ActivityError::transient(format!("mail: {} gave no answer to {stage} in time", self.host))),
        }
    }

    /// For failures after which the mail certainly was not accepted.
    fn classify(&self, stage: &str, error: &lettre::transport::smtp::Error) -> ActivityError {
        let what = format!("mail: {}, {stage}: {}", self.host, self.clean(&error.to_string()));
        match error.status() {
            // RFC 4954 6: 535 wrong credentials, 534 mechanism too weak, 530 authentication required.
            Some(code) if matches!(code.to_string().as_str(), "530" | "534" | "535") => ActivityError::credentials_expired(what),
            Some(code) if code.severity == Severity::PermanentNegativeCompletion => ActivityError::rejected(what),
            Some(_) => ActivityError::transient(what),
            // A server without the extension or mechanism that the settings ask for.
            None if error.is_client() => ActivityError::rejected(what),
            None => ActivityError::transient(what),
        }
    }

    /// The server's words without our password in them: they go into journals and logs.
    fn clean(&self, words: &str) -> String {
        self.secrets.iter().fold(words.to_owned(), |words, secret| words.replace(secret.expose_secret(), "[redacted]"))
    }

    fn unknown(&self, why: &str) -> ActivityError {
        ActivityError::outcome_unknown(format!("mail: {} was sent the content, then: {why}", self.host))
    }
}

/// A password as it is, and as `AUTH LOGIN` and `AUTH PLAIN` (RFC 4616) send it. The longest comes first, so that none is left in part.
fn forms(username: &str, password: &str) -> Vec<SecretString> {
    if password.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![STANDARD.encode(format!("\0{username}\0{password}")), STANDARD.encode(password), password.to_owned()];
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.into_iter().map(SecretString::from).collect()
}

fn on_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SmtpSettings {
        SmtpSettings {
            host: "127.0.0.1".into(),
            port: 25,
            security: Security::Plain,
            username: None,
            password: None,
            from: "Pressroom <digest@example.org>".into(),
            timeout_seconds: 5,
        }
    }

    #[test]
    fn plain_text_does_not_leave_the_machine() {
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(Mailer::new(&SmtpSettings { host: host.into(), ..settings() }).is_ok(), "{host}");
        }
        for host in ["mail.example.org", "10.0.0.1", "localhost.example.org"] {
            let error = Mailer::new(&SmtpSettings { host: host.into(), ..settings() }).unwrap_err();
            assert_eq!(error, SmtpSettingsError::PlainAbroad(host.into()));
            assert!(Mailer::new(&SmtpSettings { host: host.into(), security: Security::StartTls, ..settings() }).is_ok());
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named_and_the_password_never_shows() {
        assert!(matches!(Mailer::new(&SmtpSettings { from: "nobody".into(), ..settings() }), Err(SmtpSettingsError::From(_))));
        let half = SmtpSettings { password: Some("planted-password".into()), ..settings() };
        assert_eq!(Mailer::new(&half).unwrap_err(), SmtpSettingsError::HalfCredentials);
        let whole = SmtpSettings { username: Some("me".into()), ..half };
        let shown = format!("{whole:?} {:?}", Mailer::new(&whole).unwrap());
        assert!(!shown.contains("planted"), "{shown}");
    }

    /// A server that answers one command with this code and everything that it was told, decoded too, and every other one kindly.
    async fn parrot(refuses: &'static str, code: u16) -> std::io::Result<u16> {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            let (reader, mut writer) = stream.into_split();
            let (mut lines, mut heard, mut content) = (BufReader::new(reader).lines(), String::new(), false);
            writer.write_all(b"220 parrot\r\n").await?;
            while let Some(line) = lines.next_line().await? {
                let last = line.rsplit(' ').next().and_then(|word| STANDARD.decode(word).ok());
                let decoded = last.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).unwrap_or_default();
                heard = format!("{heard} {line} {decoded}");
                content &= line != ".";
                if content {
                    continue;
                }
                let answer = match line.split(' ').next().unwrap_or_default() {
                    verb if verb == refuses => format!("{code} you said{heard}\r\n"),
                    "EHLO" => "250-parrot\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
                    "AUTH" => "235 welcome\r\n".to_owned(),
                    "DATA" => {
                        content = true;
                        "354 go on\r\n".to_owned()
                    }
                    _ => "250 fine\r\n".to_owned(),
                };
                writer.write_all(answer.as_bytes()).await?;
            }
            std::io::Result::Ok(())
        });
        Ok(port)
    }

    #[tokio::test]
    async fn a_server_that_repeats_the_password_does_not_get_it_into_an_error() {
        let mail = Mail {
            to: "ada@example.org".into(),
            subject: "s".into(),
            text: "t".into(),
            html: "<p>t</p>".into(),
            message_id: "<1@example.org>".into(),
            date: chrono::DateTime::UNIX_EPOCH,
            unsubscribe: None,
        };
        for (refuses, code) in [("AUTH", 535), ("AUTH", 454), ("MAIL", 550), ("RCPT", 451), ("DATA", 554), (".", 554), (".", 451)] {
            let port = parrot(refuses, code).await.unwrap();
            let (username, password) = (Some("me".into()), Some("planted-password".into()));
            let mailer = Mailer::new(&SmtpSettings { port, username, password, ..settings() }).unwrap();
            let error = mailer.send(&mail).await.unwrap_err();
            assert!(error.what().contains("you said") && error.what().contains("[redacted]"), "it does repeat it: {error:?}");
            for form in forms("me", "planted-password") {
                assert!(!error.what().contains(form.expose_secret()), "{refuses} {code}: {error:?}");
            }
        }
    }
}
