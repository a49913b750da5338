//! The networks behind services that publish to several (Buffer, Hootsuite): what they take holds there, too.

use domain::{
    platform::{Platform, TextLimits},
    publication::Part,
    text::length,
};

use crate::error::{ActivityError, ActivityResult};

/// Refuses a part that the network behind an account would not take: the service would take it, and fail later.
///
/// # Errors
/// [`ActivityError::Rejected`] with what is wrong.
pub(super) fn takes(network: Platform, part: &Part) -> ActivityResult<()> {
    let limits = TextLimits::from(network);
    let measured = length(&part.text, &if part.media.is_empty() { limits } else { limits.with_media() });
    if !measured.fits {
        let (limit, units) = (measured.limit, measured.units);
        return Err(ActivityError::rejected(format_args!("{} takes {limit} characters, this text has {units}", network.title())));
    }
    if part.media.is_empty() && !network.capabilities().takes_text_alone() {
        return Err(ActivityError::rejected(format_args!("a post on {} needs a picture", network.title())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tests::post;

    #[test]
    fn a_text_is_measured_as_its_network_does() {
        let long_link = format!("https://example.com/{}", "x".repeat(300));
        assert!(takes(Platform::X, &post(&long_link)).is_ok(), "a link weighs 23");
        assert!(takes(Platform::Bluesky, &post(&long_link)).is_err());
        assert!(takes(Platform::X, &post(&"語".repeat(140))).is_ok() && takes(Platform::X, &post(&"語".repeat(141))).is_err());
        assert!(takes(Platform::Instagram, &post("x")).is_err(), "without a picture");
    }
}
