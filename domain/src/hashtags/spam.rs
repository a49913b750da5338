//! Hashtags that ask for attention instead of naming a topic.

use std::sync::LazyLock;

use regex::Regex;

/// Shapes rather than a list: trades (`follow4follow`, `f4f`, `likeforlike`), begging (`followme`, `likes4u`, `pleasefollow`), reach for its own sake (`instagood`,
/// `viral`, `fyp`, `trending`), and fillers (`photooftheday`).
static SPAM: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(concat!(
        r"^(?:",
        r"[a-z]{1,12}(?:4|for)(?:like|follow|comment|share|sub|view|retweet|boost|tag)s?|",
        r"(?:[flcst])4(?:[flcstu])|sub4sub|[lf]4[lf]back|",
        r"(?:like|follow|comment|share|boost|retweet|tag)s?(?:4|for)[a-z]{1,12}|",
        r"(?:please|pls|plz)?(?:follow|like|share|retweet|boost)s?(?:me|us|back|now|all|train|party|always|please|pls|plz|trick|ers?free)|(?:team)?followback|",
        r"(?:free|more|get|gain|buy)(?:followers?|likes?|views?|subs)|(?:insta|tik|face)(?:good|daily|like|likes|follow|mood|cool|famous)|",
        r"(?:go(?:ing)?)?viral(?:post|video|content)?s?|fyp[a-z]{0,3}|foryou(?:page)?|explorepage|trend(?:ing|s)?(?:now|post)?|",
        r"(?:pic|photo|picture|quote|post|tweet)of(?:the|my)day|[a-z]otd|tbt|nofilter|xyzbca|",
        r"(?:giveaway|gewinnspiel|win)(?:alert|time|now|jetzt)|clickhere|linkinbio|dm(?:me|us)",
        r")$"
    ))
    .expect("a valid pattern")
});

/// Whether the tag (without `#`) is spam. Underscores and case do not hide it.
#[must_use]
pub fn is_spammy(tag: &str) -> bool {
    SPAM.is_match(&tag.to_lowercase().replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_seekers_are_spam() {
        for tag in [
            "follow4follow",
            "F4F",
            "l4l",
            "likeforlike",
            "Follow_Me",
            "followback",
            "teamfollowback",
            "instagood",
            "viral",
            "fyp",
            "foryoupage",
            "trending",
            "PhotoOfTheDay",
            "freefollowers",
            "likes4u",
            "sub4sub",
        ] {
            assert!(is_spammy(tag), "{tag}");
        }
    }

    #[test]
    fn topics_are_not() {
        for tag in [
            "bread",
            "instagram",
            "FollowTheScience",
            "LikeAVirgin",
            "virology",
            "fourseasons",
            "trendsetter",
            "food4thought",
            "b2b",
            "ForestDay",
            "Gewinnspielrecht",
            "shareholder",
            "formula1",
        ] {
            assert!(!is_spammy(tag), "{tag}");
        }
    }
}
