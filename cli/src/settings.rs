//! Every setting of Pressroom, from four places: the defaults embedded in the binary, a file, the environment, the command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use activities::{
    http::OutgoingSettings,
    mail::{Mailer, SmtpSettings},
    media::MediaSettings,
    model::ModelSettings,
    platform::Apps,
    vault::KeyRing,
};
use gateway::GatewaySettings;
use sandbox::servers::{RestateUrls, ServerSettings};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use workflows::{step::CrashPlan, world::WorkflowSettings};

/// The defaults, annotated, as a file that people can copy.
pub(crate) const DEFAULTS: &str = include_str!("../../pressroom.toml");

/// Everything that can be set.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// The REST gateway.
    pub gateway: GatewaySettings,
    /// The worker that runs the workflows.
    pub worker: WorkerSettings,
    /// Stored credentials.
    pub vault: VaultSettings,
    /// Requests to servers that users name.
    pub outgoing: OutgoingSection,
    /// The applications that this installation is registered as at platforms.
    pub platforms: Apps,
    /// Language models; `up` uses its stand-in where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelSettings>,
    /// Outgoing mail; `up` uses its stand-in where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<SmtpSettings>,
    /// Object storage for media; `up` uses its stand-in where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaSettings>,
    /// How long workflows wait for what.
    pub workflows: WorkflowSettings,
    /// Logs and traces.
    pub telemetry: TelemetrySettings,
    /// Servers that `up` uses instead of its own.
    pub servers: ServersSection,
    /// Whether somebody asked for the gateway's address by name; the defaults, which a file may repeat, ask for nothing.
    #[serde(skip)]
    pub listen_is_named: bool,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DatabaseSettings {
    /// Where the application connects.
    #[serde(serialize_with = "activities::secret::set_or_not")]
    pub url: Option<SecretString>,
    /// Where migrations connect.
    #[serde(serialize_with = "activities::secret::set_or_not")]
    pub owner_url: Option<SecretString>,
    /// Connections of one process at most.
    pub max_connections: u32,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self { url: None, owner_url: None, max_connections: 20 }
    }
}

impl DatabaseSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        for (name, url) in [("url", &self.url), ("owner_url", &self.owner_url)] {
            // What is in it is a secret, so it is not repeated.
            if url
                .as_ref()
                .is_some_and(|url| !["postgres://", "postgresql://"].iter().any(|scheme| url.expose_secret().starts_with(scheme)))
            {
                wrong.push(format!("{name}: must begin with postgres://"));
            }
        }
        if !(1..=10_000).contains(&self.max_connections) {
            wrong.push(format!("max_connections: must be 1 to 10000, is {}", self.max_connections));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WorkerSettings {
    /// Where it listens. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// What restate-server reaches it under, if not `http://<listen>`.
    pub advertise_url: Option<Url>,
    /// Whether it registers its build at start.
    pub register: bool,
    /// Where a chaos test ends the process (`step.name:before` or `:after`); never set outside of tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash_at: Option<String>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9080)), advertise_url: None, register: true, crash_at: None }
    }
}

impl WorkerSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        if self.advertise_url.as_ref().is_some_and(|url| !is_web(url)) {
            wrong.push("advertise_url: must be an http or https URL".to_owned());
        }
        if self.crash_at.as_deref().is_some_and(|point| CrashPlan::parse(point).is_none()) {
            wrong.push("crash_at: must be a step and a point, such as `bluesky.submit:after`".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.host().is_some()
}

/// `[vault]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VaultSettings {
    /// `id:base64,...`; the first key seals.
    #[serde(serialize_with = "activities::secret::set_or_not")]
    pub keys: Option<SecretString>,
}

/// `[outgoing]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OutgoingSection {
    /// For development only.
    pub allow_private_networks: bool,
    /// Looking up, connecting and TLS together, in milliseconds.
    pub connect_timeout_ms: u64,
    /// A whole request, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for OutgoingSection {
    fn default() -> Self {
        Self { allow_private_networks: false, connect_timeout_ms: 10_000, timeout_ms: 30_000 }
    }
}

