use std::fmt::{self, Write as _};

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// How much of a payload a line for people shows, in characters.
const SHOWN: usize = 160;

/// A value as it stands in a journal. To Restate it is bytes; it is shown as the JSON, the text or the bytes that it is.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(pub Bytes);

impl Payload {
    /// The JSON that a value serialises to.
    ///
    /// # Errors
    /// When the value does not serialise to JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_vec(value)?.into()))
    }

    /// The payload as JSON: what it holds if it is JSON, a string if it is text, else `{"hex": ...}`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        if let Ok(value) = serde_json::from_slice(&self.0) {
            return value;
        }
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return Value::String(text.to_owned());
        }
        serde_json::json!({ "hex": self.hex(usize::MAX) })
    }

    fn hex(&self, most: usize) -> String {
        self.0.iter().take(most).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Payload {
    /// At most 160 characters of it, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(text) = std::str::from_utf8(&self.0) else {
            return write!(f, "0x{}{}", self.hex(SHOWN / 2), if self.0.len() > SHOWN / 2 { "..." } else { "" });
        };
        let mut left = SHOWN;
        for character in text.chars() {
            if left == 0 {
                return f.write_str("...");
            }
            left -= 1;
            if character.is_control() { f.write_char(' ')? } else { f.write_char(character)? }
        }
        Ok(())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_shown_as_what_it_is() {
        assert_eq!(Payload::from(r#"{"a":1}"#).to_value(), serde_json::json!({"a": 1}));
        assert_eq!(Payload::from("plain").to_value(), serde_json::json!("plain"));
        assert_eq!(Payload(Bytes::from_static(&[0xff, 0x01])).to_value(), serde_json::json!({"hex": "ff01"}));
        assert_eq!(Payload::from("two\nlines").to_string(), "two lines");
        assert_eq!(Payload::from("x".repeat(500)).to_string().len(), SHOWN + 3);
        assert_eq!(Payload(vec![0xff; 200].into()).to_string().len(), 2 + SHOWN + 3);
    }
}
