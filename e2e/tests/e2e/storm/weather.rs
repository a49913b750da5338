//! What breaks, when, and for how long: drawn before anything does.

use std::{fmt, net::SocketAddr, time::Duration};

use e2e::{Newsroom, process::Part};
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use sandbox::{
    fault::{Endpoint, Fault},
    proxy::Proxy,
};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use super::fleet::Fleet;

/// One of ours, or one of the servers that we stand on.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker,
    Gateway,
    Restate,
    Postgres,
}

/// A line that can break.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// From worker and gateway to PostgreSQL.
    Database,
    /// From the gateway to the engine.
    Ingress,
    /// From the engine to the worker.
    Worker,
    /// From the worker to a platform's server.
    Platform(usize),
}

/// How it breaks.
#[derive(Debug, Clone, Copy)]
enum Break {
    Cut,
    Slow { ms: u64 },
    Refuse,
    HalfAnswers { bytes: u64 },
}

/// What a platform does out of the ordinary.
#[derive(Debug, Clone, Copy)]
enum Mood {
    EndToken { account: usize },
    Throttle { server: usize, seconds: u64 },
}

/// See the module. Times in milliseconds after the beginning.
#[derive(Debug)]
pub(super) struct Weather {
    kills: Vec<(u64, Victim, u64)>,
    breaks: Vec<(u64, Line, Break, u64)>,
    moods: Vec<(u64, Mood)>,
    faults: Vec<(usize, Fault, f64, u64)>,
}

/// What a platform does to a request now and then, and how likely that is.
const FAULTS: &[(Fault, f64)] = &[
    (Fault::AcceptThenReset, 0.04),
    (Fault::AcceptThenFail { status: 500 }, 0.03),
    (Fault::AcceptThenHang, 0.01),
    (Fault::ResetBeforeReading, 0.03),
    (Fault::Refuse { status: 503 }, 0.03),
    (Fault::ActLate { ms: 150 }, 0.03),
    (Fault::HideNew { ms: 150, lookups: 1 }, 0.05),
    (Fault::AnswerLate { ms: 600 }, 0.10),
];

/// A line of ours: what stands in it, and where it leads.
#[derive(Debug)]
pub(super) struct Through {
    pub proxy: Proxy,
    pub upstream: SocketAddr,
}

impl Through {
    async fn to(upstream: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { proxy: Proxy::start(upstream).await?, upstream })
    }
}

/// The lines between our own parts.
#[derive(Debug)]
pub(super) struct Lines {
    pub database: Through,
    pub ingress: Through,
    pub worker: Through,
}

impl Lines {
    /// Puts itself between worker, gateway, engine and database, before the parts are started.
    pub(super) async fn between(newsroom: &mut Newsroom) -> anyhow::Result<Self> {
        let address = |url: &Url| -> anyhow::Result<SocketAddr> {
            let port = url.port_or_known_default().unwrap_or(5432);
            Ok(SocketAddr::new(url.host_str().unwrap_or("127.0.0.1").parse()?, port))
        };
        let database = Through::to(address(&Url::parse(newsroom.app_url().expose_secret())?)?).await?;
        let ingress = Through::to(address(newsroom.stack.ingress_url())?).await?;
        let worker = Through::to(e2e::process::free_address()?).await?;
        newsroom.plan.ingress_url = Some(super::url(&ingress.proxy)?);
        newsroom.plan.database_by = Some(database.proxy.address());
        Ok(Self { database, ingress, worker })
    }

    /// All of them hold.
    pub(super) fn restore(&self) {
        for line in [&self.database, &self.ingress, &self.worker] {
            line.proxy.restore();
        }
    }
}

/// What can be killed.
pub(super) struct Parts<'a> {
    pub newsroom: &'a Newsroom,
    pub worker: &'a Part,
    pub gateway: &'a Part,
}

