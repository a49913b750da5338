//! What an operator does outside of the API: the first org, its keys and its people.

use activities::{
    ActivityResult,
    store::{Store, api_keys, orgs, users},
    vault::Vault,
};
use domain::ids::{ApiKeyId, OrgId, UserId};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{access::Role, auth};

/// Creates an org.
///
/// # Errors
/// When the database cannot answer.
pub async fn create_org(store: &Store, name: &str) -> ActivityResult<OrgId> {
    let org = OrgId::from_uuid(Uuid::now_v7());
    let mut tx = store.in_org(org).await?;
    orgs::insert(&mut tx, name).await?;
    tx.commit().await?;
    Ok(org)
}

/// Creates an API key and returns it: the only time that its secret part exists outside of the client.
///
/// # Errors
/// When the database cannot answer.
pub async fn create_api_key(store: &Store, org: OrgId, name: &str, role: Role) -> ActivityResult<SecretString> {
    let id = ApiKeyId::from_uuid(Uuid::now_v7());
    let (text, hash) = auth::new_api_key(id);
    let mut tx = store.in_org(org).await?;
    api_keys::insert(&mut tx, id, name, role.as_str(), &hash).await?;
    tx.commit().await?;
    Ok(text)
}

/// Creates a person who signs in with `email` and `password`.
///
/// # Errors
/// [`activities::ActivityError::Rejected`] when the address belongs to somebody already.
pub async fn create_user(store: &Store, org: OrgId, email: &str, name: &str, role: Role, password: SecretString) -> ActivityResult<UserId> {
    let id = UserId::from_uuid(Uuid::now_v7());
    let hash = auth::hash_password(password).await.map_err(activities::ActivityError::rejected)?;
    let user = users::User { id, email: email.to_owned(), name: name.to_owned(), role: role.as_str().to_owned() };
    let mut tx = store.in_org(org).await?;
    users::insert(&mut tx, &user, &hash).await?;
    tx.commit().await?;
    Ok(id)
}

/// Gives an org a new secret that signs its metrics webhooks, and returns it: whoever sends them needs it too.
///
/// # Errors
/// When the database cannot answer, or the secret cannot be sealed.
pub async fn new_webhook_secret(store: &Store, vault: &Vault, org: OrgId) -> ActivityResult<SecretString> {
    let secret = data_encoding::BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
    let sealed = vault.seal(&webhook_secret_row(org), secret.as_bytes())?;
    let mut tx = store.in_org(org).await?;
    orgs::set_webhook_secret(&mut tx, Some(sealed.as_bytes())).await?;
    tx.commit().await?;
    Ok(secret.into())
}

/// The row that the sealed secret is bound to.
pub(crate) fn webhook_secret_row(org: OrgId) -> String {
    format!("orgs/{org}/webhook_secret")
}

/// The header `Pressroom-Signature` of a delivery, as whoever sends one makes it: HMAC-SHA256 over `<time>.<body>`, `time` in Unix seconds.
#[must_use]
pub fn sign_webhook(secret: &str, time: i64, body: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let message = [time.to_string().as_bytes(), b".", body].concat();
    format!("t={time},v1={}", data_encoding::HEXLOWER.encode(aws_lc_rs::hmac::sign(&key, &message).as_ref()))
}
