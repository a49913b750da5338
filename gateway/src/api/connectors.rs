//! Social accounts. Their credentials go in and never come out.

use activities::{
    ActivityError,
    platform::{self, Apps, BadInput, Credentials},
    store::connectors::{self, Connector},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use domain::{
    ids::{ConnectorId, OrgId},
    platform::Platform,
    publication::send_class,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::connector::{ForOrg, KeepToken};

use super::platforms::{CapabilitiesView, SendView};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json, Params},
    fields::Fields,
    idempotency::IdSource,
    page::{Page, PageParams, Slice},
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Admin, routes!(connect)))
        .routes(may(Role::Viewer, routes!(status)))
        .routes(may(Role::Admin, routes!(disconnect)))
}

/// An account to connect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "platform": "mastodon",
    "base_url": "https://mastodon.social",
    "handle": "northwind",
    "credentials": {"access_token": "..."}
}))]
struct ConnectorInput {
    /// Its platform.
    #[schema(value_type = String)]
    platform: Platform,
    /// Its server; needed for Mastodon, `https://bsky.social` unless said for Bluesky, not taken where a platform has one address.
    #[serde(default)]
    base_url: Option<String>,
    /// Its name there.
    handle: String,
    /// The fields that `GET /v1/platforms` lists for the platform (Mastodon: `access_token`; Bluesky: `app_password`, and `identifier` if it is not
    /// the handle). Written, never read back.
    #[schema(value_type = Object)]
    credentials: Value,
}

/// A connected account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorView {
    /// Its id.
    #[schema(value_type = String, example = "con_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: ConnectorId,
    /// Its platform.
    #[schema(value_type = String)]
    platform: Platform,
    /// Its server.
    base_url: String,
    /// Its name there.
    handle: String,
    /// `connected`, `needs_reconnect` or `disconnected`.
    health: String,
    /// What the platform said when that last changed.
    reason: Option<String>,
    /// The server's software, where it tells.
    software: Option<String>,
    /// The longest post, in the platform's own count, where the server tells.
    max_characters: Option<i32>,
    /// The rate budget as the platform last told it.
    #[schema(value_type = Option<Object>)]
    rate_budget: Option<Value>,
    /// When its token ends, where it does.
    token_expires_at: Option<DateTime<Utc>>,
    /// When it was last looked at.
    checked_at: Option<DateTime<Utc>>,
    /// When it was connected.
    created_at: DateTime<Utc>,
}

impl From<Connector> for ConnectorView {
    fn from(c: Connector) -> Self {
        Self {
            id: c.id,
            platform: c.platform,
            base_url: c.base_url,
            handle: c.handle,
            health: c.state,
            reason: c.state_reason,
            software: c.software,
            max_characters: c.max_characters,
            rate_budget: c.budget,
            token_expires_at: c.token_expires_at,
            checked_at: c.checked_at,
            created_at: c.created_at,
        }
    }
}

/// A connected account, with how sending once is kept on it and what it can do.
#[derive(Serialize, ToSchema)]
struct ConnectorStatusView {
    #[serde(flatten)]
    connector: ConnectorView,
    /// How a post goes out once.
    send: SendView,
    /// What its token allows, where the platform tells.
    scopes: Vec<String>,
    /// What its posts may hold, and what it tells.
    capabilities: CapabilitiesView,
}

/// What a platform said to a person who waits for the answer.
pub(super) fn platform_problem(error: &ActivityError) -> Problem {
    match error {
        ActivityError::Rejected { what } | ActivityError::CredentialsExpired { what } | ActivityError::NotFound { what } => {
            Problem::new(Code::PlatformRefused).detail(what.clone())
        }
        ActivityError::Transient { .. } | ActivityError::RateLimited { .. } | ActivityError::OutcomeUnknown { .. } => {
            tracing::warn!(%error, "a platform did not answer");
            Problem::new(Code::Unavailable).detail("The platform does not answer, or asks to wait.").header(header::RETRY_AFTER, 10)
        }
    }
}

/// Checks an account at its platform and stores it, under the id it has if it was connected before: posts that wait for a reconnect then go out.
pub(super) async fn save_account(
    app: &App,
    org: OrgId,
    ids: IdSource,
    platform: Platform,
    base_url: &str,
    handle: &str,
    credentials: Credentials,
) -> ApiResult<Connector> {
    let (account, credentials, health) =
        platform::connect(&app.outgoing, &app.apps, platform, base_url, handle, credentials).await.map_err(|e| platform_problem(&e))?;
    let base_url = account.base_url.as_str().trim_end_matches('/').to_owned();
    let mut tx = app.store.in_org(org).await?;
    let known = connectors::same_account(&mut tx, platform, &base_url, &account.remote_id).await?;
    let id = known.unwrap_or_else(|| ConnectorId::derived(ids.0, "connector"));
    let plaintext = credentials.to_plaintext()?;
    let sealed = app.vault.seal(&connectors::seal_context(&tx, id), plaintext.expose_secret().as_bytes()).map_err(Problem::internal)?;
    let connector = Connector {
        id,
        platform,
        base_url,
        handle: account.handle,
        remote_id: account.remote_id,
        software: account.software,
        max_characters: account.limits.max_characters.and_then(|n| i32::try_from(n).ok()),
        token_expires_at: credentials.expires_at().or(health.token_expires_at),
        scopes: if health.scopes.is_empty() { credentials.scopes().to_vec() } else { health.scopes },
        state: "connected".to_owned(),
        state_reason: None,
        budget: None,
        checked_at: None,
        created_at: Utc::now(),
    };
    connectors::save(&mut tx, &connector, sealed.as_bytes()).await?;
    let stored = connectors::require(&mut tx, id).await?;
    tx.commit().await?;
    if let (Some(expires_at), true) = (stored.token_expires_at, platform::renews_ahead(platform).is_some()) {
        let key = format!("{}:keep", ids.0);
        app.engine.send_object("Connector", &id.to_string(), "keep_token", &KeepToken { org, expires_at }, &key).await?;
    }
    if known.is_some() {
        let key = format!("{}:check", ids.0);
        app.engine.send_object("Connector", &id.to_string(), "check", &ForOrg { org }, &key).await?;
    }
    Ok(stored)
}

