//! Making a digest: from the figures over the words to the mail. One function is one attempt at one effect.
//!
//! # What "mailed once" means
//! SMTP has no key against repeating. A mail that certainly was not taken is tried again; one whose outcome is not known is noted as "may have
//! been sent" and never repeated. What remains is a crash between the server's answer and the journal's note of it: the mail is then sent a
//! second time, with the same bytes under the same Message-ID, by which a mailbox shows it once.

use chrono::{DateTime, Utc};
use domain::{
    digest::{self, DigestData, Period},
    ids::{BrandId, DigestId, OrgId, RunId, SubscriptionId, UsageId},
    prompt,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ActivityError, ActivityResult, asking,
    mail::{Mail, Mailer},
    model::{CompletionRequest, Models, Purpose},
    store::{
        OrgTx, Store, brands,
        digests::{self, NewDigest, Subscription, figures},
        runs,
    },
};

/// The most tokens that a summary may have: four long sentences, in any language.
const SUMMARY_TOKENS: u32 = 600;

/// The id of the digest of a subscription for the period that ends at `fire_at`: the same whenever it is asked for. It begins with the end of
/// the period, so that digests sort by it.
#[must_use]
pub fn digest_id(subscription: SubscriptionId, fire_at: DateTime<Utc>) -> DigestId {
    DigestId::derived(at_time(subscription.uuid(), fire_at), &format!("digest of {subscription}"))
}

/// The id of the run that made a digest.
#[must_use]
pub fn run_id(digest: DigestId) -> RunId {
    RunId::derived(digest.uuid(), "run")
}

/// `id` with `at` in its timestamp (the first 48 bits of a UUIDv7, RFC 9562 5.7, are milliseconds since 1970).
fn at_time(id: Uuid, at: DateTime<Utc>) -> Uuid {
    let mut bytes = *id.as_bytes();
    bytes[..6].copy_from_slice(&at.timestamp_millis().to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}

/// The numbers of a digest, and what goes with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Whose posts they are of.
    pub brand_id: BrandId,
    /// The numbers.
    pub data: DigestData,
}

/// Reads the figures of the period that ends at `to` (see [`figures::of_brand`] for `running`).
///
/// # Errors
/// [`ActivityError::NotFound`] when the brand does not exist.
pub async fn read_figures(tx: &mut OrgTx, subscription: &Subscription, to: DateTime<Utc>, running: bool) -> ActivityResult<Figures> {
    let brand_id = subscription.asked.brand_id;
    let brand =
        brands::get(tx, brand_id).await?.ok_or_else(|| ActivityError::not_found(format_args!("the brand {brand_id} does not exist")))?;
    let rhythm = subscription.asked.rhythm;
    let period = period(rhythm, to, running);
    let posts = figures::of_brand(tx, brand_id, period, running).await?;
    Ok(Figures { brand_id, data: DigestData::sum_up(&brand.brand.name, period, posts) })
}

/// The period that ends at `to`: with `running`, the one that the next digest will sum up, as far as it has come.
fn period(rhythm: domain::schedule::Rhythm, to: DateTime<Utc>, running: bool) -> Period {
    let fire = if running { rhythm.next_after(to).unwrap_or(to) } else { to };
    Period { from: rhythm.period_start(fire), to, timezone: rhythm.timezone }
}

/// Asks the model for the words of a digest. An answer that cannot stand ([`digest::check_summary`]) is a transient failure, for the next one
/// may.
///
/// # Errors
/// The models', and the above.
pub async fn summarise(store: &Store, models: &Models, org: OrgId, usage: UsageId, data: &DigestData) -> ActivityResult<String> {
    let language = data.language();
    let facts = digest::facts(data, language);
    let period = digest::period(data, language);
    let prompt = prompt::Digest { brand: &data.brand, language, period: &period, facts: &facts }.prompt();
    let request = CompletionRequest { prompt, temperature: Some(0.2), max_tokens: SUMMARY_TOKENS, purpose: Purpose::Digest };
    let written = asking::ask(store, models, org, usage, &request, None).await?;
    let mut given: Vec<&str> = facts.iter().map(String::as_str).collect();
    given.extend([data.brand.as_str(), period.as_str()]);
    digest::check_summary(&written.text, &given).map_err(|why| ActivityError::transient(format_args!("{}: {why}", written.model)))?;
    Ok(written.text)
}

