//! Digests and the subscriptions that ask for them.

pub mod figures;

use chrono::{DateTime, Utc};
use domain::{
    digest::DigestData,
    ids::{BrandId, DigestId, SubscriptionId},
    schedule::{Cadence, Rhythm},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OrgTx, classify, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// A subscription as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSubscription {
    /// Its id, derived from the request.
    pub id: SubscriptionId,
    /// Whose posts are summed up.
    pub brand_id: BrandId,
    /// When.
    pub rhythm: Rhythm,
    /// Whom it is mailed to; one mail each.
    pub email: Vec<String>,
}

/// A subscription as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// What was asked for.
    pub asked: NewSubscription,
    /// Whether it is in force.
    pub enabled: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

struct SubscriptionRow {
    id: Uuid,
    brand_id: Uuid,
    cadence: String,
    at: String,
    timezone: String,
    weekday: String,
    email: Vec<String>,
    enabled: bool,
    created_at: DateTime<Utc>,
}

impl SubscriptionRow {
    fn read(self) -> ActivityResult<Subscription> {
        let unreadable =
            |what: &dyn std::fmt::Display| ActivityError::rejected(format_args!("a stored subscription cannot be read: {what}"));
        let rhythm = Rhythm {
            cadence: read_json(self.cadence.into())?,
            at: self.at.parse().map_err(|e| unreadable(&e))?,
            timezone: self.timezone.parse().map_err(|e| unreadable(&e))?,
            weekday: read_json(self.weekday.into())?,
        };
        let asked = NewSubscription {
            id: SubscriptionId::from_uuid(self.id),
            brand_id: BrandId::from_uuid(self.brand_id),
            rhythm,
            email: self.email,
        };
        Ok(Subscription { asked, enabled: self.enabled, created_at: self.created_at })
    }
}

