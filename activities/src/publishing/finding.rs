//! Where a post is: one that a person names, and one of which its platform told only an id.

use domain::{
    ids::{OrgId, PostId},
    publication::Sent,
};

use super::{
    Publishing,
    accounts::{account, open_credentials},
};
use crate::{
    ActivityResult,
    platform::{self, Account, Credentials},
    store::{connectors, posts},
};

/// The post that a person names, by its id on the platform or by the address where people read it, with all that the platform tells of it: parts that
/// follow may need more than its id (Bluesky: the record's hash). Where the platform has nothing to tell, it is what the person said.
///
/// # Errors
/// [`ActivityError::NotFound`](crate::ActivityError::NotFound) when there is no such post, [`ActivityError::Rejected`](crate::ActivityError::Rejected)
/// when it is none of the account's; a passing failure.
pub async fn find(p: &Publishing<'_>, org: OrgId, post: PostId, named: &str) -> ActivityResult<Sent> {
    let named = named.trim();
    let mut tx = p.store.in_org(org).await?;
    let connector = posts::require(&mut tx, post).await?.connector_id;
    let account = account(&connectors::require(&mut tx, connector).await?)?;
    let credentials = open_credentials(p, &mut tx, connector).await?;
    tx.commit().await?;
    let found = platform::find(p.outgoing, &account, &credentials, named).await?;
    Ok(found.unwrap_or_else(|| Sent { external_id: named.to_owned(), url: String::new(), cid: None }))
}

/// Adds where people read a post, where the answer to its publication told only its id. It is out and known as such: a platform that does not say so
/// now leaves it without an address.
pub(super) async fn locate(p: &Publishing<'_>, account: &Account, credentials: &Credentials, sent: &mut Sent) {
    if sent.url.is_empty()
        && let Ok(Some(address)) = platform::address(p.outgoing, account, credentials, &sent.external_id).await
    {
        sent.url = address;
    }
}
