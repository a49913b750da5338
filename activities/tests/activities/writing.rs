//! From examples to a voice and from a brief to stored texts, on a real PostgreSQL under the application's role.

use std::time::Duration;

use activities::{
    ActivityError,
    approval::{self, Decided},
    asking::{self, ShownAs},
    drafting::{self, Judged},
    enrichment::{self, Enriched},
    generation,
    model::ProviderKind,
    store::{
        Store, brands, briefs, campaigns, connectors, drafts, links, orgs, posts,
        usage::{self, Usage},
        variants, voices,
    },
    voice,
};
use domain::{
    brief::Language,
    ids::{BrandId, BriefId, CampaignId, ConnectorId, ExampleId, LinkId, OrgId, PostId, RunId, UsageId, VoiceId},
    links::short_code,
    platform::Platform,
    post::PostStatus,
    schedule::ScheduleSpec,
    voice::Example,
};
use futures::StreamExt as _;
use sandbox::{
    model::{Fault, Options, StandInModel},
    servers::TestStack,
};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::model::{brand, brief, models, provider, settings};

struct House {
    stack: TestStack,
    server: StandInModel,
    store: Store,
    org: OrgId,
    brand: BrandId,
    campaign: CampaignId,
    accounts: Vec<ConnectorId>,
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128((0x0193_0000_0000_7000_8000_0000_0000_0000) + n)
}

/// A brand with a brief in two languages, an account on each platform, and a campaign.
async fn house() -> House {
    let stack = TestStack::start().await.unwrap();
    let owner = stack.superuser_url().expose_secret().to_owned();
    migrations::run(&owner, Some("app")).await.unwrap();
    let mut url: url::Url = owner.parse().unwrap();
    url.set_username(migrations::APP_ROLE).unwrap();
    url.set_password(Some("app")).unwrap();
    let store = Store::connect_lazy(url.as_str(), 8).unwrap();
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (org, brand_id, brief_id) = (OrgId::from_uuid(id(1)), BrandId::from_uuid(id(2)), BriefId::from_uuid(id(3)));
    let campaign = CampaignId::from_uuid(id(4));
    let mut tx = store.in_org(org).await.unwrap();
    orgs::insert(&mut tx, "Juniper").await.unwrap();
    brands::insert(&mut tx, brand_id, &brand()).await.unwrap();
    let wanted = domain::brief::Brief {
        languages: vec![Language::EN, Language::DE],
        platforms: vec![Platform::Mastodon, Platform::Bluesky],
        link: Some("https://juniper.example/winter".to_owned()),
        ..brief()
    };
    briefs::insert(&mut tx, brief_id, brand_id, &wanted).await.unwrap();
    let accounts: Vec<ConnectorId> = vec![ConnectorId::from_uuid(id(5)), ConnectorId::from_uuid(id(6))];
    for (id, platform) in accounts.iter().zip(&[Platform::Mastodon, Platform::Bluesky]) {
        let account = connectors::Connector {
            id: *id,
            platform: *platform,
            base_url: "https://social.example".to_owned(),
            handle: "juniper".to_owned(),
            remote_id: "1".to_owned(),
            software: None,
            max_characters: None,
            token_expires_at: None,
            scopes: Vec::new(),
            state: "connected".to_owned(),
            state_reason: None,
            budget: None,
            checked_at: None,
            created_at: Default::default(),
        };
        connectors::save(&mut tx, &account, b"sealed").await.unwrap();
    }
    let asked = campaigns::NewCampaign {
        id: campaign,
        brand_id,
        brief_id,
        name: "winter".to_owned(),
        variants_per_post: 2,
        approval: campaigns::Approval::Required,
        schedule: None,
        options: domain::post::PostOptions::default(),
        run_id: RunId::from_uuid(id(7)),
    };
    campaigns::insert(&mut tx, &asked).await.unwrap();
    tx.commit().await.unwrap();
    House { stack, server, store, org, brand: brand_id, campaign, accounts }
}

