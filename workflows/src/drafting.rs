//! `Drafting`: one variant of a post, from the prompt over the model and the policy to a stored, scored text.

use activities::{
    asking::ShownAs,
    drafting::{self, DraftInputs, Judged},
    store::links,
    voice,
};
use domain::{
    ids::{OrgId, PostId, UsageId, VariantId},
    links::short_code,
    policy::Lint,
    voice::BrandFit,
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    campaign::{CampaignClient, ForCampaign},
    model::{self, Question},
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `write`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    /// The tenant.
    pub org: OrgId,
    /// The post.
    pub post_id: PostId,
    /// The variant's place among the post's variants, from 0.
    pub position: u32,
    /// How many variants the post gets.
    pub of: u32,
}

/// Input of `rewrite`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rewrite {
    /// The tenant.
    pub org: OrgId,
    /// The variant.
    pub variant_id: VariantId,
    /// What a person asks for.
    pub instruction: String,
}

/// How often a text is rewritten because a lint is an error.
const REWRITES: u32 = 2;

/// See the module.
pub struct Drafting {
    /// The outside world.
    pub world: World,
}

/// A text on its way.
struct Text {
    text: String,
    model: String,
    rewrites: u32,
}

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl Drafting {
    /// Writes one variant and stores it.
    #[handler]
    async fn write(&self, ctx: Context<'_>, input: Json<Draft>) -> Result<(), TerminalError> {
        let Draft { org, post_id, position, .. } = input.into_inner();
        let inputs = step(&ctx, &self.world, "store.draft_inputs", Retry::Always, move |w| async move {
            drafting::inputs(&mut w.store.in_org(org).await?, post_id).await
        })
        .await?;
        if !inputs.wanted {
            return Ok(());
        }
        let id = drafting::variant_id(post_id, position);
        let shown = ShownAs { campaign_id: inputs.campaign_id, post_id, variant_id: id };
        let request = inputs.ask_draft(position);
        let first =
            model::ask(&ctx, &self.world, &Question { org, step: "model.complete", turn: "draft".to_owned(), request, shown }).await?;
        // The short link does not exist yet, but its length is known already: whether a text fits is decided on what will be sent.
        let short = inputs.link().map(|_| self.short_url(&short_code(drafting::link_id(id).uuid(), links::CODE_LENGTH)));
        let whole = |text: &str| inputs.body(short.as_deref(), &[]).compose(text).0;
        let text = Text { text: first.text, model: first.model, rewrites: 0 };
        let text = self.mend(&ctx, org, shown, position, &inputs, text, "draft", &whole).await?;

        let body = inputs.body(None, &[]);
        let content = body.compose(&text.text).0;
        let (written, lints) = (body.written(&content), inputs.lint(&content));
        let judged = self.judge(&ctx, org, &inputs, Verdict { id, post_id, position, content, written, lints }, text).await?;
        let language = inputs.language;
        step(&ctx, &self.world, "store.save_variant", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            drafting::save(&mut tx, language, judged).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }

    /// Rewrites a stored variant as a person asks. If it had been approved, it waits for a decision again.
    #[handler]
    async fn rewrite(&self, ctx: Context<'_>, input: Json<Rewrite>) -> Result<(), TerminalError> {
        let Rewrite { org, variant_id: id, instruction } = input.into_inner();
        let before = step(&ctx, &self.world, "store.rewrite_inputs", Retry::Always, move |w| async move {
            drafting::rewrite_inputs(&mut w.store.in_org(org).await?, id).await
        })
        .await?;
        let (inputs, post_id, position) = (&before.inputs, before.post_id, before.position);
        let shown = ShownAs { campaign_id: inputs.campaign_id, post_id, variant_id: id };
        let body = inputs.body(before.short_url.as_deref(), &before.hashtags);
        let old = body.written(&before.content);
        let request = inputs.ask_rewrite(position, &old, &inputs.lint(&before.content), Some(&instruction));
        let question = Question { org, step: "model.rewrite", turn: "rewrite".to_owned(), request, shown };
        let new = model::ask(&ctx, &self.world, &question).await?;
        let text = Text { text: new.text, model: new.model, rewrites: before.rewrites + 1 };
        let whole = |text: &str| body.compose(text).0;
        let text = self.mend(&ctx, org, shown, position, inputs, text, "rewrite", &whole).await?;

        let content = whole(&text.text);
        let (written, lints) = (body.written(&content), inputs.lint(&content));
        let judged = self.judge(&ctx, org, inputs, Verdict { id, post_id, position, content, written, lints }, text).await?;
        let reopened = step(&ctx, &self.world, "store.save_rewritten", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let reopened = drafting::save_rewritten(&mut tx, judged).await?;
            tx.commit().await?;
            Ok(reopened)
        })
        .await?;
        if reopened {
            ctx.object_client::<CampaignClient>(inputs.campaign_id.to_string()).reopened(Json(ForCampaign { org })).send();
        }
        Ok(())
    }
}