impl OutgoingSection {
    /// Whether a request can end: whoever connects longer than the whole may take is told too late whether anything was sent.
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        if !(1..=600_000).contains(&self.timeout_ms) {
            wrong.push(format!("timeout_ms: must be 1 to 600000, is {}", self.timeout_ms));
        }
        if self.connect_timeout_ms == 0 || self.connect_timeout_ms > self.timeout_ms {
            wrong.push(format!("connect_timeout_ms: must be 1 to timeout_ms ({}), is {}", self.timeout_ms, self.connect_timeout_ms));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// As the HTTP client takes it.
    #[must_use]
    pub(crate) fn settings(&self) -> OutgoingSettings {
        OutgoingSettings {
            allow_private_networks: self.allow_private_networks,
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            timeout: Duration::from_millis(self.timeout_ms),
            ..OutgoingSettings::default()
        }
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TelemetrySettings {
    /// What is logged.
    pub log: String,
    /// In which form.
    pub format: LogFormat,
    /// Where traces go, as OTLP over HTTP.
    pub otlp_endpoint: Option<Url>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { log: "info".to_owned(), format: LogFormat::Text, otlp_endpoint: None }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// `[servers]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServersSection {
    /// A restate-server binary.
    pub restate: Option<PathBuf>,
    /// The folder that holds `postgres` and `initdb`.
    pub postgres: Option<PathBuf>,
    /// A running PostgreSQL, as a superuser reaches it.
    #[serde(serialize_with = "activities::secret::set_or_not")]
    pub database_url: Option<SecretString>,
    /// The ingress of a running restate-server, beside `admin_url`.
    pub ingress_url: Option<Url>,
    /// The admin API of a running restate-server, beside `ingress_url`.
    pub admin_url: Option<Url>,
}

impl ServersSection {
    /// As the supervision of servers takes it.
    ///
    /// # Errors
    /// When only one of the two addresses of a restate-server is given.
    pub(crate) fn settings(&self) -> Result<ServerSettings, SettingsError> {
        let restate_urls = match (&self.ingress_url, &self.admin_url) {
            (Some(ingress), Some(admin)) => Some(RestateUrls { ingress: ingress.clone(), admin: admin.clone() }),
            (None, None) => None,
            _ => return Err(SettingsError::Senseless(vec!["servers.ingress_url and servers.admin_url: name both, or neither".to_owned()])),
        };
        Ok(ServerSettings {
            restate: self.restate.clone(),
            postgres: self.postgres.clone(),
            database_url: self.database_url.clone(),
            restate_urls,
            ..ServerSettings::default()
        })
    }
}

// By hand, so that it does not count as the cause as well: whoever prints an error with its causes would print it twice.
impl From<config::ConfigError> for SettingsError {
    fn from(error: config::ConfigError) -> Self {
        Self::Read(error)
    }
}

/// Why the settings cannot be used, with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// A source cannot be read, or names what there is not.
    #[error("the settings cannot be used: {0}")]
    Read(config::ConfigError),
    /// `--set` without `=`.
    #[error("--set takes key=value, such as gateway.listen=127.0.0.1:9000; `{0}` is not that")]
    Assignment(String),
    /// Values that make no sense.
    #[error("the settings make no sense:\n  {}", .0.join("\n  "))]
    Senseless(Vec<String>),
    /// A command needs what is not set.
    #[error("`{key}` is not set: put it into pressroom.toml or the environment variable {variable}")]
    Missing {
        /// Its key.
        key: &'static str,
        /// Its variable.
        variable: &'static str,
    },
}

impl Settings {
    /// Reads the settings: defaults, then `file` (or `pressroom.toml`, if it is there), then `PRESSROOM__...`, then `assignments`.
    ///
    /// # Errors
    /// [`SettingsError`] names the key that is wrong.
    pub(crate) fn load(file: Option<&PathBuf>, assignments: &[String]) -> Result<Self, SettingsError> {
        let file = match file {
            Some(path) => config::File::from(path.as_path()).required(true),
            None => config::File::new("pressroom.toml", config::FileFormat::Toml).required(false),
        };
        let environment = config::Environment::with_prefix("PRESSROOM").prefix_separator("__").separator("__");
        let mut asked = config::Config::builder().add_source(environment.clone());
        let mut builder = config::Config::builder()
            .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml))
            .add_source(file)
            .add_source(environment);
        for assignment in assignments {
            let (key, value) = assignment.split_once('=').ok_or_else(|| SettingsError::Assignment(assignment.clone()))?;
            // As text: what it is becomes known where it is read. A password of digits would be another one as a number.
            builder = builder.set_override(key, value)?;
            asked = asked.set_override(key, value)?;
        }
        let listen_is_asked_for = asked.build()?.get_string("gateway.listen").is_ok();
        let sources = builder.build()?;
        let links_are_named = sources.get_string("workflows.short_link_base").is_ok();
        let mut settings: Self = sources.try_deserialize()?;
        if !links_are_named && let Ok(links) = settings.gateway.public_url.join("l/") {
            // The gateway serves them, so a worker on its own has to write them with the gateway's address.
            settings.workflows.short_link_base = links.into();
        }
        settings.listen_is_named = listen_is_asked_for || settings.gateway.listen != GatewaySettings::default().listen;
        let wrong = settings.senseless();
        if wrong.is_empty() { Ok(settings) } else { Err(SettingsError::Senseless(wrong)) }
    }

