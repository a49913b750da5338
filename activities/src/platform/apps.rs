//! The applications that Pressroom is registered as at platforms (`[platforms.<name>]` in the settings).

use std::collections::BTreeMap;

use domain::platform::{Connect, Platform};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use url::Url;

use crate::secret::set_or_not;

/// What was registered at each platform. Its `Debug` and its serialised form show of secrets only whether they are set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, App>")]
pub struct Apps(BTreeMap<Platform, App>);

/// What was registered at one platform.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// The application's public id (TikTok: its client key).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The application's secret.
    #[serde(serialize_with = "set_or_not")]
    pub client_secret: Option<SecretString>,
    /// For development: where a stand-in answers instead of the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_base: Option<Url>,
    /// For development: where a stand-in shows its page instead of the platform, if not at `api_base`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorize_base: Option<Url>,
}

impl Apps {
    /// What is set for a platform.
    #[must_use]
    pub fn get(&self, platform: Platform) -> Option<&App> {
        self.0.get(&platform)
    }

    /// With this application.
    #[must_use]
    pub fn with(mut self, platform: Platform, app: App) -> Self {
        self.0.insert(platform, app);
        self
    }

    /// The application's id; `None` where none was registered, so that nobody can be asked.
    #[must_use]
    pub fn client_id(&self, platform: Platform) -> Option<&str> {
        self.get(platform)?.client_id.as_deref().map(str::trim).filter(|id| !id.is_empty())
    }

    /// Where the platform's API answers: what is set, else what is documented; `None` where every account has a server of its own.
    #[must_use]
    pub fn api_base(&self, platform: Platform) -> Option<String> {
        let set = self.get(platform).and_then(|app| app.api_base.as_ref());
        set.map(Url::to_string).or_else(|| platform.capabilities().api.map(str::to_owned))
    }

    /// Whether only these settings say where the platform answers: an application's secret goes to no address that a user named.
    #[must_use]
    pub fn is_fixed(platform: Platform) -> bool {
        needs_app(platform)
    }
}

/// Whether accounts of the platform are connected by an application that was registered beforehand.
#[must_use]
pub fn needs_app(platform: Platform) -> bool {
    let capabilities = platform.capabilities();
    matches!(capabilities.connect, Connect::OAuth { .. }) && capabilities.api.is_some()
}

impl TryFrom<BTreeMap<String, App>> for Apps {
    type Error = String;

    fn try_from(named: BTreeMap<String, App>) -> Result<Self, String> {
        named
            .into_iter()
            .map(|(name, app)| Ok((name.parse().map_err(|e| format!("platforms.{name}: {e}"))?, app)))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for Apps {
    /// Every platform that needs an application, so that printed settings show which are missing.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            client_id: &'a str,
            #[serde(flatten)]
            app: &'a App,
        }
        let nothing = App::default();
        let mut map = serializer.serialize_map(None)?;
        for platform in Platform::ALL.iter().filter(|platform| needs_app(**platform) || self.0.contains_key(platform)) {
            let app = self.get(*platform).unwrap_or(&nothing);
            let shown = App { client_id: None, ..app.clone() };
            map.serialize_entry(platform.as_str(), &Shown { client_id: self.client_id(*platform).unwrap_or("(not set)"), app: &shown })?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_by_the_platforms_names_and_printed_without_secrets() {
        let set = serde_json::json!({"mastodon": {"client_id": "abc", "client_secret": "planted", "api_base": "http://127.0.0.1:1/"}});
        let apps: Apps = serde_json::from_value(set).unwrap();
        assert_eq!(apps.client_id(Platform::Mastodon), Some("abc"));
        assert_eq!(apps.api_base(Platform::Mastodon).as_deref(), Some("http://127.0.0.1:1/"));
        let shown = serde_json::to_string(&apps).unwrap();
        assert!(shown.contains("\"client_id\":\"abc\"") && shown.contains("(set)") && !shown.contains("planted"), "{shown}");
        assert!(!format!("{apps:?}").contains("planted"));
    }

    #[test]
    fn a_platform_that_there_is_not_and_a_field_that_there_is_not_are_refused_by_name() {
        for (text, says) in [(r#"{"myspace": {"client_id": "a"}}"#, "myspace"), (r#"{"mastodon": {"client": "a"}}"#, "client")] {
            let error = serde_json::from_str::<Apps>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_empty_id_is_none_and_the_documented_address_holds_unless_another_is_set() {
        let apps = Apps::default().with(Platform::Bluesky, App { client_id: Some(" ".to_owned()), ..App::default() });
        assert_eq!(apps.client_id(Platform::Bluesky), None);
        assert_eq!(apps.api_base(Platform::Bluesky).as_deref(), Some("https://bsky.social"));
        assert_eq!(apps.api_base(Platform::Mastodon), None);
    }
}
