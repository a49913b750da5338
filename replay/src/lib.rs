//! Journals of Restate services: export, decode, replay, verify, compare. So far this crate is only the place for it.
//!
//! It knows nothing of Pressroom and may import none of our crates: what it replays against is a `restate_sdk::Endpoint` that its caller hands it,
//! so that it is of use to any Restate service and fit to be published by itself. What the journals and the protocol look like is written down in
//! the crate's `README.md`.
//!
//! It has no code yet, on purpose: nothing is exported before it works.
