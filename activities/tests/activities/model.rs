//! Models that work: what is sent, what comes back, and that the stand-in is as good as its prompts.

use std::time::Duration;

use activities::model::{
    Completed, CompletionRequest, Embedded, Embedder as _, EmbedderSettings, ModelSettings, Models, OpenAiEmbedder, Progress, ProviderKind,
    ProviderSettings, Purpose, Timeouts, http_client,
};
use domain::{
    brand::Brand,
    brief::{Brief, Language},
    platform::Platform,
    policy::{PolicyContext, Rule, lint},
    prompt::{Angle, Digest, Draft, Image, Prompt, Rewrite, Translation},
    translation::{check, protect, restore},
};
use sandbox::model::{Fault, NAME, Options, StandInModel};

/// A key that must never be seen again.
pub(crate) const PLANTED: &str = "sk-planted-4711";

pub(crate) fn provider(name: &str, kind: ProviderKind, server: &StandInModel) -> ProviderSettings {
    let base_url = match kind {
        ProviderKind::OpenAi => server.openai_url(),
        ProviderKind::Anthropic => server.anthropic_url(),
    };
    ProviderSettings {
        name: name.to_owned(),
        kind,
        base_url: base_url.parse().unwrap(),
        model: NAME.to_owned(),
        api_key: Some(PLANTED.into()),
        timeouts: Timeouts::default(),
        fixed_temperature: false,
        max_tokens_as: Default::default(),
    }
}

pub(crate) fn settings(providers: Vec<ProviderSettings>, server: &StandInModel) -> ModelSettings {
    let embedder = EmbedderSettings {
        base_url: server.openai_url().parse().unwrap(),
        model: NAME.to_owned(),
        api_key: Some(PLANTED.into()),
        dimensions: 256,
        request_dimensions: false,
        batch: 64,
        timeouts: Timeouts::default(),
    };
    ModelSettings { providers, embedder, put_aside_ms: 30_000 }
}

pub(crate) fn models(settings: &ModelSettings) -> (Models, OpenAiEmbedder) {
    Models::from_settings(settings, &http_client(Duration::from_secs(10)).unwrap()).unwrap()
}

pub(crate) fn request(prompt: Prompt) -> CompletionRequest {
    CompletionRequest { prompt, temperature: Some(0.7), max_tokens: 1000, purpose: Purpose::Draft }
}

async fn complete(models: &Models, prompt: Prompt) -> Completed {
    models.complete(&request(prompt), &mut |_| {}).await.unwrap()
}

pub(crate) fn brand() -> Brand {
    Brand {
        name: "Juniper Roasters".to_owned(),
        guidelines: "We talk like the person behind the counter.".to_owned(),
        banned_phrases: vec!["world-class".to_owned()],
        required_disclosures: vec!["#ad".to_owned()],
        colors: vec!["#2f4f3a".to_owned()],
        links: Default::default(),
    }
}

pub(crate) fn brief() -> Brief {
    Brief {
        topic: "the winter blend".to_owned(),
        audience: "people who brew at home".to_owned(),
        tone: "warm".to_owned(),
        goal: Some("order a bag before Friday".to_owned()),
        languages: vec![Language::EN, Language::DE],
        platforms: vec![Platform::Mastodon, Platform::Bluesky],
        regions: Vec::new(),
        competitors: vec!["Bean Barn".to_owned()],
        constraints: Vec::new(),
        link: Some("https://juniper.example/winter".to_owned()),
        key_points: vec!["roasted on Tuesdays".to_owned(), "better than Bean Barn's".to_owned()],
    }
}

pub(crate) fn draft<'a>(brand: &'a Brand, brief: &'a Brief, language: Language, variant: usize) -> Draft<'a> {
    Draft { brand, brief, limits: Platform::Bluesky.into(), language, voice: &[], examples: &[], rules: &[], angle: Angle::of(variant) }
}

