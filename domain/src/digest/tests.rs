//! Sums, ranks, words and escaping.

use proptest::{collection, prelude::*};
use uuid::Uuid;

use super::*;

fn period() -> Period {
    Period { from: "2026-11-13T08:00:00Z".parse().unwrap(), to: "2026-11-20T08:00:00Z".parse().unwrap(), timezone: Tz::Europe__Berlin }
}

fn post(n: u128, likes: Option<i64>, before: Option<i64>) -> PostFigures {
    PostFigures {
        post_id: PostId::from_uuid(Uuid::from_u128(n)),
        platform: if n.is_multiple_of(2) { Platform::Mastodon } else { Platform::Bluesky },
        language: Language::EN,
        excerpt: format!("Post number {n}"),
        url: Some(format!("https://social.example/{n}")),
        published_at: "2026-11-14T08:00:00Z".parse().unwrap(),
        period: Counters { likes, ..Counters::default() },
        previous: Counters { likes: before, ..Counters::default() },
    }
}

fn ids(posts: &[PostFigures]) -> Vec<u128> {
    posts.iter().map(|post| post.post_id.uuid().as_u128()).collect()
}

#[test]
fn posts_are_summed_ranked_and_compared() {
    let mut old = post(4, Some(7), Some(30));
    old.published_at = period().from;
    let posts = vec![post(1, Some(5), Some(2)), post(2, None, None), post(3, Some(50), Some(8)), old, post(5, Some(0), None)];
    let data = DigestData::sum_up("Larkspur", period(), posts);
    assert_eq!((data.totals.likes, data.previous.likes), (Some(62), Some(40)));
    assert_eq!((ids(&data.best), ids(&data.worst)), (vec![3, 4], vec![5, 1]));
    assert_eq!(data.changes, [Change { metric: Metric::Likes, now: 62, before: 40, percent: Some(55) }]);
    assert_eq!(data.published, 4, "the one published at the very start belongs to the period before");
    assert_eq!(ids(&data.posts), [1, 2, 3, 4, 5]);
}

#[test]
fn one_post_is_the_best_and_not_the_worst_too() {
    let data = DigestData::sum_up("Larkspur", period(), vec![post(1, Some(5), None)]);
    assert_eq!((ids(&data.best), ids(&data.worst)), (vec![1], vec![]));
    assert!(data.changes.is_empty(), "nothing to compare with is no change");
}

#[test]
fn growth_is_rounded_and_only_told_where_there_was_something() {
    assert_eq!(percent(62, 40), Some(55));
    assert_eq!(percent(2, 3), Some(-33));
    assert_eq!(percent(1, 8), Some(-88), "87.5 rounds away from zero");
    assert_eq!(percent(0, 5), Some(-100));
    assert_eq!(percent(5, 0), None);
    assert_eq!(percent(5, -2), None);
    assert_eq!(percent(i64::MAX, 1), None, "beyond what a number holds");
}

fn sample() -> DigestData {
    let mut first = post(1, Some(1_234), Some(1_000));
    first.period.impressions = Some(20_000);
    first.period.clicks = Some(500);
    first.previous.impressions = Some(25_000);
    first.previous.clicks = Some(500);
    DigestData::sum_up("Larkspur & Daughters", period(), vec![first, post(2, Some(3), Some(4))])
}

#[test]
fn the_mail_in_english() {
    let data = sample();
    let summary = plain_summary(&data, Language::EN);
    insta::assert_snapshot!(format!("{}\n\n{}", subject(&data, Language::EN), render_text(&data, &summary, Language::EN)));
    insta::assert_snapshot!(render_html(&data, &summary, Language::EN));
}

#[test]
fn the_mail_in_german() {
    let data = sample();
    let summary = plain_summary(&data, Language::DE);
    insta::assert_snapshot!(format!("{}\n\n{}", subject(&data, Language::DE), render_text(&data, &summary, Language::DE)));
}

#[test]
fn without_figures_the_summary_says_so_and_other_languages_get_english() {
    let data = DigestData::sum_up("Larkspur", period(), vec![post(1, None, None)]);
    let french: Language = "fr".parse().unwrap();
    assert_eq!(plain_summary(&data, french), "One post was published. No figures came in for this period.");
    let empty = DigestData::sum_up("Larkspur", period(), vec![]);
    assert_eq!(plain_summary(&empty, Language::EN), "0 posts were published. No figures came in for this period.");
    let same = DigestData::sum_up("Larkspur", period(), vec![post(1, Some(2), Some(2))]);
    assert!(plain_summary(&same, Language::EN).contains("Nothing that can be compared"));
}