/// What is known of a text before it is scored.
struct Verdict {
    id: VariantId,
    post_id: PostId,
    position: u32,
    content: String,
    /// Its words, without what goes with them.
    written: String,
    lints: Vec<Lint>,
}

impl Drafting {
    /// Has a text rewritten while its whole body breaks a rule, at most twice. Where no model can do it, the text stays as it is: its lints say what
    /// is wrong, and a person decides.
    #[expect(clippy::too_many_arguments, reason = "what both handlers know of the text, handed on once")]
    async fn mend(
        &self,
        ctx: &Context<'_>,
        org: OrgId,
        shown: ShownAs,
        position: u32,
        inputs: &DraftInputs,
        mut text: Text,
        turn: &str,
        whole: &(impl Fn(&str) -> String + Sync),
    ) -> Result<Text, TerminalError> {
        for round in 1..=REWRITES {
            let lints = inputs.lint(&whole(&text.text));
            if !drafting::needs_other_words(&lints) {
                break;
            }
            let request = inputs.ask_rewrite(position, &text.text, &lints, None);
            let question = Question { org, step: "model.rewrite", turn: format!("{turn} mended {round}"), request, shown };
            match model::ask(ctx, &self.world, &question).await {
                Ok(better) => text = Text { text: better.text, model: better.model, rewrites: text.rewrites + 1 },
                Err(cancelled) if cancelled.is_cancelled() => return Err(cancelled.into()),
                Err(_) => break,
            }
        }
        Ok(text)
    }

    /// Scores a text. A voice that cannot be read now makes a neutral score, not a lost text.
    async fn judge(
        &self,
        ctx: &Context<'_>,
        org: OrgId,
        inputs: &DraftInputs,
        verdict: Verdict,
        text: Text,
    ) -> Result<Judged, TerminalError> {
        let Verdict { id, post_id, position, content, written, lints } = verdict;
        let fit = fit(ctx, &self.world, org, inputs, vec![written.clone()]).await?.pop().flatten();
        let score = inputs.score(&written, &lints, fit.as_ref());
        Ok(Judged { id, post_id, position, content, lints, score, fit, model: text.model, rewrites: text.rewrites })
    }

    fn short_url(&self, code: &str) -> String {
        format!("{}{code}", self.world.settings.short_link_base)
    }
}

/// How the words of each text fit the brand's voice. Without a voice there is nothing to compare with, and no step.
pub(crate) async fn fit(
    ctx: &Context<'_>,
    world: &World,
    org: OrgId,
    inputs: &DraftInputs,
    texts: Vec<String>,
) -> Result<Vec<Option<BrandFit>>, Failure> {
    if inputs.voice_id.is_none() {
        return Ok(vec![None; texts.len()]);
    }
    let (brand, language) = (inputs.brand_id, inputs.language);
    // Each invocation asks once; a step that runs again is the same question.
    let usage = UsageId::derived(brand.uuid(), &format!("{} fit", ctx.invocation_id()));
    step(ctx, world, "voice.fit", Retry::Always, move |w| async move {
        voice::fits(&w.store, w.embedder.as_ref(), org, usage, brand, language, &texts).await
    })
    .await
}
