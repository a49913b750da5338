//! What differs between two steps, field by field.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::journal::{Field, Outcome, Payload, Step};

/// How many differences inside one value are listed.
const MOST: usize = 20;

/// One thing that differs.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: a field of the step, and behind it the way into its JSON: `parameter.items[2].price`.
    pub at: String,
    /// What the record has; nothing where it has no such thing.
    pub expected: Option<Payload>,
    /// What was found; nothing where there is no such thing.
    pub found: Option<Payload>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |payload: &Option<Payload>| payload.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        write!(f, "{}: {} in the record, {} now", self.at, shown(&self.expected), shown(&self.found))
    }
}

/// What two steps of the same kind were asked with, where that differs.
pub(crate) fn asked(expected: &Step, found: &Step) -> Vec<Difference> {
    let mut differences = Vec::new();
    let of = |fields: &[Field], name: &str| fields.iter().find(|field| field.name == name).map(|field| field.value.clone());
    for field in &expected.fields {
        compare(&field.name, Some(&field.value), of(&found.fields, &field.name).as_ref(), &mut differences);
    }
    for field in &found.fields {
        if of(&expected.fields, &field.name).is_none() {
            compare(&field.name, None, Some(&field.value), &mut differences);
        }
    }
    differences
}

/// What came of two steps, where that differs. Ids of invocations are never the same.
pub(crate) fn gave(expected: Option<&Outcome>, found: Option<&Outcome>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let value = |outcome: &Outcome| match outcome {
        Outcome::Value(value) => value.clone(),
        other => Payload::from(other.to_string()),
    };
    match (expected, found) {
        (Some(Outcome::InvocationId(_)), Some(Outcome::InvocationId(_))) => {}
        (expected, found) => {
            compare("result", expected.map(value).as_ref(), found.map(value).as_ref(), &mut differences);
        }
    }
    differences
}

fn compare(at: &str, expected: Option<&Payload>, found: Option<&Payload>, to: &mut Vec<Difference>) {
    if expected == found {
        return;
    }
    let json = |payload: &Payload| serde_json::from_slice::<Value>(&payload.0).ok();
    if let (Some(expected), Some(found)) = (expected, found)
        && let (Some(one), Some(other)) = (json(expected), json(found))
        && (one.is_object() || one.is_array())
    {
        let before = to.len();
        inside(at, Some(&one), Some(&other), to);
        // The same JSON in other bytes, which the SDK tells apart.
        if to.len() == before {
            to.push(Difference { at: format!("{at} (its bytes)"), expected: Some(expected.clone()), found: Some(found.clone()) });
        }
        return;
    }
    to.push(Difference { at: at.to_owned(), expected: expected.cloned(), found: found.cloned() });
}

fn inside(at: &str, expected: Option<&Value>, found: Option<&Value>, to: &mut Vec<Difference>) {
    if expected == found || to.len() >= MOST {
        return;
    }
    match (expected, found) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            for (name, member) in one {
                inside(&format!("{at}.{name}"), Some(member), other.get(name), to);
            }
            for (name, member) in other.iter().filter(|(name, _)| !one.contains_key(*name)) {
                inside(&format!("{at}.{name}"), None, Some(member), to);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for place in 0..one.len().max(other.len()) {
                inside(&format!("{at}[{place}]"), one.get(place), other.get(place), to);
            }
        }
        _ => {
            let payload = |value: Option<&Value>| value.map(|value| Payload::from(value.to_string()));
            to.push(Difference { at: at.to_owned(), expected: payload(expected), found: payload(found) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(one: &str, other: &str) -> Vec<String> {
        let mut to = Vec::new();
        compare("parameter", Some(&one.into()), Some(&other.into()), &mut to);
        to.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_difference_is_named_by_the_way_to_it() {
        assert!(differences(r#"{"a":1}"#, r#"{"a":1}"#).is_empty());
        assert_eq!(
            differences(r#"{"items":[{"price":1},{"price":2}]}"#, r#"{"items":[{"price":1},{"price":3}],"more":true}"#),
            ["parameter.items[1].price: 2 in the record, 3 now", "parameter.more: nothing in the record, true now"]
        );
        assert_eq!(differences("plain", "other"), ["parameter: plain in the record, other now"]);
        assert_eq!(differences(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#).len(), 1, "bytes count");
    }
}
