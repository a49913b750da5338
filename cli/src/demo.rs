//! The story of `pressroom up --demo`, told over the REST API, as any client would.

use workflows::world::World;

use crate::up::{Running, Screen};

/// Plays it. True if all of it happened.
///
/// # Errors
/// Where the story broke off.
pub(crate) async fn play(_running: &Running, _world: &World, _screen: Screen, _json: bool) -> anyhow::Result<bool> {
    Ok(false)
}
