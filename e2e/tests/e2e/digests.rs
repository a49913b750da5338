//! A digest on the real servers: figures from readings and clicks, words by the model or without it, and mails whose outcome is known.

mod cancelled;
mod desk;
mod fires;
mod subscriptions;

use std::sync::Arc;

use activities::{
    http::{Outgoing, OutgoingSettings},
    mail::{Mailer, Security, SmtpSettings},
    model::{ModelSettings, Models, http_client},
    store::{
        Store,
        digests::{self, NewSubscription},
    },
    vault::Vault,
};
use domain::ids::{BrandId, DigestId, OrgId, SubscriptionId};
use sandbox::{
    mail::{Fault, MailServer},
    model::StandInModel,
    servers::TestStack,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;
use workflows::{
    digest::{Enabled, Made},
    step::CrashPlan,
    world::{Outside, WorkflowSettings, World},
};

use crate::tenancy::seed::{id, org_id, seed};

const PASSWORD: &str = "app-password";

fn world(store: Store, model: &StandInModel, mail: &MailServer) -> World {
    let settings: ModelSettings = serde_json::from_value(json!({
        "providers": [{"name": "stand-in", "kind": "openai", "base_url": model.openai_url(), "model": sandbox::model::NAME, "api_key": "k"}],
        "embedder": {"base_url": model.openai_url(), "model": sandbox::model::NAME, "api_key": "k", "dimensions": 256},
    }))
    .unwrap();
    let outgoing = OutgoingSettings::default();
    let (models, embedder) = Models::from_settings(&settings, &http_client(outgoing.connect_timeout).unwrap()).unwrap();
    let mailer = Mailer::new(&SmtpSettings {
        host: mail.address().ip().to_string(),
        port: mail.address().port(),
        security: Security::Plain,
        username: None,
        password: None,
        from: "Pressroom <digest@pressroom.test>".to_owned(),
        timeout_seconds: 30,
    });
    World::new(Outside {
        store,
        models,
        embedder: Arc::new(embedder),
        mailer: mailer.unwrap(),
        outgoing: Outgoing::new(&outgoing).unwrap(),
        apps: activities::platform::Apps::default(),
        vault: Vault::from_keys(&format!("k1:{}=", "A".repeat(43))).unwrap(),
        media: None,
        settings: WorkflowSettings::default(),
        crash_plan: CrashPlan::default(),
    })
}

async fn call(base: &Url, path: &str, body: &Value) -> Value {
    let answer = reqwest::Client::new().post(base.join(path).unwrap()).json(body).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

#[tokio::test]
async fn a_digest_is_made_of_what_was_measured_and_mailed_once() {
    let stack = TestStack::start().await.unwrap();
    let owner_url = stack.superuser_url().expose_secret().to_owned();
    migrations::run(&owner_url, Some(PASSWORD)).await.unwrap();
    let mut owner = PgConnection::connect(&owner_url).await.unwrap();
    seed(&mut owner).await;
    // The seeded post of the first org was published an hour ago, and measured and clicked on since.
    let (post, variant) = (id(1, "posts"), id(1, "variants"));
    let story = format!(
        "UPDATE posts SET status = 'published', platform = 'mastodon', language = 'de', approved_variant_id = '{variant}',
                published_at = now() - interval '1 hour' WHERE id = '{post}';
         UPDATE variants SET content = 'Pflaume und Kakao' WHERE id = '{variant}';
         UPDATE metric_readings SET likes = 7, comments = 2, observed_at = now() - interval '1 minute' WHERE post_id = '{post}';
         UPDATE link_clicks SET clicks = 5, hour = date_trunc('hour', now()) WHERE link_id = '{}';",
        id(1, "links"),
    );
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&mut owner).await.unwrap();

    let mut app_url: Url = owner_url.parse().unwrap();
    app_url.set_username(migrations::APP_ROLE).unwrap();
    app_url.set_password(Some(PASSWORD)).unwrap();
    let store = Store::connect_lazy(app_url.as_str(), 5).unwrap();
    let model = StandInModel::start(sandbox::model::Options::default()).await.unwrap();
    let mail = MailServer::start(sandbox::mail::Options::default()).await.unwrap();
    let world = world(store.clone(), &model, &mail);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        restate_sdk::http_server::HttpServer::new(workflows::endpoint(&world))
            .serve_with_cancel(listener, std::future::pending::<()>())
            .await;
    });
    call(stack.admin_url(), "deployments", &json!({ "uri": worker })).await;

    let org = OrgId::from_uuid(org_id(1));
    // A time of the day that is about half a day away, so that the running period holds the post and nothing fires meanwhile.
    let hour = (chrono::Timelike::hour(&chrono::Utc::now()) + 12) % 24;
    let subscription = NewSubscription {
        id: SubscriptionId::derived(org.uuid(), "digests"),
        brand_id: BrandId::from_uuid(id(1, "brands")),
        rhythm: serde_json::from_value(json!({"cadence": "daily", "at": format!("{hour:02}:00"), "timezone": "UTC"})).unwrap(),
        email: vec!["ada@example.org".to_owned(), "bob@example.org".to_owned()],
    };
    let mut tx = store.in_org(org).await.unwrap();
    digests::insert_subscription(&mut tx, &subscription).await.unwrap();
    tx.commit().await.unwrap();

    let path = |handler: &str| format!("Digest/{}/{handler}", subscription.id);
    let input = json!({ "org": org });
    let enabled: Enabled = serde_json::from_value(call(stack.ingress_url(), &path("enable"), &input).await).unwrap();
    assert_eq!(enabled.next_at.map(|at| at.format("%H:%M").to_string()), Some(format!("{hour:02}:00")));

    let made: Made = serde_json::from_value(call(stack.ingress_url(), &path("now"), &input).await).unwrap();
    let first = stored(&store, org, made.digest_id).await;
    assert_eq!((first.data.totals.likes, first.data.totals.comments, first.data.totals.clicks), (Some(7), Some(2), Some(5)));
    assert_eq!((first.data.published, first.data.posts.len(), first.data.posts[0].excerpt.as_str()), (1, 1, "Pflaume und Kakao"));
    assert!(first.mailed_at.is_some() && first.mail_note.is_none(), "{first:?}");
    assert!(first.summary.contains("kurz gefasst"), "the stand-in model's own words, in the language of the post: {}", first.summary);
    let letters = mail.mails();
    assert_eq!(letters.iter().map(|letter| letter.to.clone()).collect::<Vec<_>>(), [["ada@example.org"], ["bob@example.org"]]);
    assert!(letters.iter().all(|letter| letter.header("Message-ID").as_deref() == Some(&first.message_id)));
    assert!(letters[0].text().unwrap().contains("Pflaume und Kakao"));

    // The model is away, and the connection ends after the first mail was taken and before anybody was told.
    model.stop().await;
    mail.fail_next(Fault::KeepThenDrop);
    let made: Made = serde_json::from_value(call(stack.ingress_url(), &path("now"), &input).await).unwrap();
    let second = stored(&store, org, made.digest_id).await;
    assert_ne!(second.id, first.id);
    assert_eq!(second.summary, domain::digest::plain_summary(&second.data, second.data.language()));
    let note = second.mail_note.unwrap();
    assert!(note.starts_with("may have been sent to ada@example.org, and is not sent again"), "{note}");
    assert!(second.mailed_at.is_some(), "the other one was sent");
    assert_eq!(mail.mails().len(), 4, "nothing was sent twice");

    // The other org sees none of it, and the list shows the newest first.
    let mut tx = store.in_org(org).await.unwrap();
    let listed: Vec<_> = digests::list(&mut tx, Some(subscription.brand_id), None, 2).await.unwrap().iter().map(|d| d.id).collect();
    assert_eq!(listed, [second.id, first.id]);
    let mut other = store.in_org(OrgId::from_uuid(org_id(2))).await.unwrap();
    assert!(digests::get(&mut other, first.id).await.unwrap().is_none());

    // A weekly one comes on its own day.
    let weekly = NewSubscription {
        id: SubscriptionId::derived(org.uuid(), "weekly digests"),
        rhythm: serde_json::from_value(json!({"cadence": "weekly", "weekday": "thursday", "at": "09:00", "timezone": "Pacific/Apia"}))
            .unwrap(),
        ..subscription.clone()
    };
    let mut writing = store.in_org(org).await.unwrap();
    digests::insert_subscription(&mut writing, &weekly).await.unwrap();
    writing.commit().await.unwrap();
    assert_eq!(digests::subscription(&mut tx, weekly.id).await.unwrap().unwrap().asked, weekly);
    let enabled: Enabled =
        serde_json::from_value(call(stack.ingress_url(), &format!("Digest/{}/enable", weekly.id), &input).await).unwrap();
    let on_the_wall = enabled.next_at.unwrap().with_timezone(&weekly.rhythm.timezone);
    assert_eq!(on_the_wall.format("%A %H:%M").to_string(), "Thursday 09:00");
    call(stack.ingress_url(), &format!("Digest/{}/disable", weekly.id), &input).await;

    call(stack.ingress_url(), &path("disable"), &input).await;
    assert!(!digests::subscription(&mut tx, subscription.id).await.unwrap().unwrap().enabled);
    serving.abort();
}

async fn stored(store: &Store, org: OrgId, id: DigestId) -> digests::Digest {
    digests::require(&mut store.in_org(org).await.unwrap(), id).await.unwrap()
}
