//! Files that may not be used (any more) stop their post before anything is sent.

use activities::{
    media::{Announced, Found, MediaType},
    store::assets::{self, Rights},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::AssetId,
    post::{PostOptions, PostStatus},
};
use e2e::{Newsroom, Plan, desk};

use super::BOTH;

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
