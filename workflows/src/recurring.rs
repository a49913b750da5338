//! What comes again and again by itself, for as long as what it serves is there. Whoever started it does not wait for it: a campaign is done when its
//! posts are out, though their counters are read for weeks, and a subscription is made when it is in force, though a digest comes every day.
//!
//! So does what goes on in another run: a text that is rewritten may void an approval, and people are then asked again in the run of the campaign.

/// Handlers that are sent off to come again, or to another run, as `Service/handler`.
const RECURRING: [&str; 4] = ["Metrics/poll", "Digest/fire", "Schedule/fire", "Campaign/reopened"];

/// Whether a handler (`Service/handler`) that somebody sends to comes again by itself.
#[must_use]
pub fn is_recurring(target: &str) -> bool {
    RECURRING.contains(&target)
}
