//! Two small services of the tests: they do everything that a tree of runs has to show.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// What the test holds in its hand while a story is told.
#[derive(Debug, Clone)]
pub(crate) struct Press {
    /// While set, the step `press.print` fails.
    pub(crate) jammed: Arc<AtomicBool>,
    /// A permit lets one `chapter.write` end.
    pub(crate) ink: Arc<Semaphore>,
}

impl Press {
    pub(crate) fn new(ink: usize) -> Self {
        Self { jammed: Arc::new(AtomicBool::new(false)), ink: Arc::new(Semaphore::new(ink)) }
    }
}

/// Input of `tell`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tale {
    /// How many chapters are called for.
    pub(crate) chapters: u32,
    /// Whether a reminder is sent for an hour later.
    pub(crate) remind: bool,
    /// Whether it ends badly.
    pub(crate) refused: bool,
}

pub(crate) struct Story(pub(crate) Press);

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl Story {
    #[handler]
    async fn tell(&self, c: Context<'_>, tale: Json<Tale>) -> Result<(), HandlerError> {
        let Tale { chapters, remind, refused } = tale.into_inner();
        c.run(|| async { Ok(()) }).name("outline.draw").await?;
        for number in 0..chapters {
            c.service_client::<ChapterClient>().write(Json(number)).call().await?;
        }
        if remind {
            c.service_client::<ChapterClient>().remind(Json(0)).send_after(Duration::from_secs(3600));
        }
        let jammed = self.0.jammed.clone();
        let patience = RunRetryPolicy::new().initial_delay(Duration::from_millis(20)).max_delay(Duration::from_millis(100));
        c.run(move || async move {
            if jammed.load(Ordering::SeqCst) {
                return Err(std::io::Error::other("the press is jammed").into());
            }
            Ok(())
        })
        .name("press.print")
        .retry_policy(patience)
        .await?;
        c.sleep(Duration::from_millis(1)).await?;
        if refused {
            return Err(TerminalError::new_with_code(422, "nobody wants to read this").into());
        }
        Ok(())
    }
}

pub(crate) struct Chapter(pub(crate) Press);

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl Chapter {
    #[handler]
    async fn write(&self, c: Context<'_>, number: Json<u32>) -> Result<(), HandlerError> {
        let ink = self.0.ink.clone();
        c.run(move || async move {
            if let Ok(permit) = ink.acquire().await {
                permit.forget();
            }
            Ok(())
        })
        .name("chapter.write")
        .await?;
        c.service_client::<ChapterClient>().proofread(number).call().await?;
        Ok(())
    }

    #[handler]
    async fn proofread(&self, c: Context<'_>, _number: Json<u32>) -> Result<(), HandlerError> {
        c.run(|| async { Ok(()) }).name("chapter.proofread").await?;
        Ok(())
    }

    #[handler]
    async fn remind(&self, _c: Context<'_>, _number: Json<u32>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Both, on one endpoint.
pub(crate) fn endpoint(press: &Press) -> Endpoint {
    Endpoint::builder().bind(Story(press.clone())).bind(Chapter(press.clone())).build()
}
