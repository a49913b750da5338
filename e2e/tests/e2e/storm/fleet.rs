//! Accounts on all platforms, each behind a line that can break.

use std::net::SocketAddr;

use activities::store::connectors;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::{ids::ConnectorId, platform::Platform};
use e2e::{Newsroom, seed};
use sandbox::{
    bluesky::{self, Bluesky},
    mastodon::{self, Mastodon, Software},
    proxy::Proxy,
    social::{self, Entry, Login, StandIn},
};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

/// A platform's server, and the line to it.
#[derive(Debug)]
pub(super) struct Server {
    pub stand_in: Box<dyn StandIn>,
    pub proxy: Proxy,
}

/// An account that is connected through its server's line.
#[derive(Debug)]
pub(super) struct Account {
    pub platform: Platform,
    pub connector: ConnectorId,
    pub server: usize,
    pub handle: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fleet {
    pub servers: Vec<Server>,
    pub accounts: Vec<Account>,
}

/// One server of each platform. Of Mastodon-likes those that know a repetition, and those that post twice, take turns.
async fn servers(round: usize) -> anyhow::Result<Vec<Box<dyn StandIn>>> {
    let software = if round.is_multiple_of(2) { Software::Snac } else { Software::Mastodon };
    let mut all: Vec<Box<dyn StandIn>> = vec![
        Box::new(Mastodon::start(mastodon::Options { software, limits: None, ..mastodon::Options::default() }).await?),
        Box::new(Bluesky::start(bluesky::Options { limits: None, ..bluesky::Options::default() }).await?),
    ];
    // Throttling is ordered, so that it comes when it is drawn.
    all.extend(social::every(&social::Options { throttled: false, ..social::Options::default() }).await?);
    Ok(all)
}

impl Fleet {
    /// Connects so many accounts, on as many rounds of servers as that takes.
    pub(super) async fn connect(newsroom: &Newsroom, accounts: usize) -> anyhow::Result<Self> {
        let mut fleet = Self { servers: Vec::new(), accounts: Vec::new() };
        for round in 0.. {
            for stand_in in servers(round).await? {
                let platform: Platform = stand_in.platform().parse().map_err(|_| anyhow::anyhow!("an unknown platform"))?;
                if !platform.capabilities().takes_text_alone() {
                    continue;
                }
                let direct = Url::parse(stand_in.base_url())?;
                let upstream: SocketAddr = direct.socket_addrs(|| None)?.first().copied().context("an address")?;
                let server = Server { proxy: Proxy::start(upstream).await?, stand_in };
                for login in server.stand_in.logins() {
                    if fleet.accounts.len() == accounts {
                        break;
                    }
                    let connector = ConnectorId::from_uuid(Uuid::now_v7());
                    let handle = login.handle.clone();
                    seed::connect(newsroom, platform, &behind(&server, login)?, connector).await?;
                    fleet.accounts.push(Account { platform, connector, server: fleet.servers.len(), handle });
                }
                fleet.servers.push(server);
                if fleet.accounts.len() == accounts {
                    return Ok(fleet);
                }
            }
        }
        Ok(fleet)
    }

    /// The server that an account is on.
    pub(super) fn server_of(&self, account: &Account) -> &Server {
        &self.servers[account.server]
    }

    /// Everything that the platforms have of an account.
    pub(super) fn entries(&self, account: &Account) -> Vec<Entry> {
        self.server_of(account).stand_in.entries(&account.handle)
    }

    /// No platform misbehaves any more, and all lines hold.
    pub(super) fn calms_down(&self) {
        for server in &self.servers {
            server.stand_in.faults().clear();
            server.proxy.restore();
        }
    }

    /// What a person does now and then: connects the accounts again whose tokens have ended.
    pub(super) async fn reconnect(&self, newsroom: &Newsroom) {
        // The database and the engine may be down: later, then.
        let Ok(mut tx) = newsroom.in_org().await else { return };
        for account in &self.accounts {
            let Ok(row) = connectors::require(&mut tx, account.connector).await else { return };
            if row.state == "needs_reconnect" {
                self.server_of(account).stand_in.reinstate(&account.handle);
                let input = json!({ "org": newsroom.org });
                let _ = newsroom.engine.call::<Value>("Connector", &account.connector.to_string(), "check", &input).await;
            }
        }
    }

    /// The same until a time.
    pub(super) async fn reconnected_until(&self, newsroom: &Newsroom, over: DateTime<Utc>) {
        while Utc::now() < over {
            tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
            self.reconnect(newsroom).await;
        }
    }
}

/// The same login by way of the line.
fn behind(server: &Server, login: Login) -> anyhow::Result<Login> {
    let (direct, line) = (server.stand_in.base_url(), format!("http://{}", server.proxy.address()));
    let credentials = serde_json::from_str(&login.credentials.to_string().replace(direct, &line))?;
    Ok(Login { base_url: login.base_url.replace(direct, &line), credentials, ..login })
}
