//! The `pressroom` binary: the whole system on a laptop (`up`), or its parts one by one, as a cluster runs them.

mod demo;
mod orgs;
mod settings;
mod telemetry;
mod up;
mod worker;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret as _;
use settings::{Settings, SettingsError};

/// Turns a brief into published social posts, durably.
#[derive(Debug, Parser)]
#[command(name = "pressroom", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Command,
}

/// Where settings come from, beside the defaults and the environment.
#[derive(Debug, Args)]
struct Sources {
    /// A settings file instead of ./pressroom.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, such as gateway.listen=127.0.0.1:9000. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    assignments: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: restate-server, PostgreSQL, gateway and worker.
    Up(up::UpArgs),
    /// Run the REST gateway.
    Gateway,
    /// Run the workflows.
    Worker,
    /// Bring the database up to date. Connects as database.owner_url.
    Migrate,
    /// Create orgs: a new cluster has none.
    #[command(subcommand)]
    Org(orgs::OrgCommand),
    /// Create API keys.
    #[command(subcommand)]
    Key(orgs::KeyCommand),
    /// The secret that signs an org's metrics webhook. Connects as database.url; needs vault.keys.
    #[command(subcommand)]
    Webhook(orgs::WebhookCommand),
    /// Print the settings in force. Of secrets only whether they are set.
    Config,
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pressroom: cannot start: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pressroom: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<std::process::ExitCode> {
    let settings = Settings::load(cli.sources.config.as_ref(), &cli.sources.assignments)?;
    match cli.command {
        Command::Up(args) => return Box::pin(up::run(settings, args)).await,
        Command::Gateway => {
            let _telemetry = telemetry::start(&settings.telemetry, "pressroom-gateway")?;
            serve_gateway(&settings).await?;
        }
        Command::Worker => {
            let _telemetry = telemetry::start(&settings.telemetry, "pressroom-worker")?;
            worker::run(&settings).await?;
        }
        Command::Migrate => migrate(&settings).await?,
        Command::Org(command) => orgs::org(&settings, command).await?,
        Command::Key(command) => orgs::key(&settings, command).await?,
        Command::Webhook(command) => orgs::webhook(&settings, command).await?,
        Command::Config => print!("{}", settings.shown()?),
    }
    Ok(std::process::ExitCode::SUCCESS)
}

async fn serve_gateway(settings: &Settings) -> anyhow::Result<()> {
    // Without it each process would sign with a secret of its own: tokens would hold at one gateway, until it restarts.
    if settings.gateway.token_secret.is_none() {
        return Err(SettingsError::Missing { key: "gateway.token_secret", variable: "PRESSROOM__GATEWAY__TOKEN_SECRET" }.into());
    }
    let app = up::parts::gateway_app(settings)?;
    let listener = worker::listen(settings.gateway.listen, "gateway.listen").await?;
    tracing::info!(address = %listener.local_addr()?, "the gateway listens");
    let stop = async {
        if worker::asked_to_stop().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    gateway::serve(app, listener, stop).await.context("the gateway stopped")
}

async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let missing = SettingsError::Missing { key: "database.owner_url", variable: "PRESSROOM__DATABASE__OWNER_URL" };
    let owner = settings.database.owner_url.as_ref().ok_or(missing)?;
    // Where the application's URL is set as well, its role gets that URL's password.
    let password = match &settings.database.url {
        Some(url) => url::Url::parse(url.expose_secret())
            .ok()
            .filter(|u| u.username() == migrations::APP_ROLE)
            .and_then(|u| u.password().map(ToOwned::to_owned)),
        None => None,
    };
    migrations::run(owner.expose_secret(), password.as_deref()).await?;
    eprintln!("the database is up to date");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gateway_without_a_secret_for_its_tokens_does_not_start() {
        let settings = Settings::load(None, &["database.url=postgres://127.0.0.1:1/none".to_owned()]).unwrap();
        let refused = serve_gateway(&settings).await.unwrap_err().to_string();
        assert!(refused.contains("gateway.token_secret") && refused.contains("PRESSROOM__GATEWAY__TOKEN_SECRET"), "{refused}");
    }
}
