//! An example of every schema: composed of its fields', where it states none itself.
//!
//! What a field is like that cannot be told from its type stands beside it (`#[schema(example = ...)]`) or, for answers, in `examples.json`, by the
//! name of the schema; `...` there is what else an answer holds whose fields the schema does not name. A field that has neither is found by a test.

use serde_json::{Map, Value, json};
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Fields of answers, by the names of their schemas.
const FIELDS: &str = include_str!("examples.json");

/// Puts an example to every schema that has none. Returns the fields that nobody told an example of, as `Schema.field`.
pub(super) fn add(document: &mut OpenApi) -> Vec<String> {
    let contract = serde_json::to_value(&*document).unwrap_or_default();
    let fields: Value = serde_json::from_str(FIELDS).unwrap_or_default();
    let mut composer = Composer { contract: &contract, fields: &fields, trail: Vec::new(), lacking: Vec::new() };
    for (name, schema) in document.components.iter_mut().flat_map(|components| &mut components.schemas) {
        let RefOr::T(schema) = schema else { continue };
        let Some(example) = composer.named(name) else { continue };
        let place = match schema {
            // The names of an enumeration are its examples.
            Schema::Object(object) if object.enum_values.is_none() => &mut object.example,
            Schema::AllOf(all) => &mut all.example,
            Schema::OneOf(one) => &mut one.example,
            Schema::AnyOf(any) => &mut any.example,
            _ => continue,
        };
        if place.is_none() {
            *place = Some(example);
        }
    }
    composer.lacking.sort();
    composer.lacking.dedup();
    composer.lacking
}

struct Composer<'a> {
    contract: &'a Value,
    fields: &'a Value,
    /// The schemas that are being composed, from the outermost on.
    trail: Vec<String>,
    lacking: Vec<String>,
}

impl Composer<'_> {
    /// An example of a schema; none within itself.
    fn named(&mut self, name: &str) -> Option<Value> {
        if self.trail.iter().any(|outer| outer == name) {
            return None;
        }
        self.trail.push(name.to_owned());
        // A page writes out the schema of its items.
        let example = match name.strip_prefix("Page_") {
            Some(item) => self.named(item).map(|item| json!({"items": [item], "next_cursor": null})),
            None => self.of(&self.contract["components"]["schemas"][name], &self.fields[name], name),
        };
        self.trail.pop();
        example
    }

    /// An example of what `schema` describes; `told` says what its fields are like, and `place` where it stands.
    fn of(&mut self, schema: &Value, told: &Value, place: &str) -> Option<Value> {
        if let Some(example) = schema.get("example").or_else(|| schema["enum"].get(0)) {
            return Some(example.clone());
        }
        if let Some(reference) = schema["$ref"].as_str() {
            return self.named(reference.rsplit('/').next()?);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().filter_map(|part| self.of(part, told, place));
            let whole: Map<String, Value> = parts.filter_map(|part| part.as_object().cloned()).flatten().collect();
            return Some(Value::Object(whole));
        }
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            return self.of(choices.iter().find(|choice| choice["type"] != "null")?, told, place);
        }
        if let Some(fields) = schema["properties"].as_object() {
            let mut whole = Map::new();
            for (name, field) in fields {
                let example = told.get(name).cloned().or_else(|| self.of(field, &Value::Null, &format!("{place}.{name}")));
                whole.extend(example.map(|example| (name.clone(), example)));
            }
            return Some(Value::Object(whole));
        }
        let is = |name: &str| schema["type"] == name || schema["type"].as_array().is_some_and(|all| all.iter().any(|t| t == name));
        if is("array") && schema["items"].is_object() {
            let item = self.of(&schema["items"], &Value::Null, place);
            return Some(Value::Array(item.into_iter().collect()));
        }
        if let Some(rest) = told.get("...").filter(|_| is("object")) {
            return Some(rest.clone());
        }
        match schema["format"].as_str() {
            Some("date-time") => Some(json!("2026-12-01T08:00:00Z")),
            _ if is("boolean") => Some(json!(true)),
            _ => {
                self.lacking.push(place.to_owned());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    #[test]
    fn no_schema_and_no_field_is_without_an_example() {
        let mut document = api::routes().into_openapi();
        let lacking = add(&mut document);
        assert!(lacking.is_empty(), "state an example beside the field, or in examples.json: {lacking:#?}");
        let contract = serde_json::to_value(&document).unwrap();
        let schemas = contract["components"]["schemas"].as_object().unwrap();
        let without: Vec<_> =
            schemas.iter().filter(|(_, s)| s.get("example").is_none() && s.get("enum").is_none()).map(|(n, _)| n).collect();
        assert!(without.is_empty(), "{without:?}");
    }

    /// What stands in the file is of this contract: every name in it is a schema's, every field one of its own that says nothing of itself, and of its type.
    #[test]
    fn the_file_names_what_there_is() {
        let contract = serde_json::to_value(api::routes().into_openapi()).unwrap();
        let fields: Map<String, Value> = serde_json::from_str(FIELDS).unwrap();
        for (name, told) in &fields {
            let schema = &contract["components"]["schemas"][name];
            let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
            for (field, example) in told.as_object().unwrap().iter().filter(|(field, _)| *field != "...") {
                let described = parts.iter().find_map(|part| part["properties"].get(field));
                let described = described.unwrap_or_else(|| panic!("{name} has no field {field}"));
                assert!(described.get("example").is_none(), "{name}.{field} states its own example");
                let types = match &described["type"] {
                    Value::Array(types) => types.clone(),
                    one => vec![one.clone()],
                };
                let is = match example {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(n) if n.is_f64() => "number",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                assert!(types.iter().any(|t| t == is), "{name}.{field} is no {is}: {described}");
            }
        }
    }

    #[test]
    fn a_schema_within_itself_and_a_field_without_an_example_are_met() {
        let contract = json!({"components": {"schemas": {
            "Tree": {"properties": {
                "name": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
                "below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                "kind": {"oneOf": [{"type": "null"}, {"enum": ["oak", "elm"]}]}
            }},
        }}});
        let fields = json!({});
        let mut composer = Composer { contract: &contract, fields: &fields, trail: Vec::new(), lacking: Vec::new() };
        assert_eq!(composer.named("Tree"), Some(json!({"at": "2026-12-01T08:00:00Z", "below": [], "kind": "oak"})));
        assert_eq!(composer.lacking, ["Tree.name"]);
    }
}
