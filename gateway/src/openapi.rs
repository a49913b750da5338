//! The contract: OpenAPI 3.1, generated from the handlers.

mod examples;

use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{api, problem::ProblemDocument};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Pressroom",
        version = "1",
        description = "A brief becomes published posts, and you are told how they did.\n\n\
            Errors are `application/problem+json` with a stable `code`. `Idempotency-Key` is taken on every request that changes something. \
            Lists take `limit` and `cursor`. Ids are opaque texts with a prefix. Each operation states in `x-roles` who may use it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemDocument)),
    tags(
        (name = "account", description = "Who asks, and what they have used"),
        (name = "auth", description = "Sessions of people"),
        (name = "brands", description = "Who speaks, and the rules they speak by"),
        (name = "briefs", description = "What is to be said"),
        (name = "campaigns", description = "From a brief to posts"),
        (name = "schedules", description = "Campaigns that come again"),
        (name = "posts", description = "Posts, their variants and receipts"),
        (name = "connectors", description = "Social accounts"),
        (name = "assets", description = "Media"),
        (name = "metrics", description = "How posts did"),
        (name = "digests", description = "Summaries by mail"),
        (name = "runs", description = "Workflows, step by step"),
        (name = "system", description = "Health and the contract itself")
    )
)]
struct Api;

/// What every document starts from.
pub(crate) fn base() -> OpenApi {
    let mut document = Api::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (`pr_...`), or an access token of `POST /v1/auth/login`."))
        .build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// The whole contract.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = api::routes().into_openapi();
    examples::add(&mut document);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of the contract is a change of this file, seen in review.
    #[test]
    fn the_contract_is_the_committed_one() {
        insta::assert_json_snapshot!("openapi", document());
    }

    #[test]
    fn every_operation_says_who_may_and_what_it_is_called() {
        let json = serde_json::to_value(document()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for (path, item) in json["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = format!("{method} {path}");
                assert!(operation["x-roles"].as_array().is_some_and(|r| !r.is_empty()), "{name} states no roles");
                assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{name} has no summary");
                assert!(operation["tags"].as_array().is_some_and(|t| t.len() == 1), "{name} needs one tag");
                assert!(seen.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}: its operationId is taken");
            }
        }
        assert_eq!(json["openapi"], "3.1.0");
    }

    /// Each operation tells the answers that it can come to: whoever adds one need not think of them, and cannot forget them.
    #[test]
    fn every_operation_says_what_can_go_wrong() {
        let json = serde_json::to_value(document()).unwrap();
        for (path, item) in json["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                let mut needed = Vec::new();
                if operation["x-roles"][0] != "anyone" {
                    needed.extend(["401", "403", "429"]);
                    if method != "get" {
                        // The idempotency key: unusable, in use, used for something else.
                        needed.extend(["400", "409", "422"]);
                    }
                    if path.contains('{') {
                        needed.push("404");
                    }
                }
                if operation.get("requestBody").is_some() {
                    needed.extend(["400", "413", "422"]);
                    if operation["operationId"] != "ingest_metrics" {
                        needed.push("415");
                    }
                }
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                if parameters.filter(|p| p["in"] == "query").count() > 0 {
                    needed.push("422");
                }
                for status in needed {
                    assert!(answers.contains_key(status), "{method} {path} does not tell of {status}");
                }
                for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                    let schema = answer.pointer("/content/application~1problem+json/schema/$ref");
                    assert!(schema.is_some(), "{method} {path} {status} does not say that it is a problem document");
                }
                assert!(answers.keys().any(|status| status.starts_with(['2', '3'])), "{method} {path} never succeeds");
            }
        }
    }

    /// Whoever reads the contract can copy a body from it.
    #[test]
    fn every_body_has_an_example() {
        let json = serde_json::to_value(document()).unwrap();
        for (path, item) in json["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let Some(content) = operation.pointer("/requestBody/content/application~1json") else { continue };
                let direct = content.get("example").is_some();
                let schema = content["schema"]["$ref"].as_str().and_then(|r| json.pointer(r.trim_start_matches('#')));
                assert!(direct || schema.is_some_and(|s| s.get("example").is_some()), "{method} {path} has no example");
            }
        }
    }
}
