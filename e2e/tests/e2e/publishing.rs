//! Sent once, or known: one post after the other through `Publication` and `Connector` on a real engine and a real database, against platforms that
//! misbehave on order. After each, the platform's books are compared with the receipts.

mod asked;
mod credentials;
mod faults;
mod files;
mod lanes;
mod late;
mod plans;
mod threads;

use domain::platform::Platform;

/// What a receipt came to, attempt by attempt.
fn outcomes(told: &e2e::books::Told) -> Vec<&str> {
    told.receipts.iter().filter_map(|r| r.outcome.as_deref()).collect()
}

const BOTH: &[Platform] = e2e::PLATFORMS;
