//! Sessions: families of rotating refresh tokens, `prr_<id>_<secret>`. Each use replaces the token. Using one that is not the newest means
//! that somebody else has it, so the whole family ends.

use activities::store::{lookup, sessions, users};
use chrono::{Duration, Utc};
use data_encoding::BASE64URL_NOPAD;
use domain::ids::{OrgId, SessionId, UserId};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{access::Role, app::App, problem::Problem};

const PREFIX: &str = "prr_";

/// Why a refresh token is no good.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// Unknown, ended, expired, or used before.
    Ended,
    /// We cannot say.
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for SessionError {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

/// A session that was begun or went on.
pub(crate) struct Refreshed {
    /// Whose it is.
    pub(crate) user: UserId,
    /// Their org.
    pub(crate) org: OrgId,
    /// Their role now.
    pub(crate) role: Role,
    /// Name for people.
    pub(crate) name: String,
    /// The newest refresh token.
    pub(crate) refresh_token: SecretString,
}

fn secret() -> (String, [u8; 32]) {
    let secret = BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
    let hash = Sha256::digest(secret.as_bytes()).into();
    (secret, hash)
}

fn write(id: SessionId, secret: &str) -> SecretString {
    let id = id.to_string();
    let body = id.split_once('_').map_or("", |(_, body)| body);
    format!("{PREFIX}{body}_{secret}").into()
}

fn read(token: &str) -> Option<(SessionId, [u8; 32])> {
    let rest = token.strip_prefix(PREFIX)?;
    let (id, secret) = (rest.get(..26)?, rest.get(26..)?.strip_prefix('_')?);
    Some((format!("{}_{id}", SessionId::PREFIX).parse().ok()?, Sha256::digest(secret.as_bytes()).into()))
}

/// Begins a family for `user`.
pub(crate) async fn begin_session(app: &App, org: OrgId, user: UserId) -> Result<SecretString, Problem> {
    let id = SessionId::from_uuid(Uuid::now_v7());
    let (secret, hash) = secret();
    let mut tx = app.store.in_org(org).await?;
    let expires_at = Utc::now() + Duration::days(app.settings.session_days.into());
    sessions::insert(&mut tx, id, user, &hash, expires_at).await?;
    tx.commit().await?;
    Ok(write(id, &secret))
}

/// Exchanges a refresh token for the next.
pub(crate) async fn refresh_session(app: &App, token: &str) -> Result<Refreshed, SessionError> {
    let (id, old) = read(token).ok_or(SessionError::Ended)?;
    let session = lookup::session(&app.store, id).await?.ok_or(SessionError::Ended)?;
    let (secret, new) = secret();
    let mut tx = app.store.in_org(session.org).await?;
    if !sessions::rotate(&mut tx, id, &old, &new).await? {
        // Whoever does not have the newest token and knows an older one has it from somewhere: nobody may go on.
        sessions::revoke(&mut tx, id).await?;
        tx.commit().await?;
        return Err(SessionError::Ended);
    }
    let user = users::get(&mut tx, session.user).await?.ok_or(SessionError::Ended)?;
    tx.commit().await?;
    let role = user.role.parse().map_err(Problem::internal)?;
    Ok(Refreshed { user: user.id, org: session.org, role, name: user.name, refresh_token: write(id, &secret) })
}

/// Ends the family of a refresh token. One that is not the newest ends it too, as any other use of it would.
pub(crate) async fn end_session(app: &App, token: &str) -> Result<(), Problem> {
    let Some((id, _)) = read(token) else { return Ok(()) };
    let Some(session) = lookup::session(&app.store, id).await? else { return Ok(()) };
    // Not only the newest: an older one ends the family as well, as any use of it would.
    let mut tx = app.store.in_org(session.org).await?;
    sessions::revoke(&mut tx, id).await?;
    tx.commit().await?;
    Ok(())
}
