//! README's first command, from the outside: the whole story in one go, and what is left of it after a `kill -9`.

use std::{collections::BTreeMap, path::Path};

use e2e::{
    up::{Up, folder},
    wait,
};
use serde_json::Value;

/// How often the books of a platform's stand-in hold each text.
fn held(up: &Up, platform: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut held = BTreeMap::new();
    for event in up.books(platform)? {
        let text = match event["event"].as_str() {
            Some("accepted") => &event["status"]["text"],
            Some("created") => &event["record"]["value"]["text"],
            _ => continue,
        };
        *held.entry(text.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(held)
}

/// The posts of a campaign, each with everything.
async fn posts(up: &Up, campaign: &str) -> anyhow::Result<Vec<Value>> {
    let listed = up.get(&format!("v1/posts?campaign_id={campaign}&limit=200")).await?;
    let mut posts = Vec::new();
    for post in listed["items"].as_array().into_iter().flatten() {
        posts.push(up.get(&format!("v1/posts/{}", post["id"].as_str().unwrap())).await?);
    }
    Ok(posts)
}

/// What a post says, exactly.
fn words(post: &Value) -> String {
    let approved = post["variants"].as_array().unwrap().iter().find(|v| v["id"] == post["approved_variant_id"]).unwrap();
    approved["content"].as_str().unwrap().to_owned()
}

/// Processes whose command line names the folder: those of its servers.
fn servers_of(folder: &Path) -> Vec<String> {
    let running = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = running.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&*folder.to_string_lossy()) && !line.contains("cmdline")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_happens_and_says_so_in_one_object() -> anyhow::Result<()> {
    let folder = folder()?;
    let up = Up::start(folder.path(), "demo", &["--demo", "--exit", "--json"])?;
    let ended = up.ends().await?;
    assert_eq!(ended.code(), Some(0), "{}", up.err());
    let said: Value = serde_json::from_str(&up.out())?;
    assert_eq!(said["complete"], true, "{said:#}");
    let posts = said["posts"].as_array().unwrap();
    let mut kinds: Vec<_> = posts.iter().map(|p| (p["platform"].as_str().unwrap(), p["language"].as_str().unwrap())).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("bluesky", "de"), ("bluesky", "en"), ("mastodon", "de"), ("mastodon", "en")]);
    for post in posts {
        assert_eq!(post["status"], "published", "{post:#}");
        assert!(post["url"].as_str().is_some_and(|url| url.starts_with("http")), "{post:#}");
        assert!(post["metrics"]["likes"].is_u64() && post["metrics"]["clicks"].as_u64() >= Some(1), "{post:#}");
    }
    assert!(said["digest_id"].as_str().unwrap().starts_with("dig_"), "{said:#}");
    assert!(said["runs"].as_array().unwrap().iter().all(|run| run.as_str().unwrap().starts_with("run_")), "{said:#}");
    // It says of itself what it is, and everything of the two posts on each platform is in the books once.
    assert!(up.err().contains("stand-in"), "{}", up.err());
    for platform in ["mastodon", "bluesky"] {
        let held = held(&up, platform)?;
        assert_eq!(held.values().copied().collect::<Vec<_>>(), [1, 1], "{held:#?}");
    }
    assert_eq!(servers_of(folder.path()), Vec::<String>::new(), "something runs on after the end");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_work_in_flight_the_next_one_goes_on_and_nothing_goes_out_twice() -> anyhow::Result<()> {
    let folder = folder()?;
    let first = Up::start(folder.path(), "first", &["--demo"])?;
    first.ready().await?;
    let campaign = wait::until("a campaign with posts that are scheduled", async || {
        let posts = first.get("v1/posts?status=scheduled&limit=200").await?;
        let items = posts["items"].as_array().unwrap();
        Ok(if items.is_empty() { Err(posts.to_string()) } else { Ok(items[0]["campaign_id"].as_str().unwrap().to_owned()) })
    })
    .await?;
    // Whoever starts another one in the folder is told where this one is.
    let second = Up::start(folder.path(), "second", &[])?;
    assert_ne!(second.ends().await?.code(), Some(0));
    let told = second.err();
    assert!(told.contains(first.url("API")?.as_str()) && told.contains(&first.id().to_string()), "{told}");

    let (api, key) = (first.url("API")?, std::fs::read_to_string(folder.path().join(".pressroom/api-key"))?);
    first.kill9()?;
    let next = Up::start(folder.path(), "next", &["--demo"])?;
    next.ready().await?;
    assert_eq!(next.url("API")?, api, "clients find it where it was");
    assert_eq!(std::fs::read_to_string(folder.path().join(".pressroom/api-key"))?, key);
    let out = wait::until("what was in flight to be out", async || {
        let posts = posts(&next, &campaign).await?;
        let all = posts.len() == 4 && posts.iter().all(|post| post["status"] == "published");
        Ok(if all { Ok(posts) } else { Err(format!("{posts:#?}")) })
    })
    .await?;
    // It plays the story once more, beside what was in flight; then everything ends in order.
    next.says("All of it happened.").await?;
    assert_eq!(next.interrupt().await?.code(), Some(0), "{}{}", next.out(), next.err());
    let held: BTreeMap<&str, BTreeMap<String, usize>> =
        [("mastodon", held(&next, "mastodon")?), ("bluesky", held(&next, "bluesky")?)].into();
    for post in &out {
        let on_platform = &held[post["platform"].as_str().unwrap()];
        assert_eq!(on_platform.get(&words(post)), Some(&1), "{post:#}\n{on_platform:#?}");
    }
    assert_eq!(held.values().flat_map(BTreeMap::values).copied().max(), Some(1), "{held:#?}");
    assert_eq!(servers_of(folder.path()), Vec::<String>::new(), "something runs on after the end");
    Ok(())
}
