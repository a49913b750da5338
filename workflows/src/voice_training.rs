//! `VoiceTraining`: from examples to a brand's voice, measured and put in force.

use activities::{
    store::{runs, voices},
    voice,
};
use domain::{
    ids::{BrandId, ExampleId, OrgId, RunId, VoiceId},
    platform::Platform,
    voice::{Example, check_examples},
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    refuse,
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `run`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainVoice {
    /// The tenant.
    pub org: OrgId,
    /// The brand.
    pub brand_id: BrandId,
    /// The voice that comes of it.
    pub voice_id: VoiceId,
    /// The run that the API handed out for it.
    pub run_id: RunId,
    /// What it is trained on.
    pub examples: Vec<TrainingExample>,
}

/// A post that sounds the way the brand wants to sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingExample {
    /// What was written.
    pub text: String,
    /// Where it was published, if that is known.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Where it can be read, if that is known.
    #[serde(default)]
    pub url: Option<String>,
}

/// See the module.
pub struct VoiceTraining {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl VoiceTraining {
    /// Trains a voice and puts it in force. Without the embedder it is trained on what can be counted.
    #[handler]
    async fn run(&self, ctx: Context<'_>, input: Json<TrainVoice>) -> Result<(), TerminalError> {
        let TrainVoice { org, brand_id, voice_id, run_id, examples } = input.into_inner();
        let examples = identified(voice_id, examples);
        let problems = check_examples(&examples).err();
        let invocation = ctx.invocation_id().to_owned();
        let why = problems.map(|problems| {
            let each: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.pointer(), p.reason)).collect();
            each.join("; ")
        });
        let refused = why.clone();
        step(&ctx, &self.world, "store.begin_training", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            runs::insert(&mut tx, run_id, "VoiceTraining", &brand_id.to_string(), &invocation).await?;
            voices::begin(&mut tx, brand_id, voice_id, &examples).await?;
            if let Some(why) = &why {
                voices::fail(&mut tx, voice_id, why).await?;
            }
            tx.commit().await
        })
        .await?;
        if let Some(why) = refused {
            return Err(refuse::unprocessable("bad-examples", why));
        }
        self.embed(&ctx, org, voice_id).await?;
        let activated = step(&ctx, &self.world, "voice.activate", Retry::Always, move |w| async move {
            voice::activate(&w.store, w.embedder.as_ref(), org, voice_id).await
        })
        .await;
        match activated {
            Err(failure) if !failure.is_cancelled() => {
                let why = failure.to_string();
                step(&ctx, &self.world, "store.note_failure", Retry::Always, move |w| async move {
                    let mut tx = w.store.in_org(org).await?;
                    voices::fail(&mut tx, voice_id, &why).await?;
                    tx.commit().await
                })
                .await?;
                Err(failure.into())
            }
            done => Ok(done?),
        }
    }
}

impl VoiceTraining {
    /// Embeds the examples, a batch a step. An embedder that stays away ends it: the voice then knows nothing of meaning.
    async fn embed(&self, ctx: &Context<'_>, org: OrgId, voice_id: VoiceId) -> Result<(), TerminalError> {
        loop {
            let embedded: Result<usize, Failure> = step(ctx, &self.world, "model.embed", Retry::Attempts(5), move |w| async move {
                voice::embed_examples(&w.store, w.embedder.as_ref(), org, voice_id).await
            })
            .await;
            match embedded {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(cancelled) if cancelled.is_cancelled() => return Err(cancelled.into()),
                Err(_) => return Ok(()),
            }
        }
    }
}

/// The examples with ids that follow from the voice's.
fn identified(voice: VoiceId, examples: Vec<TrainingExample>) -> Vec<Example> {
    let example = |(at, e): (usize, TrainingExample)| Example {
        id: ExampleId::derived(voice.uuid(), &format!("example {at}")),
        text: e.text,
        platform: e.platform,
        url: e.url,
    };
    examples.into_iter().enumerate().map(example).collect()
}