fn examples(voice: VoiceId) -> Vec<Example> {
    let texts = [
        "Roasted on Tuesday, in your cup on Thursday. #coffee",
        "Plum, cocoa, and a slow morning. We kept you a bag. #coffee",
        "The grinder sings again. Come by before ten. #slow",
        "We taste every batch twice. The second time for fun.",
    ];
    let example = |(at, text): (usize, &str)| Example {
        id: ExampleId::derived(voice.uuid(), &format!("example {at}")),
        text: text.to_owned(),
        platform: (at == 0).then_some(Platform::Mastodon),
        url: None,
    };
    texts.into_iter().enumerate().map(example).collect()
}

async fn train(house: &House, voice: VoiceId) {
    let (_, embedder) = models(&settings(vec![provider("m", ProviderKind::OpenAi, &house.server)], &house.server));
    let mut tx = house.store.in_org(house.org).await.unwrap();
    // Twice, as after a crash.
    for _ in 0..2 {
        voices::begin(&mut tx, house.brand, voice, &examples(voice)).await.unwrap();
    }
    tx.commit().await.unwrap();
    while voice::embed_examples(&house.store, &embedder, house.org, voice).await.is_ok_and(|count| count > 0) {}
    voice::activate(&house.store, &embedder, house.org, voice).await.unwrap();
}

#[tokio::test]
async fn a_brief_becomes_stored_texts_that_people_saw_growing() {
    let house = house().await;
    let House { store, org, .. } = &house;
    let org = *org;
    train(&house, VoiceId::from_uuid(id(20))).await;
    let embedded = usage::spent_this_month(&mut store.in_org(org).await.unwrap()).await.unwrap();
    assert!(embedded > 0, "a training's embeddings are counted");
    let (models, embedder) = models(&settings(vec![provider("m", ProviderKind::OpenAi, &house.server)], &house.server));

    let mut tx = store.in_org(org).await.unwrap();
    let plan = generation::plan(&mut tx, house.campaign, &house.accounts).await.unwrap();
    assert_eq!(generation::plan(&mut tx, house.campaign, &house.accounts).await.unwrap(), plan, "planned again, the same posts");
    tx.commit().await.unwrap();
    assert_eq!((plan.posts.len(), plan.variants), (4, 2));

    let mut growing = Box::pin(drafts::listen(store).await.unwrap());
    let post = plan.posts[0];
    let inputs = drafting::inputs(&mut store.in_org(org).await.unwrap(), post).await.unwrap();
    assert!(!inputs.voice.is_empty() && inputs.wanted);
    let variant = drafting::variant_id(post, 0);
    let shown = ShownAs { campaign_id: house.campaign, post_id: post, variant_id: variant };
    let counted = UsageId::derived(variant.uuid(), "draft");
    let written = asking::ask(store, &models, org, counted, &inputs.ask_draft(0), Some(shown)).await.unwrap();
    let mut seen = String::new();
    while domain::prompt::clean_completion(&seen) != written.text {
        let delta = tokio::time::timeout(Duration::from_secs(20), growing.next()).await.expect("the whole text is told").unwrap();
        assert_eq!((delta.org, delta.variant_id), (org, variant));
        if delta.seq == 0 {
            seen.clear();
        }
        seen.push_str(&delta.text);
    }

    let spent = usage::spent_this_month(&mut store.in_org(org).await.unwrap()).await.unwrap();
    assert!(spent > embedded);
    let mut tx = store.in_org(org).await.unwrap();
    let again = Usage { id: counted, purpose: "draft", model: "m", input_tokens: 1_000, output_tokens: 1_000 };
    usage::record(&mut tx, std::slice::from_ref(&again)).await.unwrap();
    assert_eq!(usage::spent_this_month(&mut tx).await.unwrap(), spent, "a step that ran twice counts once");
    tx.commit().await.unwrap();

    let judged = UsageId::derived(variant.uuid(), "fit");
    let fits = async || {
        voice::fits(store, &embedder, org, judged, house.brand, inputs.language, std::slice::from_ref(&written.text))
            .await
            .unwrap()
            .remove(0)
    };
    let fit = fits().await;
    let with_fit = usage::spent_this_month(&mut store.in_org(org).await.unwrap()).await.unwrap();
    assert!(with_fit > spent, "a text's embedding is counted");
    fits().await;
    assert_eq!(
        usage::spent_this_month(&mut store.in_org(org).await.unwrap()).await.unwrap(),
        with_fit,
        "once, however often the step runs"
    );
    assert!(fit.as_ref().unwrap().reasons.iter().any(|r| r.feature == "meaning"), "the embedder answered");
    house.server.fail(Fault::Status { status: 500 }, 1, None);
    let without = fits().await;
    assert!(without.unwrap().reasons.iter().all(|r| r.feature != "meaning"), "without it the rest has to do");

    save_and_enrich(&house, post, written.text).await;
    edited_words_are_judged(&house, plan.posts[1]).await;
}

