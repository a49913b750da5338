//! Who may do what: stated once beside each route, written into the OpenAPI document, and enforced from there.
//!
//! A route that states nothing is refused to everybody, so forgetting it cannot open a door.

use std::{collections::HashMap, fmt, str::FromStr};

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{
        Content, OpenApi, Ref, RefOr, Required, Response, SecurityRequirement,
        extensions::ExtensionsBuilder,
        path::{Operation, ParameterBuilder, ParameterIn, PathItem},
        schema::{ObjectBuilder, SchemaType, Type},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

/// What a key or a person may do; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also approves and rejects.
    Reviewer,
    /// Also writes brands, briefs, campaigns and posts.
    Editor,
    /// Also connects accounts and manages the org's settings.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: &[Self] = &[Self::Viewer, Self::Reviewer, Self::Editor, Self::Admin, Self::Owner];

    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reviewer => "reviewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role `{0}`; known are: viewer, reviewer, editor, admin, owner")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// The key under which a route's roles stand in the OpenAPI document.
pub const ROLES: &str = "x-roles";
/// What stands there for a route that asks nobody who they are.
pub const ANYONE: &str = "anyone";

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// No authentication.
    Anyone,
    /// This role, and the ones that include it.
    AtLeast(Role),
}

/// What a route wants of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Who may use it.
    pub(crate) access: Access,
    /// Whether it reads a body.
    pub(crate) takes_body: bool,
}

/// States that `role`, and the ones that include it, may use these routes.
pub(crate) fn may<S>(role: Role, mut routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    let roles: Vec<&str> = Role::ALL.iter().filter(|r| **r >= role).map(|r| r.as_str()).collect();
    each_operation(&mut routes.1.paths, |method, operation| {
        state(operation, json!(roles));
        operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
        let mut problems = vec![("401", "Nobody is signed in"), ("403", "The role does not allow it"), ("429", "Too many requests")];
        if method != Method::GET {
            problems.push(("400", "The body is not JSON, or the idempotency key cannot be used"));
            problems.extend([("409", "Its state does not allow it, or the idempotency key is in use"), ("422", "Bad fields")]);
            operation.parameters.get_or_insert_default().push(RefOr::T(
                ParameterBuilder::new()
                    .name("Idempotency-Key")
                    .parameter_in(ParameterIn::Header)
                    .required(Required::False)
                    .description(Some("1 to 255 printable characters. The same key and body answer the same response again."))
                    .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).max_length(Some(255))))
                    .build(),
            ));
        }
        tell(operation, &problems);
        tell_of_input(operation);
    });
    routes
}

/// What every operation answers that reads a body or a query.
fn tell_of_input(operation: &mut Operation) {
    if operation.request_body.is_some() {
        let problems = [
            ("400", "The body is not JSON"),
            ("413", "The body is over 1 MiB"),
            ("415", "The body is not declared as JSON"),
            ("422", "Bad fields"),
        ];
        tell(operation, &problems);
    }
    let has_query = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    });
    if has_query {
        tell(operation, &[("422", "Bad parameters")]);
    }
    // Whatever goes wrong comes with a document that says what.
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
            && response.content.is_empty()
        {
            response.content = problem("").content;
        }
    }
}

fn tell(operation: &mut Operation, problems: &[(&str, &str)]) {
    for (status, what) in problems {
        operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(problem(what)));
    }
}

/// States that these routes ask nobody who they are.
pub(crate) fn anyone<S>(mut routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    each_operation(&mut routes.1.paths, |_, operation| {
        state(operation, json!([ANYONE]));
        operation.security = Some(Vec::new());
        tell_of_input(operation);
    });
    routes
}

/// Takes an answer out that these routes do not give.
pub(crate) fn never<S>(status: &str, mut routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    each_operation(&mut routes.1.paths, |_, operation| {
        operation.responses.responses.remove(status);
    });
    routes
}

fn state(operation: &mut Operation, roles: serde_json::Value) {
    operation.extensions = Some(ExtensionsBuilder::new().add(ROLES, roles).build());
}

fn problem(what: &str) -> Response {
    let mut response = Response::new(what);
    let content = Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name("Problem"))));
    response.content.insert("application/problem+json".to_owned(), RefOr::T(content));
    response
}

fn each_operation(paths: &mut utoipa::openapi::path::PathsMap<String, PathItem>, mut visit: impl FnMut(Method, &mut Operation)) {
    for item in paths.values_mut() {
        for (method, operation) in operations(item) {
            visit(method, operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, item.get.as_mut()),
        (Method::POST, item.post.as_mut()),
        (Method::PUT, item.put.as_mut()),
        (Method::PATCH, item.patch.as_mut()),
        (Method::DELETE, item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.map(|operation| (method, operation)))
}

/// Who may use which route, and whether it reads a body, read from the document.
#[derive(Debug)]
pub(crate) struct AccessTable(HashMap<String, Vec<(Method, Rule)>>);

impl AccessTable {
    /// Reads the document.
    ///
    /// # Errors
    /// The route that states no roles.
    pub(crate) fn from_document(document: &OpenApi) -> Result<Self, String> {
        let mut table = HashMap::new();
        for (path, item) in &document.paths.paths {
            let mut rules = Vec::new();
            for (method, operation) in operations(&mut item.clone()) {
                let roles = operation.extensions.as_ref().and_then(|e| e.get(ROLES)).and_then(|v| v.as_array().cloned());
                let names: Vec<String> = roles.unwrap_or_default().iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
                let access = match names.first().map(String::as_str) {
                    Some(ANYONE) => Access::Anyone,
                    Some(least) => Access::AtLeast(least.parse().map_err(|e: UnknownRole| e.to_string())?),
                    None => return Err(format!("{method} {path}")),
                };
                rules.push((method, Rule { access, takes_body: operation.request_body.is_some() }));
            }
            table.insert(path.clone(), rules);
        }
        Ok(Self(table))
    }

    /// The rule of `method` on the route `path`; `None` if that is no route. `HEAD` is a `GET` without its body.
    pub(crate) fn get(&self, method: &Method, path: &str) -> Option<Rule> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(path)?.iter().find(|(m, _)| m == method).map(|(_, rule)| *rule)
    }

    /// The methods of the route `path`, as the header `Allow` lists them.
    pub(crate) fn allow(&self, path: &str) -> String {
        self.0.get(path).into_iter().flatten().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_the_lesser_ones_and_reads_back_from_its_name() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Editor && Role::Editor > Role::Reviewer && Role::Reviewer > Role::Viewer);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(*role));
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn a_route_that_states_no_roles_is_found() {
        #[utoipa::path(get, path = "/forgotten", responses())]
        async fn forgotten() {}
        let (_, document) = utoipa_axum::router::OpenApiRouter::<()>::new().routes(utoipa_axum::routes!(forgotten)).split_for_parts();
        assert_eq!(AccessTable::from_document(&document).unwrap_err(), "GET /forgotten");
    }
}