/// Where a digest belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The subscription that asks for it.
    pub subscription: SubscriptionId,
    /// The engine's id of the invocation that makes it.
    pub invocation: &'a str,
    /// The sender's domain, for the Message-ID.
    pub mail_domain: &'a str,
}

/// Renders and stores a digest, with the run that made it. Returns whether its mails went out before, or may have: then they must not again.
///
/// # Errors
/// When the database cannot answer.
pub async fn save(tx: &mut OrgTx, place: Place<'_>, figures: &Figures, summary: &str) -> ActivityResult<bool> {
    let Figures { brand_id, data } = figures;
    let id = digest_id(place.subscription, data.period.to);
    let language = data.language();
    let new = NewDigest {
        id,
        subscription_id: place.subscription,
        brand_id: *brand_id,
        data,
        summary,
        html: &digest::render_html(data, summary, language),
        text: &digest::render_text(data, summary, language),
        message_id: &digest::message_id(id, place.mail_domain),
    };
    digests::save(tx, &new).await?;
    runs::insert(tx, run_id(id), "Digest", &id.to_string(), place.invocation).await?;
    let stored = digests::require(tx, id).await?;
    Ok(stored.mailed_at.is_some() || stored.mail_note.is_some())
}

/// Tries once to mail a stored digest to one address. Every attempt sends the same bytes.
///
/// # Errors
/// As [`Mailer::send`]; [`ActivityError::NotFound`] when there is no such digest.
pub async fn mail(store: &Store, mailer: &Mailer, org: OrgId, id: DigestId, to: &str) -> ActivityResult<()> {
    let mut tx = store.in_org(org).await?;
    let stored = digests::require(&mut tx, id).await?;
    drop(tx);
    let mail = Mail {
        to: to.to_owned(),
        subject: digest::subject(&stored.data, stored.data.language()),
        text: stored.text,
        html: stored.html,
        message_id: stored.message_id,
        date: stored.created_at,
        unsubscribe: None,
    };
    mailer.send(&mail).await
}

#[cfg(test)]
mod tests {
    use domain::schedule::{Cadence, Rhythm};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_digest_has_one_id_for_one_period_and_sorts_by_its_end() {
        let one = SubscriptionId::from_uuid(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001));
        let other = SubscriptionId::from_uuid(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0002));
        let (first, next) = (at("2026-11-20T08:00:00Z"), at("2026-11-21T08:00:00Z"));
        assert_eq!(digest_id(one, first), digest_id(one, first));
        assert_ne!(digest_id(one, first), digest_id(other, first));
        assert!(digest_id(one, first) < digest_id(one, next) && digest_id(other, first) < digest_id(one, next));
        assert_eq!(digest_id(one, first).uuid().get_timestamp().unwrap().to_unix().0, first.timestamp().cast_unsigned());
        // Two subscriptions that were made in the same millisecond differ in the rest; two that differ in it only, in the label.
        let twin = SubscriptionId::from_uuid(at_time(one.uuid(), first));
        assert_ne!(digest_id(one, first), digest_id(twin, first));
    }

    #[test]
    fn a_running_period_begins_where_the_last_one_ended() {
        let rhythm = Rhythm {
            cadence: Cadence::Weekly,
            at: "09:00".parse().unwrap(),
            timezone: "Europe/Berlin".parse().unwrap(),
            weekday: Default::default(),
        };
        // 16 November 2026 is a Monday.
        let running = period(rhythm, at("2026-11-18T12:34:56Z"), true);
        assert_eq!((running.from, running.to), (at("2026-11-16T08:00:00Z"), at("2026-11-18T12:34:56Z")));
        let whole = period(rhythm, at("2026-11-16T08:00:00Z"), false);
        assert_eq!((whole.from, whole.to), (at("2026-11-09T08:00:00Z"), at("2026-11-16T08:00:00Z")));
        assert_eq!(period(rhythm, whole.to, true).from, whole.to, "a new period begins with nothing in it");
    }
}
