//! Passwords: argon2id, off the async threads because it is slow by design.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};

/// A hash of no password: verified when there is no such account, so that the time of an answer does not tell which accounts exist.
/// Its parameters are those of [`Argon2::default`] (19 MiB, 2 passes).
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBjb25zdGFudCBzYWx0$KLjsRpB3BvQeiGfKUBKCGSoNOIDUj7iTMYnIYnhhAMo";

/// The PHC string to store.
///
/// # Errors
/// When the system has no randomness, or the thread was lost.
pub(crate) async fn hash_password(password: SecretString) -> Result<String, String> {
    let hash = move || Argon2::default().hash_password(password.expose_secret().as_bytes()).map(|h| h.to_string());
    tokio::task::spawn_blocking(hash).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

/// Whether `password` is the one that `stored` is the hash of; `None`: there is no account, which takes as long to say.
pub(crate) async fn verify_password(stored: Option<String>, password: SecretString) -> bool {
    let exists = stored.is_some();
    let verify = move || {
        let stored = stored.as_deref().unwrap_or(NOBODY);
        PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
    };
    tokio::task::spawn_blocking(verify).await.unwrap_or(false) && exists
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_account_passes() {
        let hash = hash_password("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password(Some(hash.clone()), "correct horse".into()).await);
        assert!(!verify_password(Some(hash), "correct horsf".into()).await);
        assert!(!verify_password(None, "correct horse".into()).await);
        assert!(PasswordHash::new(NOBODY).is_ok(), "the stand-in must cost as much as a real hash");
    }
}