#[test]
fn what_people_wrote_cannot_become_markup_or_a_header() {
    let mut evil = post(1, Some(1), None);
    evil.excerpt = "<script>alert('x')</script>\n\"&".into();
    evil.url = Some("javascript:alert(1)".into());
    let mut quoted = post(2, Some(1), None);
    quoted.url = Some("https://social.example/\"onmouseover=\"x".into());
    let data = DigestData::sum_up("<b>\r\nBcc: all@example.org", period(), vec![evil, quoted]);
    let html = render_html(&data, "<img src=x>\n\nsecond", Language::EN);
    for bad in ["<script", "<img", "<b>\r", "javascript:", "\"onmouseover"] {
        assert!(!html.contains(bad), "{bad} in {html}");
    }
    assert!(html.contains("&lt;img src=x&gt;</p>\n<p style=\"line-height:1.5\">second</p>"));
    assert!(!render_text(&data, "", Language::EN).contains("javascript:"));
    assert!(!subject(&data, Language::EN).contains(['\r', '\n']));
}

#[test]
fn a_message_id_is_stable_and_well_formed() {
    let id = DigestId::from_uuid(Uuid::from_u128(7));
    assert_eq!(message_id(id, "news.example.org"), format!("<{id}@news.example.org>"));
    assert_eq!(message_id(id, "a>\r\nBcc: b"), format!("<{id}@aBccb>"));
    assert_eq!(message_id(id, ""), format!("<{id}@pressroom.invalid>"));
    assert_ne!(message_id(id, "x"), message_id(DigestId::from_uuid(Uuid::from_u128(8)), "x"));
}

proptest! {
    #[test]
    fn the_order_of_posts_does_not_matter_and_lists_do_not_meet(likes in collection::vec(0_i64..9, 0..12)) {
        let posts: Vec<_> = (1_u128..).zip(&likes).map(|(n, likes)| post(n, Some(*likes), None)).collect();
        let backwards: Vec<_> = posts.iter().rev().cloned().collect();
        let data = DigestData::sum_up("Larkspur", period(), posts);
        prop_assert_eq!(&data, &DigestData::sum_up("Larkspur", period(), backwards));
        prop_assert!(data.best.iter().all(|best| !data.worst.contains(best)));
        prop_assert_eq!(data.best.len() + data.worst.len(), likes.len().min(2 * LISTED));
        let json = serde_json::to_string(&data).unwrap();
        prop_assert_eq!(serde_json::from_str::<DigestData>(&json).unwrap(), data);
    }
}

#[test]
fn a_digest_is_in_the_language_of_most_posts() {
    let german = |n| PostFigures { language: Language::DE, ..post(n, None, None) };
    let language = |posts| DigestData::sum_up("Larkspur", period(), posts).language();
    assert_eq!(language(vec![german(1), german(2), post(3, None, None)]), Language::DE);
    assert_eq!(language(vec![german(1), post(2, None, None), post(3, None, None)]), Language::EN);
    assert_eq!(language(vec![]), Language::EN);
}

#[test]
fn the_plain_summary_is_made_of_facts_and_stands_by_its_own_check() {
    let data = sample();
    for language in [Language::EN, Language::DE] {
        let facts = facts(&data, language);
        let given: Vec<&str> = facts.iter().map(String::as_str).collect();
        assert!(facts.len() > 3);
        assert_eq!(check_summary(&plain_summary(&data, language), &given), Ok(()));
    }
}

#[test]
fn a_click_rate_is_of_the_posts_that_tell_both() {
    let with = |n, clicks, impressions| {
        let period = Counters { clicks, impressions, ..Counters::default() };
        PostFigures { period, ..post(n, None, None) }
    };
    let data =
        DigestData::sum_up("Larkspur", period(), vec![with(1, Some(30), None), with(2, Some(4), Some(200)), with(3, None, Some(600))]);
    assert_eq!((data.totals.clicks, data.totals.impressions), (Some(34), Some(800)));
    assert_eq!((data.rated.ctr(), data.rated_previous.ctr()), (Some(0.02), None), "not 34 of 800");
}
