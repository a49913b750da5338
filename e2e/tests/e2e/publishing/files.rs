//! Files that may not be used (any more) stop their post before anything is sent.

use std::time::Duration;

use activities::{
    media::{Announced, Found, MediaType, sha256_hex},
    store::assets::{self, Rights},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::AssetId,
    platform::Platform,
    post::{PostOptions, PostStatus},
};
use e2e::{Newsroom, Plan, desk, process::Part, wait};
use sandbox::fault::{Endpoint, Fault};
use serde_json::Value;

use super::BOTH;
use crate::assets::{PNG, stored_at, upload};

/// A picture that is really there.
async fn picture(newsroom: &Newsroom) -> anyhow::Result<AssetId> {
    let id = AssetId::from_uuid(uuid::Uuid::now_v7());
    let announced = Announced { content_type: MediaType::Png, bytes: PNG.len() as u64, sha256: sha256_hex(PNG) };
    let store = newsroom.media()?.unwrap();
    let signed = store.sign_upload(newsroom.org, id, &announced, Duration::from_secs(60)).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let shown = serde_json::json!({ "upload": signed });
    assert!(upload(&shown, PNG).await.is_success());
    let rights = Rights { source: "our own".to_owned(), license: "all".to_owned(), expires_at: None };
    let mut tx = newsroom.in_org().await?;
    let stored = async {
        assets::announce(&mut tx, id, &announced, "A loaf on a table", &rights).await?;
        assets::verified(&mut tx, id, &Found { size: (3, 2), duration_ms: None }).await?;
        tx.commit().await
    };
    stored.await.map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(id)
}

/// How often the platform has a picture of that description on a post with that text.
fn pictures(newsroom: &Newsroom, platform: Platform, text: &str) -> usize {
    match platform {
        Platform::Mastodon => {
            let known = newsroom.mastodon.media();
            let of = |id: &String| known.iter().filter(|m| m.id == *id && m.description.as_deref() == Some("A loaf on a table")).count();
            newsroom.mastodon.books().iter().filter(|s| s.text == text).flat_map(|s| &s.media_ids).map(of).sum()
        }
        Platform::Bluesky => {
            let of = |record: &Value| {
                record["embed"]["images"].as_array().into_iter().flatten().filter(|i| i["alt"] == "A loaf on a table").count()
            };
            newsroom.bluesky.books().iter().filter(|r| r.value["text"] == text).map(|r| of(&r.value)).sum()
        }
        other => unreachable!("no newsroom has an account on {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_hangs_on_the_first_part_once_whatever_dies() -> anyhow::Result<()> {
    let (media, _storage) = stored_at().await;
    let newsroom = Newsroom::open(Plan { media: Some(media), ..Plan::default() }).await?;
    let worker = Part::worker(&newsroom, None)?;
    for platform in BOTH {
        let file = picture(&newsroom).await?;
        let options = PostOptions { assets: vec![file], ..PostOptions::default() };
        for step in [None, Some("stage:before"), Some("stage:after"), Some("submit:after")] {
            let step = step.map(|point| format!("{platform}.{point}"));
            worker.kill9();
            worker.start(step.as_deref())?;
            let texts = [format!("With a picture on {platform}, and {step:?}."), format!("And a word more on {platform}, and {step:?}.")];
            let post = newsroom.approved_with(*platform, &texts.join("\n---\n"), &options).await?;
            wait::until("the plan to be taken", async || Ok(newsroom.schedule(post, desk::now()).await.map_err(|e| e.to_string()))).await?;
            if let Some(step) = &step {
                worker.crashes(step).await?;
                worker.start(None)?;
            }
            newsroom.until_status(post, PostStatus::Published).await?;
            newsroom.parts_are_there_once(post, &[&texts[0], &texts[1]]).await?;
            assert_eq!((pictures(&newsroom, *platform, &texts[0]), pictures(&newsroom, *platform, &texts[1])), (1, 0), "{step:?}");
        }
        // A platform that refuses the file: nothing of the post is sent.
        let refused = newsroom.approved_with(*platform, &format!("Refused on {platform}."), &options).await?;
        newsroom.faults(*platform).next(Endpoint::Media, Fault::Refuse { status: 422 }, 1);
        newsroom.schedule(refused, desk::now()).await?;
        let told = newsroom.until_status(refused, PostStatus::Failed).await?;
        assert!(told.receipts.is_empty(), "{told:#?}");
        newsroom.is_not_there(refused).await?;
        // One that is away for a moment gets it all the same.
        let late = newsroom.approved_with(*platform, &format!("Later on {platform}."), &options).await?;
        newsroom.faults(*platform).next(Endpoint::Media, Fault::Refuse { status: 503 }, 2);
        newsroom.schedule(late, desk::now()).await?;
        newsroom.goes_out_once(late).await?;
        assert_eq!(pictures(&newsroom, *platform, &format!("Later on {platform}.")), 1);
    }
    Ok(())
}

async fn asset(newsroom: &Newsroom, verified: bool, ends: Option<DateTime<Utc>>) -> anyhow::Result<AssetId> {
    let id = AssetId::from_uuid(uuid::Uuid::now_v7());
    let announced = Announced { content_type: MediaType::Png, bytes: 8, sha256: "00".repeat(32) };
    let rights = Rights { source: "an agency".to_owned(), license: "for a while".to_owned(), expires_at: ends };
    let mut tx = newsroom.in_org().await?;
    let stored = async {
        assets::announce(&mut tx, id, &announced, "A loaf", &rights).await?;
        if verified {
            assets::verified(&mut tx, id, &Found { size: (3, 2), duration_ms: None }).await?;
        }
        tx.commit().await
    };
    stored.await.map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_rights_have_run_out_stops_its_post() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let over = asset(&newsroom, true, Some(Utc::now() - TimeDelta::seconds(1))).await?;
        let pending = asset(&newsroom, false, None).await?;
        for (file, why) in [(over, "the rights to it ended"), (pending, "it was not uploaded")] {
            let options = PostOptions { assets: vec![file], ..PostOptions::default() };
            let post = newsroom.approved_with(*platform, &format!("With the file {file} on {platform}."), &options).await?;
            newsroom.schedule(post, desk::now()).await?;
            let told = newsroom.until_status(post, PostStatus::NeedsAttention).await?;
            let note = told.post.note.clone().unwrap();
            assert!(note.contains(&file.to_string()) && note.contains(why), "{note}");
            assert!(told.receipts.is_empty(), "{told:#?}");
            newsroom.is_not_there(post).await?;
        }
        // The lane goes on.
        let next = newsroom.approved_post(*platform).await?;
        newsroom.schedule(next, desk::now()).await?;
        newsroom.goes_out_once(next).await?;
    }
    Ok(())
}
