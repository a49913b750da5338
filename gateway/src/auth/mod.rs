//! Who asks: API keys for programs, access tokens for people.

mod api_key;
mod password;
mod session;
mod throttle;
mod token;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use domain::ids::{ApiKeyId, OrgId, UserId};
use uuid::Uuid;

pub(crate) use self::{
    api_key::{ApiKeys, new_api_key},
    password::{hash_password, verify_password},
    session::{SessionError, begin_session, end_session, refresh_session},
    throttle::{LoginThrottle, client_address},
    token::Tokens,
};
use crate::{
    access::Role,
    app::App,
    problem::{ApiResult, Code, Problem},
};

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For which org.
    pub org: OrgId,
    /// In which role.
    pub role: Role,
    /// Who it is.
    pub actor: Actor,
}

/// A program or a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A program with an API key.
    Key {
        /// The key's id.
        id: ApiKeyId,
        /// What its owner calls it.
        name: String,
    },
    /// A person who signed in.
    User {
        /// Who it is.
        id: UserId,
        /// Name for people.
        name: String,
    },
}

impl Caller {
    /// What tells this caller from others.
    pub(crate) const fn id(&self) -> Uuid {
        match &self.actor {
            Actor::Key { id, .. } => id.uuid(),
            Actor::User { id, .. } => id.uuid(),
        }
    }

    /// As a record names who did something.
    pub(crate) fn name(&self) -> &str {
        match &self.actor {
            Actor::Key { name, .. } | Actor::User { name, .. } => name,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal("a handler outside the guard asked who calls"))
    }
}

/// Finds out who sends a request with these headers.
///
/// # Errors
/// 401 when nobody, or not truly; 503 when the database cannot say.
pub(crate) async fn authenticate(app: &App, headers: &HeaderMap) -> ApiResult<Caller> {
    let Some(credential) = bearer(headers) else {
        return Err(unauthenticated("Send Authorization: Bearer with an API key or an access token."));
    };
    let caller = match api_key::parse(credential) {
        Some(key) => app.api_keys.caller(&app.store, &key).await?,
        None => app.tokens.caller(credential),
    };
    caller.ok_or_else(|| unauthenticated("The key or token is unknown, revoked or expired."))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim())
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated).detail(detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}
