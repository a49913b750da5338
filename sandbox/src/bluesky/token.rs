//! Session tokens: JSON Web Tokens signed with HS256, as the PDS makes them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Refusal;

pub(crate) const ACCESS: &str = "com.atproto.access";
pub(crate) const REFRESH: &str = "com.atproto.refresh";

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) scope: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) jti: String,
    pub(crate) iat: i64,
    /// Seconds since the epoch.
    pub(crate) exp: i64,
}

/// Signs and checks tokens. The secret comes from the accounts, so that tokens outlive a restart of the stand-in.
#[derive(Debug)]
pub(crate) struct Signer {
    /// HMAC's key, filled up with zeros to the hash's block.
    secret: [u8; 64],
}

impl Signer {
    pub(crate) fn new(seed: &str) -> Self {
        Self::with_secret(&Sha256::digest(seed))
    }

    /// A signer with this key, of at most 64 bytes: a longer one is cut.
    pub(crate) fn with_secret(secret: &[u8]) -> Self {
        let mut padded = [0; 64];
        padded.iter_mut().zip(secret).for_each(|(byte, key)| *byte = *key);
        Self { secret: padded }
    }

    /// A genuine token with another end: one second after it began.
    pub(crate) fn aged(&self, token: &str) -> Option<String> {
        let (signed, mac) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        if URL_SAFE_NO_PAD.decode(mac).ok()? != self.mac(signed.as_bytes()) {
            return None;
        }
        let mut claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let begun = claims["iat"].as_i64()? - 10_000;
        claims["iat"] = json!(begun);
        claims["exp"] = json!(begun + 1);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mac = URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes()));
        Some(format!("{signed}.{mac}"))
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let kind = if claims.scope == REFRESH { "refresh+jwt" } else { "at+jwt" };
        let head = URL_SAFE_NO_PAD.encode(json!({ "typ": kind, "alg": "HS256" }).to_string());
        let body = URL_SAFE_NO_PAD.encode(json!(claims).to_string());
        let signed = format!("{head}.{body}");
        let mac = URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes()));
        format!("{signed}.{mac}")
    }

    /// The claims of a genuine token of this scope that has not expired; otherwise the PDS's answer.
    pub(crate) fn verify(&self, token: &str, scope: &str, now: DateTime<Utc>) -> Result<Claims, Refusal> {
        let claims = self.genuine(token).ok_or_else(|| Refusal::bad("InvalidToken", "Token could not be verified"))?;
        if claims.exp <= now.timestamp() {
            return Err(Refusal::bad("ExpiredToken", "Token has expired"));
        }
        if claims.scope != scope {
            return Err(Refusal::bad("InvalidToken", "Bad token scope"));
        }
        Ok(claims)
    }

    /// The claims of a token that this signer made, expired or not.
    pub(crate) fn genuine(&self, token: &str) -> Option<Claims> {
        let (signed, mac) = token.rsplit_once('.')?;
        if URL_SAFE_NO_PAD.decode(mac).ok()? != self.mac(signed.as_bytes()) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?).ok()
    }

    /// HMAC-SHA256 (RFC 2104).
    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(self.secret).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// Cross-checked with `openssl dgst -sha256 -mac HMAC -macopt hexkey:0b0b…0b`.
    #[test]
    fn the_mac_is_hmac_sha256() {
        let signer = Signer::with_secret(&[0x0b; 32]);
        assert_eq!(HEXLOWER.encode(&signer.mac(b"Hi There")), "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7");
    }

    #[test]
    fn tokens_are_checked_for_hand_time_and_scope() {
        let signer = Signer::new("seed");
        let now = Utc::now();
        let claims = |exp| Claims { scope: ACCESS.into(), sub: "did:plc:a".into(), aud: "did:web:x".into(), jti: "1".into(), iat: 0, exp };
        let good = signer.sign(&claims(now.timestamp() + 10));
        assert_eq!(signer.verify(&good, ACCESS, now).unwrap().sub, "did:plc:a");
        let error = |token: &str, scope| signer.verify(token, scope, now).unwrap_err().error;
        assert_eq!(error(&good, REFRESH), "InvalidToken");
        assert_eq!(error(&signer.sign(&claims(now.timestamp())), ACCESS), "ExpiredToken");
        assert_eq!(error(&Signer::new("other").sign(&claims(now.timestamp() + 10)), ACCESS), "InvalidToken");
        assert_eq!(error("nonsense", ACCESS), "InvalidToken");
    }
}
