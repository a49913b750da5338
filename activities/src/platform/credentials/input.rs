//! What a person enters, checked against the fields that the platform lists.

use std::fmt;

use domain::platform::{Credential, Platform};
use serde_json::Value;

use super::Credentials;
use crate::error::ActivityError;

/// The longest value of a field, in bytes: the longest webhook addresses and tokens stay below a half of it.
const LONGEST: usize = 4096;

/// A field that a person should mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// JSON pointer from the request's body: `/credentials/<name>`.
    pub pointer: String,
    /// What is wrong with it, never what is in it.
    pub what: String,
}

/// Why what was entered cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadInput(pub Vec<BadField>);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, BadField { pointer, what }) in self.0.iter().enumerate() {
            write!(f, "{}{pointer} {what}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl From<BadInput> for ActivityError {
    fn from(bad: BadInput) -> Self {
        Self::rejected(bad)
    }
}

impl Credentials {
    /// Reads what a person entered: an object with the fields that the platform's capabilities list, and no other.
    ///
    /// # Errors
    /// Every field that is missing, unknown, empty or not usable, by its name; never a value.
    pub fn from_input(platform: Platform, input: &Value) -> Result<Self, BadInput> {
        let connect = &platform.capabilities().connect;
        let fields = connect.fields();
        let all = |what: String| BadInput(vec![BadField { pointer: "/credentials".to_owned(), what }]);
        if fields.is_empty() {
            return Err(all(format!("cannot be entered for {}: begin with GET /v1/connectors/authorize", platform.title())));
        }
        let given = input.as_object().ok_or_else(|| all("must be an object of strings".to_owned()))?;
        let mut bad = Vec::new();
        let expected = || fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
        for name in given.keys().filter(|name| fields.iter().all(|field| field.name != name.as_str())) {
            // Somebody may have written a secret where the name of a field belongs: only what nobody would give as one is said again.
            let plain = name.len() <= 24 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let pointer = if plain { format!("/credentials/{name}") } else { "/credentials".to_owned() };
            bad.push(BadField { pointer, what: format!("is an unknown field, expected {}", expected()) });
        }
        let mut made = Self::new(platform);
        let mut entered = 0;
        for field in fields {
            let mut wrong = |what: &str| bad.push(BadField { pointer: format!("/credentials/{}", field.name), what: what.to_owned() });
            match given.get(field.name) {
                None | Some(Value::Null) if field.needed => wrong(&format!("is a missing field: {}", field.about)),
                None | Some(Value::Null) => {}
                Some(Value::String(value)) => match usable(field, value) {
                    Err(what) => wrong(what),
                    Ok(value) => {
                        entered += 1;
                        made = if field.secret { made.with_secret(field.name, value) } else { made.with_fact(field.name, value) };
                    }
                },
                Some(_) => wrong("must be a string"),
            }
        }
        if bad.is_empty() && entered == 0 {
            return Err(all(format!("is empty: give at least one of {}", expected())));
        }
        if bad.is_empty() { Ok(made) } else { Err(BadInput(bad)) }
    }
}

/// A value that can be used: a secret as it was entered, anything else without the white space that copying brings along.
fn usable<'a>(field: &Credential, value: &'a str) -> Result<&'a str, &'static str> {
    let value = if field.secret { value } else { value.trim() };
    if value.is_empty() {
        return Err("is empty");
    }
    if value.len() > LONGEST {
        return Err("is longer than any that there is");
    }
    // A header cannot hold other characters, and no platform's secrets have them.
    if field.secret && !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("has white space or characters that none has");
    }
    if value.chars().any(char::is_control) { Err("has control characters") } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use domain::platform::Connect;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_enter_is_checked_without_repeating_it() {
        let long = "planted".repeat(1000);
        for (input, pointer, says) in [
            (json!({}), "/credentials/access_token", "missing"),
            (json!({"access_token": null}), "/credentials/access_token", "missing"),
            (json!({"access_token": "planted", "client": 1}), "/credentials/client", "unknown field, expected `access_token`"),
            (json!({"access_token": "t", "planted-1": "access_token"}), "/credentials", "unknown field"),
            (json!({"access_token": ["planted"]}), "/credentials/access_token", "must be a string"),
            (json!("planted"), "/credentials", "object of strings"),
            (json!({"access_token": "planted\r\nX: y"}), "/credentials/access_token", "characters that none has"),
            (json!({"access_token": ""}), "/credentials/access_token", "empty"),
            (json!({"access_token": "planted "}), "/credentials/access_token", "white space"),
            (json!({"access_token": long}), "/credentials/access_token", "longer"),
        ] {
            let BadInput(bad) = Credentials::from_input(Platform::Mastodon, &input).unwrap_err();
            assert!(bad.len() == 1 && bad[0].pointer == pointer && bad[0].what.contains(says), "{bad:?}");
            assert!(!format!("{bad:?} {}", BadInput(bad.clone())).contains("planted"), "{bad:?}");
        }
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let BadInput(bad) = Credentials::from_input(Platform::Bluesky, &json!({"identifier": 5, "token": "x"})).unwrap_err();
        let pointers: Vec<&str> = bad.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(pointers, ["/credentials/token", "/credentials/app_password", "/credentials/identifier"]);
        let ok =
            Credentials::from_input(Platform::Bluesky, &json!({"app_password": "abcd-efgh", "identifier": " ann@mail.example "})).unwrap();
        assert_eq!(ok.secret("app_password").unwrap().expose_secret(), "abcd-efgh");
        assert_eq!(ok.fact("identifier"), Some("ann@mail.example"));
        assert!(ok.needs_refresh(chrono::Utc::now()), "a session is to be opened");
    }

    #[test]
    fn every_platform_lists_fields_that_can_be_entered_or_has_an_authorisation() {
        for platform in Platform::ALL {
            let connect = &platform.capabilities().connect;
            let fields = connect.fields();
            assert!(matches!(connect, Connect::OAuth { .. }) || !fields.is_empty(), "{platform}");
            assert!(fields.is_empty() || fields.iter().any(|field| field.secret), "{platform}");
            let input: Value =
                fields.iter().map(|field| (field.name.to_owned(), json!("planted"))).collect::<serde_json::Map<_, _>>().into();
            if !fields.is_empty() {
                let made = Credentials::from_input(*platform, &input).unwrap();
                for field in fields {
                    assert_eq!(
                        (made.find(field.name).is_some(), made.fact(field.name).is_some()),
                        (field.secret, !field.secret),
                        "{platform}"
                    );
                }
            }
        }
    }
}
