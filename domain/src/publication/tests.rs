use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn post(text: &str) -> Part {
    let link = Some("https://go.example/l/abc".to_owned());
    Part { unique_link: link, ..Part::new(text.to_owned(), crate::brief::Language::EN, at(1_764_579_600), at(1_764_579_600)) }
}

fn frozen(class: SendClass) -> Frozen {
    Frozen::new(Platform::Mastodon, class, Uuid::nil(), "{}".to_owned(), &post("Hello")).with_idempotency_key("k".to_owned())
}

proptest! {
    #[test]
    fn record_keys_are_valid_stable_and_sort_by_second(seconds in 0_i64..9_000_000_000, later in 1_i64..1_000_000, a in any::<[u8; 16]>(), b in any::<[u8; 16]>()) {
        let (a, b) = (Uuid::from_bytes(a), Uuid::from_bytes(b));
        let key = tid(at(seconds), a);
        prop_assert!(is_tid(&key), "{}", key);
        prop_assert_eq!(&key, &tid(at(seconds) + TimeDelta::milliseconds(900), a));
        prop_assert!(key < tid(at(seconds + later), b));
        if a != b {
            prop_assert_ne!(key, tid(at(seconds), b));
        }
    }

    #[test]
    fn spaces_and_ascii_punctuation_do_not_tell_texts_apart(words in prop::collection::vec("[\\p{L}\\p{N}]{1,8}", 1..6), mark in "[ \\n*_.,]{1,3}") {
        prop_assert_eq!(normalise(&words.join(" ")), normalise(&format!("{mark}{}{mark}", words.join(&mark))));
    }
}

#[test]
fn the_known_vector_of_the_specification_is_a_tid_and_near_misses_are_not() {
    assert!(is_tid("3jzfcijpj2z2a"));
    for wrong in ["3jzfcijpj2z21", "zzzzzzzzzzzzz", "3jzfcijpj2z2", "3jzfcijpj2z2aa", "3JZFCIJPJ2Z2A", ""] {
        assert!(!is_tid(wrong), "{wrong}");
    }
}

#[test]
fn a_key_protects_a_repetition_only_inside_its_window() {
    let frozen = frozen(SendClass::B);
    let first = at(1_000_000);
    assert!(frozen.can_resend(first, first));
    assert!(frozen.can_resend(first, first + TimeDelta::minutes(54)));
    assert!(!frozen.can_resend(first, first + TimeDelta::minutes(55)));
    assert!(!frozen.can_resend(first, first - TimeDelta::seconds(1)), "a clock that runs backwards proves nothing");
}

#[test]
fn only_a_chosen_key_or_a_kept_one_allows_a_repetition() {
    let first = at(1_000_000);
    for class in [SendClass::C, SendClass::D, SendClass::E, SendClass::F] {
        assert!(!frozen(class).can_resend(first, first), "{class:?}");
    }
    let record = frozen(SendClass::A);
    assert!(!record.can_resend(first, first), "no record key");
    assert!(record.with_record_key("3jzfcijpj2z2a".to_owned()).can_resend(first, first + TimeDelta::days(400)));
}

#[test]
fn a_platform_that_names_the_original_may_be_asked_again_while_it_remembers() {
    let first = at(1_000_000);
    let oracle = frozen(SendClass::D).with_duplicate_oracle(10);
    assert!(oracle.can_resend(first, first + TimeDelta::minutes(9)));
    assert!(oracle.is_refused_as_duplicate(first, first + TimeDelta::minutes(9)));
    assert!(!oracle.can_resend(first, first + TimeDelta::minutes(10)));
    assert!(!oracle.can_resend(first, first - TimeDelta::seconds(1)));
    // An undecided look-up on any other class is no leave to send.
    assert!(!frozen(SendClass::B).is_refused_as_duplicate(first, first));
}

#[test]
fn classes_follow_the_software() {
    assert_eq!(send_class(Platform::Mastodon, Some("mastodon")), SendClass::B);
    assert_eq!(send_class(Platform::Mastodon, Some("Mastodon")), SendClass::B);
    for other in [Some("snac"), Some("gotosocial"), Some("pixelfed"), Some("mastodon-mock"), None] {
        assert_eq!(send_class(Platform::Mastodon, other), SendClass::E, "{other:?}");
    }
    assert_eq!(send_class(Platform::Bluesky, None), SendClass::A);
}

#[test]
fn texts_compare_through_rendering() {
    assert_eq!(normalise("Hi *all*,\n\nsee https://a.example/x?y=1 #Tag"), normalise("Hi all, seehttps://a.example/x?y=1#Tag"));
    assert_eq!(normalise("Thanks @ann@social.example!"), normalise("Thanks @ann!"));
    assert_ne!(normalise("Save 5 %"), normalise("Save 6 %"));
    assert_ne!(normalise("Well 🙂"), normalise("Well 🙁"));
    assert_eq!(normalise("…"), "");
}

#[test]
fn a_changed_body_is_noticed() {
    let mut frozen = frozen(SendClass::E);
    assert!(frozen.is_intact());
    frozen.body.push(' ');
    assert!(!frozen.is_intact());
}

#[test]
fn the_stored_form_stays_readable() {
    // Frozen posts wait in journals and in the database while builds come and go: this form may be added to, not changed.
    let stored = serde_json::to_value(frozen(SendClass::B)).unwrap();
    assert_eq!(
        stored,
        serde_json::json!({
            "platform": "mastodon", "class": "B", "intent": "00000000-0000-0000-0000-000000000000", "body": "{}",
            "content_type": "application/json", "idempotency_key": "k",
            "body_hash": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "correlation": {"text_normalised": "hello", "link": "https://go.example/l/abc"}, "frozen_at": "2025-12-01T09:00:00Z"
        })
    );
    let submission = Submission::Published(Sent { external_id: "1".to_owned(), url: "https://a.example/1".to_owned(), cid: None });
    assert_eq!(
        serde_json::to_value(submission).unwrap(),
        serde_json::json!({"outcome": "published", "external_id": "1", "url": "https://a.example/1"})
    );
}