/// What a person writes into a text before approving it is held against the rules like everything else, and a plan made for the post stays.
async fn edited_words_are_judged(house: &House, post: PostId) {
    let variant = drafting::variant_id(post, 0);
    let mut tx = house.store.in_org(house.org).await.unwrap();
    let inputs = drafting::inputs(&mut tx, post).await.unwrap();
    let judged = Judged {
        id: variant,
        post_id: post,
        position: 0,
        score: inputs.score("Fine words.", &[], None),
        content: "Fine words.".to_owned(),
        lints: Vec::new(),
        fit: None,
        model: "m".to_owned(),
        rewrites: 0,
    };
    drafting::save(&mut tx, inputs.language, judged).await.unwrap();
    posts::advance(&mut tx, post, &[PostStatus::Drafting], PostStatus::NeedsApproval, None).await.unwrap();
    tx.commit().await.unwrap();

    for words in ["word ".repeat(400), "Call {{name}} today.".to_owned()] {
        let mut tx = house.store.in_org(house.org).await.unwrap();
        let refused = approval::approve(&mut tx, post, variant, Some(&words), "ann").await;
        assert!(matches!(&refused, Err(ActivityError::Rejected { what }) if what.starts_with("content-refused: ")), "{refused:?}");
    }

    let mut tx = house.store.in_org(house.org).await.unwrap();
    assert_eq!(posts::require(&mut tx, post).await.unwrap().status, PostStatus::NeedsApproval, "a refusal changes nothing");
    let done = approval::approve(&mut tx, post, variant, Some("Words without a disclosure."), "ann").await.unwrap();
    assert_eq!(done, Decided::Done { schedule: None, last: false }, "the brand's own rules do not stop a person");
    let stored = variants::get(&mut tx, variant).await.unwrap().unwrap();
    assert!(drafting::needs_other_words(&drafting::lints_of(&stored).unwrap()), "and the verdict is kept");

    let own: ScheduleSpec =
        serde_json::from_value(serde_json::json!({"mode": "at", "at": "2030-12-24T09:00", "timezone": "Europe/Berlin"})).unwrap();
    assert!(posts::plan(&mut tx, post, 1, &own, chrono::Utc::now(), false).await.unwrap());
    assert!(posts::void_approval(&mut tx, post, "rewritten").await.unwrap());
    let again = approval::approve(&mut tx, post, variant, None, "ann").await.unwrap();
    assert_eq!(again, Decided::Done { schedule: Some(own), last: false }, "the plan that a person made for this post");
}

/// Of two links made together, one finds its code taken by a link that is there already.
async fn a_taken_code_grows(house: &House, post: PostId) {
    let [free, taken] = [50, 51].map(|n| LinkId::from_uuid(id(n)));
    let code = short_code(taken.uuid(), links::CODE_LENGTH);
    let owner = sqlx::PgPool::connect(house.stack.superuser_url().expose_secret()).await.unwrap();
    sqlx::query("INSERT INTO links (id, org_id, post_id, code, target) VALUES ($1, $2, $3, $4, 'https://other.example/')")
        .bind(id(52))
        .bind(house.org.uuid())
        .bind(post.uuid())
        .bind(&code)
        .execute(&owner)
        .await
        .unwrap();
    let both = [(taken, "https://juniper.example/a".to_owned()), (free, "https://juniper.example/b".to_owned())];
    let mut tx = house.store.in_org(house.org).await.unwrap();
    let made = links::shorten(&mut tx, post, &both).await.unwrap();
    assert_eq!(made, [short_code(taken.uuid(), links::CODE_LENGTH + 1), short_code(free.uuid(), links::CODE_LENGTH)]);
    let moved = [(taken, "https://juniper.example/c".to_owned()), (free, "https://juniper.example/b".to_owned())];
    assert_eq!(links::shorten(&mut tx, post, &moved).await.unwrap(), made, "they keep their codes");
    tx.commit().await.unwrap();
    let targets: Vec<String> = sqlx::query_scalar("SELECT target FROM links WHERE code = ANY($1) ORDER BY target")
        .bind(vec![made[0].clone(), made[1].clone(), code])
        .fetch_all(&owner)
        .await
        .unwrap();
    assert_eq!(targets, ["https://juniper.example/b", "https://juniper.example/c", "https://other.example/"]);
}

