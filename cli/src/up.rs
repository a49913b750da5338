//! `pressroom up`: a laptop's production. Real PostgreSQL, real restate-server, gateway and worker, from one command.

mod ports;
mod secrets;
mod stand_ins;

pub(crate) mod parts;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use sandbox::servers::{Stack, StackOptions};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use url::Url;

use self::{ports::Ports, secrets::Secrets, stand_ins::StandIns};
use crate::{demo, settings::Settings, telemetry, worker};

/// What `up` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Play the whole story against stand-ins: a voice is trained, posts are written, approved, published, measured, and summed up.
    #[arg(long)]
    pub demo: bool,
    /// With --demo: stop afterwards; the exit code is 0 only if all of it happened.
    #[arg(long, requires = "demo")]
    pub exit: bool,
    /// With --demo: print one JSON object on standard output at the end, and everything else on standard error.
    #[arg(long, requires = "demo")]
    pub json: bool,
    /// Where data, logs, keys and the claim on them are kept.
    #[arg(long, value_name = "FOLDER", default_value = ".pressroom")]
    pub folder: PathBuf,
}

/// Where everything answers.
pub(crate) struct Running {
    /// The API.
    pub api: Url,
    /// A key for it.
    pub api_key: SecretString,
    /// Restate's UI.
    pub engine_ui: Url,
    /// The stand-ins, where `up` uses some.
    pub stand_ins: StandIns,
}

