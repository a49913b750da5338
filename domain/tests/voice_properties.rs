//! What holds for any text and any voice: scores have bounds, training has no memory and no order, profiles survive storage.

use domain::{
    ids::ExampleId,
    voice::{Example, VoiceModel, VoiceProfile, brand_fit, constraint_violations, measure, train},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

fn example(text: String) -> Example {
    Example { id: ExampleId::from_uuid(Uuid::nil()), text, platform: None, url: None }
}

/// Anything at all: noise of every plane of Unicode, or something like a post.
fn text() -> impl Strategy<Value = String> {
    let words = vec(
        prop_oneof![
            Just("we"),
            Just("die"),
            Just("Sie"),
            Just("bread!"),
            Just("NOW"),
            Just("https://a.example/x"),
            Just("#tag"),
            Just("@me"),
            Just("🎉"),
            Just("👨‍👩‍👧"),
            Just("..."),
            Just("\n"),
            Just("3.5"),
            Just("für"),
            Just("don’t"),
            Just("—"),
            Just("\u{200b}"),
            Just("ﬃ"),
            Just("日本語"),
            Just("İ"),
        ],
        0..30,
    );
    prop_oneof![any::<String>(), "\\PC{0,80}", words.prop_map(|w| w.join(" "))]
}

fn examples() -> impl Strategy<Value = Vec<Example>> {
    vec(text().prop_map(example), 0..12)
}

type Embedded = Vec<(Example, Vec<f32>)>;

/// Examples with as many embeddings of one dimension, and a second order of both.
fn shuffled() -> impl Strategy<Value = (Embedded, Embedded)> {
    vec((text().prop_map(example), vec(-1.0_f32..1.0, 3)), 1..12).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
}

fn json(profile: &VoiceProfile) -> String {
    serde_json::to_string(profile).expect("a profile is plain data")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_score_lies_between_nothing_and_one(examples in examples(), text in text(), embedding in vec(any::<f32>(), 3), with in any::<bool>()) {
        let embeddings = vec![embedding.clone(); examples.len()];
        let model = train(&examples, with.then_some(embeddings.as_slice()));
        let fit = brand_fit(&model, &text, Some(&embedding));
        prop_assert!((0.0..=1.0).contains(&fit.score), "{}", fit.score);
        prop_assert!(fit.reasons.iter().all(|r| r.contribution.is_finite()));
        prop_assert!(fit.reasons.is_sorted_by(|a, b| a.contribution <= b.contribution));
        prop_assert!(constraint_violations(&model.profile, &text).len() <= model.profile.constraints.len());
    }

    #[test]
    fn the_order_of_examples_does_not_matter((one, other) in shuffled()) {
        let train_on = |all: &[(Example, Vec<f32>)]| {
            let (examples, embeddings): (Vec<_>, Vec<_>) = all.iter().cloned().unzip();
            train(&examples, Some(&embeddings))
        };
        let (one, other) = (train_on(&one), train_on(&other));
        prop_assert_eq!(json(&one.profile), json(&other.profile));
        prop_assert_eq!(one.centroid, other.centroid);
    }

    #[test]
    fn a_profile_survives_storage_to_the_byte(examples in examples(), text in text()) {
        let profile = train(&examples, None).profile;
        let stored = json(&profile);
        let read: VoiceProfile = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&read, &profile);
        prop_assert_eq!(json(&read), stored);
        prop_assert_eq!(brand_fit(&VoiceModel::from(read), &text, None), brand_fit(&VoiceModel::from(profile), &text, None));
    }

    #[test]
    fn habits_have_sound_ranges(examples in vec(text().prop_map(example), 3..6)) {
        let profile = train(&examples, None).profile;
        for habit in profile.habits.values() {
            prop_assert!(habit.low <= habit.high && habit.spread >= 0.0);
        }
    }

    #[test]
    fn any_text_can_be_measured(text in text()) {
        let measured = serde_json::to_value(measure(&text)).unwrap();
        prop_assert!(measured.as_object().unwrap().values().all(|v| v.as_f64().is_some_and(|v| v >= 0.0)));
    }
}

#[test]
fn meaning_moves_the_score_when_embeddings_are_there() {
    let texts = ["We bake dark bread.", "We sell rye and rolls.", "Our oven is on.", "We open at seven."];
    let examples: Vec<Example> = texts.iter().map(|t| example((*t).to_owned())).collect();
    let embeddings: Vec<Vec<f32>> = vec![vec![1.0, 0.1, 0.0], vec![0.9, 0.0, 0.1], vec![1.0, 0.0, 0.1], vec![0.95, 0.1, 0.1]];
    let model = train(&examples, Some(&embeddings));
    let (near, far) =
        (brand_fit(&model, "We bake rolls.", Some(&[1.0, 0.05, 0.05])), brand_fit(&model, "We bake rolls.", Some(&[-1.0, 0.3, 0.0])));
    assert!(near.score > far.score + 0.02, "{} and {}", near.score, far.score);
    assert_eq!(far.reasons[0].feature, "meaning");
    assert!(far.reasons[0].contribution < -1.0, "{far:?}");
    // Of other dimensions, it is left aside.
    assert_eq!(brand_fit(&model, "We bake rolls.", Some(&[1.0])), brand_fit(&model, "We bake rolls.", None));
}

#[test]
fn a_text_in_a_language_without_examples_is_judged_by_its_habits_alone() {
    let texts = [
        "We bake dark bread, and we like it.",
        "The oven is on and we are here.",
        "We sell rolls until they are gone.",
        "It is cold, so we have soup.",
    ];
    let model = train(&texts.iter().map(|t| example((*t).to_owned())).collect::<Vec<_>>(), None);
    let features = |text| brand_fit(&model, text, None).reasons.into_iter().map(|r| r.feature).collect::<Vec<_>>();
    let german = features("Der Ofen ist an, und wir sind da. Kommt vorbei!!! 🎉");
    assert!(german.contains(&"exclamation marks".to_owned()), "{german:?}");
    assert!(!german.iter().any(|f| f == "vocabulary" || f == "letter sequences" || f == "word length"), "{german:?}");
    assert!(features("The compiler was slow, and they are late.").iter().any(|f| f == "letter sequences" || f == "vocabulary"));
}