/// Stores a subscription; the same id a second time changes nothing.
///
/// # Errors
/// [`ActivityError::Rejected`] when the brand is not this org's; otherwise when the database cannot answer.
pub async fn insert_subscription(tx: &mut OrgTx, new: &NewSubscription) -> ActivityResult<()> {
    let org = tx.org().uuid();
    let cadence = match new.rhythm.cadence {
        Cadence::Daily => "daily",
        Cadence::Weekly => "weekly",
    };
    sqlx::query!(
        "INSERT INTO digest_subscriptions (id, org_id, brand_id, cadence, at, timezone, weekday, email) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO NOTHING",
        new.id.uuid(),
        org,
        new.brand_id.uuid(),
        cadence,
        new.rhythm.at.to_string(),
        new.rhythm.timezone.name(),
        new.rhythm.weekday.as_str(),
        &new.email
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The subscription `id` of this org.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn subscription(tx: &mut OrgTx, id: SubscriptionId) -> ActivityResult<Option<Subscription>> {
    sqlx::query_as!(
        SubscriptionRow,
        "SELECT id, brand_id, cadence, at, timezone, weekday, email, enabled, created_at FROM digest_subscriptions WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .map(SubscriptionRow::read)
    .transpose()
}

/// A page of the subscriptions in force, newest first, that come after `after`; those of one brand if it is named.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn subscriptions(
    tx: &mut OrgTx,
    brand: Option<BrandId>,
    after: Option<SubscriptionId>,
    limit: i64,
) -> ActivityResult<Vec<Subscription>> {
    sqlx::query_as!(
        SubscriptionRow,
        "SELECT id, brand_id, cadence, at, timezone, weekday, email, enabled, created_at FROM digest_subscriptions
         WHERE enabled AND ($1::uuid IS NULL OR brand_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        brand.map(BrandId::uuid),
        after.map(SubscriptionId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?
    .into_iter()
    .map(SubscriptionRow::read)
    .collect()
}

/// Puts a subscription in force or out of it, and returns it as it then stands.
///
/// # Errors
/// [`ActivityError::NotFound`] when this org has no such subscription.
pub async fn set_enabled(tx: &mut OrgTx, id: SubscriptionId, enabled: bool) -> ActivityResult<Subscription> {
    sqlx::query_as!(
        SubscriptionRow,
        "UPDATE digest_subscriptions SET enabled = $2 WHERE id = $1
         RETURNING id, brand_id, cadence, at, timezone, weekday, email, enabled, created_at",
        id.uuid(),
        enabled
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .ok_or_else(|| ActivityError::not_found(format_args!("the subscription {id} does not exist")))?
    .read()
}

/// A digest to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDigest<'a> {
    /// Its id, derived from the subscription and the end of the period.
    pub id: DigestId,
    /// The subscription that asked for it.
    pub subscription_id: SubscriptionId,
    /// Whose posts it sums up.
    pub brand_id: BrandId,
    /// The numbers.
    pub data: &'a DigestData,
    /// The words.
    pub summary: &'a str,
    /// The mail as HTML.
    pub html: &'a str,
    /// The mail as text.
    pub text: &'a str,
    /// The Message-ID of its mail.
    pub message_id: &'a str,
}

/// A digest as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Its id.
    pub id: DigestId,
    /// The subscription that asked for it.
    pub subscription_id: SubscriptionId,
    /// Whose posts it sums up.
    pub brand_id: BrandId,
    /// The numbers.
    pub data: DigestData,
    /// The words.
    pub summary: String,
    /// The mail as HTML.
    pub html: String,
    /// The mail as text.
    pub text: String,
    /// The Message-ID of its mail.
    pub message_id: String,
    /// When a mail server first took a mail with it.
    pub mailed_at: Option<DateTime<Utc>>,
    /// What a person should know about the mails that were not taken, or may have been.
    pub mail_note: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

struct DigestRow {
    id: Uuid,
    subscription_id: Uuid,
    brand_id: Uuid,
    data: serde_json::Value,
    summary: String,
    html: String,
    text: String,
    message_id: String,
    mailed_at: Option<DateTime<Utc>>,
    mail_note: Option<String>,
    created_at: DateTime<Utc>,
}

impl DigestRow {
    fn read(self) -> ActivityResult<Digest> {
        Ok(Digest {
            id: DigestId::from_uuid(self.id),
            subscription_id: SubscriptionId::from_uuid(self.subscription_id),
            brand_id: BrandId::from_uuid(self.brand_id),
            data: read_json(self.data)?,
            summary: self.summary,
            html: self.html,
            text: self.text,
            message_id: self.message_id,
            mailed_at: self.mailed_at,
            mail_note: self.mail_note,
            created_at: self.created_at,
        })
    }
}

/// Stores a digest, or puts it in the place of what was stored under its id before; what is known about its mail stays.
///
/// # Errors
/// [`ActivityError::Rejected`] when subscription or brand are not this org's; otherwise when the database cannot answer.
pub async fn save(tx: &mut OrgTx, new: &NewDigest<'_>) -> ActivityResult<()> {
    let org = tx.org().uuid();
    let data = write_json(new.data)?;
    sqlx::query!(
        "INSERT INTO digests (id, org_id, subscription_id, brand_id, period_start, period_end, data, summary, html, text, message_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET period_start = excluded.period_start, period_end = excluded.period_end, data = excluded.data,
             summary = excluded.summary, html = excluded.html, text = excluded.text, message_id = excluded.message_id",
        new.id.uuid(),
        org,
        new.subscription_id.uuid(),
        new.brand_id.uuid(),
        new.data.period.from,
        new.data.period.to,
        data,
        new.summary,
        new.html,
        new.text,
        new.message_id
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes what became of a digest's mails. `mailed_at` is kept from the first time that it was known, `note` takes the place of the one before.
///
/// # Errors
/// When the database cannot answer.
pub async fn mailed(tx: &mut OrgTx, id: DigestId, mailed_at: Option<DateTime<Utc>>, note: Option<&str>) -> ActivityResult<()> {
    sqlx::query!("UPDATE digests SET mailed_at = coalesce(mailed_at, $2), mail_note = $3 WHERE id = $1", id.uuid(), mailed_at, note)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}

/// The digest `id` of this org.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn get(tx: &mut OrgTx, id: DigestId) -> ActivityResult<Option<Digest>> {
    sqlx::query_as!(
        DigestRow,
        "SELECT id, subscription_id, brand_id, data, summary, html, text, message_id, mailed_at, mail_note, created_at
         FROM digests WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .map(DigestRow::read)
    .transpose()
}

/// The digest `id`, which must exist.
///
/// # Errors
/// [`ActivityError::NotFound`] when it does not.
pub async fn require(tx: &mut OrgTx, id: DigestId) -> ActivityResult<Digest> {
    get(tx, id).await?.ok_or_else(|| ActivityError::not_found(format_args!("the digest {id} does not exist")))
}

/// A page of digests, newest first, that come after `after`; those of one brand if it is named. (An id begins with the end of its period.)
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn list(tx: &mut OrgTx, brand: Option<BrandId>, after: Option<DigestId>, limit: i64) -> ActivityResult<Vec<Digest>> {
    sqlx::query_as!(
        DigestRow,
        "SELECT id, subscription_id, brand_id, data, summary, html, text, message_id, mailed_at, mail_note, created_at FROM digests
         WHERE ($1::uuid IS NULL OR brand_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        brand.map(BrandId::uuid),
        after.map(DigestId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?
    .into_iter()
    .map(DigestRow::read)
    .collect()
}
