//! What the PDS checks of a post record before it takes it: the lexicon `app.bsky.feed.post`, as far as a publisher can get it wrong.

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use super::{Refusal, cid};

/// The collection of posts.
pub(crate) const POST: &str = "app.bsky.feed.post";
/// `maxGraphemes` of a post's text.
const MAX_GRAPHEMES: usize = 300;
/// `maxLength` of a post's text, in bytes of UTF-8.
const MAX_BYTES: usize = 3_000;
/// `maxLength` of `app.bsky.embed.images`' list.
const MAX_IMAGES: usize = 4;
/// `maxSize` of an image's blob, in bytes.
const MAX_IMAGE: u64 = 2_000_000;

/// A blob that a record refers to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BlobRef {
    pub(crate) cid: String,
}

/// Refuses a record that is not a post by the lexicon.
pub(crate) fn check_post(record: &Value) -> Result<(), Refusal> {
    let wrong = |what: String| Err(Refusal::invalid(format!("Invalid {POST} record: {what}")));
    let Some(text) = record["text"].as_str() else { return wrong("Record must have the property \"text\"".into()) };
    if text.len() > MAX_BYTES {
        return wrong(format!("Record/text must not be longer than {MAX_BYTES} characters"));
    }
    if text.graphemes(true).count() > MAX_GRAPHEMES {
        return wrong(format!("Record/text must not be longer than {MAX_GRAPHEMES} graphemes"));
    }
    let Some(created) = record["createdAt"].as_str() else { return wrong("Record must have the property \"createdAt\"".into()) };
    if chrono::DateTime::parse_from_rfc3339(created).is_err() {
        return wrong("Record/createdAt must be an valid atproto datetime (both RFC-3339 and ISO-8601)".into());
    }
    if record["langs"].as_array().is_some_and(|langs| langs.len() > 3) {
        return wrong("Record/langs must not have more than 3 elements".into());
    }
    if let Some(reply) = record.get("reply") {
        for end in ["root", "parent"] {
            let strong = reply[end]["uri"].as_str().is_some_and(|uri| uri.starts_with("at://"))
                && reply[end]["cid"].as_str().is_some_and(cid::is_cid);
            if !strong {
                return wrong(format!("Record/reply/{end} must be a strong reference"));
            }
        }
    }
    for facet in record["facets"].as_array().into_iter().flatten() {
        let (start, end) = (facet["index"]["byteStart"].as_u64(), facet["index"]["byteEnd"].as_u64());
        if start.is_none() || end.is_none() || facet["features"].as_array().is_none() {
            return wrong("Record/facets must have index and features".into());
        }
    }
    if let Some(images) = record["embed"]["images"].as_array() {
        if images.len() > MAX_IMAGES {
            return wrong(format!("Record/embed/images must not have more than {MAX_IMAGES} elements"));
        }
        for image in images {
            if image["alt"].as_str().is_none() {
                return wrong("Record/embed/images/0 must have the property \"alt\"".into());
            }
            let (mime, size) =
                (image["image"]["mimeType"].as_str().unwrap_or_default(), image["image"]["size"].as_u64().unwrap_or(u64::MAX));
            if !mime.starts_with("image/") {
                return Err(Refusal::bad("InvalidMimeType", format!("Wrong type of file. It is {mime} but it must match image/*.")));
            }
            if size > MAX_IMAGE {
                return Err(Refusal::bad(
                    "BlobTooLarge",
                    format!("This file is too large. It is {size} bytes but the maximum size is {MAX_IMAGE} bytes."),
                ));
            }
        }
    }
    Ok(())
}

/// Every blob that a record refers to, wherever it stands.
pub(crate) fn blobs(value: &Value) -> Vec<BlobRef> {
    match value {
        Value::Object(fields) if value["$type"] == "blob" => {
            fields.get("ref").and_then(|link| link["$link"].as_str()).map(|cid| BlobRef { cid: cid.to_owned() }).into_iter().collect()
        }
        Value::Object(fields) => fields.values().flat_map(blobs).collect(),
        Value::Array(items) => items.iter().flat_map(blobs).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn post(text: &str) -> Value {
        json!({ "$type": POST, "text": text, "createdAt": "2026-11-21T09:00:00.000Z" })
    }

    #[test]
    fn three_hundred_graphemes_and_three_thousand_bytes_are_the_ends() {
        assert!(check_post(&post(&"é".repeat(300))).is_ok());
        assert!(check_post(&post(&"a".repeat(301))).is_err());
        let family = "👨‍👩‍👧‍👧";
        assert_eq!((family.len(), family.graphemes(true).count()), (25, 1));
        assert!(check_post(&post(&family.repeat(120))).is_ok());
        assert!(check_post(&post(&family.repeat(121))).is_err());
    }

    #[test]
    fn what_the_lexicon_asks_for_must_be_there() {
        let with = |field: &str, value: Value| {
            let mut record = post("x");
            record[field] = value;
            check_post(&record)
        };
        assert!(with("createdAt", json!("yesterday")).is_err());
        assert!(with("langs", json!(["en", "de", "fr", "it"])).is_err());
        assert!(with("reply", json!({ "root": {} })).is_err());
        assert!(with("facets", json!([{ "features": [] }])).is_err());
        let image = |mime: &str, size: u64| json!({ "$type": "app.bsky.embed.images", "images": [{ "alt": "", "image": { "$type": "blob", "mimeType": mime, "size": size } }] });
        assert!(with("embed", image("image/png", 2_000_000)).is_ok());
        assert_eq!(with("embed", image("image/png", 2_000_001)).unwrap_err().error, "BlobTooLarge");
        assert_eq!(with("embed", image("video/mp4", 1)).unwrap_err().error, "InvalidMimeType");
        assert!(check_post(&json!({ "createdAt": "2026-11-21T09:00:00Z" })).is_err());
    }

    #[test]
    fn blobs_are_found_at_any_depth() {
        let record = json!({ "embed": { "images": [{ "image": { "$type": "blob", "ref": { "$link": "a" } } }], "thumb": { "$type": "blob", "ref": { "$link": "b" } } } });
        assert_eq!(blobs(&record), [BlobRef { cid: "a".into() }, BlobRef { cid: "b".into() }]);
    }
}
