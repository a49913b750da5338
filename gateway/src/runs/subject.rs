//! What an invocation is about, in the words of the business: which post, on which platform, in which language.
//!
//! The engine knows a post by its id only: as the key of its objects, and in the input of the services that write it. What the id means stands in
//! PostgreSQL and never changes, so it is asked for once for each invocation that somebody looks at.

use std::collections::HashMap;

use activities::store::posts;
use domain::ids::PostId;
use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    parts::{ReadError, RunTables},
    tables::{Invocation, InvocationId, Rows, Tables, inputs},
};

/// The post that an invocation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Subject {
    /// Which post.
    #[schema(value_type = String, example = "post_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(crate) post_id: PostId,
    /// The platform that it is for.
    #[schema(example = "bluesky")]
    pub(crate) platform: String,
    /// The language that it is written in.
    #[schema(example = "de")]
    pub(crate) language: String,
    /// Of a draft: which of the post's variants, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<u32>,
}

/// The rows of a run, and what the facts of its org say that they are about.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) RunTables);

impl Named {
    /// Names what can be named. A tree without names is better than none, so that what cannot be read is left out.
    async fn name(&self, rows: &mut Rows, known: &Rows) {
        let new: Vec<&Invocation> = rows.invocations.values().filter(|row| !known.subjects.contains_key(&row.id)).collect();
        let mut about: HashMap<InvocationId, About> = new.iter().filter_map(|row| Some((row.id.clone(), by_key(row)?))).collect();
        let unread: Vec<InvocationId> = new.iter().filter(|row| input_names_a_post(row)).map(|row| row.id.clone()).collect();
        match inputs(&self.0.engine, &unread).await {
            Ok(inputs) => about.extend(inputs.into_iter().filter_map(|(id, input)| Some((id, by_input(&input)?)))),
            Err(error) => tracing::debug!(%error, "what a run's steps are about cannot be read for the moment"),
        }
        rows.subjects.clone_from(&known.subjects);
        let mut posts: Vec<PostId> = about.values().map(|about| about.post_id).collect();
        posts.sort_unstable();
        posts.dedup();
        if posts.is_empty() {
            return;
        }
        let places = async { posts::places(&mut self.0.store.in_org(self.0.org).await?, &posts).await }.await;
        match places {
            Ok(places) => rows.subjects.extend(about.into_iter().filter_map(|(id, About { post_id, variant })| {
                let (platform, language) = places.get(&post_id)?;
                Some((id, Subject { post_id, platform: platform.to_string(), language: language.to_string(), variant }))
            })),
            Err(error) => tracing::debug!(error = error.what(), "what a run's steps are about cannot be told for the moment"),
        }
    }
}

impl Tables for Named {
    fn read<'a>(&'a self, root: &'a InvocationId, known: &'a Rows) -> BoxFuture<'a, Result<Rows, ReadError>> {
        async {
            let mut rows = self.0.read(root, known).await?;
            self.name(&mut rows, known).await;
            Ok(rows)
        }
        .boxed()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct About {
    post_id: PostId,
    variant: Option<u32>,
}

/// Of the objects whose key is a post.
fn by_key(row: &Invocation) -> Option<About> {
    let post_id = row.target_service_key.as_deref()?.parse().ok()?;
    Some(About { post_id, variant: None })
}

/// Whether the post stands in the input alone, which is small there: others' inputs, a hundred examples of a voice, are not read.
fn input_names_a_post(row: &Invocation) -> bool {
    let target = (row.target_service_name.as_str(), row.target_handler_name.as_str());
    matches!(target, ("Drafting", "write") | ("Enrichment", "run") | ("Connector", "publish") | ("Campaign", "decide"))
}

/// Of a service that is told the post.
fn by_input(input: &Value) -> Option<About> {
    #[derive(Deserialize)]
    struct Input {
        post_id: PostId,
        position: Option<u32>,
    }
    let Input { post_id, position } = Input::deserialize(input).ok()?;
    Some(About { post_id, variant: position.map(|position| position + 1) })
}

#[cfg(test)]
mod tests {
    use domain::ids::OrgId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn row(service: &str, handler: &str, key: Option<&str>) -> Invocation {
        serde_json::from_value(json!({"id": "inv_1a", "target_service_name": service, "target_handler_name": handler, "status": "running",
            "target_service_key": key}))
        .unwrap()
    }

    #[test]
    fn a_post_is_known_by_its_objects_key_or_by_the_input_of_who_works_on_it() {
        let post = PostId::from_uuid(Uuid::from_u128(7));
        let key = post.to_string();
        assert_eq!(by_key(&row("Publication", "fire", Some(&key))), Some(About { post_id: post, variant: None }));
        assert_eq!(by_key(&row("Connector", "publish", Some("con_06bv3s1k1xtkf0q9b4g2m8y7nc"))), None, "an account is no post");
        assert!(input_names_a_post(&row("Drafting", "write", None)) && !input_names_a_post(&row("VoiceTraining", "run", None)));

        // As the workflow writes its inputs: if a name changes there, this must follow.
        let org = OrgId::from_uuid(Uuid::from_u128(1));
        let draft = serde_json::to_value(workflows::drafting::Draft { org, post_id: post, position: 2, of: 3 }).unwrap();
        assert_eq!(by_input(&draft), Some(About { post_id: post, variant: Some(3) }));
        let enrich = serde_json::to_value(workflows::enrichment::Enrich { org, post_id: post }).unwrap();
        assert_eq!(by_input(&enrich), Some(About { post_id: post, variant: None }));
        let publish = serde_json::to_value(workflows::connector::PublishPost { org, post_id: post, revision: 1 }).unwrap();
        assert_eq!(by_input(&publish), Some(About { post_id: post, variant: None }));
        let reject = workflows::campaign::Decision::Reject { reason: "not our tone".to_owned() };
        let decide = workflows::campaign::Decide { org, post_id: post, by: "Ada".to_owned(), decision: reject };
        assert_eq!(by_input(&serde_json::to_value(decide).unwrap()), Some(About { post_id: post, variant: None }));
        assert_eq!(by_input(&json!({"org": org})), None);
    }
}
