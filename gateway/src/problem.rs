//! What a client reads when something went wrong: `application/problem+json` (RFC 9457) with a stable code.

use std::collections::BTreeMap;

use activities::ActivityError;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Every code that an answer can carry. Each has a page in `docs/errors`, which is built in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Its page, as Markdown.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../../docs/errors/", $code, ".md")),)* }
            }
        }
    };
}

codes! {
    /// An authorisation opened several accounts.
    AccountChoiceNeeded = "account-choice-needed", MULTIPLE_CHOICES, "Several accounts were opened: choose one";
    /// The body is not JSON.
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not JSON";
    /// Nobody began this authorisation, or it was used.
    AuthorizationUnknown = "authorization-unknown", BAD_REQUEST, "Nobody began this authorisation, or it was used";
    /// The header `Idempotency-Key` cannot be used.
    IdempotencyKeyInvalid = "idempotency-key-invalid", BAD_REQUEST, "The idempotency key cannot be used";
    /// Nobody is signed in.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "The request says not, or not truly, who sends it";
    /// Wrong address or password.
    InvalidCredentials = "invalid-credentials", UNAUTHORIZED, "The address or the password is wrong";
    /// The refresh token is no good (any more).
    SessionEnded = "session-ended", UNAUTHORIZED, "The session has ended";
    /// A webhook's signature does not hold.
    SignatureInvalid = "signature-invalid", UNAUTHORIZED, "The signature does not hold";
    /// The role does not allow it.
    Forbidden = "forbidden", FORBIDDEN, "Your role does not allow this";
    /// There is no such thing in this org.
    NotFound = "not-found", NOT_FOUND, "There is no such thing";
    /// The path exists, the method does not.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This path does not take this method";
    /// The state of the thing does not allow it.
    Conflict = "conflict", CONFLICT, "The state it is in does not allow this";
    /// The post was decided on before.
    AlreadyDecided = "already-decided", CONFLICT, "The post was decided on before";
    /// The post is being sent, was sent, or will not be.
    PostNotRewritable = "post-not-rewritable", CONFLICT, "The post's texts cannot be changed any more";
    /// Something of the post is out, or may be, or it has ended.
    PostNotChangeable = "post-not-changeable", CONFLICT, "What the post has beside its text cannot be changed now";
    /// Only an approved post can be scheduled.
    PostNotSchedulable = "post-not-schedulable", CONFLICT, "The post cannot be scheduled now";
    /// The post was sent or has ended.
    PostNotCancellable = "post-not-cancellable", CONFLICT, "The post cannot be stopped any more";
    /// The post asks nothing.
    PostNotResolvable = "post-not-resolvable", CONFLICT, "The post asks nothing";
    /// A signed delivery was taken in before.
    DeliveryReplayed = "delivery-replayed", CONFLICT, "This delivery was taken in before";
    /// Nothing was uploaded yet.
    AssetNotUploaded = "asset-not-uploaded", CONFLICT, "The file was not uploaded yet";
    /// The first request with this key is still being worked on.
    IdempotencyKeyInUse = "idempotency-key-in-use", CONFLICT, "The first request with this key is still being worked on";
    /// The person came back too late.
    AuthorizationExpired = "authorization-expired", GONE, "The authorisation took too long";
    /// The body is over 1 MiB.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body is not of a type that is read here";
    /// Fields are missing, unknown or wrong.
    ValidationFailed = "validation-failed", UNPROCESSABLE_ENTITY, "Fields are missing, unknown or wrong";
    /// What was uploaded is not what was announced.
    AssetRefused = "asset-refused", UNPROCESSABLE_ENTITY, "The file is not what was announced";
    /// The person or the platform said no.
    AuthorizationDenied = "authorization-denied", UNPROCESSABLE_ENTITY, "The account was not opened";
    /// The key was used for another request.
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "This key was used for another request";
    /// The text cannot be sent.
    ContentRefused = "content-refused", UNPROCESSABLE_ENTITY, "The text cannot be sent";
    /// The time cannot be scheduled.
    ScheduleRefused = "schedule-refused", UNPROCESSABLE_ENTITY, "The time cannot be scheduled";
    /// The platform refused the account.
    PlatformRefused = "platform-refused", UNPROCESSABLE_ENTITY, "The platform refused";
    /// Too many requests.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests";
    /// Too many attempts to sign in.
    TooManyAttempts = "too-many-attempts", TOO_MANY_REQUESTS, "Too many attempts to sign in";
    /// A defect of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something is wrong on our side";
    /// There is no object storage.
    MediaNotConfigured = "media-not-configured", SERVICE_UNAVAILABLE, "This installation has no object storage";
    /// Something that we need is away.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something that we need is away for the moment";
}

