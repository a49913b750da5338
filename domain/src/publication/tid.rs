//! Record keys of the AT Protocol: timestamp identifiers.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The protocol's sortable base32 alphabet (<https://atproto.com/specs/tid>).
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The length of a TID in characters.
const LENGTH: usize = 13;

/// The record key of a post: a TID made of the second in which it is planned and of its intent.
///
/// A TID is one zero bit, 53 bits of microseconds since 1970 and 10 bits that tell clocks apart. The fraction of the second and those 10 bits come
/// from a hash of the intent, so that two posts planned for one moment get different keys (one chance in 10^9 to collide) and one intent always
/// gets the same.
#[must_use]
pub fn tid(planned_at: DateTime<Utc>, intent: Uuid) -> String {
    let digest = Sha256::digest(intent.as_bytes());
    let mut seed = [0_u8; 8];
    seed.copy_from_slice(&digest[..8]);
    let seed = u64::from_be_bytes(seed);
    let seconds = u64::try_from(planned_at.timestamp()).unwrap_or(0);
    let micros = (seconds * 1_000_000 + (seed >> 10) % 1_000_000) & ((1 << 53) - 1);
    let value = (micros << 10) | (seed & 0x3ff);
    (0..LENGTH).rev().map(|place| char::from(ALPHABET[usize::from(((value >> (5 * place)) & 0x1f) as u8)])).collect()
}

/// Whether a text is a TID.
#[must_use]
pub fn is_tid(text: &str) -> bool {
    // The top bit is zero, so the first character is one of the lower half of the alphabet.
    text.len() == LENGTH && text.bytes().all(|c| ALPHABET.contains(&c)) && text.bytes().next().is_some_and(|c| ALPHABET[..16].contains(&c))
}
