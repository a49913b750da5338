//! Sessions: a password buys an access token of two hours and a refresh token of ninety days, which buys the next pair.

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use chrono::{Duration, Utc};
use http::{StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Account, App, Refusal, bearer,
    input::Input,
    token::{ACCESS, Claims, REFRESH},
};

/// The account behind a request's access token.
pub(crate) struct Caller {
    pub(crate) did: String,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(Refusal::no_token)?;
        let claims = app.signer().verify(token, ACCESS, Utc::now())?;
        if claims.jti.split('.').next() != Some(app.memory().generation(&claims.sub).to_string().as_str()) {
            return Err(Refusal::bad("ExpiredToken", "Token has expired"));
        }
        Ok(Self { did: claims.sub })
    }
}

/// A refresh token's id and owner, from the header of a request that must carry one.
pub(crate) struct Refresher {
    id: String,
    did: String,
}

impl FromRequestParts<App> for Refresher {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(Refusal::no_token)?;
        let claims = app.signer().verify(token, REFRESH, Utc::now())?;
        Ok(Self { id: claims.jti, did: claims.sub })
    }
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    identifier: String,
    password: String,
}

pub(crate) async fn create(State(app): State<App>, Input(sign_in): Input<SignIn>) -> Result<Json<Value>, Refusal> {
    let wrong = || Refusal::unauthorized("Invalid identifier or password");
    let account =
        app.account(&sign_in.identifier.to_lowercase()).filter(|account| account.password == sign_in.password).ok_or_else(wrong)?;
    let mut memory = app.memory();
    if memory.is_revoked(&account.did) {
        return Err(wrong());
    }
    let id = format!("{:032x}", rand::random::<u128>());
    memory.start_session(id.clone(), &account.did, Utc::now() + Duration::seconds(app.options().refresh_seconds));
    let generation = memory.generation(&account.did);
    Ok(Json(app.session_json(account, generation, Some(id))))
}

pub(crate) async fn refresh(State(app): State<App>, refresher: Refresher) -> Result<Json<Value>, Refusal> {
    let account =
        app.account(&refresher.did).ok_or_else(|| Refusal::invalid(format!("Could not find user info for account: {}", refresher.did)))?;
    let mut memory = app.memory();
    let (grace, life) = (Duration::seconds(app.options().refresh_grace_seconds), Duration::seconds(app.options().refresh_seconds));
    let next =
        memory.rotate(&refresher.id, Utc::now(), grace, life).ok_or_else(|| Refusal::bad("ExpiredToken", "Token has been revoked"))?;
    let generation = memory.generation(&account.did);
    Ok(Json(app.session_json(account, generation, Some(next))))
}

pub(crate) async fn get(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Refusal> {
    let account =
        app.account(&caller.did).ok_or_else(|| Refusal::invalid(format!("Could not find user info for account: {}", caller.did)))?;
    Ok(Json(app.session_json(account, 0, None)))
}

pub(crate) async fn delete(State(app): State<App>, refresher: Refresher) -> StatusCode {
    app.memory().sign_out(&refresher.id);
    StatusCode::OK
}

impl App {
    /// A session as `createSession` answers it; without a refresh token's id as `getSession` does, without tokens.
    fn session_json(&self, account: &Account, generation: u64, refresh: Option<String>) -> Value {
        let mut session = json!({
            "did": account.did, "handle": account.handle, "email": format!("{}@stand-in.invalid", account.handle), "emailConfirmed": false,
            "active": true,
        });
        if let Some(id) = refresh {
            let now = Utc::now().timestamp();
            let claims = |scope: &str, jti: String, seconds: i64| Claims {
                scope: scope.to_owned(),
                sub: account.did.clone(),
                aud: self.service_did(),
                jti,
                iat: now,
                exp: now + seconds,
            };
            let access = claims(ACCESS, format!("{generation}.{:032x}", rand::random::<u128>()), self.options().access_seconds);
            session["accessJwt"] = Value::String(self.signer().sign(&access));
            session["refreshJwt"] = Value::String(self.signer().sign(&claims(REFRESH, id, self.options().refresh_seconds)));
        }
        session
    }
}
