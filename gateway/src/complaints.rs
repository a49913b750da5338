//! Everything that is wrong with a JSON body at once, so that a client can mend it in one go.
//!
//! serde stops at the first thing that it cannot read. Here that thing is noted and taken out of a copy of the body, and the rest is read again, until
//! nothing is left to complain about. A field that is missing cannot be taken out: what is around it is, since everything beside it was read by then.
//! That leaves the other fields that are missing beside it, which the body's schema knows: the very one that the contract shows.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use utoipa::{ToSchema, openapi::OpenApi};

use crate::{fields::segment, problem::FieldError};

/// How many bad fields are named at most: whoever sends more than these has something else to look into first.
pub(crate) const AT_MOST: usize = 32;

/// What is wrong with `body`; nothing if `T` can be read from it.
pub(crate) fn all<T: DeserializeOwned + ToSchema>(body: &Value) -> Vec<FieldError> {
    let mut found = Found::default();
    let mut rest = body.clone();
    let mut taken = Taken::default();
    for _ in 0..2 * AT_MOST {
        let Err(error) = serde_path_to_error::deserialize::<_, T>(&rest) else { break };
        let text = error.inner().to_string();
        let path = path(error.path(), &text);
        let missing = matches!(named(&text), Some((Named::Missing, _)));
        if !(missing && taken.took(&path)) {
            found.note(taken.pointer(&path), text);
        }
        let out = if missing { &path[..path.len().saturating_sub(1)] } else { &path[..] };
        if found.is_full() || !taken.take(&mut rest, out) {
            break;
        }
    }
    if !found.errors.is_empty() {
        absent::<T>(body, &mut found);
    }
    found.errors
}

