use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

const PREFIX: &str = "inv_1";
/// How many of the digits are the partition's key; the others are the invocation's own number.
const KEY_DIGITS: usize = 11;

/// The server's id of an invocation, such as `inv_1gBIL3C0u0gx0vVj8M`; checked, so that it can stand in a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvocationId(String);

/// The text is no id of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an invocation (`inv_1` and digits and letters)")]
pub struct NotAnInvocationId(String);

impl InvocationId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 24 bytes that the server hands to the SDK: the partition's key and the invocation's number, both little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 24] {
        let digits = self.0.as_bytes().get(PREFIX.len()..).unwrap_or_default();
        let (key, number) = digits.split_at(KEY_DIGITS.min(digits.len()));
        let mut bytes = [0; 24];
        // Checked when the id was made; wrapping keeps a wrong one from being a panic.
        bytes[..8].copy_from_slice(&u64::try_from(decode(key).unwrap_or(0)).unwrap_or(0).to_le_bytes());
        bytes[8..].copy_from_slice(&decode(number).unwrap_or(0).to_le_bytes());
        bytes
    }

    /// The id that has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        let (key, number) = bytes.split_at(8);
        let key = key.iter().rev().fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
        let number = number.iter().rev().fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
        Self(format!("{PREFIX}{}{}", encode(key, KEY_DIGITS), encode(number, 22)))
    }

    /// The seed of the handler's random numbers, as a server without `unique_random_seeds` gives it.
    #[must_use]
    pub fn random_seed(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.to_bytes().hash(&mut hasher);
        hasher.finish()
    }
}

fn digit(byte: u8) -> Option<u128> {
    match byte {
        b'0'..=b'9' => Some(u128::from(byte - b'0')),
        b'a'..=b'z' => Some(u128::from(byte - b'a') + 10),
        b'A'..=b'Z' => Some(u128::from(byte - b'A') + 36),
        _ => None,
    }
}

fn decode(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |sum, byte| sum.checked_mul(62)?.checked_add(digit(*byte)?))
}

fn encode(mut number: u128, width: usize) -> String {
    let mut digits = Vec::with_capacity(width);
    while number > 0 || digits.len() < width {
        digits.push(symbol(u8::try_from(number % 62).unwrap_or(0)));
        number /= 62;
    }
    digits.iter().rev().map(|byte| char::from(*byte)).collect()
}

fn symbol(digit: u8) -> u8 {
    match digit {
        0..=9 => b'0' + digit,
        10..=35 => b'a' + digit - 10,
        _ => b'A' + digit - 36,
    }
}

impl FromStr for InvocationId {
    type Err = NotAnInvocationId;

    fn from_str(text: &str) -> Result<Self, NotAnInvocationId> {
        let wrong = || NotAnInvocationId(text.chars().take(80).collect());
        let digits = text.strip_prefix(PREFIX).ok_or_else(wrong)?.as_bytes();
        if digits.len() <= KEY_DIGITS || digits.len() > 40 {
            return Err(wrong());
        }
        let (key, number) = digits.split_at(KEY_DIGITS);
        let fits = decode(key).is_some_and(|key| u64::try_from(key).is_ok()) && decode(number).is_some();
        if fits { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for InvocationId {
    type Error = NotAnInvocationId;

    fn try_from(text: String) -> Result<Self, NotAnInvocationId> {
        text.parse()
    }
}

impl From<InvocationId> for String {
    fn from(id: InvocationId) -> Self {
        id.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_text_are_the_same_id() {
        for seed in 0u8..60 {
            let bytes = std::array::from_fn(|place| seed.wrapping_mul(37).wrapping_add(u8::try_from(place).unwrap().wrapping_mul(91)));
            let id = InvocationId::from_bytes(bytes);
            assert_eq!(id.to_bytes(), bytes, "{id}");
            assert_eq!(id.to_string().parse::<InvocationId>().unwrap(), id);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "inv_1", "inv_2gBIL3C0u0gx0vVj8M", "inv_1zzzzzzzzzzz!", "inv_1gBIL3C0u0gx' OR 1=1", "inv_1ZZZZZZZZZZZ0"] {
            assert!(text.parse::<InvocationId>().is_err(), "{text}");
        }
    }
}
