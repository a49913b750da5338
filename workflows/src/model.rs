//! Asking a language model durably: attempts, the waits that it asks for, and the point at which to give up.

use std::time::Duration;

use activities::{
    ActivityError,
    asking::{self, ShownAs, Written},
    model::CompletionRequest,
};
use domain::ids::{OrgId, UsageId, VariantId};
use restate_sdk::prelude::*;

use crate::{
    step::{Failure, Retry, step},
    world::World,
};

/// How often in one round.
const ATTEMPTS: Retry = Retry::Attempts(5);
/// How often a wait that the providers ask for is granted.
const WAITS: u32 = 8;
/// The longest wait that is granted at once; a provider that asks for more is asked again then.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// One question about a variant.
#[derive(Debug, Clone)]
pub struct Question {
    /// The tenant, who pays.
    pub org: OrgId,
    /// The name of the step.
    pub step: &'static str,
    /// Which of the variant's questions it is: its tokens are counted under this name once, however often the step runs.
    pub turn: String,
    /// The question.
    pub request: CompletionRequest,
    /// Whose text watchers see growing.
    pub shown: ShownAs,
}

impl Question {
    /// Its tokens are counted once for each invocation: a step that runs again is the same answer, a run that is restarted asks anew.
    fn usage(&self, invocation: &str) -> UsageId {
        let variant: VariantId = self.shown.variant_id;
        UsageId::derived(variant.uuid(), &format!("{invocation} {}", self.turn))
    }
}

/// Asks until a model answers. A rate limit is waited out as long as the provider asks, a failure of all models as the settings say; both a bounded
/// number of times.
///
/// # Errors
/// What was wrong the last time; a refused question at once.
pub async fn ask(ctx: &Context<'_>, world: &World, question: &Question) -> Result<Written, Failure> {
    let mut rests = world.settings.model_rest_ms.iter();
    let mut waits = 0;
    loop {
        let Question { org, step: name, request, shown, .. } = question.clone();
        let usage = question.usage(ctx.invocation_id());
        let answer =
            step(
                ctx,
                world,
                name,
                ATTEMPTS,
                move |w| async move { asking::ask(&w.store, &w.models, org, usage, &request, Some(shown)).await },
            )
            .await;
        let failure = match answer {
            Ok(written) => return Ok(written),
            Err(failure) if failure.is_cancelled() => return Err(failure),
            Err(failure) => failure,
        };
        let pause = match &failure.0 {
            ActivityError::RateLimited { retry_after_ms, .. } if waits < WAITS => {
                waits += 1;
                Duration::from_millis(*retry_after_ms).min(LONGEST_WAIT)
            }
            ActivityError::Transient { .. } => match rests.next() {
                Some(ms) => Duration::from_millis(*ms),
                None => return Err(failure),
            },
            _ => return Err(failure),
        };
        ctx.sleep(pause).await?;
    }
}