impl Weather {
    /// Draws a storm of so many seconds.
    pub(super) fn draw(rng: &mut StdRng, fleet: &Fleet, seconds: u64) -> Self {
        let end = seconds * 1_000;
        let mut kills = Vec::new();
        let mut at = 500;
        while at < end {
            let victim = [Victim::Worker, Victim::Worker, Victim::Gateway, Victim::Restate, Victim::Postgres].choose(rng).copied();
            kills.push((at, victim.unwrap_or(Victim::Worker), rng.random_range(0..700)));
            at += rng.random_range(1_500..3_500);
        }
        let mut breaks = Vec::new();
        let mut at = 200;
        while at < end {
            let line = match rng.random_range(0..6) {
                0 => Line::Database,
                1 => Line::Ingress,
                2 => Line::Worker,
                _ => Line::Platform(rng.random_range(0..fleet.servers.len())),
            };
            let how = match rng.random_range(0..4) {
                0 => Break::Slow { ms: rng.random_range(5..60) },
                1 => Break::Refuse,
                2 => Break::HalfAnswers { bytes: rng.random_range(1..400) },
                _ => Break::Cut,
            };
            breaks.push((at, line, how, rng.random_range(200..1_000)));
            at += rng.random_range(300..900);
        }
        let mut moods = Vec::new();
        let mut at = 700;
        while at < end {
            moods.push((
                at,
                if rng.random_bool(0.5) {
                    Mood::EndToken { account: rng.random_range(0..fleet.accounts.len()) }
                } else {
                    Mood::Throttle { server: rng.random_range(0..fleet.servers.len()), seconds: rng.random_range(1..3) }
                },
            ));
            at += rng.random_range(700..2_000);
        }
        let faults = (0..fleet.servers.len())
            .flat_map(|server| FAULTS.iter().map(move |(fault, chance)| (server, fault.clone(), *chance)))
            .map(|(server, fault, chance)| (server, fault, chance, rng.random()))
            .collect();
        Self { kills, breaks, moods, faults }
    }

    /// Lets it all happen.
    pub(super) async fn rages(&self, parts: &Parts<'_>, lines: &Lines, fleet: &Fleet) -> anyhow::Result<()> {
        for (server, fault, chance, seed) in &self.faults {
            fleet.servers[*server].stand_in.faults().chance(Endpoint::Publish, fault.clone(), *chance, *seed);
        }
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let kills = async {
            for (ms, victim, dead) in &self.kills {
                sleep_until(at(*ms)).await;
                kill(parts, *victim, Duration::from_millis(*dead)).await?;
            }
            anyhow::Ok(())
        };
        let breaks = async {
            for (ms, line, how, lasts) in &self.breaks {
                sleep_until(at(*ms)).await;
                let proxy = match line {
                    Line::Database => &lines.database.proxy,
                    Line::Ingress => &lines.ingress.proxy,
                    Line::Worker => &lines.worker.proxy,
                    Line::Platform(server) => &fleet.servers[*server].proxy,
                };
                match how {
                    Break::Cut => proxy.cut_all(),
                    Break::Slow { ms } => proxy.delay(Duration::from_millis(*ms)),
                    Break::Refuse => proxy.refuse_new(),
                    Break::HalfAnswers { bytes } => proxy.cut_after(*bytes),
                }
                sleep(Duration::from_millis(*lasts)).await;
                proxy.restore();
            }
        };
        let moods = async {
            for (ms, mood) in &self.moods {
                sleep_until(at(*ms)).await;
                match mood {
                    Mood::EndToken { account } => {
                        let account = &fleet.accounts[*account];
                        fleet.server_of(account).stand_in.expire(&account.handle);
                    }
                    Mood::Throttle { server, seconds } => {
                        fleet.servers[*server].stand_in.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: *seconds }, 1);
                    }
                }
            }
        };
        tokio::join!(kills, breaks, moods).0
    }
}

/// SIGKILL, and up again after a while.
async fn kill(parts: &Parts<'_>, victim: Victim, dead: Duration) -> anyhow::Result<()> {
    match victim {
        Victim::Worker => parts.worker.kill9(),
        Victim::Gateway => parts.gateway.kill9(),
        Victim::Restate => parts.newsroom.stack.kill9_restate(),
        Victim::Postgres => parts.newsroom.stack.kill9_postgres(),
    }
    sleep(dead).await;
    match victim {
        Victim::Worker => parts.worker.start(None)?,
        Victim::Gateway => parts.gateway.start(None)?,
        Victim::Restate => parts.newsroom.stack.restart_restate().await?,
        Victim::Postgres => parts.newsroom.stack.restart_postgres().await?,
    }
    Ok(())
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kills, breaks, moods) = (self.kills.len(), self.breaks.len(), self.moods.len());
        write!(f, "{kills} kills, {breaks} broken lines, {moods} ended tokens and throttles")
    }
}