#[tokio::test]
async fn both_protocols_stream_the_same_text_and_count_tokens() {
    let server = StandInModel::start(Options { api_key: Some(PLANTED.to_owned()), ..Options::default() }).await.unwrap();
    let (brand, brief) = (brand(), brief());
    let mut texts = Vec::new();
    for kind in [ProviderKind::OpenAi, ProviderKind::Anthropic] {
        let (models, _) = models(&settings(vec![provider("main", kind, &server)], &server));
        let (mut streamed, mut pieces) = (String::new(), 0);
        let mut listen = |progress: Progress<'_>| {
            if let Progress::Text(text) = progress {
                streamed.push_str(text);
                pieces += 1;
            }
        };
        let completed = models.complete(&request(draft(&brand, &brief, Language::EN, 0).prompt()), &mut listen).await.unwrap();
        assert_eq!(streamed, completed.text);
        assert!(pieces > 5, "{pieces} pieces");
        assert_eq!((completed.provider.as_str(), completed.model.as_str(), completed.tokens_estimated), ("main", NAME, false));
        assert_eq!(completed.output_tokens, completed.text.split_inclusive(char::is_whitespace).count() as u64);
        assert!(completed.input_tokens > 100);
        texts.push(completed.text);
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn requests_carry_what_each_protocol_asks_for() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let reasoning = ProviderSettings {
        fixed_temperature: true,
        max_tokens_as: activities::model::MaxTokensAs::MaxCompletionTokens,
        ..provider("b", ProviderKind::OpenAi, &server)
    };
    let providers = vec![provider("a", ProviderKind::OpenAi, &server), reasoning, provider("c", ProviderKind::Anthropic, &server)];
    let (models, _) = models(&settings(providers, &server));
    let prompt = Prompt { system: "Be brief.".to_owned(), user: "Hello".to_owned() };
    for index in 0..models.len() {
        models.complete_with(index, &request(prompt.clone()), &mut |_| {}).await.unwrap();
    }
    let bodies: Vec<_> = server.received().into_iter().map(|received| received.body).collect();
    insta::assert_json_snapshot!("request_bodies", bodies);
    assert!(server.received().iter().all(|received| received.keyed));
    let error = models.complete_with(3, &request(prompt), &mut |_| {}).await.unwrap_err();
    assert_eq!(error.what(), "there is no model number 3: the settings name 3");
}

#[tokio::test]
async fn posts_out_of_the_real_prompts_pass_the_real_policy() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (models, _) = models(&settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server));
    let (brand, brief) = (brand(), brief());
    let mut texts = std::collections::BTreeSet::new();
    for platform in [Platform::Mastodon, Platform::Bluesky] {
        for language in [Language::EN, Language::DE] {
            let context = PolicyContext::new(platform, Some(language), &brand, &brief.competitors);
            for variant in 0..5 {
                let draft = Draft { limits: platform.into(), ..draft(&brand, &brief, language, variant) };
                let text = complete(&models, draft.prompt()).await.text;
                assert_eq!(lint(&text, &context), [], "{text}");
                assert_eq!(text.matches("https://juniper.example/winter").count(), 1, "{text}");
                assert!(text.contains("winter blend"), "{text}");
                texts.insert(text);
            }
        }
    }
    assert!(texts.len() >= 10, "variants and languages differ");
}

#[tokio::test]
async fn what_policy_objects_to_is_mended_by_rewriting() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (models, _) = models(&settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server));
    let (brand, brief) = (brand(), brief());
    let context = PolicyContext::new(Platform::Bluesky, Some(Language::EN), &brand, &brief.competitors);
    for (fault, rule) in [(Fault::TooLong, Rule::TooLong), (Fault::ForgetDisclosure, Rule::MissingDisclosure)] {
        server.fail(fault.clone(), 2, None);
        let draft = draft(&brand, &brief, Language::EN, 1);
        let mut text = complete(&models, draft.prompt()).await.text;
        // Once more wrong, then right: what a workflow that rewrites at most twice can just survive.
        for rules in [vec![rule], vec![]] {
            let lints = lint(&text, &context);
            assert_eq!(lints.iter().map(|lint| lint.rule).collect::<Vec<_>>(), [rule], "{text}");
            let problems: Vec<String> = lints.into_iter().map(|lint| lint.message).collect();
            text = complete(&models, Rewrite { draft, text: &text, problems: &problems, instruction: None }.prompt()).await.text;
            assert_eq!(lint(&text, &context).iter().map(|lint| lint.rule).collect::<Vec<_>>(), rules, "{text}");
        }
    }
}

