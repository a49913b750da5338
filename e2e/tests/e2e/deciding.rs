//! Two people decide over one post at once: one wins, the other is told who did.

use std::sync::Arc;

use activities::store::posts;
use domain::{
    ids::{PostId, VariantId},
    platform::Platform,
};
use e2e::{Newsroom, Plan, process::Part, rest::Rest};
use gateway::access::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// How often: which of two comes first is up to the machine.
const ROUNDS: usize = 12;

/// A decision, as it is asked for.
fn decision(approves: bool, post: PostId, variant: VariantId) -> (String, Value) {
    if approves {
        (format!("v1/posts/{post}/approve"), json!({ "variant_id": variant.to_string() }))
    } else {
        (format!("v1/posts/{post}/reject"), json!({ "reason": "not our tone" }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_decide_at_once_one_wins_and_the_other_is_told_who() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    gateway.listens().await?;
    let mut people = Vec::new();
    for name in ["Ada", "Bob"] {
        people.push((name, Arc::new(Rest::named(&newsroom, gateway.url()?, name, Role::Reviewer).await?)));
    }
    people[0].1.ready().await?;
    for round in 0..ROUNDS {
        let (post, variant) = newsroom.waiting_text(Platform::Mastodon, &format!("Round {round} at the harbour.")).await?;
        let start = Arc::new(Barrier::new(people.len()));
        let deciding: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(place, (_, rest))| {
                // Both approve, both reject, or one of each.
                let (path, body) = decision((round >> place) & 1 == 0, post, variant);
                let (rest, start) = (Arc::clone(rest), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    rest.ask(Method::POST, &path, Some(&body)).await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for (task, (name, _)) in deciding.into_iter().zip(&people) {
            let (status, said) = task.await??;
            answers.push((*name, status, said));
        }
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, status, _)| *status == StatusCode::OK);
        assert_eq!((won.len(), lost.len()), (1, 1), "{answers:#?}");
        let ((winner, _, shown), (_, status, told)) = (won[0], lost[0]);
        assert_eq!((*status, told["code"].as_str()), (StatusCode::CONFLICT, Some("already-decided")), "{told:#}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains(winner) && detail.contains(shown["status"].as_str().unwrap()), "{winner} won, and {detail}");
        let stored = posts::require(&mut newsroom.in_org().await?, post).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        assert_eq!((stored.decided_by.as_deref(), stored.status.to_string().as_str()), (Some(*winner), shown["status"].as_str().unwrap()));
    }
    Ok(())
}
