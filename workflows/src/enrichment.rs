//! `Enrichment`: tags, a short link, a picture's description and a translation for each variant of a post; then the text as it would be sent is
//! linted again, and its words, without what was added, are scored in full.

use activities::enrichment::{self, DraftText, Enriched, Extra, Translated};
use domain::{
    hashtags::{Sources, rank},
    ids::{OrgId, PostId, VariantId},
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    drafting::fit,
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `run`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enrich {
    /// The tenant.
    pub org: OrgId,
    /// The post.
    pub post_id: PostId,
}

/// How often an extra is asked for before it is left out.
const ROUNDS: u32 = 3;

/// See the module.
pub struct Enrichment {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl Enrichment {
    /// Enriches every variant of a post.
    #[handler]
    async fn run(&self, ctx: Context<'_>, input: Json<Enrich>) -> Result<(), TerminalError> {
        let Enrich { org, post_id } = input.into_inner();
        let found = step(&ctx, &self.world, "store.enrich_inputs", Retry::Always, move |w| async move {
            enrichment::inputs(&mut w.store.in_org(org).await?, post_id).await
        })
        .await?;
        let (inputs, drafts) = (&found.inputs, &found.texts);
        if drafts.is_empty() || !inputs.wanted {
            return Ok(());
        }
        let short = self.shorten(&ctx, org, post_id, inputs, drafts).await?;
        let (mut composed, mut written): (Vec<(DraftText, Vec<String>)>, Vec<String>) = Default::default();
        let about = std::iter::once(&inputs.brief.topic).chain(&inputs.brief.key_points).map(String::as_str).collect::<Vec<_>>().join("\n");
        for (draft, short) in drafts.iter().zip(&short) {
            // What the text has already, its disclosures with it, is not chosen again.
            let sources = Sources {
                text: &draft.content,
                about: &about,
                language: inputs.language,
                brand: &found.brand_tags,
                performed: &found.performed,
                banned: &inputs.brand.banned_phrases,
                refused: inputs.no_hashtags,
            };
            let tags = rank(&sources, inputs.platform());
            let (content, kept) = inputs.body(short.as_deref(), &tags).compose(&draft.content);
            written.push(inputs.body(short.as_deref(), &kept).written(&content));
            composed.push((DraftText { id: draft.id, content }, kept));
        }
        let texts: Vec<DraftText> = composed.iter().map(|(text, _)| text.clone()).collect();

        let ask = drafts.iter().map(|draft| enrichment::ask_image(inputs, draft)).collect();
        let images = self.extras(&ctx, org, "model.describe_images", ask, |_, answer| Some(answer)).await?;
        let translations = match inputs.brief.languages.first().filter(|first| **first != inputs.language) {
            None => vec![None; texts.len()],
            Some(&to) => {
                let ask = texts.iter().map(|text| enrichment::ask_translation(inputs, text, to)).collect();
                let read = |at: usize, answer: String| enrichment::read_translation(inputs, &texts[at], to, &answer);
                self.extras::<Translated>(&ctx, org, "model.translate", ask, read).await?
            }
        };
        // Tags and links are ours: the words are judged as they were written.
        let fits = fit(&ctx, &self.world, org, inputs, written.clone()).await?;

        let mut enriched = Vec::new();
        let extras = short.into_iter().zip(images).zip(translations).zip(fits).zip(written);
        for ((draft, (text, hashtags)), ((((short, image_prompt), translation), fit), written)) in drafts.iter().zip(composed).zip(extras) {
            let lints = inputs.lint(&text.content);
            let score = inputs.score(&written, &lints, fit.as_ref());
            let link = inputs.link().map(ToOwned::to_owned).zip(short);
            let (from, content) = (draft.content.clone(), text.content);
            enriched.push(Enriched { id: draft.id, from, content, hashtags, link, image_prompt, translation, lints, score, fit });
        }
        step(&ctx, &self.world, "store.save_enriched", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            enrichment::save(&mut tx, post_id, enriched).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}

impl Enrichment {
    /// The short URL of each variant. A link that may not be used stays as it is in the text: the lint and the person who decides see it.
    async fn shorten(
        &self,
        ctx: &Context<'_>,
        org: OrgId,
        post_id: PostId,
        inputs: &activities::drafting::DraftInputs,
        drafts: &[DraftText],
    ) -> Result<Vec<Option<String>>, TerminalError> {
        let Some(link) = inputs.link().map(ToOwned::to_owned) else { return Ok(vec![None; drafts.len()]) };
        let ids: Vec<VariantId> = drafts.iter().map(|draft| draft.id).collect();
        let inputs = inputs.clone();
        let made: Result<Vec<String>, Failure> = step(ctx, &self.world, "store.shorten_links", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let codes = enrichment::shorten(&mut tx, post_id, &inputs, &link, &ids).await?;
            tx.commit().await?;
            Ok(codes)
        })
        .await;
        match made {
            Ok(codes) => Ok(codes.iter().map(|code| Some(format!("{}{code}", self.world.settings.short_link_base))).collect()),
            Err(cancelled) if cancelled.is_cancelled() => Err(cancelled.into()),
            Err(_) => Ok(vec![None; drafts.len()]),
        }
    }

    /// Asks for extras, all at once, and again for those that did not come or cannot be used; what is still missing then is left out.
    async fn extras<T>(
        &self,
        ctx: &Context<'_>,
        org: OrgId,
        name: &'static str,
        questions: Vec<Extra>,
        read: impl Fn(usize, String) -> Option<T> + Send,
    ) -> Result<Vec<Option<T>>, TerminalError> {
        let mut got: Vec<Option<T>> = questions.iter().map(|_| None).collect();
        for round in 0..ROUNDS {
            let missing: Vec<usize> = (0..questions.len()).filter(|at| got[*at].is_none()).collect();
            if missing.is_empty() {
                break;
            }
            let round = format!("{} {round}", ctx.invocation_id());
            let ask: Vec<Extra> = missing.iter().map(|at| questions[*at].clone()).collect();
            let answers: Result<Vec<Option<String>>, Failure> = step(ctx, &self.world, name, Retry::Attempts(3), move |w| async move {
                enrichment::ask_all(&w.store, &w.models, org, &round, ask).await
            })
            .await;
            match answers {
                Ok(answers) => {
                    for (at, answer) in missing.into_iter().zip(answers) {
                        got[at] = answer.and_then(|answer| read(at, answer));
                    }
                }
                Err(cancelled) if cancelled.is_cancelled() => return Err(cancelled.into()),
                Err(_) => break,
            }
        }
        Ok(got)
    }
}
