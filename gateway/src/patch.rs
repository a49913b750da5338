//! What `null` means in a `PATCH`: JSON merge patch (RFC 7396). A field that is left out stays; one that is `null` is taken away, and stands then as
//! if it had never been given; one that cannot be without a value refuses `null` by its pointer.

use serde::{Deserialize, Deserializer};

/// Reads a field that `null` takes away: left out is `None`, `null` is `Some(None)`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads a field that always has a value: `null` is refused.
pub(crate) fn never_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What a field is after a patch: as it was, as a field that was never given, or as the patch says.
pub(crate) fn after<T: Default>(patch: Option<Option<T>>, before: T) -> T {
    match patch {
        None => before,
        Some(value) => value.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Patch {
        #[serde(default, deserialize_with = "nullable")]
        text: Option<Option<String>>,
        #[serde(default, deserialize_with = "never_null")]
        name: Option<String>,
    }

    #[test]
    fn absent_stays_null_takes_away_and_what_has_to_be_refuses_it() {
        let read = |body| serde_json::from_value::<Patch>(body);
        let text = |body| after(read(body).unwrap().text, "before".to_owned());
        assert_eq!(text(json!({})), "before");
        assert_eq!(text(json!({"text": null})), "");
        assert_eq!(text(json!({"text": "new"})), "new");
        assert_eq!(read(json!({})).unwrap().name, None);
        assert_eq!(read(json!({"name": "n"})).unwrap().name.as_deref(), Some("n"));
        assert!(read(json!({"name": null})).is_err());
    }
}
