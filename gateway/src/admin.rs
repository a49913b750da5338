//! What an operator does outside of the API: the first org, its keys and its people.

use activities::{
    ActivityResult,
    store::{Store, api_keys, orgs, users},
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
