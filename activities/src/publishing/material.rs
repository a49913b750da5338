//! What a part is made of, put together from the post's row, its parts' rows and its files.

use chrono::Utc;
use domain::publication::{Part, PartKind, ReplyTo, Sent};

use super::{Attempt, Publishing, accounts::account, files};
use crate::{
    ActivityError, ActivityResult,
    platform::{Account, MediaFile, Staged},
    store::{
        OrgTx, connectors,
        parts::{self, PostPart},
        posts,
    },
    vault::Sealed,
};

/// A part, and all that goes with it.
pub(super) struct Material {
    pub account: Account,
    pub part: Part,
    pub files: Vec<MediaFile>,
    /// What was staged for it.
    pub staged: Staged,
    /// When that was ready.
    pub staged_at: Option<chrono::DateTime<Utc>>,
    pub approved_hash: Vec<u8>,
}

/// Puts the part of an attempt together.
///
/// # Errors
/// [`ActivityError::Rejected`] when the post was stopped, or a further part has nothing to hang on.
pub(super) async fn material(p: &Publishing<'_>, tx: &mut OrgTx, a: &Attempt) -> ActivityResult<Material> {
    let to_send = posts::begin_sending(tx, a.post, a.revision, p.short_link_base)
        .await?
        .ok_or_else(|| ActivityError::rejected("the post was stopped"))?;
    let account = account(&connectors::require(tx, a.connector).await?)?;
    let (mut part, mut own) = (Part::new(to_send.content.clone(), to_send.language, to_send.due_at, Utc::now()), None);
    if a.has_rows() {
        let rows = parts::of_post(tx, a.post).await?;
        let row = rows.get(index(a.part)).ok_or_else(|| ActivityError::rejected("the post has no such part"))?;
        part.kind = row.kind;
        part.text.clone_from(&row.text);
        part.reply_to = reply_to(&rows, row)?;
        own = rows.into_iter().nth(index(a.part));
    }
    part.unique_link = to_send.unique_link(&part.text);
    if part.kind != PartKind::Comment {
        let known = account.platform.capabilities().disclosures;
        part.disclosures = to_send.options.disclosures.iter().copied().filter(|d| known.contains(d)).collect();
    }
    let assets: &[_] = if a.part == 0 { &to_send.options.assets } else { &[] };
    let files = files::files(p, tx, assets, account.platform).await?;
    part.media = files.iter().map(|file| file.media.clone()).collect();
    let staged_at = own.as_ref().and_then(|row| row.staged_at);
    let staged = match own.and_then(|row| row.staged) {
        Some(sealed) => open(p, tx, a, sealed)?,
        None => Staged::NOTHING,
    };
    Ok(Material { account, part, files, staged, staged_at, approved_hash: to_send.approved_hash })
}

/// What goes with a part that is frozen already: what was staged for it, and its files.
///
/// # Errors
/// As [`material`].
pub(super) async fn company(
    p: &Publishing<'_>,
    tx: &mut OrgTx,
    a: &Attempt,
    account: &Account,
) -> ActivityResult<(Staged, Vec<MediaFile>)> {
    if !a.staged {
        return Ok((Staged::NOTHING, Vec::new()));
    }
    let sealed = parts::of_post(tx, a.post).await?.into_iter().nth(index(a.part)).and_then(|row| row.staged);
    let staged = sealed.map(|sealed| open(p, tx, a, sealed)).transpose()?.unwrap_or_default();
    let files = if a.part == 0 {
        let assets = posts::require(tx, a.post).await?.options.assets;
        files::files(p, tx, &assets, account.platform).await?
    } else {
        Vec::new()
    };
    Ok((staged, files))
}

fn open(p: &Publishing<'_>, tx: &OrgTx, a: &Attempt, sealed: Vec<u8>) -> ActivityResult<Staged> {
    use secrecy::ExposeSecret as _;
    let text = p.vault.open_text(&parts::seal_context(tx, a.post, a.part), &Sealed::from_bytes(sealed))?;
    Staged::from_plaintext(text.expose_secret())
}

fn index(part: u32) -> usize {
    usize::try_from(part).unwrap_or(usize::MAX)
}

/// What a further part hangs on: a comment on the first part, a continuation on the one before it.
fn reply_to(rows: &[PostPart], row: &PostPart) -> ActivityResult<Option<ReplyTo>> {
    let sent = |part: u32| -> ActivityResult<Sent> {
        let sent = rows.get(index(part)).and_then(|row| row.sent.clone()).filter(|sent| !sent.external_id.is_empty());
        sent.ok_or_else(|| ActivityError::rejected(format_args!("nobody knows where part {} is, which this one hangs on", part + 1)))
    };
    match row.kind {
        PartKind::Post => Ok(None),
        PartKind::Comment => Ok(Some(ReplyTo { root: sent(0)?, parent: sent(0)? })),
        PartKind::Continuation => Ok(Some(ReplyTo { root: sent(0)?, parent: sent(row.part.saturating_sub(1))? })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(part: u32, kind: PartKind, id: Option<&str>) -> PostPart {
        let sent = id.map(|id| Sent { external_id: id.to_owned(), url: String::new(), cid: None });
        PostPart { part, kind, text: String::new(), staged: None, staged_at: None, sent, published_at: None }
    }

    #[test]
    fn a_continuation_hangs_on_the_part_before_and_a_comment_on_the_first() {
        let rows = [
            row(0, PartKind::Post, Some("a")),
            row(1, PartKind::Continuation, Some("b")),
            row(2, PartKind::Continuation, None),
            row(3, PartKind::Comment, None),
        ];
        let on = |row| reply_to(&rows, row).unwrap().map(|r| (r.root.external_id, r.parent.external_id));
        assert_eq!(on(&rows[0]), None);
        assert_eq!(on(&rows[2]), Some(("a".to_owned(), "b".to_owned())));
        assert_eq!(on(&rows[3]), Some(("a".to_owned(), "a".to_owned())));
        // Where a person knew no id, nothing can hang on it.
        let unknown = [row(0, PartKind::Post, Some("")), row(1, PartKind::Continuation, None)];
        assert!(reply_to(&unknown, &unknown[1]).is_err());
    }
}
