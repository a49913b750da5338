//! Access tokens: JWT, HMAC-SHA256, good for minutes. They are believed without asking the database, so a changed role or an ended session
//! shows when the token is next refreshed.

use chrono::Utc;
use domain::ids::{OrgId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Actor, Caller};
use crate::access::Role;

const ISSUER: &str = "pressroom";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    org: OrgId,
    role: Role,
    name: String,
    iat: i64,
    exp: i64,
}

/// Makes and reads access tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    seconds: i64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens signed with `secret`, or with one of this process's own.
    pub(crate) fn new(secret: Option<&SecretString>, minutes: u32) -> Self {
        let secret = secret.map_or_else(|| rand::random::<[u8; 32]>().to_vec(), |s| s.expose_secret().as_bytes().to_vec());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = 0;
        Self {
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
            validation,
            seconds: i64::from(minutes) * 60,
        }
    }

    /// For how long a token is good, in seconds.
    pub(crate) const fn seconds(&self) -> i64 {
        self.seconds
    }

    /// A token for `user`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn issue(&self, user: UserId, org: OrgId, role: Role, name: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = Utc::now().timestamp();
        let claims = Claims { iss: ISSUER.to_owned(), sub: user, org, role, name: name.to_owned(), iat, exp: iat + self.seconds };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }

    /// Whose token it is; `None` if it is none of ours or has expired.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        Some(Caller { org: claims.org, role: claims.role, actor: Actor::User { id: claims.sub, name: claims.name } })
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use uuid::Uuid;

    use super::*;

    fn issue(tokens: &Tokens) -> (Caller, String) {
        let (user, org) = (UserId::from_uuid(Uuid::now_v7()), OrgId::from_uuid(Uuid::now_v7()));
        let token = tokens.issue(user, org, Role::Editor, "Ada").unwrap();
        (Caller { org, role: Role::Editor, actor: Actor::User { id: user, name: "Ada".into() } }, token)
    }

    #[test]
    fn a_token_says_who_holds_it_and_no_other_secret_opens_it() {
        let secret = SecretString::from("0123456789abcdef0123456789abcdef");
        let tokens = Tokens::new(Some(&secret), 10);
        let (caller, token) = issue(&tokens);
        assert_eq!(tokens.caller(&token), Some(caller));
        assert_eq!(Tokens::new(None, 10).caller(&token), None);
    }

    #[test]
    fn expired_forged_and_unsigned_tokens_are_nobody() {
        let tokens = Tokens::new(None, 10);
        let (_, token) = issue(&tokens);
        let (_, payload_and_signature) = token.split_once('.').unwrap();
        let (payload, signature) = payload_and_signature.split_once('.').unwrap();
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        assert_eq!(tokens.caller(&format!("{none}.{payload}.")), None);
        assert_eq!(tokens.caller(&format!("{none}.{payload}.{signature}")), None);
        let raised = String::from_utf8(BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap().replace("editor", "owner");
        let header = token.split('.').next().unwrap();
        assert_eq!(tokens.caller(&format!("{header}.{}.{signature}", BASE64URL_NOPAD.encode(raised.as_bytes()))), None);

        let past = Tokens { seconds: -60, ..Tokens::new(Some(&"0123456789abcdef0123456789abcdef".into()), 1) };
        let (_, expired) = issue(&past);
        assert_eq!(past.caller(&expired), None);
    }
}