/// Runs until it is asked to stop, or the demonstration is over and was to end it.
///
/// # Errors
/// What stands in the way of the start, with what to do about it.
pub(crate) async fn run(mut settings: Settings, args: UpArgs) -> anyhow::Result<ExitCode> {
    let screen = Screen { to_stderr: args.json };
    let options = StackOptions { servers: settings.servers.settings()?, ..StackOptions::new(&args.folder) };
    let mut stack = Stack::start(&options).await?;
    let folder = stack.folder().to_owned();
    let _telemetry = telemetry::start_into(&settings.telemetry, "pressroom", &folder.join("logs").join("pressroom.log"))?;

    let mut secrets = Secrets::open(&folder)?;
    migrations::run(stack.superuser_url().expose_secret(), Some(secrets.app_password.expose_secret())).await?;
    let mut ports = Ports::open(&folder);
    let stand_ins = StandIns::start(&mut settings, &mut ports, &folder, args.demo).await?;
    let gateway_listener = ports.listen("gateway", "gateway.listen", settings.gateway.listen, settings.listen_is_named).await?;
    let worker_listener = ports.listen("worker", "worker.listen", ([127, 0, 0, 1], 0).into(), false).await?;
    ports.save()?;

    let api = Url::parse(&format!("http://{}", gateway_listener.local_addr()?))?;
    if gateway_listener.local_addr()?.port() != settings.gateway.listen.port() {
        screen.say(&format!("{} is, or was at the last start, taken: the API is at {api}", settings.gateway.listen));
    }
    settings.database.url = Some(app_url(stack.superuser_url(), &secrets.app_password)?);
    settings.vault.keys = Some(secrets.vault_keys.clone());
    settings.gateway.token_secret = Some(secrets.token_secret.clone());
    settings.gateway.ingress_url = stack.ingress_url().clone();
    settings.gateway.admin_url = stack.admin_url().clone();
    if settings.gateway.public_url == gateway::GatewaySettings::default().public_url {
        settings.gateway.public_url = api.clone();
    }
    settings.workflows.short_link_base = settings.gateway.public_url.join("l/")?.to_string();
    if args.demo {
        // Weeks of readings in an hour, so that there is something to see.
        settings.workflows.metrics = settings.workflows.metrics.faster(720);
    }
    // The stand-ins for platforms stand on loopback; without them the check of outgoing addresses stays as it is set.
    settings.outgoing.allow_private_networks |= args.demo;

    let world = worker::world(&settings)?;
    secrets.ensure_org(&world.store, &folder).await?;
    let app = parts::gateway_app(&settings)?;
    let (stop, stopping) = watch::channel(false);
    let deployment = worker::deployment_url(&settings, worker_listener.local_addr()?)?;
    let gateway_task = tokio::spawn(gateway::serve(app, gateway_listener, stopped(stopping.clone())));
    let worker_task = tokio::spawn({
        let (world, stopping) = (world.clone(), stopping.clone());
        async move { worker::serve(&world, worker_listener, stopped(stopping)).await }
    });
    worker::register(stack.admin_url(), &deployment).await?;
    wait_until_ready(&api).await?;

    let running = Running { engine_ui: stack.admin_url().join("ui/")?, api, api_key: secrets.api_key()?.clone(), stand_ins };
    let urls = running.urls();
    stack.publish(&urls)?;
    screen.say(&running.greeting(&folder));

    let story = async { if args.demo { demo::play(&running, screen, args.json).await.map(Some) } else { Ok(None) } };
    let code = tokio::select! {
        fallen = stack.supervise() => bail!(fallen),
        asked = worker::asked_to_stop() => { asked?; ExitCode::SUCCESS }
        code = async {
            match story.await {
                Ok(Some(())) if args.exit => return ExitCode::SUCCESS,
                Ok(_) => {}
                Err(error) if args.exit => { screen.say(&format!("the demonstration failed: {error:#}")); return ExitCode::FAILURE }
                Err(error) => screen.say(&format!("the demonstration failed: {error:#}")),
            }
            screen.say("Ctrl-C ends everything in order.");
            std::future::pending().await
        } => code,
    };
    // In order: no new requests, then no new steps, then the engine, then the database.
    screen.say("stopping ...");
    stop.send_replace(true);
    gateway_task.await?.context("the gateway stopped")?;
    worker_task.await?;
    world.store.close().await;
    running.stand_ins.stop().await;
    stack.stop().await;
    Ok(code)
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process's main task: stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The same database, as the application's role.
fn app_url(superuser: &SecretString, password: &SecretString) -> anyhow::Result<SecretString> {
    let mut url = Url::parse(superuser.expose_secret()).map_err(|_| anyhow::anyhow!("the database's address is not a URL"))?;
    let set = url.set_username(migrations::APP_ROLE).and_then(|()| url.set_password(Some(password.expose_secret())));
    set.map_err(|()| anyhow::anyhow!("the database's address takes no user"))?;
    Ok(url.to_string().into())
}

async fn wait_until_ready(api: &Url) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let url = api.join("readyz")?;
    let mut last = String::new();
    for _ in 0..120 {
        match client.get(url.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => last = answer.text().await.unwrap_or_default(),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    bail!("the gateway did not become ready: {last}")
}

impl Running {
    fn urls(&self) -> Vec<(String, String)> {
        let mut urls = vec![("API".to_owned(), self.api.to_string()), ("Restate UI".to_owned(), self.engine_ui.to_string())];
        urls.extend(self.stand_ins.urls());
        urls
    }

    fn greeting(&self, folder: &std::path::Path) -> String {
        let mut text = String::from("Pressroom is up.\n");
        for (name, url) in [
            ("API", self.api.to_string()),
            ("API documentation", format!("{}docs", self.api)),
            ("Restate UI", self.engine_ui.to_string()),
            ("API key", folder.join("api-key").display().to_string()),
        ] {
            text.push_str(&format!("  {name:<28} {url}\n"));
        }
        for (name, url) in self.stand_ins.urls() {
            text.push_str(&format!("  {name:<28} {url}\n"));
        }
        text
    }
}

/// Where words for people go: standard error when standard output is to hold one JSON object and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Screen {
    to_stderr: bool,
}

impl Screen {
    /// Prints a line or more.
    pub(crate) fn say(self, text: &str) {
        if self.to_stderr { eprintln!("{text}") } else { println!("{text}") }
    }

    /// How many rows and columns it has, where lines can be drawn over: a person watches a terminal, and not a dumb one.
    #[must_use]
    pub(crate) fn size(self) -> Option<(usize, usize)> {
        let term = self.term();
        let (rows, columns) = term.size_checked()?;
        let draws = term.is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        // Some have no size and say nothing of it.
        let or = |told: u16, usual: usize| if told == 0 { usual } else { usize::from(told) };
        draws.then_some((or(rows, 24), or(columns, 80)))
    }

    /// Whether colours are seen and wanted (`NO_COLOR`).
    #[must_use]
    pub(crate) fn colours(self) -> bool {
        self.term().features().colors_supported() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
    }

    fn term(self) -> console::Term {
        if self.to_stderr { console::Term::stderr() } else { console::Term::stdout() }
    }

    /// Writes as it is, for redrawing.
    pub(crate) fn write(self, text: &str) {
        use std::io::Write as _;
        // A screen that is gone has nobody to tell about it.
        let _ = if self.to_stderr {
            let mut out = std::io::stderr().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        } else {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
    }
}
