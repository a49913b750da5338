//! Sessions of people: sign in, go on, sign out. These three take no `Idempotency-Key`: nobody is known yet to whom it would belong.

use activities::store::lookup;
use axum::{
    extract::{FromRequest, Request, State},
    http::StatusCode,
};
use domain::ids::{OrgId, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, anyone},
    app::App,
    auth::{self, SessionError},
    extract::Json,
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(anyone(routes!(login))).routes(anyone(routes!(refresh))).routes(anyone(routes!(logout)))
}

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery staple"}))]
struct Login {
    /// Address of the account.
    email: String,
    /// Its password.
    #[schema(value_type = String)]
    password: SecretString,
}

/// The token to go on with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"refresh_token": "prr_06bv..."}))]
struct RefreshToken {
    /// The newest refresh token of the session.
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Tokens of a session.
#[derive(Debug, Serialize, ToSchema)]
struct TokenPair {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// For how many seconds the access token is good.
    expires_in: i64,
    /// Good for one use; the answer brings the next.
    refresh_token: String,
}

fn tokens(app: &App, user: UserId, org: OrgId, role: Role, name: &str, refresh_token: &SecretString) -> ApiResult<axum::Json<TokenPair>> {
    Ok(axum::Json(TokenPair {
        access_token: app.tokens.issue(user, org, role, name).map_err(Problem::internal)?,
        token_type: "Bearer",
        expires_in: app.tokens.seconds(),
        refresh_token: refresh_token.expose_secret().to_owned(),
    }))
}

/// Sign in
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", request_body = Login, responses(
    (status = 200, body = TokenPair, description = "Signed in"),
    (status = 401, description = "Wrong address or password"),
    (status = 429, description = "Too many attempts"),
))]
async fn login(State(app): State<App>, request: Request) -> ApiResult<axum::Json<TokenPair>> {
    let address = auth::client_address(&request, app.settings.trust_forwarded_for);
    let Json(Login { email, password }) = Json::<Login>::from_request(request, &()).await?;
    app.logins.attempt(&email, address)?;
    let user = lookup::user(&app.store, &email).await?;
    let right = auth::verify_password(user.as_ref().map(|u| u.password_hash.clone()), password).await;
    let Some(user) = user.filter(|_| right) else { return Err(Problem::new(Code::InvalidCredentials)) };
    let refresh_token = auth::begin_session(&app, user.org, user.id).await?;
    let role = user.role.parse().map_err(Problem::internal)?;
    tokens(&app, user.id, user.org, role, &user.name, &refresh_token)
}

/// Go on: exchange a refresh token for new tokens
///
/// A refresh token that is used a second time ends the whole session, because somebody else may have it.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", request_body = RefreshToken, responses(
    (status = 200, body = TokenPair, description = "New tokens"),
    (status = 401, description = "The session has ended"),
))]
async fn refresh(State(app): State<App>, Json(body): Json<RefreshToken>) -> ApiResult<axum::Json<TokenPair>> {
    match auth::refresh_session(&app, body.refresh_token.expose_secret()).await {
        Ok(session) => tokens(&app, session.user, session.org, session.role, &session.name, &session.refresh_token),
        Err(SessionError::Ended) => Err(Problem::new(Code::SessionEnded)),
        Err(SessionError::Problem(problem)) => Err(problem),
    }
}

/// Sign out
///
/// Access tokens that were given out stay good for the few minutes that they have.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", request_body = RefreshToken, responses((status = 204, description = "Signed out")))]
async fn logout(State(app): State<App>, Json(body): Json<RefreshToken>) -> ApiResult<StatusCode> {
    auth::end_session(&app, body.refresh_token.expose_secret()).await?;
    Ok(StatusCode::NO_CONTENT)
}
