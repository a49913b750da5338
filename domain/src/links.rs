//! Links of a campaign: where they may lead, the parameters that tell campaigns apart, the short code, and which visitors are machines.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

/// The longest target, in bytes: what browsers and proxies pass on without trouble (RFC 9110 section 4.1 asks for 8000 octets at least; older
/// servers stop near 2 KiB).
pub const MAX_TARGET_BYTES: usize = 2_048;

/// Why a link may not be used as a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeTarget {
    /// It is not an absolute URL.
    #[error("not an absolute URL")]
    NotAUrl,
    /// It has white space or control characters, which browsers drop silently: what is shown is not where it leads.
    #[error("white space or control characters in the URL")]
    HiddenCharacters,
    /// Its scheme is neither `http` nor `https`.
    #[error("only http and https links are allowed")]
    Scheme,
    /// It carries a user name or password.
    #[error("a link must not carry a user name or password")]
    Credentials,
    /// It is longer than [`MAX_TARGET_BYTES`].
    #[error("longer than {MAX_TARGET_BYTES} bytes")]
    TooLong,
}

/// Checks that a link may be redirected to and shown: an absolute `http` or `https` URL without credentials, of sensible length. Whether its
/// host is public is a question of addresses, asked by whoever connects.
///
/// # Errors
/// The first rule of [`UnsafeTarget`] that it breaks.
pub fn check_target(target: &str) -> Result<Url, UnsafeTarget> {
    if target.len() > MAX_TARGET_BYTES {
        return Err(UnsafeTarget::TooLong);
    }
    if target.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(UnsafeTarget::HiddenCharacters);
    }
    let url = Url::parse(target).map_err(|_| UnsafeTarget::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UnsafeTarget::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UnsafeTarget::Credentials);
    }
    Ok(url)
}

/// The campaign parameters that web analytics agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utm {
    /// `utm_source`: the platform.
    pub source: String,
    /// `utm_medium`: `social` for posts.
    pub medium: String,
    /// `utm_campaign`: the campaign.
    pub campaign: String,
    /// `utm_content`: the variant, to tell two links of one campaign apart.
    #[serde(default)]
    pub content: Option<String>,
}

/// Adds the parameters to a link. Its own query stays first and byte for byte, its fragment stays last; a parameter that it already has is
/// somebody's decision and stays as it is. Tagging twice changes nothing.
///
/// # Errors
/// [`UnsafeTarget`] if the link may not be used at all, or would become too long.
pub fn with_utm(link: &str, utm: &Utm) -> Result<Url, UnsafeTarget> {
    let mut url = check_target(link)?;
    let wanted = [
        ("utm_source", Some(&utm.source)),
        ("utm_medium", Some(&utm.medium)),
        ("utm_campaign", Some(&utm.campaign)),
        ("utm_content", utm.content.as_ref()),
    ];
    let missing: Vec<(&str, &String)> = wanted
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)))
        .filter(|(name, _)| !url.query_pairs().any(|(own, _)| own == *name))
        .collect();
    if !missing.is_empty() {
        url.query_pairs_mut().extend_pairs(missing);
    }
    if url.as_str().len() > MAX_TARGET_BYTES { Err(UnsafeTarget::TooLong) } else { Ok(url) }
}

/// What short codes are made of: no 0, 1, i, l, o, so that one read aloud or from paper is typed right; one case, so that it survives both.
const CODE_ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";
/// Codes shorter than this are guessed by trying.
pub const MIN_CODE_LENGTH: usize = 6;
/// Longer codes would hold more than the hash gives.
pub const MAX_CODE_LENGTH: usize = 25;

/// The short code of a link: `length` characters (clamped to 6..=25) that follow from its id alone, so that a step that runs twice makes one
/// link. They come from a hash, because neighbouring UUIDv7 share their beginning. A longer code of the same id starts with the shorter
/// one: on a collision, ask for one character more.
#[must_use]
pub fn short_code(id: Uuid, length: usize) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let mut seed = [0; 16];
    seed.copy_from_slice(&digest[..16]);
    let mut rest = u128::from_be_bytes(seed);
    (0..length.clamp(MIN_CODE_LENGTH, MAX_CODE_LENGTH))
        .map(|_| {
            let digit = (rest % 31) as usize;
            rest /= 31;
            char::from(CODE_ALPHABET[digit])
        })
        .collect()
}

/// Whether `code` can be a short code at all; what cannot need not be looked up.
#[must_use]
pub fn is_short_code(code: &str) -> bool {
    (MIN_CODE_LENGTH..=MAX_CODE_LENGTH).contains(&code.len()) && code.bytes().all(|b| CODE_ALPHABET.contains(&b))
}

/// What machines call themselves. `bot` counts where a name ends in it (`Slackbot`, `bingbot/2.0`), but not in `Cubot`, which is a phone.
static MACHINE: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of `is_bot`")]
    Regex::new(concat!(
        r"(?i)bots?(?:\b|[_\d])|crawl|spider|slurp|scrape|preview|monitor|headless|lighthouse|phantomjs|prerender|archiver|validator|",
        // Link previews of the platforms and of chat programs.
        r"facebookexternalhit|facebookcatalog|meta-external|whatsapp|cardyb|bluesky|embedly|iframely|quora link|skypeuri|snapchat|vkshare|flipboard|",
        // Servers of the fediverse fetch each link once per server.
        r"mastodon|pleroma|akkoma|misskey|sharkey|firefish|gotosocial|pixelfed|friendica|lemmy|peertube|snac/|hubzilla|activitypub|",
        // Programs and libraries.
        r"^curl|^wget|python-|aiohttp|httpx|http\.rb|go-http-client|okhttp|libwww|java/|apache-httpclient|axios|node-fetch|undici|reqwest|ruby|guzzle|postman|",
        r"google-inspectiontool|googleother|mediapartners|feedfetcher|apis-google|bingpreview|yahoo|chatgpt|anthropic|perplexity|bytespider|ahrefs|semrush",
    ))
    .expect("a valid pattern")
});

