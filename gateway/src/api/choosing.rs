//! Where an authorisation opened several accounts: what a person can choose from, kept sealed for ten minutes, and their choice.

use activities::{
    platform::Offered,
    store::oauth::{self as states, Authorization, LIFETIME_MINUTES, Taken},
    vault::Sealed,
};
use axum::extract::State;
use chrono::{TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use domain::ids::OrgId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::connectors::{ConnectorView, save_account};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::Json,
    idempotency::IdSource,
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Admin, routes!(choose)))
}

/// One account to choose.
#[derive(Serialize)]
struct OfferedView<'a> {
    id: &'a str,
    name: &'a str,
}

/// Keeps what was offered, and asks.
///
/// # Errors
/// Always: the problem is the question.
pub(super) async fn ask(app: &App, org: OrgId, begun: Authorization, offered: &[Offered]) -> ApiResult<Problem> {
    let token = BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
    let hash = states::choice_hash(&token);
    let plaintext = Offered::to_plaintext(offered)?;
    let sealed = app.vault.seal(&states::seal_context(org, &hash), plaintext.expose_secret().as_bytes()).map_err(Problem::internal)?;
    let mut tx = app.store.in_org(org).await?;
    states::begin(&mut tx, &hash, &Authorization { sealed: sealed.as_bytes().to_vec(), ..begun }).await?;
    tx.commit().await?;
    let accounts: Vec<OfferedView<'_>> = offered.iter().map(|one| OfferedView { id: &one.id, name: &one.name }).collect();
    let expires_at = Utc::now() + TimeDelta::minutes(LIFETIME_MINUTES.into());
    Ok(Problem::new(Code::AccountChoiceNeeded)
        .detail("Send POST /v1/connectors/choose with the choice_token and the id of one of the accounts.")
        .with("accounts", serde_json::to_value(accounts).map_err(Problem::internal)?)
        .with("choice_token", token)
        .with("expires_at", serde_json::to_value(expires_at).map_err(Problem::internal)?))
}

/// Which account to connect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"choice_token": "8h2mT0Yk6w1x3v5z7A9B1C3D5E7F9G1H3I5J7K9L1M3", "account": "104523871"}))]
struct ChoiceInput {
    /// What the problem `account-choice-needed` said.
    #[schema(value_type = String)]
    choice_token: SecretString,
    /// The id of one of its accounts.
    account: String,
}

/// Choose one of several accounts that an authorisation opened
///
/// Works once, for ten minutes. An account that was not among them uses nothing up.
#[utoipa::path(post, path = "/v1/connectors/choose", tag = "connectors", operation_id = "choose_account", request_body = ChoiceInput,
    responses((status = 200, body = ConnectorView, description = "The account is connected"),
        (status = 400, description = "Nobody was asked, or the choice was made"), (status = 410, description = "Ten minutes are over"),
        (status = 422, description = "The account was not among them, or the platform refused")))]
async fn choose(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Json(input): Json<ChoiceInput>,
) -> ApiResult<axum::Json<ConnectorView>> {
    let hash = states::choice_hash(input.choice_token.expose_secret());
    let mut tx = app.store.in_org(caller.org).await?;
    let begun = match states::take(&mut tx, &hash).await? {
        Taken::Valid(begun) => begun,
        Taken::Expired => return Err(Problem::new(Code::AuthorizationExpired)),
        Taken::Unknown => return Err(Problem::new(Code::AuthorizationUnknown)),
    };
    let context = states::seal_context(caller.org, &hash);
    let text = app.vault.open_text(&context, &Sealed::from_bytes(begun.sealed)).map_err(Problem::internal)?;
    let offered = Offered::from_plaintext(&text)?;
    // Without the commit it is as if nobody had chosen.
    let chosen = offered.into_iter().find(|one| one.id == input.account);
    let chosen = chosen.ok_or_else(|| Problem::field("/account", "is not the id of one of the accounts that were opened"))?;
    tx.commit().await?;
    let connector = save_account(&app, caller.org, ids, begun.platform, &begun.base_url, "", chosen.credentials).await?;
    Ok(axum::Json(connector.into()))
}
