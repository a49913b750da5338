//! Content ids as the AT protocol makes them: CIDv1, SHA-256, over DAG-CBOR for records and over the bytes for blobs.
//!
//! The same record gives the same id here as on a real PDS, which the protocol's own interoperability fixtures prove below.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const DAG_CBOR: u8 = 0x71;
const RAW: u8 = 0x55;

/// The id of a record. `None` for what the data model has no form for: fractions, and links or bytes that do not decode.
pub(crate) fn of_record(record: &Value) -> Option<String> {
    let mut cbor = Vec::new();
    encode(record, &mut cbor)?;
    Some(of(DAG_CBOR, &cbor))
}

/// The id of a blob.
pub(crate) fn of_blob(bytes: &[u8]) -> String {
    of(RAW, bytes)
}

fn of(codec: u8, bytes: &[u8]) -> String {
    // Version 1, the codec, then the multihash: SHA-256 (0x12) of 32 bytes.
    let mut cid = vec![1, codec, 0x12, 32];
    cid.extend_from_slice(&Sha256::digest(bytes));
    format!("b{}", BASE32_NOPAD.encode(&cid).to_lowercase())
}

fn encode(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => head(0, positive, out),
            (None, Some(negative)) => head(1, negative.unsigned_abs() - 1, out),
            (None, None) => return None,
        },
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            for item in items {
                encode(item, out)?;
            }
        }
        Value::Object(fields) => return object(fields, out),
    }
    Some(())
}

fn object(fields: &Map<String, Value>, out: &mut Vec<u8>) -> Option<()> {
    if let (1, Some(Value::String(cid))) = (fields.len(), fields.get("$link")) {
        let bytes = BASE32_NOPAD.decode(cid.strip_prefix('b')?.to_uppercase().as_bytes()).ok()?;
        // Tag 42 is a link; a zero byte stands before the id, for "multibase identity".
        out.extend_from_slice(&[0xd8, 42]);
        head(2, bytes.len() as u64 + 1, out);
        out.push(0);
        out.extend_from_slice(&bytes);
        return Some(());
    }
    if let (1, Some(Value::String(text))) = (fields.len(), fields.get("$bytes")) {
        let bytes = BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()?;
        head(2, bytes.len() as u64, out);
        out.extend_from_slice(&bytes);
        return Some(());
    }
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
    head(5, sorted.len() as u64, out);
    for (name, value) in sorted {
        string(name, out);
        encode(value, out)?;
    }
    Some(())
}

fn string(text: &str, out: &mut Vec<u8>) {
    head(3, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// A CBOR head: major type and argument in the fewest bytes.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..24 => out.push(major | bytes[7]),
        24..0x100 => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Whether this has the form of an id.
pub(crate) fn is_cid(text: &str) -> bool {
    text.strip_prefix('b')
        .is_some_and(|rest| BASE32_NOPAD.decode(rest.to_uppercase().as_bytes()).is_ok_and(|bytes| bytes.len() == 36 && bytes[0] == 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// From `interop-test-files/data-model/data-model-fixtures.json` of the protocol's repository.
    #[test]
    fn ids_are_those_of_the_protocols_fixtures() {
        let first = json!({
            "string": "abc", "unicode": "a~öñ©⽘☎𓋓😀👨‍👩‍👧‍👧", "integer": 123, "bool": true, "null": null, "array": ["abc", "def", "ghi"],
            "object": { "string": "abc", "number": 123, "bool": true, "arr": ["abc", "def", "ghi"] }
        });
        assert_eq!(of_record(&first).unwrap(), "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq");
        let second = json!({
            "a": { "$link": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a" },
            "b": { "$bytes": "nFERjvLLiw9qm45JrqH9QTzyC2Lu1Xb4ne6+sBrCzI0" },
            "c": { "$type": "blob", "ref": { "$link": "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity" }, "mimeType": "image/jpeg", "size": 10000 }
        });
        assert_eq!(of_record(&second).unwrap(), "bafyreihldkhcwijkde7gx4rpkkuw7pl6lbyu5gieunyc7ihactn5bkd2nm");
    }

    #[test]
    fn fractions_have_no_form_and_ids_are_recognised() {
        assert_eq!(of_record(&json!({ "a": 1.5 })), None);
        assert_eq!(of_record(&json!({ "a": { "$link": "nonsense" } })), None);
        assert!(of_record(&json!({ "a": -1, "b": 70_000, "c": 5_000_000_000_u64 })).is_some());
        assert!(is_cid(&of_blob(b"x")) && of_blob(b"x").starts_with("bafkrei"));
        assert!(!is_cid("bafy") && !is_cid(""));
    }
}