    /// Everything that can be read and makes no sense, each with its key.
    fn senseless(&self) -> Vec<String> {
        let of = |section: &'static str, wrong: Result<(), Vec<String>>| {
            wrong.err().into_iter().flatten().map(move |wrong| format!("{section}.{wrong}"))
        };
        let mut wrong: Vec<String> = of("gateway", self.gateway.validate())
            .chain(of("workflows", self.workflows.validate()))
            .chain(of("outgoing", self.outgoing.validate()))
            .chain(of("database", self.database.validate()))
            .chain(of("worker", self.worker.validate()))
            .collect();
        if let Some(Err(error)) = self.vault.keys.as_ref().map(|keys| keys.expose_secret().parse::<KeyRing>()) {
            wrong.push(format!("vault.keys: {error}"));
        }
        if let Some(Err(error)) = self.models.as_ref().map(ModelSettings::validate) {
            wrong.push(format!("models: {error}"));
        }
        if let Some(Err(error)) = self.mail.as_ref().map(Mailer::new) {
            wrong.push(error.to_string());
        }
        if self.telemetry.otlp_endpoint.as_ref().is_some_and(|url| !is_web(url)) {
            wrong.push("telemetry.otlp_endpoint: must be an http or https URL".to_owned());
        }
        wrong
    }

    /// The settings in force, as a file states them. Of secrets it says whether they are set; in addresses it hides who signs in.
    ///
    /// # Errors
    /// When they cannot be written as TOML.
    pub(crate) fn shown(&self) -> Result<String, toml::ser::Error> {
        let mut settings = toml::Value::try_from(self)?;
        hide_logins(&mut settings);
        toml::to_string_pretty(&settings)
    }
}

fn hide_logins(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => *text = without_login(text),
        toml::Value::Array(items) => items.iter_mut().for_each(hide_logins),
        toml::Value::Table(fields) => fields.iter_mut().for_each(|(_, field)| hide_logins(field)),
        _ => {}
    }
}

