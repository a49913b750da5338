//! Waiting for something to become true. The deadline is there so that a test that will never pass ends; no test is about how long it takes.

use std::{future::Future, time::Duration};

use anyhow::bail;

/// How long anything may take on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(100);

/// Asks again and again until the answer is `Ok(Ok(value))`.
///
/// # Errors
/// The error of `ask`, or after [`PATIENCE`] what the last `Ok(Err(seen))` said.
pub async fn until<T, F, Fut>(what: &str, ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<Result<T, String>>>,
{
    within(PATIENCE, what, ask).await
}

/// The same for what has many parts, and may take longer.
///
/// # Errors
/// As [`until`].
pub async fn within<T, F, Fut>(patience: Duration, what: &str, mut ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<Result<T, String>>>,
{
    let give_up = tokio::time::Instant::now() + patience;
    loop {
        match ask().await? {
            Ok(value) => return Ok(value),
            Err(seen) if tokio::time::Instant::now() > give_up => bail!("waited in vain for {what}: {seen}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
