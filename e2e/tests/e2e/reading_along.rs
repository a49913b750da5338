//! Texts while a model writes them, from the model to whoever follows the run.

use std::collections::BTreeMap;

use activities::store::variants;
use anyhow::Context as _;
use domain::{ids::CampaignId, platform::Platform};
use e2e::{Newsroom, Plan, process::Part, rest::Rest, wait};
use sandbox::model::{Door, Fault, Pace};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::runs::events;

/// What a client has of each text.
#[derive(Debug, Default)]
struct Screen {
    texts: BTreeMap<String, String>,
    /// How often each text was begun.
    begun: BTreeMap<String, usize>,
    done: bool,
}

impl Screen {
    /// Takes in an event, as the documentation tells clients to.
    fn take(&mut self, event: &str, data: &Value) {
        if event == "done" {
            self.done = true;
        }
        if event != "variant" {
            return;
        }
        let variant = data["variant_id"].as_str().unwrap().to_owned();
        let text = self.texts.entry(variant.clone()).or_default();
        if data["offset"] == 0 {
            text.clear();
            *self.begun.entry(variant).or_default() += 1;
        }
        assert_eq!(data["offset"].as_u64(), Some(text.chars().count() as u64), "a piece is missing, or came twice: {data}, after {text:?}");
        text.push_str(data["text"].as_str().unwrap());
    }
}

/// What the stand-in answers to each post that it was asked for: the same request always gets the same answer.
async fn written(newsroom: &Newsroom) -> anyhow::Result<Vec<String>> {
    let url = format!("{}/chat/completions", newsroom.model.openai_url());
    let mut written = Vec::new();
    for asked in newsroom.model.received().into_iter().filter(|asked| asked.door == Door::Chat) {
        let mut body = asked.body;
        body["stream"] = json!(false);
        body.as_object_mut().context("a request")?.remove("stream_options");
        let answer: Value = reqwest::Client::new().post(&url).json(&body).send().await?.json().await?;
        written.push(answer["choices"][0]["message"]["content"].as_str().context("a text")?.to_owned());
    }
    Ok(written)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_comes_to_the_reader_as_the_model_writes_it_in_order_and_whole() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    rest.ready().await?;
    // Whoever listens later has missed the beginning, and shows nothing until a text is begun anew.
    let database = sqlx::PgPool::connect(newsroom.stack.superuser_url().expose_secret()).await?;
    wait::until("the gateway to listen for texts", async || {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
        let listening: i64 = sqlx::query_scalar(asked).fetch_one(&database).await?;
        Ok(if listening > 0 { Ok(()) } else { Err("nobody".to_owned()) })
    })
    .await?;
    // Half of the first text comes, and then nothing more until the worker gives that attempt up.
    newsroom.model.fail(Fault::Stall, 1, Some(Door::Chat));
    newsroom.model.set_pace(Pace { first_token_ms: 0, token_delay_ms: 5 });
    let brief =
        json!({"topic": "A new roast", "audience": "people at home", "tone": "warm", "languages": ["en"], "platforms": ["bluesky"]});
    let body = json!({"brand_id": newsroom.brand.to_string(), "brief": brief, "connectors": [newsroom.account(Platform::Bluesky).to_string()],
        "variants_per_post": 2, "approval": "required"});
    let started = rest.post("v1/campaigns", &body, "read along").await?;
    let campaign: CampaignId = started["id"].as_str().context("a campaign")?.parse()?;
    let path = format!("v1/runs/{}", started["run_id"].as_str().context("a run")?);
    let mut stream = rest.stream(&format!("{path}/events")).await?;
    let (mut heard, mut screen, mut shown, mut half) = (Vec::new(), Screen::default(), 0, None);
    let mut finished = BTreeMap::new();
    // A run that waits for a person is not done: the texts are whole once both variants are stored.
    while finished.len() < 2
        || screen.texts.len() < 2
        || finished.iter().any(|(id, text): (&String, &String)| !text.contains(&screen.texts[id]))
    {
        heard.extend(stream.chunk().await?.context("the stream ended")?);
        // Cut at the last whole event, which is also a boundary of characters.
        let whole = heard.windows(2).rposition(|end| end == b"\n\n").map_or(0, |end| end + 2);
        for (_, event, data) in events(std::str::from_utf8(&heard[..whole])?).into_iter().skip(shown) {
            shown += 1;
            screen.take(&event, &data);
            let stalled = event == "variant" && half.is_none();
            if stalled && screen.texts.len() == 2 {
                // Both have begun; nothing is stored yet of the one that is stalled.
                half = Some(screen.texts.clone());
            }
            if event == "step" && data["name"] == "store.save_variant" && data["status"] == "completed" {
                finished = stored(&newsroom, campaign).await?;
            }
        }
    }
    let answers = written(&newsroom).await?;
    for (variant, text) in &screen.texts {
        assert!(answers.contains(text), "not what the model wrote for {variant}: {text:?}\n{answers:#?}");
    }
    assert!(half.is_some(), "both were seen before they were whole");
    let begun: Vec<usize> = screen.begun.values().copied().collect();
    assert!(begun.contains(&1) && begun.contains(&2), "one was begun anew: {begun:?}");
    assert!(!screen.done);
    Ok(())
}

/// The variants that are stored, by their ids.
async fn stored(newsroom: &Newsroom, campaign: CampaignId) -> anyhow::Result<BTreeMap<String, String>> {
    let post = newsroom.posts_of(campaign, 1).await?[0];
    let stored = variants::of_post(&mut newsroom.in_org().await?, post).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(stored.into_iter().map(|variant| (variant.id.to_string(), variant.content)).collect())
}