/// Stores a text, enriches it, has it approved and rewrites it.
async fn save_and_enrich(house: &House, post: PostId, text: String) {
    let mut tx = house.store.in_org(house.org).await.unwrap();
    let variant = drafting::variant_id(post, 0);
    let found = enrichment::inputs(&mut tx, post).await.unwrap();
    assert_eq!(found.brand_tags, ["coffee", "slow"]);
    let inputs = found.inputs;
    let lints = inputs.lint(&text);
    let judged = Judged {
        id: variant,
        post_id: post,
        position: 0,
        score: inputs.score(&text, &lints, None),
        content: text.clone(),
        lints: lints.clone(),
        fit: None,
        model: "m".to_owned(),
        rewrites: 0,
    };
    drafting::save(&mut tx, inputs.language, judged.clone()).await.unwrap();
    let link = "https://juniper.example/winter";
    let codes = enrichment::shorten(&mut tx, post, &inputs, link, &[variant]).await.unwrap();
    assert_eq!(enrichment::shorten(&mut tx, post, &inputs, link, &[variant]).await.unwrap(), codes, "one link, however often");
    assert_eq!(codes[0].len(), links::CODE_LENGTH);
    a_taken_code_grows(house, post).await;
    let short = format!("https://p.example/l/{}", codes[0]);
    let content = format!("{text} {short}");
    let enriched = Enriched {
        id: variant,
        from: text.clone(),
        content: content.clone(),
        hashtags: vec!["coffee".to_owned()],
        link: Some((link.to_owned(), short.clone())),
        image_prompt: Some("a cup".to_owned()),
        translation: None,
        score: inputs.score(&content, &lints, None),
        lints,
        fit: None,
    };
    enrichment::save(&mut tx, post, vec![enriched.clone()]).await.unwrap();
    let stored = variants::get(&mut tx, variant).await.unwrap().unwrap();
    assert_eq!((stored.content.as_str(), stored.image_prompt.as_deref()), (content.as_str(), Some("a cup")));
    enrichment::save(&mut tx, post, vec![Enriched { content: "older".to_owned(), ..enriched }]).await.unwrap();
    assert_eq!(variants::get(&mut tx, variant).await.unwrap().unwrap().content, content, "a text that changed meanwhile stays");

    posts::advance(&mut tx, post, &[PostStatus::Drafting], PostStatus::NeedsApproval, None).await.unwrap();
    assert!(posts::approve(&mut tx, post, variant, &content, "ann").await.unwrap());
    let start = drafting::rewrite_inputs(&mut tx, variant).await.unwrap();
    assert_eq!(start.short_url.as_deref(), Some(short.as_str()));
    drafting::save_rewritten(&mut tx, Judged { content: "Other words.".to_owned(), ..judged.clone() }).await.unwrap();
    let after = posts::require(&mut tx, post).await.unwrap();
    assert_eq!((after.status, after.approved_variant_id), (PostStatus::NeedsApproval, None), "nobody approved these words");
    let scored = variants::get(&mut tx, variant).await.unwrap().unwrap();
    let scored = drafting::score_variant(&mut tx, scored).await.unwrap();
    let lints = drafting::lints_of(&scored).unwrap();
    assert!(drafting::needs_other_words(&lints), "the disclosure is missing: {lints:?}");
    // The tag and the link that go with the words do not move what the words get.
    let carried = variants::Variant { content: format!("{}\n\n{short}\n\n#coffee", scored.content), ..scored.clone() };
    let rescored = drafting::score_variant(&mut tx, carried).await.unwrap();
    for mark in ["brand_fit", "readability"] {
        assert_eq!(rescored.score.as_ref().unwrap()[mark], scored.score.as_ref().unwrap()[mark], "{mark}");
    }
    assert_eq!(rescored.reasons, scored.reasons);
    posts::reject(&mut tx, post, "no", "ann").await.unwrap();
    let refused = drafting::save_rewritten(&mut tx, judged).await;
    assert!(matches!(refused, Err(ActivityError::Rejected { .. })), "{refused:?}");
}