#[tokio::test]
async fn a_protected_translation_keeps_all_that_policy_wants_kept() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (models, _) = models(&settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server));
    let names = ["Juniper Roasters".to_owned()];
    let source = "Good news from @juniper.example: 250 bags are open.\n\nGreetings from all of us at Juniper Roasters.\n\nhttps://juniper.example/new #ad";
    let protected = protect(source, &names, Platform::Bluesky);
    let keep: Vec<String> = (0..protected.kept.len()).map(|i| format!("⟦{i}⟧")).collect();
    let prompt = Translation { text: &protected.text, from: Language::EN, to: Language::DE, keep: &keep, max: 300 }.prompt();
    let translated = restore(&complete(&models, prompt).await.text, &protected).unwrap();
    assert_eq!(check(source, &translated, &names, Platform::Bluesky), []);
    assert!(translated.contains("Viele Grüße von uns allen bei Juniper Roasters.") && translated.contains("sind offen"), "{translated}");
}

#[tokio::test]
async fn a_careless_model_is_careless_without_being_told() {
    let server = StandInModel::start(Options { careless_one_in: Some(1), ..Options::default() }).await.unwrap();
    let (models, _) = models(&settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server));
    let text = complete(&models, draft(&brand(), &brief(), Language::EN, 0).prompt()).await.text;
    assert!(text.chars().count() > 300 || !text.contains("#ad"), "{text}");
}

#[tokio::test]
async fn translations_digests_and_pictures_come_out_of_the_real_prompts() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (models, _) = models(&settings(vec![provider("main", ProviderKind::Anthropic, &server)], &server));
    let (brand, brief) = (brand(), brief());
    let english = complete(&models, draft(&brand, &brief, Language::EN, 2).prompt()).await.text;
    let keep = ["https://juniper.example/winter".to_owned(), "#ad".to_owned()];
    let german =
        complete(&models, Translation { text: &english, from: Language::EN, to: Language::DE, keep: &keep, max: 300 }.prompt()).await.text;
    let written_in_german = complete(&models, draft(&brand, &brief, Language::DE, 2).prompt()).await.text;
    assert_ne!(german, english);
    assert_eq!(german.lines().next(), written_in_german.lines().next());
    assert_eq!(german.split("\n\n").count(), english.split("\n\n").count());
    assert!(keep.iter().all(|kept| german.matches(kept).count() == english.matches(kept).count()), "{german}");

    let facts = ["6 posts were published.".to_owned(), "Likes: 120, up from 80.".to_owned()];
    let digest = Digest { brand: &brand.name, language: Language::DE, period: "16. bis 22. November", facts: &facts }.prompt();
    let words = complete(&models, digest).await.text;
    assert!(facts.iter().all(|fact| words.contains(fact.as_str())), "{words}");

    let picture = complete(&models, Image { brand: &brand, text: "Plum and cocoa." }.prompt()).await.text;
    assert!(picture.contains("Plum and cocoa") && picture.contains("#2f4f3a"), "{picture}");
}

#[tokio::test]
async fn texts_are_embedded_in_batches_and_in_order() {
    let server = StandInModel::start(Options::default()).await.unwrap();
    let mut settings = settings(vec![provider("main", ProviderKind::OpenAi, &server)], &server);
    settings.embedder.batch = 3;
    let (_, embedder) = models(&settings);
    let texts: Vec<String> = (0..7).map(|i| format!("example number {i}")).collect();
    let Embedded { vectors, tokens } = embedder.embed(&texts).await.unwrap();
    let mut each = 0;
    assert_eq!(server.counts().embeddings, 3);
    for (text, vector) in texts.iter().zip(&vectors) {
        let one = embedder.embed(std::slice::from_ref(text)).await.unwrap();
        assert_eq!(&one.vectors[0], vector);
        each += one.tokens;
    }
    assert!(tokens > 0 && tokens == each, "{tokens} tokens in three batches, {each} one by one");
    assert_eq!(embedder.embed(&[]).await.unwrap(), Embedded::default());
    assert_eq!((embedder.model(), embedder.dimensions()), (NAME, 256));

    settings.embedder.dimensions = 64;
    settings.embedder.request_dimensions = true;
    let (_, embedder) = models(&settings);
    assert_eq!(embedder.embed(&texts[..1]).await.unwrap().vectors[0].len(), 64);
}