/// The pointers of all texts that hold the character U+0000, which PostgreSQL takes in no text.
pub(crate) fn nuls(body: &Value) -> Vec<FieldError> {
    fn walk(value: &Value, pointer: &str, found: &mut Found) {
        match value {
            Value::String(text) if text.contains('\0') => found.note(pointer.to_owned(), NUL.to_owned()),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| walk(item, &format!("{pointer}/{i}"), found)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    let pointer = format!("{pointer}/{}", segment(name));
                    if name.contains('\0') {
                        found.note(pointer, NUL.to_owned());
                    } else {
                        walk(field, &pointer, found);
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Found::default();
    walk(body, "", &mut found);
    found.errors
}

const NUL: &str = "holds the character U+0000, which cannot be stored";

/// The JSON pointer of what an error is about. Missing fields, and unknown ones, are named by the message only.
pub(crate) fn pointer(path: &serde_path_to_error::Path, message: &str) -> String {
    Taken::default().pointer(&self::path(path, message))
}

/// What serde says of a field by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// It is needed.
    Missing,
    /// There is none of this name.
    Unknown,
    /// It is there more than once.
    Repeated,
}

/// The field that one of serde's messages names, if it is about a missing, an unknown or a repeated one.
fn named(message: &str) -> Option<(Named, &str)> {
    let (kind, rest) = None
        .or_else(|| Some((Named::Missing, message.strip_prefix("missing field `")?)))
        .or_else(|| Some((Named::Unknown, message.strip_prefix("unknown field `")?)))
        .or_else(|| Some((Named::Repeated, message.strip_prefix("duplicate field `")?)))?;
    Some((kind, rest.split_once('`')?.0))
}

/// One step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
}

fn path(path: &serde_path_to_error::Path, message: &str) -> Vec<Step> {
    let steps = path.iter().filter_map(|part| match part {
        Segment::Seq { index } => Some(Step::Item(*index)),
        Segment::Map { key } => Some(Step::Field(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    let mut steps: Vec<Step> = steps.collect();
    // A missing field is never on the path, an unknown one is where the reader went through it.
    match named(message) {
        Some((Named::Missing, name)) => steps.push(Step::Field(name.to_owned())),
        Some((Named::Unknown | Named::Repeated, name)) if steps.last() != Some(&Step::Field(name.to_owned())) => {
            steps.push(Step::Field(name.to_owned()))
        }
        _ => {}
    }
    steps
}

/// What was taken out so far, by pointers into the body as it was sent.
#[derive(Debug, Default)]
struct Taken {
    fields: BTreeSet<String>,
    /// How many items of a list were taken out. They are taken out in their order, so what is found later stands behind them all.
    items: BTreeMap<String, usize>,
}

impl Taken {
    /// Where it stood in the body as it was sent.
    fn pointer(&self, path: &[Step]) -> String {
        path.iter().fold(String::new(), |pointer, step| match step {
            Step::Field(name) => format!("{pointer}/{}", segment(name)),
            Step::Item(index) => {
                let before = self.items.get(&pointer).copied().unwrap_or_default();
                format!("{pointer}/{}", index + before)
            }
        })
    }

    fn took(&self, path: &[Step]) -> bool {
        self.fields.contains(&self.pointer(path))
    }

    /// Takes out what is there; false if nothing is, or if it is the whole.
    fn take(&mut self, rest: &mut Value, path: &[Step]) -> bool {
        let Some((last, way)) = path.split_last() else { return false };
        let place = way.iter().try_fold(rest, |value, step| match step {
            Step::Field(name) => value.get_mut(name),
            Step::Item(index) => value.get_mut(index),
        });
        match (place, last) {
            (Some(Value::Object(fields)), Step::Field(name)) => {
                self.fields.insert(self.pointer(path));
                fields.remove(name).is_some()
            }
            (Some(Value::Array(items)), Step::Item(index)) if *index < items.len() => {
                items.remove(*index);
                *self.items.entry(self.pointer(way)).or_default() += 1;
                true
            }
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    errors: Vec<FieldError>,
}

impl Found {
    fn is_full(&self) -> bool {
        self.errors.len() >= AT_MOST
    }

    /// Notes what is wrong with a field, once.
    fn note(&mut self, pointer: String, detail: String) {
        if !self.is_full() && !self.knows(&pointer) {
            self.errors.push(FieldError { pointer, detail });
        }
    }

    fn knows(&self, pointer: &str) -> bool {
        self.errors.iter().any(|error| error.pointer == pointer)
    }
}

/// Notes the fields that the schema of `T` needs and the body has not.
fn absent<T: ToSchema>(body: &Value, found: &mut Found) {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let mut contract = OpenApi::default();
    contract.components.get_or_insert_default().schemas.extend(parts);
    let (Ok(contract), Ok(schema)) = (serde_json::to_value(contract), serde_json::to_value(T::schema())) else { return };
    look(&contract, &schema, body, "", found);
}

fn look(contract: &Value, schema: &Value, value: &Value, pointer: &str, found: &mut Found) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => contract.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => schema,
    };
    // What is wrong as a whole was said.
    if found.is_full() || found.knows(pointer) {
        return;
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        // A field that may be null as well. What any other choice means, only serde can tell.
        let mut choices = choices.iter().filter(|choice| choice["type"] != "null");
        if let (Some(only), None, false) = (choices.next(), choices.next(), value.is_null()) {
            look(contract, only, value, pointer, found);
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, of_field) in schema["properties"].as_object().into_iter().flatten() {
                let pointer = format!("{pointer}/{}", segment(name));
                let needed = schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
                match fields.get(name) {
                    Some(field) => look(contract, of_field, field, &pointer, found),
                    None if needed => found.note(pointer, format!("missing field `{name}`")),
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                look(contract, &schema["items"], item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "what is read is not looked at")]
    struct Outer {
        name: String,
        count: Option<u8>,
        list: Vec<Inner>,
        #[serde(default)]
        one: Option<Inner>,
        last: bool,
    }

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "what is read is not looked at")]
    struct Inner {
        a: u8,
        b: String,
    }

    fn wrong(body: Value) -> Vec<String> {
        let mut pointers: Vec<String> = all::<Outer>(&body).into_iter().map(|error| error.pointer).collect();
        pointers.sort();
        pointers
    }

    #[test]
    fn every_bad_field_is_named_and_no_good_one() {
        let good = json!({"a": 1, "b": "x"});
        assert_eq!(wrong(json!({"name": "n", "list": [good], "last": true})), Vec::<String>::new());
        for (body, expected) in [
            (json!({"name": 5, "count": "x", "list": {}, "last": 3}), vec!["/count", "/last", "/list", "/name"]),
            // Items that are taken out do not move those behind them.
            (
                json!({"name": "n", "list": [good, {"a": "x", "b": 2}, good, {"a": -1, "b": "x"}, 7], "last": "no"}),
                vec!["/last", "/list/1/a", "/list/1/b", "/list/3/a", "/list/4"],
            ),
            // What is missing hides nothing, neither beside it, nor behind it, nor further in.
            (
                json!({"list": [{"a": 1}, {}], "one": {"b": 1}}),
                vec!["/last", "/list/0/b", "/list/1/a", "/list/1/b", "/name", "/one/a", "/one/b"],
            ),
            (
                json!({"name": "n", "list": [], "last": true, "x": 1, "y/z": 2, "one": {"c": 1}}),
                vec!["/one/a", "/one/b", "/one/c", "/x", "/y~1z"],
            ),
            (json!([]), vec![""]),
            (json!({"one": null, "count": null}), vec!["/last", "/list", "/name"]),
        ] {
            assert_eq!(wrong(body.clone()), expected, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_nothing_but_wrong_is_told_of_so_much_and_no_more() {
        let many: Vec<Value> = (0..1000).map(Value::from).collect();
        assert_eq!(wrong(json!({"name": "n", "list": many, "last": true})).len(), AT_MOST);
    }

    #[test]
    fn a_nul_is_pointed_at_wherever_it_stands() {
        let body = json!({"a": "x\0", "b": ["ok", {"c/d": "\0"}], "e\0": 1, "f": "\\u0000"});
        let found: Vec<String> = nuls(&body).into_iter().map(|error| error.pointer).collect();
        assert_eq!(found, ["/a", "/b/1/c~1d", "/e\0"]);
    }
}
