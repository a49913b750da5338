//! The accounts that one authorisation opened, where there can be several: pages, organisations, channels.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::error::{ActivityError, ActivityResult};

/// One of them.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The platform's id of it.
    pub id: String,
    /// Its name, as people know it.
    pub name: String,
    /// What to keep if it is chosen.
    pub credentials: Credentials,
}

/// Which of them is meant.
#[derive(Debug)]
pub enum Choice {
    /// This one's credentials.
    Clear(Credentials),
    /// A person has to say.
    Asked(Vec<Offered>),
}

/// Chooses, if it is clear: `hint` is an id or a name that the person gave beforehand. Nothing offered means that the credentials are the account's.
///
/// # Errors
/// [`ActivityError::Rejected`] if the hint names an account that was not opened.
pub fn choose(credentials: Credentials, mut offered: Vec<Offered>, hint: Option<&str>) -> ActivityResult<Choice> {
    if offered.is_empty() {
        return Ok(Choice::Clear(credentials));
    }
    let Some(hint) = hint else {
        return Ok(if offered.len() == 1 { Choice::Clear(offered.swap_remove(0).credentials) } else { Choice::Asked(offered) });
    };
    let meant = |one: &Offered| one.id == hint || one.name.to_lowercase() == hint.trim().trim_start_matches('@').to_lowercase();
    match offered.iter().filter(|one| meant(one)).count() {
        0 => {
            let names: Vec<&str> = offered.iter().map(|one| one.name.as_str()).collect();
            Err(ActivityError::rejected(format_args!("the account that was asked for was not opened; opened were: {}", names.join(", "))))
        }
        1 => Ok(Choice::Clear(offered.swap_remove(offered.iter().position(meant).unwrap_or_default()).credentials)),
        _ => Ok(Choice::Asked(offered)),
    }
}

/// The form that the vault encrypts while a person chooses.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    name: String,
    credentials: String,
}

impl Offered {
    /// The form that the vault encrypts.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn to_plaintext(offered: &[Self]) -> ActivityResult<SecretString> {
        let stored: ActivityResult<Vec<Stored>> = offered
            .iter()
            .map(|one| {
                let credentials = one.credentials.to_plaintext()?.expose_secret().to_owned();
                Ok(Stored { id: one.id.clone(), name: one.name.clone(), credentials })
            })
            .collect();
        serde_json::to_string(&stored?).map(SecretString::from).map_err(|_| ActivityError::rejected("cannot write a choice of accounts"))
    }

    /// Reads [`Self::to_plaintext`] back.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the text is not one, without showing it.
    pub fn from_plaintext(text: &SecretString) -> ActivityResult<Vec<Self>> {
        let stored: Vec<Stored> = serde_json::from_str(text.expose_secret())
            .map_err(|_| ActivityError::rejected("a stored choice of accounts cannot be read"))?;
        stored
            .into_iter()
            .map(|one| Ok(Self { id: one.id, name: one.name, credentials: Credentials::from_plaintext(&one.credentials)? }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::platform::Platform;

    use super::*;

    fn page(id: &str, name: &str) -> Offered {
        let credentials = Credentials::new(Platform::Mastodon).with_token(format!("planted-{id}"), None).with_fact("page", id);
        Offered { id: id.to_owned(), name: name.to_owned(), credentials }
    }

    fn clear(offered: Vec<Offered>, hint: Option<&str>) -> Option<String> {
        match choose(page("0", "own").credentials, offered, hint).unwrap() {
            Choice::Clear(credentials) => Some(credentials.fact("page").unwrap().to_owned()),
            Choice::Asked(_) => None,
        }
    }

    #[test]
    fn a_person_is_asked_only_where_it_is_not_clear() {
        let two = || vec![page("1", "Ann"), page("2", "Bob")];
        assert_eq!(clear(Vec::new(), None).as_deref(), Some("0"));
        assert_eq!(clear(Vec::new(), Some("whatever")).as_deref(), Some("0"));
        assert_eq!(clear(vec![page("1", "Ann")], None).as_deref(), Some("1"));
        assert_eq!(clear(two(), None), None);
        assert_eq!(clear(two(), Some("2")).as_deref(), Some("2"));
        assert_eq!(clear(two(), Some("@ann")).as_deref(), Some("1"));
        assert_eq!(clear(vec![page("1", "Ann"), page("2", "ann")], Some("Ann")), None, "two of one name");
        let error = choose(page("0", "own").credentials, two(), Some("Eve")).unwrap_err();
        assert!(error.what().contains("Ann, Bob"), "{error}");
    }

    #[test]
    fn a_choice_survives_the_vault_and_shows_nothing() {
        let text = Offered::to_plaintext(&[page("1", "Ann"), page("2", "Bob")]).unwrap();
        let back = Offered::from_plaintext(&text).unwrap();
        assert_eq!((back.len(), back[1].id.as_str(), back[1].credentials.fact("page")), (2, "2", Some("2")));
        assert!(!format!("{back:?}").contains("planted"));
        assert!(!Offered::from_plaintext(&"planted".into()).unwrap_err().what().contains("planted"));
    }
}
