//! The files that hang on a post.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{
    ids::{AssetId, OrgId, PostId},
    platform::Platform,
    policy::MediaFacts,
};
use url::Url;

use super::Publishing;
use crate::{
    ActivityError, ActivityResult, media,
    platform::MediaFile,
    store::{
        OrgTx,
        assets::{self, Asset},
        posts,
    },
};

/// How long a platform can fetch a file under the address that it is given. Platforms that fetch do so when they are told of it, or soon after.
const PUBLIC_FOR: Duration = Duration::from_hours(6);

/// Fits the files of a post to its platform, where that was not done before. Safe to repeat.
///
/// # Errors
/// [`ActivityError::Rejected`] names the file that cannot be fitted, and why.
pub async fn fit(p: &Publishing<'_>, org: OrgId, post: PostId, platform: Platform) -> ActivityResult<()> {
    let mut tx = p.store.in_org(org).await?;
    let assets = posts::require(&mut tx, post).await?.options.assets;
    tx.commit().await?;
    if assets.is_empty() {
        return Ok(());
    }
    let store = p.media.ok_or_else(no_storage)?;
    media::prepare(p.store, store, org, &assets, platform).await
}

fn no_storage() -> ActivityError {
    ActivityError::rejected("no object storage is set, so that files cannot be sent")
}

/// Why a file cannot be used at `now`, if so.
fn unusable(asset: Option<&Asset>, now: DateTime<Utc>) -> Option<String> {
    let Some(asset) = asset else { return Some("there is no such file".to_owned()) };
    if asset.verified_at.is_none() {
        return Some("it was not uploaded, or not found to be what was announced".to_owned());
    }
    let end = asset.rights.expires_at.filter(|end| *end <= now)?;
    Some(format!("the rights to it ended on {}", end.format("%Y-%m-%d %H:%M UTC")))
}

async fn load(tx: &mut OrgTx, ids: &[AssetId]) -> ActivityResult<Vec<(AssetId, Option<Asset>)>> {
    let mut loaded = Vec::with_capacity(ids.len());
    for id in ids {
        loaded.push((*id, assets::get(tx, *id).await?));
    }
    Ok(loaded)
}

/// What the rules have to know of the files of a post.
///
/// # Errors
/// When the database cannot answer.
pub async fn facts(tx: &mut OrgTx, ids: &[AssetId], now: DateTime<Utc>) -> ActivityResult<Vec<MediaFacts>> {
    let facts = |(id, asset): (AssetId, Option<Asset>)| MediaFacts {
        name: id.to_string(),
        unusable: unusable(asset.as_ref(), now),
        content_type: asset.as_ref().map(|a| a.announced.content_type.as_str().to_owned()).unwrap_or_default(),
        bytes: asset.as_ref().map(|a| a.announced.bytes).unwrap_or_default(),
        alt: asset.map(|a| a.alt).unwrap_or_default(),
    };
    Ok(load(tx, ids).await?.into_iter().map(facts).collect())
}

/// Why a post with these files cannot go out at `now`, if so.
///
/// # Errors
/// When the database cannot answer.
pub(super) async fn blocked(tx: &mut OrgTx, ids: &[AssetId], now: DateTime<Utc>) -> ActivityResult<Option<String>> {
    let found = load(tx, ids).await?.into_iter().find_map(|(id, asset)| Some((id, unusable(asset.as_ref(), now)?)));
    Ok(found.map(|(id, why)| format!("the file {id} cannot be used: {why}. Change the post's files, or cancel it.")))
}

/// The files of a post in the form that goes to `platform`, in order.
///
/// # Errors
/// [`ActivityError::Rejected`] where a file is gone or none are kept; [`ActivityError::Transient`] where one was not fitted yet ([`fit`]).
pub(super) async fn files(p: &Publishing<'_>, tx: &mut OrgTx, ids: &[AssetId], platform: Platform) -> ActivityResult<Vec<MediaFile>> {
    let mut files = Vec::with_capacity(ids.len());
    for (id, asset) in load(tx, ids).await? {
        let asset = asset.ok_or_else(|| ActivityError::rejected(format_args!("the file {id} is gone")))?;
        let store = p.media.ok_or_else(no_storage)?;
        let (media, key) = media::rendition(tx, &asset, platform).await?;
        let public_url = if platform.capabilities().media.fetched {
            let signed = store.sign_key(&key, PUBLIC_FOR).await?;
            Some(Url::parse(&signed.url).map_err(|_| ActivityError::rejected("the media store's address is none"))?)
        } else {
            None
        };
        files.push(MediaFile::stored(media, public_url, store.clone(), key));
    }
    Ok(files)
}

/// A text without the addresses under which the files can be fetched: a server may repeat what it was sent.
pub(super) fn hide(files: &[MediaFile], text: &str) -> String {
    let addresses = files.iter().filter_map(|file| file.public_url.as_ref());
    addresses.fold(text.to_owned(), |text, address| text.replace(address.as_str(), "[address of the file]"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::publication::PartMedia;
    use uuid::Uuid;

    use super::*;
    use crate::{
        media::{Announced, MediaType},
        store::assets::Rights,
    };

    fn asset() -> Asset {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        Asset {
            id: AssetId::from_uuid(Uuid::nil()),
            announced: Announced { content_type: MediaType::Png, bytes: 5, sha256: "aa".to_owned() },
            alt: "Bread".to_owned(),
            rights: Rights { source: "ours".to_owned(), license: "all".to_owned(), expires_at: None },
            verified_at: Some(now),
            found: None,
            created_at: now,
        }
    }

    #[test]
    fn a_file_is_usable_until_its_rights_end() {
        let end: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().unwrap();
        let mut lent = asset();
        lent.rights.expires_at = Some(end);
        assert_eq!(unusable(Some(&asset()), end), None);
        assert_eq!(unusable(Some(&lent), end - chrono::TimeDelta::milliseconds(1)), None);
        assert!(unusable(Some(&lent), end).is_some_and(|why| why.contains("2026-12-01 09:00 UTC")));
        let pending = Asset { verified_at: None, ..asset() };
        assert!(unusable(Some(&pending), end).is_some());
        assert!(unusable(None, end).is_some());
    }

    #[test]
    fn an_address_that_opens_a_file_is_not_told() {
        let media = PartMedia {
            asset: asset().id,
            content_type: "image/png".to_owned(),
            bytes: 0,
            sha256: String::new(),
            size: None,
            alt: String::new(),
        };
        let file = MediaFile::held(media, Some("https://s3.example/a?X-Sig=secret".parse().unwrap()), Bytes::new());
        let said = "could not fetch https://s3.example/a?X-Sig=secret: 404";
        assert_eq!(hide(&[file], said), "could not fetch [address of the file]: 404");
    }
}
