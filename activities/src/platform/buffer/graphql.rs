//! Buffer's API: one address, documents with one operation each (<https://developers.buffer.com/guides/error-handling.html>).
//!
//! An answer is a 200 whatever came of it. Errors of the system stand in `errors`, each with a code; refusals of a mutation are types of its
//! payload, all of which have a `message`.

use http::Method;
use serde_json::{Value, json};

use crate::{
    error::{ActivityError, ActivityResult},
    http::Answer,
    platform::{
        Answered, Call,
        answer::{budget, expect_success, retry_after_of, signed},
        endpoint,
    },
};

pub(super) const CHANNEL: &str =
    "query Channel($input: ChannelInput!) { channel(input: $input) { id name service isDisconnected isLocked externalLink } }";
pub(super) const ORGANIZATIONS: &str = "query Organizations { account { organizations { id } } }";
pub(super) const CHANNELS: &str = "query Channels($input: ChannelsInput!) { channels(input: $input) { id name service } }";
pub(super) const DRAFT: &str = "mutation Draft($input: CreatePostInput!) { createPost(input: $input) { __typename \
     ... on PostActionSuccess { post { id status } } ... on MutationError { message } } }";
pub(super) const PUBLISH: &str = "mutation Publish($input: EditPostInput!) { editPost(input: $input) { __typename \
     ... on PostActionSuccess { post { id status externalLink error { message } } } ... on MutationError { message } } }";
pub(super) const POST: &str = "query Post($input: PostInput!) { post(input: $input) { id status externalLink error { message } } }";
pub(super) const METRICS: &str = "query Metrics($input: PostInput!) { post(input: $input) { id status metrics { type value } } }";
pub(super) const DELETE: &str = "mutation Delete($input: DeletePostInput!) { deletePost(input: $input) { __typename \
     ... on DeletePostSuccess { id } ... on MutationError { message } } }";

/// The bytes of an operation.
pub(super) fn body(document: &str, input: &Value) -> Value {
    json!({ "query": document, "variables": { "input": input } })
}

/// A request with these bytes.
pub(super) fn request(call: Call<'_>, body: String) -> ActivityResult<reqwest::RequestBuilder> {
    let request = signed(call, call.http.once(Method::POST, endpoint(&call.account.base_url, "")?)?)?;
    Ok(request.header(http::header::CONTENT_TYPE, "application/json").body(body))
}

/// The JSON of an answer; `None` if it is none.
pub(super) fn json_of(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(answer.body.as_ref().ok()?).ok()
}

/// What an error of the system means; `None` where there is none.
pub(super) fn error_of(call: Call<'_>, answer: &Answer, body: &Value) -> Option<ActivityError> {
    let error = body["errors"].as_array()?.first()?;
    let said: String = error["message"].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let said: String = call.credentials.redact(&said).chars().take(300).collect();
    let code = error["extensions"]["code"].as_str().unwrap_or_default();
    let what = format!("Buffer answered {code}: {said}");
    Some(match code {
        "UNAUTHORIZED" | "UNAUTHENTICATED" => ActivityError::credentials_expired(what),
        "NOT_FOUND" => ActivityError::not_found(what),
        "RATE_LIMIT_EXCEEDED" => ActivityError::rate_limited(retry_after_of(answer), what),
        "FORBIDDEN" | "BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED" | "GRAPHQL_PARSE_FAILED" => ActivityError::rejected(what),
        _ => ActivityError::transient(what),
    })
}

/// Asks something that is safe to repeat; what is under the operation's one field.
pub(super) async fn ask(call: Call<'_>, document: &str, input: Option<&Value>, field: &str) -> ActivityResult<Answered<Value>> {
    let body = input.map_or_else(|| json!({ "query": document }), |input| body(document, input));
    let answer = expect_success(call, request(call, body.to_string())?).await?;
    let told = json_of(&answer).ok_or_else(|| ActivityError::transient("the answer is not what Buffer answers"))?;
    if let Some(error) = error_of(call, &answer, &told) {
        return Err(error);
    }
    let value = told["data"][field].clone();
    if value.is_null() {
        return Err(ActivityError::transient("Buffer answered nothing"));
    }
    Ok(Answered { value, budget: budget(&answer) })
}

/// A refusal among the types of a mutation's payload: its type and its message; `None` if it is a success.
pub(super) fn refusal(call: Call<'_>, payload: &Value, success: &str) -> Option<(String, String)> {
    let kind = payload["__typename"].as_str().unwrap_or_default();
    let said = call.credentials.redact(payload["message"].as_str().unwrap_or_default());
    (kind != success).then(|| (kind.to_owned(), said.chars().filter(|c| !c.is_control()).take(300).collect()))
}
