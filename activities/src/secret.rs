//! How settings that are secret show themselves.

use secrecy::SecretString;
use serde::Serializer;

/// For `#[serde(serialize_with)]`: of a secret, printed settings show only whether it is set.
///
/// # Errors
/// Only if the serialiser fails.
pub fn set_or_not<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.is_some() { "(set)" } else { "(not set)" })
}

/// As [`set_or_not`], for a secret that has to be set.
///
/// # Errors
/// Only if the serialiser fails.
pub fn is_set<S: Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("(set)")
}
