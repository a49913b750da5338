//! An org with one of everything.

use std::collections::BTreeMap;

use domain::ids::{ConnectorId, DigestId, PostId, ScheduleId, VariantId};
use gateway::{access::Role, admin};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    api_harness::{Answer, Api},
    assets::{PNG, announcement},
};

/// One org of two.
#[derive(Debug)]
pub(super) struct Tenant {
    key: SecretString,
    ids: BTreeMap<&'static str, String>,
}

/// Every kind of thing that a route can be about.
const PREFIXES: [&str; 11] = ["ast", "brd", "brf", "cmp", "con", "dig", "post", "run", "sch", "sub", "var"];

impl Tenant {
    /// Nobody's ids: well formed, and of nothing.
    pub(super) fn nobody() -> Self {
        let ids = PREFIXES.into_iter().map(|prefix| (prefix, format!("{prefix}_{}", "0".repeat(26)))).collect();
        Self { key: String::new().into(), ids }
    }

    /// Makes an org; what the API makes at once through the API, and the rest as the workflows would have written it.
    pub(super) async fn furnish(api: &Api, name: &str) -> Self {
        let org = admin::create_org(&api.store, name).await.unwrap();
        let key = admin::create_api_key(&api.store, org, name, Role::Owner).await.unwrap();
        let post = async |path: &str, body: Value| {
            let response = api.anonymous(Method::POST, path).bearer_auth(key.expose_secret()).json(&body).send().await.unwrap();
            let answer = Answer::of(response).await;
            assert!(answer.status.is_success(), "{path}: {answer:#?}");
            answer.json
        };
        let mut owner = PgConnection::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
        let connector = ConnectorId::from_uuid(Uuid::now_v7());
        let insert =
            "INSERT INTO connectors (id, org_id, platform, base_url, handle) VALUES ($1, $2, 'mastodon', 'http://127.0.0.1:1', 'h')";
        sqlx::query(insert).bind(connector.uuid()).bind(org.uuid()).execute(&mut owner).await.unwrap();

        let brand = post("/v1/brands", json!({"name": name})).await;
        let brief =
            json!({"brand_id": brand["id"], "topic": "t", "audience": "a", "tone": "warm", "languages": ["en"], "platforms": ["mastodon"]});
        let brief = post("/v1/briefs", brief).await;
        let campaign = json!({"brand_id": brand["id"], "brief_id": brief["id"], "connectors": [connector.to_string()]});
        let campaign = post("/v1/campaigns", campaign).await;
        let subscription =
            json!({"brand_id": brand["id"], "cadence": "daily", "at": "09:00", "timezone": "Europe/Berlin", "email": ["a@b.example"]});
        let subscription = post("/v1/digests/subscriptions", subscription).await;
        let asset = post("/v1/assets", announcement(PNG)).await;

        let schedule = ScheduleId::from_uuid(Uuid::now_v7());
        let recurring = json!({"cron": "0 9 * * *", "timezone": "Europe/Berlin"});
        let asked = json!({"id": campaign["id"], "brand_id": brand["id"], "brief_id": brief["id"], "name": "t", "variants_per_post": 1,
            "approval": "required", "schedule": null, "run_id": campaign["run_id"]});
        let template = json!({"campaign": asked, "connectors": [connector.to_string()]});
        let insert = "INSERT INTO schedules (id, org_id, brand_id, recurring, template) SELECT $2, $1, b.id, $3, $4 FROM brands b WHERE b.org_id = $1";
        let query = sqlx::query(insert).bind(org.uuid()).bind(schedule.uuid()).bind(recurring).bind(template);
        query.execute(&mut owner).await.unwrap();

        let (text, draft, digest) =
            (PostId::from_uuid(Uuid::now_v7()), VariantId::from_uuid(Uuid::now_v7()), DigestId::from_uuid(Uuid::now_v7()));
        let period = json!({"from": "2026-11-19T08:00:00Z", "to": "2026-11-20T08:00:00Z", "timezone": "Europe/Berlin"});
        let data = json!({"brand": name, "period": period, "published": 0, "totals": {}, "previous": {}, "best": [], "worst": [],
            "changes": [], "posts": []});
        let rows = "
            WITH p AS (INSERT INTO posts (id, org_id, campaign_id, connector_id, platform, language, status)
                       SELECT $2, $1, c.id, $4, 'mastodon', 'en', 'needs_approval' FROM campaigns c WHERE c.org_id = $1),
                 v AS (INSERT INTO variants (id, org_id, post_id, position, content, language) VALUES ($3, $1, $2, 0, 'A text.', 'en')),
                 w AS (INSERT INTO voices (id, org_id, brand_id, version, examples, failure)
                       SELECT gen_random_uuid(), $1, b.id, 1, 0, 'no model' FROM brands b WHERE b.org_id = $1),
                 -- As if it had been uploaded and looked at: a post refers to such a file only.
                 a AS (UPDATE assets SET verified_at = now() WHERE org_id = $1),
                 m AS (INSERT INTO metric_readings (id, org_id, post_id, observed_at, source_id, likes) VALUES (gen_random_uuid(), $1, $2, now(), 's', 1))
            INSERT INTO digests (id, org_id, subscription_id, brand_id, period_start, period_end, data, summary, html, text, message_id)
            SELECT $5, $1, s.id, s.brand_id, now() - interval '1 day', now(), $6, 'words', '<p>words</p>', 'words', '<m@x>'
            FROM digest_subscriptions s WHERE s.org_id = $1";
        let query = sqlx::query(rows).bind(org.uuid()).bind(text.uuid()).bind(draft.uuid()).bind(connector.uuid());
        query.bind(digest.uuid()).bind(data).execute(&mut owner).await.unwrap();

        let told = |value: &Value| value.as_str().unwrap().to_owned();
        let ids = [
            ("ast", told(&asset["id"])),
            ("brd", told(&brand["id"])),
            ("brf", told(&brief["id"])),
            ("cmp", told(&campaign["id"])),
            ("con", connector.to_string()),
            ("dig", digest.to_string()),
            ("post", text.to_string()),
            ("run", told(&campaign["run_id"])),
            ("sch", schedule.to_string()),
            ("sub", told(&subscription["id"])),
            ("var", draft.to_string()),
        ];
        Self { key, ids: ids.into() }
    }

    /// Its owner's API key.
    pub(super) fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// Its thing of this kind.
    pub(super) fn id(&self, prefix: &str) -> &str {
        &self.ids[prefix]
    }

    /// Whether there is such a kind of thing.
    pub(super) fn has(&self, prefix: &str) -> bool {
        self.ids.contains_key(prefix)
    }

    /// All its ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.values().map(String::as_str)
    }
}