/// Reads credentials and names the fields that are wrong, never what is in them.
fn read_credentials(platform: Platform, input: &Value, fields: &mut Fields) -> Option<Credentials> {
    let read = Credentials::from_input(platform, input);
    read.map_err(|BadInput(bad)| bad.into_iter().for_each(|field| fields.bad(field.pointer, field.what))).ok()
}

/// The server that an account is on: the one that was given, where users may say, else the platform's own.
pub(super) fn server(app: &App, platform: Platform, given: Option<&str>, fields: &mut Fields) -> Option<Url> {
    if given.is_some() && Apps::is_fixed(platform) {
        fields.bad("/base_url", format!("is not for {}: it has one address", platform.title()));
        return None;
    }
    let Some(address) = given.map(str::to_owned).or_else(|| app.apps.api_base(platform)) else {
        fields.bad("/base_url", format!("is needed for {}: the address of the server", platform.title()));
        return None;
    };
    app.outgoing.check_url(&address).map_err(|error| fields.bad("/base_url", error.what())).ok()
}

/// Connect an account, or connect it again
///
/// The credentials are tried at once. They are stored encrypted and never shown.
#[utoipa::path(post, path = "/v1/connectors", tag = "connectors", operation_id = "connect", request_body = ConnectorInput,
    responses((status = 201, body = ConnectorView, description = "Connected")))]
async fn connect(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<ConnectorInput>) -> ApiResult<impl IntoResponse> {
    let mut fields = Fields::default();
    let base_url = server(&app, input.platform, input.base_url.as_deref(), &mut fields);
    fields.text("/handle", &input.handle, 300);
    let credentials = read_credentials(input.platform, &input.credentials, &mut fields);
    fields.done()?;
    let (Some(base_url), Some(credentials)) = (base_url, credentials) else { return Err(Problem::new(Code::ValidationFailed)) };
    let connector = save_account(&app, caller.org, ids, input.platform, base_url.as_str(), &input.handle, credentials).await?;
    let location = format!("/v1/connectors/{}/status", connector.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], axum::Json(ConnectorView::from(connector))))
}

/// List accounts, oldest first
#[utoipa::path(get, path = "/v1/connectors", tag = "connectors", operation_id = "list_connectors", params(PageParams),
    responses((status = 200, body = Page<ConnectorView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<PageParams>) -> ApiResult<axum::Json<Page<ConnectorView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let rows = connectors::list(&mut app.store.in_org(caller.org).await?, slice.after, slice.rows()).await?;
    Ok(axum::Json(slice.page(rows, |c| c.id, ConnectorView::from)))
}

/// How an account is, and what it can do
#[utoipa::path(get, path = "/v1/connectors/{id}/status", tag = "connectors", operation_id = "connector_status", params(("id" = String, Path)),
    responses((status = 200, body = ConnectorStatusView, description = "The account"), (status = 404, description = "There is none")))]
async fn status(State(app): State<App>, caller: Caller, Id(id): Id<ConnectorId>) -> ApiResult<axum::Json<ConnectorStatusView>> {
    let connector = connectors::get(&mut app.store.in_org(caller.org).await?, id).await?.ok_or_else(Problem::not_found)?;
    let class = send_class(connector.platform, connector.software.as_deref());
    let own_units = connector.max_characters.and_then(|n| u32::try_from(n).ok());
    Ok(axum::Json(ConnectorStatusView {
        send: SendView::of(connector.platform, class),
        scopes: connector.scopes.clone(),
        capabilities: CapabilitiesView::of(connector.platform.capabilities(), own_units),
        connector: connector.into(),
    }))
}

/// Disconnect an account
///
/// Its credentials are deleted; the account stays, for the posts that went out by it.
#[utoipa::path(delete, path = "/v1/connectors/{id}", tag = "connectors", operation_id = "disconnect", params(("id" = String, Path)),
    responses((status = 204, description = "Disconnected"), (status = 404, description = "There is none")))]
async fn disconnect(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<ConnectorId>) -> ApiResult<StatusCode> {
    let org = caller.org;
    connectors::get(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
    let key = format!("{}:disconnect", ids.0);
    let () = app.engine.call_object("Connector", &id.to_string(), "disconnect", &ForOrg { org }, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
