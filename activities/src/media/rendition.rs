//! The forms in which assets go to platforms, each made once and kept.

use domain::{
    ids::{AssetId, OrgId},
    platform::{ImageRules, Platform},
    publication::PartMedia,
};
use tokio::sync::Semaphore;

use super::{
    MediaStore, MediaType,
    fit::{self, Fitted},
    object_key, sha256_hex,
};
use crate::{
    ActivityError, ActivityResult,
    store::{
        OrgTx, Store,
        assets::{self, Asset},
        renditions::{self, Rendition},
    },
};

/// One picture at a time in a process: one of 64 megapixels takes half a gigabyte while it is fitted.
static PIXELS: Semaphore = Semaphore::const_new(1);

/// Does work on pixels where it blocks no other work.
pub(super) async fn with_pixels<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> ActivityResult<T> {
    let _turn = PIXELS.acquire().await.map_err(|_| ActivityError::transient("media: the process is ending"))?;
    tokio::task::spawn_blocking(work).await.map_err(|_| ActivityError::transient("media: the work on a picture broke off"))
}

/// Makes the forms of these assets for `platform` that are not there yet. Safe to repeat.
///
/// # Errors
/// [`ActivityError::Rejected`] names the asset that cannot be fitted, and why.
pub async fn prepare(store: &Store, media: &MediaStore, org: OrgId, ids: &[AssetId], platform: Platform) -> ActivityResult<()> {
    for id in ids {
        let mut tx = store.in_org(org).await?;
        let asset = assets::get(&mut tx, *id).await?.ok_or_else(|| ActivityError::rejected(format_args!("the file {id} is gone")))?;
        let known = kept(&mut tx, &asset, platform).await?;
        tx.commit().await?;
        let (Wanted::Fitted(rules), None) = (wanted(&asset, platform)?, known) else { continue };
        let made = make(media, org, &asset, platform, rules).await?;
        let mut tx = store.in_org(org).await?;
        renditions::keep(&mut tx, *id, platform, &rules_hash(rules), &made).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The form in which an asset goes to `platform`, and where it lies: the asset itself if it is a video, else what [`prepare`] made.
///
/// # Errors
/// [`ActivityError::Rejected`] if the platform takes no such files; [`ActivityError::Transient`] if it was not prepared.
pub async fn rendition(tx: &mut OrgTx, asset: &Asset, platform: Platform) -> ActivityResult<(PartMedia, String)> {
    if let Wanted::AsItIs = wanted(asset, platform)? {
        let media = PartMedia {
            asset: asset.id,
            content_type: asset.announced.content_type.as_str().to_owned(),
            bytes: asset.announced.bytes,
            sha256: asset.announced.sha256.clone(),
            size: asset.found.map(|found| found.size),
            alt: asset.alt.clone(),
        };
        return Ok((media, object_key(tx.org(), asset.id)));
    }
    let made = kept(tx, asset, platform).await?;
    let made = made.ok_or_else(|| ActivityError::transient(format_args!("the file {} is not fitted yet", asset.id)))?;
    let media = PartMedia {
        asset: asset.id,
        content_type: made.content_type,
        bytes: made.bytes,
        sha256: made.sha256,
        size: Some(made.size),
        alt: asset.alt.clone(),
    };
    Ok((media, made.object_key))
}

/// What a platform gets of an asset.
enum Wanted {
    AsItIs,
    Fitted(&'static ImageRules),
}

fn wanted(asset: &Asset, platform: Platform) -> ActivityResult<Wanted> {
    let rules = &platform.capabilities().media;
    let none = |what: &str| ActivityError::rejected(format_args!("{}: {} takes no {what}", asset.id, platform.title()));
    match (asset.announced.content_type, &rules.images, &rules.video) {
        (MediaType::Mp4, _, Some(_)) => Ok(Wanted::AsItIs),
        (MediaType::Mp4, _, None) => Err(none("videos")),
        (_, Some(images), _) => Ok(Wanted::Fitted(images)),
        (_, None, _) => Err(none("images")),
    }
}

/// What was made before under the rules that hold now.
async fn kept(tx: &mut OrgTx, asset: &Asset, platform: Platform) -> ActivityResult<Option<Rendition>> {
    match wanted(asset, platform)? {
        Wanted::AsItIs => Ok(None),
        Wanted::Fitted(rules) => renditions::get(tx, asset.id, platform, &rules_hash(rules)).await,
    }
}

async fn make(media: &MediaStore, org: OrgId, asset: &Asset, platform: Platform, rules: &'static ImageRules) -> ActivityResult<Rendition> {
    let original = media.get(org, asset.id).await?;
    let fitted = with_pixels(move || fit::fit(&original, rules)).await?;
    let fitted = fitted.map_err(|why| ActivityError::rejected(format_args!("{} does not fit {}: {why}", asset.id, platform.title())))?;
    let Fitted { bytes, content_type, size } = fitted;
    let made = Rendition {
        object_key: format!("{}.{platform}-{}", object_key(org, asset.id), rules_hash(rules)),
        content_type: content_type.as_str().to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        size,
    };
    media.put(&made.object_key, content_type, bytes).await?;
    Ok(made)
}

/// Names the rules and the way of fitting: others make another file.
fn rules_hash(rules: &ImageRules) -> String {
    let ImageRules { types, max_bytes, max_edge, aspect, .. } = rules;
    let mut hash = sha256_hex(format!("{} {types:?} {max_bytes} {max_edge} {aspect:?}", fit::VERSION).as_bytes());
    hash.truncate(12);
    hash
}
