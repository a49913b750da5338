//! `pressroom org create` and `pressroom key create`: the first org of a cluster and its keys. Without them nobody could call the API.

use std::io::Write;

use activities::store::{Store, lookup, orgs};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use domain::ids::OrgId;
use gateway::{access::Role, admin};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{settings::Settings, worker};

/// What can be done with orgs.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum OrgCommand {
    /// Create an org and an owner's API key, which is printed once.
    Create {
        /// Its name.
        name: String,
        /// Also create its owner, who signs in with this address and a password that is printed once.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
}

/// What can be done with an org's webhook.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Make a new secret that signs metrics sent to POST /v1/metrics/ingest, and print it once. The old one is void.
    Secret {
        /// The org (org_...).
        #[arg(long, value_name = "ID")]
        org: OrgId,
    },
}

/// `pressroom webhook ...`
///
/// # Errors
/// What is missing or wrong.
pub(crate) async fn webhook(settings: &Settings, command: WebhookCommand) -> anyhow::Result<()> {
    let WebhookCommand::Secret { org } = command;
    let store = worker::store(settings)?;
    if orgs::get(&mut store.in_org(org).await.map_err(failed)?).await.map_err(failed)?.is_none() {
        bail!("there is no org {org}");
    }
    let secret = admin::new_webhook_secret(&store, &worker::vault(settings)?, org).await.map_err(failed)?;
    writeln!(std::io::stdout().lock(), "{}", secret.expose_secret())?;
    Ok(())
}

/// What can be done with API keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create an API key, which is printed once.
    Create {
        /// The org that it belongs to (org_...).
        #[arg(long, value_name = "ID")]
        org: OrgId,
        /// What it may do: viewer, reviewer, editor, admin or owner.
        #[arg(long)]
        role: Role,
        /// What you call it.
        name: String,
    },
}

/// `pressroom org ...`
///
/// # Errors
/// What is missing, wrong or taken.
pub(crate) async fn org(settings: &Settings, command: OrgCommand) -> anyhow::Result<()> {
    let OrgCommand::Create { name, email } = command;
    let store = worker::store(settings)?;
    create_org(&store, &name, email.as_deref(), &mut std::io::stdout().lock()).await
}

/// `pressroom key ...`
///
/// # Errors
/// What is missing or wrong.
pub(crate) async fn key(settings: &Settings, command: KeyCommand) -> anyhow::Result<()> {
    let KeyCommand::Create { org, role, name } = command;
    let store = worker::store(settings)?;
    create_key(&store, org, role, &name, &mut std::io::stdout().lock()).await
}

async fn create_org(store: &Store, name: &str, email: Option<&str>, out: &mut impl Write) -> anyhow::Result<()> {
    named(name)?;
    if let Some(address) = email {
        // Before anything is made, so that a refusal leaves nothing behind.
        if !address.contains('@') {
            bail!("`{address}` is no e-mail address");
        }
        if lookup::user(store, address).await.map_err(failed)?.is_some() {
            bail!("{address} belongs to somebody already");
        }
    }
    let org = admin::create_org(store, name).await.map_err(failed)?;
    let key = admin::create_api_key(store, org, "owner", Role::Owner).await.map_err(failed)?;
    // Each is printed as soon as it exists: it is never shown again.
    writeln!(out, "org       {org}\napi key   {}", key.expose_secret())?;
    if let Some(address) = email {
        let password = random_password();
        admin::create_user(store, org, address, name, Role::Owner, password.clone()).await.map_err(failed)?;
        writeln!(out, "owner     {address}\npassword  {}", password.expose_secret())?;
    }
    Ok(())
}

async fn create_key(store: &Store, org: OrgId, role: Role, name: &str, out: &mut impl Write) -> anyhow::Result<()> {
    named(name)?;
    let known = orgs::get(&mut store.in_org(org).await.map_err(failed)?).await.map_err(failed)?;
    known.with_context(|| format!("there is no org {org}"))?;
    let key = admin::create_api_key(store, org, name, role).await.map_err(failed)?;
    writeln!(out, "api key   {}", key.expose_secret())?;
    Ok(())
}

