//! Giving a platform what a part needs ahead.

use domain::ids::PostId;
use serde::{Deserialize, Serialize};

use super::{
    Attempt, Publishing,
    accounts::open_credentials,
    files::hide,
    material::{Material, material},
    sending::note_budget,
};
use crate::{
    ActivityError, ActivityResult,
    platform::{self, Staged, Staging},
    store::{OrgTx, parts, receipts},
};

/// How far the staging of a part got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "staging", rename_all = "snake_case")]
pub enum Progress {
    /// The part can be published.
    Ready,
    /// The platform is still at work on it.
    Wait {
        /// What it is at.
        what: String,
        /// When to ask again, in milliseconds.
        after_ms: u64,
    },
}

/// Gives the platform what the part needs before it can be published, and keeps what came of it, sealed. Nobody can see any of it, so that a repetition
/// does no harm.
///
/// # Errors
/// As the platform: refused for good, credentials, a rate window, or a passing failure.
pub async fn stage(p: &Publishing<'_>, a: Attempt) -> ActivityResult<Progress> {
    let mut tx = p.store.in_org(a.org).await?;
    let Material { account, part, files, staged, staged_at, .. } = material(p, &mut tx, &a).await?;
    let credentials = open_credentials(p, &mut tx, a.connector).await?;
    // What a platform refused to publish is not used again.
    let so_far = if refused_since(&mut tx, a.post, a.part, staged_at).await? { Staged::NOTHING } else { staged };
    tx.commit().await?;

    let answered = platform::stage(p.outgoing, &account, &credentials, &part, &files, so_far).await;
    let answered = answered.map_err(|error| clean(error, |what| hide(&files, what)))?;
    let (staged, progress) = match answered.value {
        Staging::Ready(staged) => (staged, Progress::Ready),
        Staging::Wait { staged, what, after } => {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            (staged, Progress::Wait { what: hide(&files, &credentials.redact(&what)), after_ms })
        }
    };
    let mut tx = p.store.in_org(a.org).await?;
    let sealed = p.vault.seal(&parts::seal_context(&tx, a.post, a.part), staged.to_plaintext().as_bytes())?;
    parts::set_staged(&mut tx, a.post, a.part, sealed.as_bytes(), progress == Progress::Ready).await?;
    note_budget(&mut tx, a.connector, answered.budget.as_ref()).await?;
    tx.commit().await?;
    Ok(progress)
}

async fn refused_since(tx: &mut OrgTx, post: PostId, part: u32, staged_at: Option<chrono::DateTime<chrono::Utc>>) -> ActivityResult<bool> {
    let Some(staged_at) = staged_at else { return Ok(false) };
    let attempts = receipts::of_post(tx, post).await?;
    let refused = attempts.iter().filter(|a| a.part == part && a.outcome.as_deref() == Some("rejected"));
    Ok(refused.filter_map(|a| a.answered_at).any(|at| at >= staged_at))
}

/// An error in other words.
fn clean(mut error: ActivityError, words: impl Fn(&str) -> String) -> ActivityError {
    match &mut error {
        ActivityError::Transient { what }
        | ActivityError::RateLimited { what, .. }
        | ActivityError::Rejected { what }
        | ActivityError::NotFound { what }
        | ActivityError::CredentialsExpired { what }
        | ActivityError::OutcomeUnknown { what } => *what = words(what),
    }
    error
}
