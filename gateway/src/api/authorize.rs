//! Connecting an account by OAuth 2 with PKCE: where to send the person, and the way back.
//!
//! The state parameter is 256 random bits, of which the database has the hash. It is bound to the org and to whoever began, works once, and for
//! ten minutes. Whoever comes back shows nothing else: the platform sends a browser, which has no key.

#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use activities::{
    platform::{
        self, Choice,
        apps::needs_app,
        oauth::{self, Returned},
    },
    store::{
        lookup,
        oauth::{self as states, Authorization, LIFETIME_MINUTES, Taken},
        users,
    },
    vault::Sealed,
};
use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use domain::{
    ids::{ApiKeyId, OrgId, UserId},
    platform::Platform,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    choosing,
    connectors::{ConnectorView, platform_problem, save_account, server},
};
use crate::{
    access::{Role, anyone, may},
    app::App,
    auth::{Actor, Caller},
    extract::Params,
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Admin, routes!(authorize))).routes(anyone(routes!(callback)))
}

/// Which account server to ask.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuthorizeParams {
    /// One that `GET /v1/platforms` says has OAuth. The others take what a person enters: `POST /v1/connectors`.
    #[param(value_type = String)]
    platform: Platform,
    /// The address of the server that the account is on, for Mastodon; others have one address.
    base_url: Option<String>,
    /// The id or the name of the account that is meant, where the person has several (pages, organisations, channels).
    account: Option<String>,
}

/// What is kept, sealed, until the person comes back.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// What the platform's protocol needs.
    authorization: String,
    /// Which account is meant.
    account: Option<String>,
}

/// Where to send the person.
#[derive(Debug, Serialize, ToSchema)]
struct AuthorizeView {
    /// The page of the platform that asks them.
    authorize_url: String,
    /// Until when they may come back.
    expires_at: DateTime<Utc>,
}

/// Begin to connect an account by OAuth
///
/// Send the person to `authorize_url`; the platform sends them on to `/v1/connectors/callback`, which connects the account.
#[utoipa::path(get, path = "/v1/connectors/authorize", tag = "connectors", operation_id = "authorize_connector", params(AuthorizeParams),
    responses((status = 200, body = AuthorizeView, description = "Where to send the person")))]
async fn authorize(State(app): State<App>, caller: Caller, Params(params): Params<AuthorizeParams>) -> ApiResult<impl IntoResponse> {
    let platform = params.platform;
    let mut fields = Fields::default();
    if !platform::has_oauth(platform) {
        fields.bad("/platform", "has no OAuth here: connect it with POST /v1/connectors");
    } else if needs_app(platform) && app.apps.client_id(platform).is_none() {
        fields.bad("/platform", format!("is not set up on this installation: set platforms.{platform}.client_id"));
    }
    fields.done()?;
    let mut fields = Fields::default();
    let base_url = server(&app, platform, params.base_url.as_deref(), &mut fields);
    fields.done()?;
    let base_url = base_url.ok_or_else(|| Problem::new(Code::ValidationFailed))?;
    let redirect = redirect_uri(&app)?;
    let state = BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
    let hash: [u8; 32] = Sha256::digest(&state).into();
    let begun = oauth::begin(&app.outgoing, &app.apps, platform, &base_url, &redirect, &state).await.map_err(|e| platform_problem(&e))?;
    let kept = Kept { authorization: begun.kept.expose_secret().to_owned(), account: params.account };
    let plaintext = SecretString::from(serde_json::to_string(&kept).map_err(Problem::internal)?);
    let sealed =
        app.vault.seal(&states::seal_context(caller.org, &hash), plaintext.expose_secret().as_bytes()).map_err(Problem::internal)?;
    let authorization = Authorization {
        platform,
        base_url: base_url.to_string(),
        sealed: sealed.as_bytes().to_vec(),
        begun_by: caller.id(),
        begun_by_person: matches!(caller.actor, Actor::User { .. }),
    };
    let mut tx = app.store.in_org(caller.org).await?;
    states::begin(&mut tx, &hash, &authorization).await?;
    tx.commit().await?;
    let expires_at = Utc::now() + TimeDelta::minutes(LIFETIME_MINUTES.into());
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(AuthorizeView { authorize_url: begun.authorize_url.into(), expires_at })))
}

/// What a platform sends the person back with. Servers add parameters of their own, so unknown ones are passed over.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CallbackParams {
    /// What `/v1/connectors/authorize` sent along.
    #[param(value_type = Option<String>)]
    state: Option<SecretString>,
    /// What the account is opened with, once.
    #[param(value_type = Option<String>)]
    code: Option<SecretString>,
    /// Why there is no code.
    error: Option<String>,
}

