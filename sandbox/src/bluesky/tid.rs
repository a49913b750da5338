//! Timestamp ids: 13 characters of sortable base 32, microseconds and a clock id, as atproto.com/specs/tid defines them.

use chrono::{DateTime, Utc};

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// Whether this is a TID: 13 characters of the alphabet, the first one below `k`, because the top bit is zero.
pub(crate) fn is_tid(text: &str) -> bool {
    text.len() == 13 && text.bytes().all(|byte| ALPHABET.contains(&byte)) && text.as_bytes()[0] < b'k'
}

/// A source of TIDs that only go up.
#[derive(Debug, Default)]
pub(crate) struct Tids {
    last: u64,
}

impl Tids {
    /// The next one, at or after `now`.
    pub(crate) fn next(&mut self, now: DateTime<Utc>) -> String {
        let micros = u64::try_from(now.timestamp_micros()).unwrap_or_default();
        self.last = micros.max(self.last + 1);
        let bits = self.last << 10;
        (0..13).rev().map(|place| char::from(ALPHABET[((bits >> (place * 5)) & 31) as usize])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tids_go_up_and_are_valid() {
        let now = Utc::now();
        let mut tids = Tids::default();
        let made: Vec<String> = (0..100).map(|_| tids.next(now)).collect();
        assert!(made.iter().all(|tid| is_tid(tid)), "{made:?}");
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
    }

    /// From the examples of the specification.
    #[test]
    fn the_specifications_examples_hold() {
        for good in ["3jzfcijpj2z2a", "7777777777777", "3zzzzzzzzzzzz", "2222222222222"] {
            assert!(is_tid(good), "{good}");
        }
        for bad in [
            "3jzfcijpj2z21",
            "0000000000000",
            "3JZFCIJPJ2Z2A",
            "3jzfcijpj2z2aa",
            "3jzfcijpj2z2",
            "222",
            "3jzf-cij-pj2z-2a",
            "zzzzzzzzzzzzz",
            "kjzfcijpj2z2a",
        ] {
            assert!(!is_tid(bad), "{bad}");
        }
    }
}