#[tokio::test]
async fn voices_are_versions_and_a_spent_budget_ends_writing() {
    let house = house().await;
    let [first, second] = [21, 22].map(|n| VoiceId::from_uuid(id(n)));
    let (models, embedder) = models(&settings(vec![provider("m", ProviderKind::OpenAi, &house.server)], &house.server));
    // The embedder is away: the voice is trained on what can be counted.
    house.server.fail(Fault::Status { status: 503 }, 1, None);
    train(&house, first).await;
    let mut tx = house.store.in_org(house.org).await.unwrap();
    let active = voices::active(&mut tx, house.brand).await.unwrap().unwrap();
    assert_eq!((active.id, active.model.centroid, active.embed_model), (first, None, None));
    drop(tx);
    train(&house, second).await;
    // An older training that finishes late does not put itself in force.
    voice::activate(&house.store, &embedder, house.org, first).await.unwrap();
    let mut tx = house.store.in_org(house.org).await.unwrap();
    let active = voices::active(&mut tx, house.brand).await.unwrap().unwrap();
    assert_eq!((active.id, active.model.centroid.map(|c| c.len())), (second, Some(256)));
    let latest = voices::latest(&mut tx, house.brand).await.unwrap().unwrap();
    assert_eq!((latest.version, latest.examples, latest.failure), (2, 4, None));

    let plan = generation::plan(&mut tx, house.campaign, &house.accounts).await.unwrap();
    let inputs = drafting::inputs(&mut tx, plan.posts[0]).await.unwrap();
    drop(tx);
    let owner = sqlx::PgPool::connect(house.stack.superuser_url().expose_secret()).await.unwrap();
    let spent = usage::spent_this_month(&mut house.store.in_org(house.org).await.unwrap()).await.unwrap();
    sqlx::query("UPDATE orgs SET token_budget = $1").bind(spent + 1).execute(&owner).await.unwrap();
    let ask = |n| {
        let (models, request, house) = (&models, inputs.ask_draft(0), &house);
        async move { asking::ask(&house.store, models, house.org, UsageId::from_uuid(id(n)), &request, None).await }
    };
    ask(30).await.unwrap();
    let asked = house.server.counts().chat;
    let refused = ask(31).await;
    assert!(matches!(&refused, Err(ActivityError::Rejected { what }) if what.contains("token budget")), "{refused:?}");
    assert_eq!(house.server.counts().chat, asked, "nothing was spent beyond it");

    let embedded = house.server.counts().embeddings;
    let texts = ["Roasted on Monday.".to_owned()];
    let fits =
        voice::fits(&house.store, &embedder, house.org, UsageId::from_uuid(id(32)), house.brand, inputs.language, &texts).await.unwrap();
    assert!(fits[0].as_ref().unwrap().reasons.iter().all(|r| r.feature != "meaning"), "scored on what can be counted");
    assert_eq!(house.server.counts().embeddings, embedded, "nor was a text embedded");

    let extras = [40, 41].map(|n| (UsageId::from_uuid(id(n)), inputs.ask_draft(0)));
    let refused = asking::ask_all(&house.store, &models, house.org, &extras).await;
    assert!(matches!(&refused, Err(ActivityError::Rejected { what }) if what.contains("token budget")), "{refused:?}");
    sqlx::query("UPDATE orgs SET token_budget = NULL").execute(&owner).await.unwrap();
    house.server.fail(Fault::Status { status: 400 }, 1, None);
    let answers = asking::ask_all(&house.store, &models, house.org, &extras).await.unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "one that fails takes none of the others with it");
    let rows = || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM token_usage WHERE purpose <> 'embed'").fetch_one(&owner).await.unwrap()
    };
    assert_eq!(rows().await, 2, "what was answered is counted");
    asking::ask_all(&house.store, &models, house.org, &extras).await.unwrap();
    assert_eq!(rows().await, 3, "and once");
}