/// Come back from a platform
///
/// Platforms send a person here. The state parameter is the proof: it belongs to whoever began, works once, and for ten minutes.
#[utoipa::path(get, path = "/v1/connectors/callback", tag = "connectors", operation_id = "authorize_callback", params(CallbackParams),
    responses((status = 200, body = ConnectorView, description = "The account is connected"),
        (status = 300, description = "Several accounts were opened: `POST /v1/connectors/choose`"),
        (status = 400, description = "Nobody began this, or it was used"), (status = 410, description = "Ten minutes are over"),
        (status = 422, description = "The person or the platform refused")))]
async fn callback(State(app): State<App>, Params(params): Params<CallbackParams>) -> ApiResult<impl IntoResponse> {
    let unknown = || Problem::new(Code::AuthorizationUnknown);
    let state = params.state.ok_or_else(unknown)?;
    let hash: [u8; 32] = Sha256::digest(state.expose_secret()).into();
    let org = states::org_of(&app.store, &hash).await?.ok_or_else(unknown)?;
    let mut tx = app.store.in_org(org).await?;
    let taken = states::take(&mut tx, &hash).await?;
    // Used up before anything else happens, whatever comes of it.
    tx.commit().await?;
    let begun = match taken {
        Taken::Valid(begun) => begun,
        Taken::Expired => return Err(Problem::new(Code::AuthorizationExpired)),
        Taken::Unknown => return Err(unknown()),
    };
    if let Some(error) = params.error {
        return Err(Problem::new(Code::AuthorizationDenied).detail(format!("The platform answered `{}`.", spelled(&error))));
    }
    let code = params.code.ok_or_else(|| Problem::new(Code::AuthorizationDenied).detail("The platform sent no code."))?;
    if !may_still_connect(&app, org, &begun).await? {
        return Err(Problem::new(Code::AuthorizationUnknown).detail("Whoever began this may not connect accounts any more."));
    }
    let opened =
        app.vault.open_text(&states::seal_context(org, &hash), &Sealed::from_bytes(begun.sealed.clone())).map_err(Problem::internal)?;
    let kept: Kept = serde_json::from_str(opened.expose_secret()).map_err(|_| Problem::internal("a stored authorisation is damaged"))?;
    let base_url = app.outgoing.check_url(&begun.base_url).map_err(|e| platform_problem(&e))?;
    let returned = Returned { redirect: &redirect_uri(&app)?, code: &code, kept: &kept.authorization.into() };
    let credentials =
        oauth::finish(&app.outgoing, &app.apps, begun.platform, &base_url, returned).await.map_err(|e| platform_problem(&e))?;
    let offered = platform::accounts(&app.outgoing, begun.platform, &base_url, &credentials).await.map_err(|e| platform_problem(&e))?;
    let credentials = match platform::choose(credentials, offered, kept.account.as_deref()).map_err(|e| platform_problem(&e))? {
        Choice::Clear(credentials) => credentials,
        Choice::Asked(offered) => return Err(with_headers(choosing::ask(&app, org, begun, &offered).await?)),
    };
    // Whose account it is, the token says.
    let connector = save_account(&app, org, IdSource::fresh(), begun.platform, base_url.as_str(), "", credentials).await?;
    Ok((unshared(), axum::Json(ConnectorView::from(connector))))
}

/// The address holds the code: it stays out of caches, and is told to no other page.
fn unshared() -> [(HeaderName, HeaderValue); 2] {
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))]
}

fn with_headers(problem: Problem) -> Problem {
    unshared().into_iter().fold(problem, |problem, (name, value)| problem.header(name, value))
}

/// Whether whoever began has the right to it now: the key may have been revoked meanwhile, the person's role taken.
async fn may_still_connect(app: &App, org: OrgId, begun: &Authorization) -> ApiResult<bool> {
    let role = if begun.begun_by_person {
        users::get(&mut app.store.in_org(org).await?, UserId::from_uuid(begun.begun_by)).await?.map(|user| user.role)
    } else {
        lookup::api_key(&app.store, ApiKeyId::from_uuid(begun.begun_by)).await?.filter(|key| key.org == org).map(|key| key.role)
    };
    Ok(role.and_then(|role| role.parse::<Role>().ok()).is_some_and(|role| role >= Role::Admin))
}

fn redirect_uri(app: &App) -> ApiResult<Url> {
    let base = app.settings.public_url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/v1/connectors/callback")).map_err(Problem::internal)
}

/// An OAuth error code as the standard spells them (RFC 6749, section 4.1.2.1); anybody can write an address, so nothing else is repeated.
fn spelled(error: &str) -> String {
    error.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_is_repeated_and_nothing_else() {
        assert_eq!(spelled("access_denied"), "access_denied");
        assert_eq!(spelled("<b>Call 0800-123!</b>\n"), "ballb");
        assert_eq!(spelled(&"x".repeat(1000)).len(), 60);
    }
}
