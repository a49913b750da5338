//! Tokens that are given, expire, rotate and are taken away.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is.
    Valid,
    /// Its time is over.
    Expired,
    /// It was taken away.
    Revoked,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Use {
    Access,
    Refresh,
}

/// One token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) value: String,
    pub(crate) account: String,
    pub(crate) used_for: Use,
    pub(crate) standing: Standing,
    pub(crate) expires: Option<DateTime<Utc>>,
    pub(crate) scope: String,
    /// When a refresh token was used, and what it was exchanged for.
    pub(crate) exchanged: Option<(DateTime<Utc>, Issued)>,
}

/// What a platform hands out at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Handle of the account.
    pub account: String,
    /// The access token.
    pub access: String,
    /// How long it is good, in seconds; `None` for ever.
    pub access_seconds: Option<i64>,
    /// The refresh token, where the platform gives one.
    pub refresh: Option<String>,
    /// What the access token allows.
    pub scope: String,
}

/// How a platform renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// How long an access token is good, in seconds; `None` for ever.
    pub access_seconds: Option<i64>,
    /// What becomes of a refresh token.
    pub refresh: Renewal,
}

/// What becomes of a refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// There are none.
    None,
    /// It stays good.
    Keeps,
    /// It is used up; for so many seconds a repetition gets what the first use got. 0: single-use to the letter.
    Rotates {
        /// Seconds.
        grace_seconds: i64,
    },
}

/// 43 characters that cannot be guessed.
pub(crate) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// All tokens of a stand-in.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: HashMap<String, Token>,
}

impl Tokens {
    pub(crate) fn keep(&mut self, token: Token) {
        self.known.insert(token.value.clone(), token);
    }

    pub(crate) fn get(&self, value: &str) -> Option<&Token> {
        self.known.get(value)
    }

    /// How a token stands at `now`; `None` if nobody ever had it.
    pub(crate) fn standing(&self, value: &str, used_for: Use, now: DateTime<Utc>) -> Option<Standing> {
        let token = self.get(value).filter(|token| token.used_for == used_for)?;
        Some(match token.standing {
            Standing::Valid if token.expires.is_some_and(|end| end <= now) => Standing::Expired,
            standing => standing,
        })
    }

    /// New tokens for an account, and how the books keep them.
    pub(crate) fn issue(account: &str, scope: &str, lives: Lives, now: DateTime<Utc>) -> (Issued, Vec<Token>) {
        let token = |used_for, expires| Token {
            value: secret(),
            account: account.to_owned(),
            used_for,
            standing: Standing::Valid,
            expires,
            scope: scope.to_owned(),
            exchanged: None,
        };
        let mut made = vec![token(Use::Access, lives.access_seconds.map(|seconds| now + TimeDelta::seconds(seconds)))];
        if lives.refresh != Renewal::None {
            made.push(token(Use::Refresh, None));
        }
        let issued = Issued {
            account: account.to_owned(),
            access: made[0].value.clone(),
            access_seconds: lives.access_seconds,
            refresh: made.get(1).map(|token| token.value.clone()),
            scope: scope.to_owned(),
        };
        (issued, made)
    }

    /// Uses a refresh token: what it gives, and what the books have to keep. `None` if it gives nothing (any more).
    pub(crate) fn renew(&self, value: &str, lives: Lives, now: DateTime<Utc>) -> Option<(Issued, Vec<Token>)> {
        if self.standing(value, Use::Refresh, now)? != Standing::Valid {
            return None;
        }
        let old = self.get(value)?;
        if let (Some((used, issued)), Renewal::Rotates { grace_seconds }) = (&old.exchanged, lives.refresh) {
            return (now < *used + TimeDelta::seconds(grace_seconds)).then(|| (issued.clone(), Vec::new()));
        }
        let (mut issued, mut made) = Self::issue(&old.account, &old.scope, lives, now);
        if lives.refresh == Renewal::Keeps {
            made.truncate(1);
            issued.refresh = Some(old.value.clone());
        } else {
            made.push(Token { exchanged: Some((now, issued.clone())), ..old.clone() });
        }
        Some((issued, made))
    }

    /// The tokens of an account with another standing. Only access tokens expire on order; refresh tokens outlive them.
    pub(crate) fn marked(&self, account: &str, standing: Standing) -> Vec<Token> {
        let touched = |token: &&Token| token.account == account && (standing != Standing::Expired || token.used_for == Use::Access);
        // What is given back is good again even if its time was over: a test that reinstates means it.
        let mark = |token: &Token| Token { standing, expires: token.expires.filter(|_| standing != Standing::Valid), ..token.clone() };
        self.known.values().filter(touched).map(mark).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(refresh: Renewal) -> Lives {
        Lives { access_seconds: Some(60), refresh }
    }

    fn given(refresh: Renewal, now: DateTime<Utc>) -> (Tokens, Issued) {
        let mut tokens = Tokens::default();
        let (issued, made) = Tokens::issue("ann", "write", lives(refresh), now);
        made.into_iter().for_each(|token| tokens.keep(token));
        (tokens, issued)
    }

    #[test]
    fn an_access_token_ends_by_itself_or_on_order() {
        let now = Utc::now();
        let (mut tokens, issued) = given(Renewal::Keeps, now);
        assert_eq!(tokens.standing(&issued.access, Use::Access, now), Some(Standing::Valid));
        assert_eq!(tokens.standing(&issued.access, Use::Access, now + TimeDelta::seconds(60)), Some(Standing::Expired));
        assert_eq!(tokens.standing(&issued.access, Use::Refresh, now), None, "an access token renews nothing");
        tokens.marked("ann", Standing::Expired).into_iter().for_each(|token| tokens.keep(token));
        assert_eq!(tokens.standing(&issued.access, Use::Access, now), Some(Standing::Expired));
        let refresh = issued.refresh.unwrap();
        assert_eq!(tokens.standing(&refresh, Use::Refresh, now), Some(Standing::Valid));
        tokens.marked("ann", Standing::Revoked).into_iter().for_each(|token| tokens.keep(token));
        assert!(tokens.renew(&refresh, lives(Renewal::Keeps), now).is_none());
    }

    #[test]
    fn a_rotating_refresh_token_is_good_once_and_for_its_grace() {
        let now = Utc::now();
        for (grace_seconds, repeats) in [(0, false), (30, true)] {
            let rule = Renewal::Rotates { grace_seconds };
            let (mut tokens, issued) = given(rule, now);
            let refresh = issued.refresh.unwrap();
            let (next, made) = tokens.renew(&refresh, lives(rule), now).unwrap();
            made.into_iter().for_each(|token| tokens.keep(token));
            assert!(next.refresh.is_some() && next.refresh.as_ref() != Some(&refresh));
            let again = tokens.renew(&refresh, lives(rule), now + TimeDelta::seconds(5));
            assert_eq!(again.map(|(issued, _)| issued), repeats.then(|| next.clone()));
            assert!(tokens.renew(&refresh, lives(rule), now + TimeDelta::seconds(31)).is_none());
            assert!(tokens.renew(&next.refresh.unwrap(), lives(rule), now).is_some());
        }
    }

    #[test]
    fn a_refresh_token_that_is_kept_comes_back() {
        let now = Utc::now();
        let (tokens, issued) = given(Renewal::Keeps, now);
        let refresh = issued.refresh.unwrap();
        let (next, _) = tokens.renew(&refresh, lives(Renewal::Keeps), now).unwrap();
        assert_eq!(next.refresh, Some(refresh));
        assert_ne!(next.access, issued.access);
    }
}
