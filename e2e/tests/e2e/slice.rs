//! One campaign from the request to its readings, on real servers: nothing on the way is pretended but the other side of each protocol.

use chrono::TimeDelta;
use domain::brief::Language;
use e2e::{Newsroom, Plan, desk, process::Part, rest::Rest, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_brief_becomes_posts_in_two_languages_on_two_platforms_published_once_and_measured() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    let plan = desk::from_now(TimeDelta::seconds(30));
    let campaign = rest.start_campaign(&newsroom, &[Language::EN, Language::DE], &plan, "the one campaign").await?;
    let posts = newsroom.posts_of(campaign, 4).await?;
    let mut kinds = Vec::new();
    for post in &posts {
        let told = newsroom.goes_out_once(*post).await?;
        assert_eq!(told.post.decided_by.as_deref(), Some(activities::approval::RULE));
        assert!(told.post.published_at >= told.post.due_at, "{told:#?}");
        kinds.push((told.post.platform, told.post.language));
    }
    kinds.sort_unstable();
    let mut all: Vec<_> = e2e::PLATFORMS.iter().flat_map(|p| [(*p, Language::DE), (*p, Language::EN)]).collect();
    all.sort_unstable();
    assert_eq!(kinds, all);
    // Reviewers read what is not in the brief's first language in that, too.
    for post in &posts {
        let (_, shown) = rest.ask(reqwest::Method::GET, &format!("v1/posts/{post}"), None).await?;
        let first = &shown["variants"][0];
        match shown["language"].as_str() {
            Some("de") => {
                assert_eq!(first["translation"]["language"], "en", "{shown:#}");
                assert!(first["translation"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{shown:#}");
                assert!(first["translation"]["lints"].is_array(), "{shown:#}");
            }
            _ => assert!(first["translation"].is_null(), "{shown:#}"),
        }
    }
    for post in posts {
        wait::until("readings of the counters", async || {
            let mut tx = newsroom.in_org().await?;
            let readings = activities::store::metrics::of_post(&mut tx, post, None).await.map_err(|e| anyhow::anyhow!("{e}"))?;
            // Nobody told impressions; clicks are our own, because each post has a short link.
            let good =
                readings.iter().any(|r| r.counters.likes.is_some() && r.counters.impressions.is_none() && r.counters.clicks.is_some());
            Ok(if good { Ok(()) } else { Err(format!("{readings:?}")) })
        })
        .await?;
    }
    newsroom.engine_rests().await
}
