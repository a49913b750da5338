//! A comment of our own under something that was published: one request, looked for among the comments when its outcome is open.

use domain::publication::{Frozen, Part, Resolution, SendClass, Sent, Submission};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{FACEBOOK, FORM, containers::Listed, edge, form, id_of, posting, publish, read};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Account, Answered, Call, Window, recognise::recognise},
};

/// The name of the edge, which ends the key of a frozen comment: what stands before is what it hangs on.
const EDGE: &str = "/comments";

/// The comment, under the key `<what it hangs on>/comments`.
pub(in crate::platform) fn freeze(account: &Account, part: &Part, intent: Uuid) -> ActivityResult<Frozen> {
    let parent = part.reply_to.as_ref().ok_or_else(|| ActivityError::rejected("a comment needs what it hangs on"))?;
    let mut frozen = Frozen::new(account.platform, SendClass::E, intent, form([("message", &part.text)]), part);
    FORM.clone_into(&mut frozen.content_type);
    Ok(frozen.with_record_key(format!("{}{EDGE}", parent.root.external_id)))
}

/// What a frozen comment hangs on; `None` if it is no comment.
pub(in crate::platform) fn parent(frozen: &Frozen) -> Option<&str> {
    frozen.record_key.as_deref()?.strip_suffix(EDGE)
}

/// Sends it.
pub(in crate::platform) async fn submit(call: Call<'_>, frozen: &Frozen, parent: &str) -> Answered<Submission> {
    let url = edge(call.account, FACEBOOK, &[parent, "comments"], &[]);
    let request = url.and_then(|url| posting(call, url, frozen.body.clone()));
    publish(call, request, |body: &Value| Some(Sent { external_id: id_of(body)?, url: String::new(), cid: None })).await
}

/// Looks for it. `fields` are what is asked of each comment, `more` what else the platform wants to be told.
pub(in crate::platform) async fn resolve(
    call: Call<'_>,
    frozen: &Frozen,
    parent: &str,
    fields: &str,
    more: &[(&str, &str)],
    window: &Window,
) -> ActivityResult<Answered<Resolution>> {
    #[derive(Deserialize)]
    struct Data {
        data: Vec<Listed>,
    }
    let query = [&[("fields", fields), ("limit", "100")], more].concat();
    let listed = read::<Data>(call, edge(call.account, FACEBOOK, &[parent, "comments"], &query)?).await?;
    Ok(listed.map(|listed| recognise(listed.data.into_iter().filter_map(Listed::candidate).collect(), frozen, window)))
}
