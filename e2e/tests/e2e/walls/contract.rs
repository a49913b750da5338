//! The generated contract, as something to walk.

use reqwest::Method;
use serde_json::Value;

use super::tenant::Tenant;

/// One method on one path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// With `{id}` in it, if it is about one thing.
    pub(super) path: String,
    roles: Vec<String>,
    queries: Vec<String>,
    example: Option<Value>,
    /// Whether it reads a body.
    pub(super) takes_body: bool,
}

/// Every operation of the contract.
pub(super) fn operations() -> Vec<Operation> {
    let contract = serde_json::to_value(gateway::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let queries = parameters.filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str().map(str::to_owned)).collect();
            let example = operation.pointer("/requestBody/content/application~1json").map(|content| {
                let schema = || contract.pointer(content["schema"]["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
                content.get("example").unwrap_or_else(|| &schema()["example"]).clone()
            });
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                roles: texts(&operation["x-roles"]),
                queries,
                example,
                takes_body: operation["requestBody"].is_object(),
            });
        }
    }
    found
}

impl Operation {
    /// Whether it asks nobody who they are; what stands in its path is then no id of an org.
    pub(super) fn is_open(&self) -> bool {
        self.roles == ["anyone"]
    }

    /// The path with a tenant's id in it.
    ///
    /// # Panics
    /// For a resource that no tenant has one of yet: [`Tenant::furnish`] has to make one.
    pub(super) fn path_with(&self, tenant: &Tenant) -> String {
        let resource = self.path.split('/').nth(2).unwrap();
        let prefix = match resource {
            "brands" => "brd",
            "briefs" => "brf",
            "campaigns" => "cmp",
            "posts" => "post",
            "variants" => "var",
            "connectors" => "con",
            "assets" => "ast",
            "digests" if self.path.starts_with("/v1/digests/subscriptions/") => "sub",
            "digests" => "dig",
            "runs" => "run",
            "schedules" => "sch",
            other => panic!("{}: no tenant of these tests has one of the {other}", self.path),
        };
        let path = self.path.replace("{id}", tenant.id(prefix));
        assert!(!path.contains('{'), "{path}: what else is named here?");
        path
    }

    /// The contract's own example of a body, with a tenant's ids in place of the made-up ones.
    pub(super) fn body_with(&self, tenant: &Tenant) -> Option<Value> {
        let mut body = self.example.clone()?;
        for (pointer, id) in self.references(tenant) {
            *body.pointer_mut(&pointer).unwrap() = id;
        }
        Some(body)
    }

    /// Where the body names things by their ids, and a tenant's id for each of these places.
    pub(super) fn references(&self, tenant: &Tenant) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        if let Some(example) = &self.example {
            walk(example, "", &mut |pointer, text| {
                if let Some((prefix, rest)) = text.split_once('_')
                    && rest.len() == 26
                    && tenant.has(prefix)
                {
                    found.push((pointer.to_owned(), tenant.id(prefix).into()));
                }
            });
        }
        found
    }

    /// Query parameters that name things, with the prefix of what they name.
    pub(super) fn filters(&self) -> Vec<(&str, &'static str)> {
        let prefix = |name: &str| match name {
            "brand_id" => Some("brd"),
            "campaign_id" | "subject" => Some("cmp"),
            "post_id" => Some("post"),
            other => {
                assert!(!other.ends_with("_id"), "{}: what does {other} name?", self.path);
                None
            }
        };
        self.queries.iter().filter_map(|name| Some((name.as_str(), prefix(name)?))).collect()
    }
}

fn walk(value: &Value, pointer: &str, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(pointer, text),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| walk(item, &format!("{pointer}/{i}"), visit)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| walk(field, &format!("{pointer}/{name}"), visit)),
        _ => {}
    }
}
