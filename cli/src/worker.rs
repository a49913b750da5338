//! `pressroom worker`: runs the workflows.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use activities::{
    http::Outgoing,
    mail::Mailer,
    media::MediaStore,
    model::{Models, http_client},
    store::Store,
    vault::Vault,
};
use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use url::Url;
use workflows::{
    step::CrashPlan,
    world::{Outside, World},
};

use crate::settings::{Settings, SettingsError, without_login};
use gateway::app::Parts;

/// Builds the outside world that the settings describe.
///
/// # Errors
/// What is missing or wrong, by the key of the setting.
pub(crate) fn world(settings: &Settings) -> anyhow::Result<World> {
    let outgoing_settings = settings.outgoing.settings();
    let models = settings.models.as_ref().ok_or(SettingsError::Missing { key: "models", variable: "PRESSROOM__MODELS__..." })?;
    let mail = settings.mail.as_ref().ok_or(SettingsError::Missing { key: "mail", variable: "PRESSROOM__MAIL__..." })?;
    let client = http_client(outgoing_settings.connect_timeout).context("the HTTP client for models")?;
    let (models, embedder) = Models::from_settings(models, &client).map_err(|e| anyhow::anyhow!("models: {e}"))?;
    let crash_plan = match &settings.worker.crash_at {
        Some(text) => {
            CrashPlan::parse(text).with_context(|| format!("worker.crash_at: `{text}` is not step.name:before or step.name:after"))?
        }
        None => CrashPlan::default(),
    };
    Ok(World::new(Outside {
        store: store(settings)?,
        models,
        embedder: Arc::new(embedder),
        mailer: Mailer::new(mail).map_err(|e| anyhow::anyhow!("mail: {e}"))?,
        outgoing: outgoing(settings)?,
        apps: settings.platforms.clone(),
        vault: vault(settings)?,
        media: settings.media.as_ref().map(MediaStore::new),
        settings: settings.workflows.clone(),
        crash_plan,
    }))
}

/// What the gateway needs of it.
///
/// # Errors
/// What is missing or wrong, by the key of the setting.
pub(crate) fn gateway_parts(settings: &Settings) -> anyhow::Result<Parts> {
    Ok(Parts {
        store: store(settings)?,
        vault: vault(settings)?,
        outgoing: outgoing(settings)?,
        apps: settings.platforms.clone(),
        media: settings.media.as_ref().map(MediaStore::new),
    })
}

/// The key ring.
///
/// # Errors
/// When `vault.keys` is missing or no key ring.
pub(crate) fn vault(settings: &Settings) -> anyhow::Result<Vault> {
    let keys = settings.vault.keys.as_ref().ok_or(SettingsError::Missing { key: "vault.keys", variable: "PRESSROOM__VAULT__KEYS" })?;
    Vault::from_keys(keys.expose_secret()).context("vault.keys")
}

fn outgoing(settings: &Settings) -> anyhow::Result<Outgoing> {
    Outgoing::new(&settings.outgoing.settings()).map_err(|e| anyhow::anyhow!("outgoing: {e}"))
}

/// The database as the application sees it.
///
/// # Errors
/// When `database.url` is missing or no PostgreSQL URL.
pub(crate) fn store(settings: &Settings) -> anyhow::Result<Store> {
    let url = settings.database.url.as_ref().ok_or(SettingsError::Missing { key: "database.url", variable: "PRESSROOM__DATABASE__URL" })?;
    Store::connect_lazy(url.expose_secret(), settings.database.max_connections).map_err(|e| anyhow::anyhow!("database.url: {e}"))
}

/// Serves the workflows on `listener` until `shutdown`; what is under way then gets time to reach its next journal entry.
pub(crate) async fn serve(world: &World, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    workflows::serve(workflows::endpoint(world), listener, shutdown).await;
}

/// The address under which restate-server reaches this build: runs that began on another build stay with that one.
///
/// # Errors
/// When the running program cannot be read.
pub(crate) fn deployment_url(settings: &Settings, listen: SocketAddr) -> anyhow::Result<Url> {
    let base = match &settings.worker.advertise_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://{listen}"))?,
    };
    let mut url = base;
    url.path_segments_mut().map_err(|()| anyhow::anyhow!("worker.advertise_url cannot have a path"))?.pop_if_empty().push(&build_id()?);
    Ok(url)
}

/// Names this build by what it is: the same program has the same name wherever it runs.
fn build_id() -> anyhow::Result<String> {
    use std::hash::{DefaultHasher, Hasher as _};
    let program = std::env::current_exe().context("which program this is")?;
    let bytes = std::fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    // A name, not a proof: any stable hash serves.
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Ok(format!("{:016x}", hasher.finish()))
}

/// Tells restate-server where this build is. New runs go to it from then on.
///
/// # Errors
/// When restate-server cannot be reached within a minute, or refuses.
pub(crate) async fn register(admin: &Url, deployment: &Url) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
    let mut url = admin.clone();
    let shown = without_login(admin.as_str());
    url.path_segments_mut().map_err(|()| anyhow::anyhow!("{shown} cannot have a path"))?.pop_if_empty().push("deployments");
    let body = serde_json::json!({ "uri": deployment, "force": false });
    let mut last = String::new();
    for _ in 0..60 {
        match client.post(url.clone()).json(&body).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if answer.status().is_client_error() => {
                bail!("restate-server refuses this build: {}", answer.text().await.unwrap_or_default());
            }
            Ok(answer) => last = format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default()),
            Err(error) => last = error.without_url().to_string(),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bail!("restate-server at {shown} did not take this build: {last}")
}

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// When the signals cannot be listened for.
pub(crate) async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// `pressroom worker`
///
/// # Errors
/// When the settings, the port or restate-server stand in the way.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let world = world(settings)?;
    let listener = listen(settings.worker.listen, "worker.listen").await?;
    let deployment = deployment_url(settings, listener.local_addr()?)?;
    let stop = tokio_stop();
    let serving = serve(&world, listener, stop);
    let registering = async {
        if settings.worker.register {
            register(&settings.gateway.admin_url, &deployment).await?;
            tracing::info!(%deployment, "registered with restate-server");
        }
        anyhow::Ok(())
    };
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        registered = registering => registered?,
    }
    serving.await;
    world.store.close().await;
    Ok(())
}

async fn tokio_stop() {
    if let Err(error) = asked_to_stop().await {
        tracing::error!(%error, "signals cannot be listened for");
        std::future::pending::<()>().await;
    }
}

/// Binds, with words that help when the port is taken.
///
/// # Errors
/// When it cannot.
pub(crate) async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "the address {address} is taken by another process; end it, or set `{key}` to another port (0 takes any free one)"
            )
        }
        _ => anyhow::anyhow!("cannot listen on {address} (`{key}`): {error}"),
    })
}
