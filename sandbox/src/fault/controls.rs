//! `/_sandbox/`: the same levers as the in-process handle, for a process that is not the stand-in's own.
//!
//! | Route | Does |
//! |---|---|
//! | `GET /_sandbox/books` | all that was ever accepted |
//! | `GET /_sandbox/faults` | `{"pending": [rule], "fired": [...]}` |
//! | `POST /_sandbox/faults` | adds one rule or a list of them |
//! | `DELETE /_sandbox/faults` | forgets all rules and rate windows |
//! | `POST /_sandbox/accounts/{name}/expire`, `/revoke`, `/reinstate` | the access tokens; the credentials; gives them back |

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Rule, gate::Platform};

/// What the controls can do to a stand-in besides its faults. `name` is the account's handle or id; false means that there is none of that name.
pub(crate) trait Steered: Platform {
    fn books(&self) -> Value;
    fn expire(&self, name: &str) -> bool;
    fn revoke(&self, name: &str) -> bool;
    fn reinstate(&self, name: &str) -> bool;
}

/// The routes under `/_sandbox/`.
pub(crate) fn routes<P: Steered>() -> Router<P> {
    Router::new()
        .route("/_sandbox/books", get(|State(platform): State<P>| async move { Json(platform.books()) }))
        .route("/_sandbox/faults", get(list::<P>).post(inject::<P>).delete(clear::<P>))
        .route("/_sandbox/accounts/{name}/{lever}", post(pull::<P>))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Orders {
    Many(Vec<Rule>),
    One(Rule),
}

async fn list<P: Steered>(State(platform): State<P>) -> Json<Value> {
    Json(json!({ "pending": platform.faults().pending(), "fired": platform.faults().fired() }))
}

async fn inject<P: Steered>(State(platform): State<P>, Json(orders): Json<Orders>) -> StatusCode {
    match orders {
        Orders::Many(rules) => rules.into_iter().for_each(|rule| platform.faults().inject(rule)),
        Orders::One(rule) => platform.faults().inject(rule),
    }
    StatusCode::NO_CONTENT
}

async fn clear<P: Steered>(State(platform): State<P>) -> StatusCode {
    platform.faults().clear();
    StatusCode::NO_CONTENT
}

async fn pull<P: Steered>(State(platform): State<P>, Path((name, lever)): Path<(String, String)>) -> Response {
    let found = match lever.as_str() {
        "expire" => platform.expire(&name),
        "revoke" => platform.revoke(&name),
        "reinstate" => platform.reinstate(&name),
        _ => return (StatusCode::NOT_FOUND, "levers: expire, revoke, reinstate").into_response(),
    };
    if found { StatusCode::NO_CONTENT.into_response() } else { (StatusCode::NOT_FOUND, "no such account").into_response() }
}