/// Whether a request with this `User-Agent` is a machine's and must not count as a click. No browser leaves the header out, so that an empty
/// one is a machine's too.
#[must_use]
pub fn is_bot(user_agent: &str) -> bool {
    let user_agent = user_agent.trim();
    user_agent.is_empty() || MACHINE.is_match(&user_agent.replace("CUBOT", "").replace("Cubot", ""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn utm() -> Utm {
        Utm { source: "mastodon".into(), medium: "social".into(), campaign: "spring & co".into(), content: Some("var_1".into()) }
    }

    #[test]
    fn tags_keep_query_and_fragment() {
        assert_eq!(
            with_utm("https://example.com/a?x=%20y&z#part", &utm()).unwrap().as_str(),
            "https://example.com/a?x=%20y&z&utm_source=mastodon&utm_medium=social&utm_campaign=spring+%26+co&utm_content=var_1#part"
        );
        let without = with_utm("https://example.com", &Utm { content: None, ..utm() }).unwrap();
        assert_eq!(without.as_str(), "https://example.com/?utm_source=mastodon&utm_medium=social&utm_campaign=spring+%26+co");
    }

    #[test]
    fn somebody_elses_parameter_stays() {
        let url = with_utm("https://example.com/?utm_source=mail", &utm()).unwrap();
        assert_eq!(url.query_pairs().filter(|(name, _)| name == "utm_source").map(|(_, v)| v.into_owned()).collect::<Vec<_>>(), ["mail"]);
        assert_eq!(with_utm(url.as_str(), &utm()).unwrap(), url, "tagging twice changes nothing");
    }

    #[test]
    fn only_plain_web_links_are_targets() {
        for (target, why) in [
            ("javascript:alert(1)", UnsafeTarget::Scheme),
            ("data:text/html,x", UnsafeTarget::Scheme),
            ("file:///etc/passwd", UnsafeTarget::Scheme),
            ("//evil.example", UnsafeTarget::NotAUrl),
            ("/relative", UnsafeTarget::NotAUrl),
            ("https://", UnsafeTarget::NotAUrl),
            ("https://bank.example@evil.example/", UnsafeTarget::Credentials),
            ("https://:pw@evil.example/", UnsafeTarget::Credentials),
            ("java\nscript:alert(1)", UnsafeTarget::HiddenCharacters),
            ("https://a.example/\u{0}", UnsafeTarget::HiddenCharacters),
        ] {
            assert_eq!(check_target(target), Err(why), "{target}");
        }
        assert_eq!(check_target(&format!("https://a.example/{}", "x".repeat(MAX_TARGET_BYTES))), Err(UnsafeTarget::TooLong));
        assert!(check_target("https://user.example/@name?mail=a@b.example").is_ok());
    }

    #[test]
    fn codes_follow_from_the_id() {
        let id = Uuid::from_u128(0x0191_2345_6789_7abc_8def_0123_4567_89ab);
        let code = short_code(id, 8);
        assert_eq!((code.len(), &code), (8, &short_code(id, 8)));
        assert!(short_code(id, 9).starts_with(&code));
        assert_eq!((short_code(id, 0).len(), short_code(id, 99).len()), (MIN_CODE_LENGTH, MAX_CODE_LENGTH));
        assert!(is_short_code(&code) && !is_short_code("../../x") && !is_short_code("short0") && !is_short_code("abc"));
    }

    #[test]
    fn neighbouring_ids_get_codes_of_their_own() {
        let codes: BTreeSet<String> = (0..20_000_u128).map(|n| short_code(Uuid::from_u128(n), 8)).collect();
        assert_eq!(codes.len(), 20_000);
    }

    #[test]
    fn machines_do_not_count_and_people_do() {
        for machine in [
            "",
            " ",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0 Safari/537.36",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "TelegramBot (like TwitterBot)",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "WhatsApp/2.23.20.0",
            "Mastodon/4.5.2 (http.rb/5.3.1; +https://mastodon.example/)",
            "http.rb/5.1.1 (Mastodon/4.1.2; +https://mastodon.example/) Bot",
            "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
            "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "some_bot",
            "bot",
            "curl/8.5.0",
            "python-requests/2.31.0",
            "Go-http-client/1.1",
        ] {
            assert!(is_bot(machine), "{machine}");
        }
        for person in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0.0.0",
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
            "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
        ] {
            assert!(!is_bot(person), "{person}");
        }
    }

    proptest! {
        #[test]
        fn tagging_never_moves_the_target(path in "[a-z/]{0,12}", query in "([a-z]{1,4}=[a-z0-9%20]{0,4}&?){0,3}") {
            let link = format!("https://example.com/{path}?{query}");
            let url = with_utm(&link, &utm()).unwrap();
            let own = Url::parse(&link).unwrap();
            prop_assert_eq!(url.host_str(), own.host_str());
            prop_assert_eq!(url.path(), own.path());
            prop_assert!(url.query().unwrap().starts_with(own.query().unwrap()));
        }
    }
}