/// One bad field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body; for a query parameter `/<name>`.
    #[schema(example = "/name")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "must not be empty")]
    pub detail: String,
}

/// The document that a client reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// URL of the page about this code.
    #[schema(example = "http://127.0.0.1:8081/docs/errors/validation-failed")]
    r#type: String,
    /// What the code means.
    #[schema(example = "Fields are missing, unknown or wrong")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// Stable, kebab case.
    #[schema(example = "validation-failed")]
    code: &'static str,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The request's id, as in `X-Request-Id`.
    #[schema(example = "01JD3W0FQH8Z0V0V6D4C6W1R8M")]
    instance: String,
    /// Each bad field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What some codes say besides; their pages tell.
    #[serde(flatten)]
    more: BTreeMap<&'static str, Value>,
}

/// A failed request. It becomes a document in `finish`, which knows the request's id.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    more: BTreeMap<&'static str, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem with nothing more to say than its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner { code, detail: None, errors: Vec::new(), more: BTreeMap::new(), headers: HeaderMap::new() }))
    }

    /// Says what happened this time. Never text from inside (a database, an engine): that is logged.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// One bad field.
    #[must_use]
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// The same, with the bad fields inside of another one.
    #[must_use]
    pub(crate) fn inside(mut self, pointer: &str) -> Self {
        for error in &mut self.0.errors {
            error.pointer.insert_str(0, pointer);
        }
        self
    }

    /// Where a handler refused with `code`, the field that is to be mended: the handler knows the reason, and not what the request looked like.
    #[must_use]
    pub(crate) fn pointing(mut self, code: Code, pointer: &str) -> Self {
        if self.0.code == code && self.0.errors.is_empty() {
            let detail = self.0.detail.clone().unwrap_or_else(|| code.title().to_owned());
            self.0.errors.push(FieldError { pointer: pointer.to_owned(), detail });
        }
        self
    }

    /// Several bad fields.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(Code::ValidationFailed);
        problem.0.errors = errors;
        problem
    }

    /// Says something that a client needs to go on, as the code's page tells.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name, value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.0.headers.insert(name, value.into());
        self
    }

    /// A defect: `cause` goes to the log, not to the client.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(Code::Internal)
    }

    /// Something that is needed is away: `cause` goes to the log, not to the client.
    #[must_use]
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        tracing::warn!(%cause, "a part that is needed is away");
        Self::new(Code::Unavailable).header(header::RETRY_AFTER, 2)
    }

    /// There is no such thing in this org.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.0.code
    }
}

/// What handlers return.
pub(crate) type ApiResult<T> = Result<T, Problem>;

/// What the store could not do. Handlers that call a platform classify for themselves.
impl From<ActivityError> for Problem {
    fn from(error: ActivityError) -> Self {
        match error {
            ActivityError::NotFound { .. } => Self::not_found(),
            ActivityError::Transient { .. } | ActivityError::RateLimited { .. } => Self::unavailable(error),
            ActivityError::Rejected { .. } | ActivityError::CredentialsExpired { .. } | ActivityError::OutcomeUnknown { .. } => {
                Self::internal(error)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.headers_mut().extend(self.0.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the document of a response that is a [`Problem`]; any other passes.
pub(crate) fn finish(mut response: Response, request_id: &str, public_url: &url::Url) -> Response {
    let Some(Problem(problem)) = response.extensions_mut().remove::<Problem>() else { return response };
    let document = ProblemDocument {
        r#type: format!("{}/docs/errors/{}", public_url.as_str().trim_end_matches('/'), problem.code.as_str()),
        title: problem.code.title(),
        status: problem.code.status().as_u16(),
        code: problem.code.as_str(),
        detail: problem.detail,
        instance: request_id.to_owned(),
        errors: problem.errors,
        more: problem.more,
    };
    let body = serde_json::to_vec(&document).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    *response.body_mut() = Body::from(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_and_each_page_a_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        let mut pages: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".md").to_owned())
            .collect();
        pages.sort();
        let mut codes: Vec<String> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
        codes.sort();
        assert_eq!(pages, codes);
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {}\n", code.as_str())), "{} does not open with its code", code.as_str());
            assert!(page.contains(&format!("HTTP {}", code.status().as_u16())), "{} names another status", code.as_str());
            assert!(page.contains("## What to do"), "{} does not say what to do", code.as_str());
        }
    }

    #[test]
    fn what_the_store_says_never_reaches_the_client() {
        for error in [ActivityError::transient("secret host"), ActivityError::rejected("secret host")] {
            let problem = Problem::from(error);
            assert!(problem.code().status().is_server_error());
            assert_eq!(problem.0.detail, None);
        }
    }
}
