//! API keys: `pr_<id>_<secret>`, with 26 characters of id and 43 of secret (32 random bytes, base64url).
//!
//! The prefix lets secret scanners find a leaked key. The store has SHA-256 of the secret: with 256 random bits there is nothing to guess, so
//! a slow hash would only cost time on every request.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use activities::store::{
    Store,
    lookup::{self, KeyRecord},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64URL_NOPAD;
use domain::ids::ApiKeyId;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{Actor, Caller};
use crate::problem::{ApiResult, Problem};

const PREFIX: &str = "pr_";
const ID_LENGTH: usize = 26;
const SECRET_LENGTH: usize = 43;

/// For how long a key that was looked up is believed: a revoked key works for at most this long.
const CACHE_AGE: Duration = Duration::from_secs(5);
/// How many keys are remembered.
const CACHE_SIZE: usize = 10_000;

/// A key as a client sends it.
pub(crate) struct PresentedKey {
    id: ApiKeyId,
    secret_hash: [u8; 32],
}

/// The keys that were looked up in the last few seconds.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys(Mutex<HashMap<ApiKeyId, (Instant, KeyRecord)>>);

/// A new key, and the hash of its secret part for the store.
pub(crate) fn new_api_key(id: ApiKeyId) -> (SecretString, [u8; 32]) {
    let secret = BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
    let text = id.to_string();
    let body = text.strip_prefix(ApiKeyId::PREFIX).and_then(|rest| rest.strip_prefix('_')).unwrap_or_default();
    let hash = Sha256::digest(secret.as_bytes()).into();
    (format!("{PREFIX}{body}_{secret}").into(), hash)
}

/// Reads a key; `None` if the text has not the form of one.
pub(crate) fn parse(text: &str) -> Option<PresentedKey> {
    let rest = text.strip_prefix(PREFIX)?;
    let (id, secret) = (rest.get(..ID_LENGTH)?, rest.get(ID_LENGTH..)?.strip_prefix('_')?);
    if secret.len() != SECRET_LENGTH {
        return None;
    }
    let id = format!("{}_{id}", ApiKeyId::PREFIX).parse().ok()?;
    Some(PresentedKey { id, secret_hash: Sha256::digest(secret.as_bytes()).into() })
}

impl ApiKeys {
    /// Who holds the key; `None` if nobody does.
    pub(crate) async fn caller(&self, store: &Store, key: &PresentedKey) -> ApiResult<Option<Caller>> {
        let record = match self.cached(key.id) {
            Some(record) => record,
            None => match lookup::api_key(store, key.id).await? {
                Some(record) => {
                    self.remember(key.id, &record);
                    record
                }
                None => return Ok(None),
            },
        };
        if verify_slices_are_equal(&record.hash, &key.secret_hash).is_err() {
            return Ok(None);
        }
        let role = record.role.parse().map_err(Problem::internal)?;
        Ok(Some(Caller { org: record.org, role, actor: Actor::Key { id: key.id, name: record.name } }))
    }

    fn cached(&self, id: ApiKeyId) -> Option<KeyRecord> {
        let keys = self.0.lock().ok()?;
        keys.get(&id).filter(|(at, _)| at.elapsed() < CACHE_AGE).map(|(_, record)| record.clone())
    }

    fn remember(&self, id: ApiKeyId, record: &KeyRecord) {
        let Ok(mut keys) = self.0.lock() else { return };
        if keys.len() >= CACHE_SIZE {
            keys.retain(|_, (at, _)| at.elapsed() < CACHE_AGE);
        }
        if keys.len() < CACHE_SIZE {
            keys.insert(id, (Instant::now(), record.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_reads_back_and_any_change_is_noticed() {
        let id = ApiKeyId::from_uuid(Uuid::now_v7());
        let (key, hash) = new_api_key(id);
        let text = key.expose_secret();
        assert_eq!(text.len(), 3 + 26 + 1 + 43);
        let read = parse(text).unwrap();
        assert_eq!((read.id, read.secret_hash), (id, hash));

        let mut other = text.to_owned();
        let last = if other.pop() == Some('A') { 'B' } else { 'A' };
        other.push(last);
        assert_ne!(parse(&other).unwrap().secret_hash, hash);
        for bad in ["", "pr_", &text[..72], &format!("{text}x"), &text.replacen("pr_", "sk_", 1), &"ä".repeat(40)] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