fn named(name: &str) -> anyhow::Result<()> {
    if name.trim().is_empty() {
        bail!("the name must not be empty");
    }
    Ok(())
}

/// 144 random bits, without characters that are hard to type.
fn random_password() -> SecretString {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>()).into()
}

fn failed(error: activities::ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use sandbox::servers::TestStack;

    use super::*;

    async fn printed(store: &Store, name: &str, email: Option<&str>) -> anyhow::Result<Vec<String>> {
        let mut out = Vec::new();
        create_org(store, name, email, &mut out).await?;
        Ok(String::from_utf8(out)?.lines().map(|line| line[10..].to_owned()).collect())
    }

    #[tokio::test]
    async fn a_new_org_has_a_key_that_works_and_an_owner_who_can_be_found() {
        let stack = TestStack::start().await.unwrap();
        let owner = stack.superuser_url().expose_secret();
        migrations::run(owner, Some("password-of-a-test")).await.unwrap();
        let mut url = url::Url::parse(owner).unwrap();
        url.set_username(migrations::APP_ROLE).unwrap();
        url.set_password(Some("password-of-a-test")).unwrap();
        let store = Store::connect_lazy(url.as_str(), 2).unwrap();

        // The commands need nothing but the settings: no folder of an `up`, no gateway that runs.
        let keys = activities::vault::KeyRing::fresh("k1").unwrap();
        let settings = [format!("database.url={url}"), format!("vault.keys={}", keys.expose_secret())];
        let run = async |command: &[&str]| {
            let sources = settings.iter().flat_map(|setting| ["--set", setting]);
            let cli = <crate::Cli as clap::Parser>::try_parse_from(["pressroom"].into_iter().chain(sources).chain(command.iter().copied()));
            Box::pin(crate::run(cli.unwrap())).await
        };
        run(&["org", "create", "Westwind", "--email", "west@westwind.example"]).await.unwrap();
        let west = lookup::user(&store, "west@westwind.example").await.unwrap().unwrap().org.to_string();
        run(&["key", "create", "--org", &west, "--role", "editor", "ci"]).await.unwrap();
        run(&["webhook", "secret", "--org", &west]).await.unwrap();
        assert!(lookup::webhook_secret(&store, west.parse().unwrap()).await.unwrap().is_some());

        let lines = printed(&store, "Northwind", Some("eve@northwind.example")).await.unwrap();
        let [org, key, address, password] = lines.as_slice() else { panic!("{lines:?}") };
        let org: OrgId = org.parse().unwrap();
        assert_eq!(address, "eve@northwind.example");
        assert_eq!(password.len(), 24);
        let user = lookup::user(&store, address).await.unwrap().unwrap();
        assert_eq!((user.org, user.role.as_str()), (org, "owner"));
        assert!(!user.password_hash.contains(password.as_str()));
        let id = |key: &str| format!("key_{}", &key[3..29]).parse().unwrap();
        let stored = lookup::api_key(&store, id(key)).await.unwrap().unwrap();
        assert_eq!((stored.org, stored.role.as_str()), (org, "owner"));

        let mut out = Vec::new();
        create_key(&store, org, Role::Viewer, "a screen", &mut out).await.unwrap();
        let second = String::from_utf8(out).unwrap();
        let stored = lookup::api_key(&store, id(second.trim_end().rsplit(' ').next().unwrap())).await.unwrap().unwrap();
        assert_eq!((stored.org, stored.role.as_str(), stored.name.as_str()), (org, "viewer", "a screen"));

        for (name, email, why) in [
            ("Southwind", Some("EVE@northwind.example"), "belongs to somebody"),
            (" ", None, "must not be empty"),
            ("Southwind", Some("eve"), "no e-mail address"),
        ] {
            let error = printed(&store, name, email).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let stranger = OrgId::derived(org.uuid(), "nobody");
        let error = create_key(&store, stranger, Role::Owner, "a screen", &mut Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("there is no org"), "{error}");
    }
}
