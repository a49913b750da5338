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
/// `maxLength` of a post's `langs`.
const MAX_LANGS: usize = 3;
/// `maxGraphemes` of `app.bsky.richtext.facet#tag`.
const MAX_TAG: usize = 64;
/// `maxSize` of an image's blob, in bytes.
const MAX_IMAGE: u64 = 2_000_000;

/// A blob that a record refers to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BlobRef {
    pub(crate) cid: String,
}

/// Refuses a record that is not a post by the lexicon, in the words of PDS 0.5.35.
pub(crate) fn check_post(record: &Value) -> Result<(), Refusal> {
    let wrong = |what: String| Err(Refusal::invalid(format!("Invalid {POST} record: {what}")));
    for field in ["text", "createdAt"] {
        if record[field].as_str().is_none() {
            return wrong(format!("Missing required key \"{field}\" at $.record"));
        }
    }
    let text = record["text"].as_str().unwrap_or_default();
    if text.len() > MAX_BYTES {
        return wrong(format!("string too big (maximum {MAX_BYTES}, got {}) at $.record.text", text.len()));
    }
    let graphemes = text.graphemes(true).count();
    if graphemes > MAX_GRAPHEMES {
        return wrong(format!("grapheme too big (maximum {MAX_GRAPHEMES}, got {graphemes}) at $.record.text"));
    }
    let created = record["createdAt"].as_str().unwrap_or_default();
    if chrono::DateTime::parse_from_rfc3339(created).is_err() {
        return wrong(format!("Invalid datetime (got \"{created}\") at $.record.createdAt"));
    }
    let langs = record["langs"].as_array().map_or(0, Vec::len);
    if langs > MAX_LANGS {
        return wrong(format!("array too big (maximum {MAX_LANGS}, got {langs}) at $.record.langs"));
    }
    if let Some(reply) = record.get("reply") {
        for end in ["root", "parent"] {
            let (uri, cid) = (reply[end]["uri"].as_str().unwrap_or_default(), reply[end]["cid"].as_str().unwrap_or_default());
            if !uri.strip_prefix("at://").is_some_and(|rest| rest.starts_with("did:") || rest.contains('.')) {
                return wrong(format!("Invalid at-uri (got \"{uri}\") at $.record.reply.{end}.uri"));
            }
            if !cid::is_cid(cid) {
                return wrong(format!("Invalid CID string (got \"{cid}\") at $.record.reply.{end}.cid"));
            }
        }
    }
    for (place, facet) in record["facets"].as_array().into_iter().flatten().enumerate() {
        for field in ["index", "features"] {
            if facet.get(field).is_none() {
                return wrong(format!("Missing required key \"{field}\" at $.record.facets[{place}]"));
            }
        }
        for end in ["byteStart", "byteEnd"] {
            if facet["index"][end].as_u64().is_none() {
                return wrong(format!("Missing required key \"{end}\" at $.record.facets[{place}].index"));
            }
        }
        for (n, feature) in facet["features"].as_array().into_iter().flatten().enumerate() {
            let letters = feature["tag"].as_str().unwrap_or_default().graphemes(true).count();
            if letters > MAX_TAG {
                return wrong(format!("grapheme too big (maximum {MAX_TAG}, got {letters}) at $.record.facets[{place}].features[{n}].tag"));
            }
        }
    }
    let images = record["embed"]["images"].as_array().map_or(&[][..], Vec::as_slice);
    if images.len() > MAX_IMAGES {
        return wrong(format!("array too big (maximum {MAX_IMAGES}, got {}) at $.record.embed.images", images.len()));
    }
    for (place, image) in images.iter().enumerate() {
        let at = format!("$.record.embed.images[{place}]");
        if image["alt"].as_str().is_none() {
            return wrong(format!("Missing required key \"alt\" at {at}"));
        }
        // Nobody compares what a record says of a blob with the blob, nor an upload with what it says it is.
        let (mime, size) = (image["image"]["mimeType"].as_str().unwrap_or_default(), image["image"]["size"].as_u64().unwrap_or(u64::MAX));
        if !mime.starts_with("image/") {
            return wrong(format!("Expected \"image/*\" (got \"{mime}\") at {at}.image.mimeType"));
        }
        if size > MAX_IMAGE {
            return wrong(format!("blob too big (maximum {MAX_IMAGE}, got {size}) at {at}.image"));
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
        let tag = |tag: String| json!([{ "index": { "byteStart": 0, "byteEnd": 1 }, "features": [{ "tag": tag }] }]);
        assert!(with("facets", tag("ä".repeat(64))).is_ok());
        // The words that the real server has for it.
        let said =
            |field, value| with(field, value).unwrap_err().message.strip_prefix("Invalid app.bsky.feed.post record: ").unwrap().to_owned();
        assert_eq!(
            said("embed", image("image/png", 3_000_000)),
            "blob too big (maximum 2000000, got 3000000) at $.record.embed.images[0].image"
        );
        assert_eq!(
            said("embed", image("video/mp4", 1)),
            "Expected \"image/*\" (got \"video/mp4\") at $.record.embed.images[0].image.mimeType"
        );
        assert_eq!(said("text", json!("a".repeat(301))), "grapheme too big (maximum 300, got 301) at $.record.text");
        assert_eq!(said("langs", json!(["en", "de", "fr", "it"])), "array too big (maximum 3, got 4) at $.record.langs");
        assert_eq!(said("createdAt", json!("yesterday")), "Invalid datetime (got \"yesterday\") at $.record.createdAt");
        assert_eq!(said("facets", tag("x".repeat(65))), "grapheme too big (maximum 64, got 65) at $.record.facets[0].features[0].tag");
        assert_eq!(said("reply", json!({ "root": { "uri": "at://x" } })), "Invalid at-uri (got \"at://x\") at $.record.reply.root.uri");
        assert!(check_post(&json!({ "createdAt": "2026-11-21T09:00:00Z" })).is_err());
    }

    #[test]
    fn blobs_are_found_at_any_depth() {
        let record = json!({ "embed": { "images": [{ "image": { "$type": "blob", "ref": { "$link": "a" } } }], "thumb": { "$type": "blob", "ref": { "$link": "b" } } } });
        assert_eq!(blobs(&record), [BlobRef { cid: "a".into() }, BlobRef { cid: "b".into() }]);
    }
}