/// An address without the name and password in it, for those who read over shoulders and logs. Any other text stays as it is.
#[must_use]
pub(crate) fn without_login(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password that was not escaped may hold any of these, so that the login ends only at the last @ there is.
    match rest[..end].rfind('@').or_else(|| rest.rfind('@').filter(|_| rest[..end].contains(':'))) {
        Some(at) => format!("{scheme}://(hidden)@{}", &rest[at + 1..]),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_states_the_defaults_of_the_code() {
        let from_file: Settings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(toml::to_string(&from_file).unwrap(), toml::to_string(&Settings::default()).unwrap());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = Settings::load(None, &["gateway.lisen=127.0.0.1:1".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
    }

    #[test]
    fn the_command_line_wins_and_senseless_values_are_named() {
        let settings = Settings::load(None, &["workflows.rest_ms=5".to_owned()]).unwrap();
        assert_eq!(settings.workflows.rest_ms, 5);
        let error = Settings::load(None, &["gateway.drain_seconds=99999".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("gateway.drain_seconds"), "{error}");
    }

    #[test]
    fn every_senseless_value_is_named_before_anything_starts() {
        let senseless = [
            "workflows.journal_days=0",
            "workflows.approval_seconds=0",
            "workflows.short_link_base=links",
            "workflows.rest_ms=0",
            "outgoing.timeout_ms=0",
            "database.max_connections=0",
            "database.url=mysql://u:planted@h/d",
            "worker.advertise_url=ftp://worker.example",
            "worker.crash_at=somewhere",
            "telemetry.otlp_endpoint=file:///tmp",
            "gateway.drain_seconds=99999",
        ];
        let assignments = senseless.map(ToOwned::to_owned);
        let text = Settings::load(None, &assignments).unwrap_err().to_string();
        for assignment in &assignments {
            let (key, _) = assignment.split_once('=').unwrap();
            assert!(text.contains(&format!("{key}: ")), "{key} is not named: {text}");
        }
        assert!(!text.contains("planted"), "{text}");
        let slower = ["outgoing.connect_timeout_ms=5000".to_owned(), "outgoing.timeout_ms=4000".to_owned()];
        assert!(Settings::load(None, &slower).unwrap_err().to_string().contains("outgoing.connect_timeout_ms"));
    }

    #[test]
    fn what_looks_like_a_number_stays_what_was_written() {
        for written in ["007123", "1e5", "True", "0x10", "1.50"] {
            let assignments =
                ["mail.host=h", "mail.port=25", "mail.username=u", "mail.from=a@b.example", "outgoing.allow_private_networks=true"];
            let mut assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
            assignments.push(format!("mail.password={written}"));
            let settings = Settings::load(None, &assignments).unwrap();
            let mail = settings.mail.unwrap();
            assert_eq!((mail.port, mail.password.unwrap().expose_secret()), (25, written));
            assert!(settings.outgoing.allow_private_networks);
        }
    }

    #[test]
    fn short_links_begin_with_the_address_of_the_gateway_unless_told_otherwise() {
        let public = "gateway.public_url=https://press.example.org".to_owned();
        let settings = Settings::load(None, std::slice::from_ref(&public)).unwrap();
        assert_eq!(settings.workflows.short_link_base, "https://press.example.org/l/");
        let settings = Settings::load(None, &[public, "workflows.short_link_base=https://s.example.org/".to_owned()]).unwrap();
        assert_eq!(settings.workflows.short_link_base, "https://s.example.org/");
    }

    #[test]
    fn half_a_restate_server_is_refused() {
        let settings = Settings::load(None, &["servers.ingress_url=http://127.0.0.1:1".to_owned()]).unwrap();
        let error = settings.servers.settings().unwrap_err();
        assert!(error.to_string().contains("servers.admin_url"), "{error}");
    }

    #[test]
    fn secrets_show_only_whether_they_are_set() {
        let keys = KeyRing::fresh("k1").unwrap();
        let settings = Settings::load(None, &[format!("vault.keys={}", keys.expose_secret())]).unwrap();
        let shown = settings.shown().unwrap();
        let (_, key) = keys.expose_secret().split_once(':').unwrap();
        assert!(shown.contains("keys = \"(set)\"") && !shown.contains(key), "{shown}");
    }

    #[test]
    fn addresses_show_no_login() {
        let named = [
            "gateway.admin_url=http://planted:planted@engine.example:9070",
            "gateway.ingress_url=http://planted@engine.example:8080",
            "worker.advertise_url=http://planted:planted@worker.example:9080",
            "telemetry.otlp_endpoint=http://planted:planted@otlp.example",
            "servers.admin_url=http://planted:planted@engine.example",
            "media.endpoint=https://planted:planted@s3.example",
            "media.bucket=media",
            "media.access_key=shown",
            "media.secret_key=planted",
            "platforms.linkedin.client_id=shown",
            "platforms.linkedin.client_secret=planted",
            "platforms.linkedin.api_base=https://planted:planted@api.example",
        ];
        let settings = Settings::load(None, &named.map(ToOwned::to_owned)).unwrap();
        let shown = settings.shown().unwrap();
        assert!(!shown.contains("planted"), "{shown}");
        for kept in ["http://(hidden)@engine.example:9070", "worker.example", "otlp.example", "s3.example", "api.example"] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
        let read: Result<toml::Table, _> = shown.parse();
        assert_eq!(read.unwrap()["gateway"]["listen"].as_str(), Some("127.0.0.1:8081"));
        for (address, hidden) in [
            ("https://a.example/@b", "https://a.example/@b"),
            ("https://u:p/w@a.example/", "https://(hidden)@a.example/"),
            ("mail@example.org", "mail@example.org"),
        ] {
            assert_eq!(without_login(address), hidden);
        }
    }

    #[test]
    fn a_key_ring_that_seals_nothing_is_refused_at_start() {
        let error = Settings::load(None, &["vault.keys=k1:c2hvcnQ=".to_owned(), "gateway.drain_seconds=99999".to_owned()]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("vault.keys: key `k1`") && text.contains("32 bytes") && text.contains("gateway.drain_seconds"), "{text}");
        assert!(!text.contains("c2hvcnQ"), "{text}");
    }

    #[test]
    fn an_address_is_asked_for_by_whoever_names_it_but_not_by_a_copy_of_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pressroom.toml");
        let named = |written: &str, assignments: &[&str]| {
            std::fs::write(&file, written).unwrap();
            let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
            Settings::load(Some(&file), &assignments).unwrap().listen_is_named
        };
        assert!(!named("", &[]));
        assert!(!named(DEFAULTS, &[]));
        assert!(named("[gateway]\nlisten = \"127.0.0.1:9000\"", &[]));
        assert!(named("", &["gateway.listen=127.0.0.1:8081"]), "the default, but by name");
    }
}
