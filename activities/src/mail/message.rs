//! A mail, and its bytes.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::{
    Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{ActivityError, ActivityResult};

/// One mail to one address. Whoever writes to several sends several mails, so that each has an outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The recipient: `Ada <ada@example.org>` or the address alone.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The text for programs that show no HTML.
    pub text: String,
    /// The HTML.
    pub html: String,
    /// The Message-ID with its angle brackets, the same for every attempt.
    pub message_id: String,
    /// The date in its header, the same for every attempt.
    pub date: DateTime<Utc>,
    /// Where the recipient can end the subscription (`List-Unsubscribe`, RFC 2369); with https it works by one click (RFC 8058).
    pub unsubscribe: Option<Url>,
}

/// The envelope and the bytes of a mail, a function of its arguments alone.
pub(super) fn compose(mail: &Mail, from: &Mailbox) -> ActivityResult<(Envelope, Vec<u8>)> {
    let to: Mailbox =
        mail.to.parse().map_err(|error| ActivityError::rejected(format!("mail: `{}` is not an address: {error}", mail.to)))?;
    if mail.message_id.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(ActivityError::rejected("mail: the Message-ID holds a blank"));
    }
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()]).map_err(ActivityError::rejected)?;
    let mut builder = Message::builder()
        .from(from.clone())
        .to(to)
        // A line break in a subject would begin a header of its own.
        .subject(mail.subject.split_whitespace().collect::<Vec<_>>().join(" "))
        .message_id(Some(mail.message_id.clone()))
        .date(SystemTime::from(mail.date))
        // RFC 3834: made by a program, so that no other program answers it.
        .raw_header(header("Auto-Submitted", "auto-generated"));
    if let Some(url) = &mail.unsubscribe {
        builder = builder.raw_header(header("List-Unsubscribe", &format!("<{url}>")));
        if url.scheme() == "https" {
            builder = builder.raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
    }
    let boundary = Sha256::digest(&mail.message_id).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
    let part = |kind, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
    let alternatives = MultiPart::alternative()
        .boundary(boundary)
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html));
    let message = builder.multipart(alternatives).map_err(|error| ActivityError::rejected(format!("mail: {error}")))?;
    Ok((envelope, message.formatted()))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            to: "Ada <ada@example.org>".into(),
            subject: "So lief es für Lärche".into(),
            text: "Grüße\n.\nEnde".into(),
            html: "<p>Grüße</p>".into(),
            message_id: "<dig_1@example.org>".into(),
            date: "2026-11-20T08:00:00Z".parse().unwrap(),
            unsubscribe: Some("https://app.example.org/u/1".parse().unwrap()),
        }
    }

    fn bytes(mail: &Mail) -> String {
        String::from_utf8(compose(mail, &"Pressroom <digest@example.org>".parse().unwrap()).unwrap().1).unwrap()
    }

    #[test]
    fn every_attempt_sends_the_same_bytes() {
        assert_eq!(bytes(&mail()), bytes(&mail()));
        insta::assert_snapshot!(bytes(&mail()).replace("\r\n", "\n"));
    }

    #[test]
    fn one_click_needs_https() {
        let plain = Mail { unsubscribe: Some("http://127.0.0.1:1/u".parse().unwrap()), ..mail() };
        assert!(bytes(&plain).contains("List-Unsubscribe: <http://127.0.0.1:1/u>") && !bytes(&plain).contains("One-Click"));
        assert!(!bytes(&Mail { unsubscribe: None, ..mail() }).contains("List-Unsubscribe"));
    }

    #[test]
    fn nothing_that_people_write_becomes_a_header() {
        let evil = Mail { subject: "hi\r\nBcc: all@example.org".into(), ..mail() };
        assert!(!bytes(&evil).lines().any(|line| line.starts_with("Bcc:")));
        for to in ["ada@example.org\r\nBcc: x@example.org", "nobody", "a@b.org, c@d.org", ""] {
            assert!(compose(&Mail { to: to.into(), ..mail() }, &"digest@example.org".parse().unwrap()).is_err(), "{to:?}");
        }
        let id = Mail { message_id: "<a@b>\r\nBcc: x@example.org".into(), ..mail() };
        assert!(compose(&id, &"digest@example.org".parse().unwrap()).is_err());
    }
}
