//! Renewing a token that works once, with processes that end at the worst moment, on a real PostgreSQL.

use std::sync::{Arc, Mutex};

use activities::{
    ActivityError, ActivityResult,
    http::{Outgoing, OutgoingSettings},
    platform::{Account, Apps, Credentials, REFRESH_TOKEN},
    publishing::{Publishing, renew, seal_credentials},
    store::{
        Store,
        connectors::{self, Connector},
        orgs,
    },
    vault::{KeyRing, Vault},
};
use chrono::{TimeDelta, Utc};
use domain::{
    ids::{ConnectorId, OrgId},
    platform::Platform,
};
use sandbox::servers::TestStack;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

/// A platform whose renewal tokens work once; with grace, the one before the last works as well.
#[derive(Clone, Default)]
struct OnceOnly(Arc<Mutex<Issued>>);

#[derive(Default)]
struct Issued {
    grace: bool,
    /// How many renewals there were; the token that works next has this number.
    count: u32,
    asked: u32,
}

impl OnceOnly {
    fn with_grace(grace: bool) -> Self {
        Self(Arc::new(Mutex::new(Issued { grace, ..Issued::default() })))
    }

    fn asked(&self) -> u32 {
        self.0.lock().unwrap().asked
    }

    fn renew(&self, known: &Credentials) -> ActivityResult<Credentials> {
        let mut issued = self.0.lock().unwrap();
        issued.asked += 1;
        let given: u32 = known.secret(REFRESH_TOKEN).unwrap().expose_secret().parse().unwrap();
        if given == issued.count {
            issued.count += 1;
        } else if !(issued.grace && given + 1 == issued.count) {
            return Err(ActivityError::credentials_expired("invalid_grant"));
        }
        let next = issued.count.to_string();
        Ok(known.clone().with_token(format!("access-{next}"), Some(Utc::now() + TimeDelta::hours(2))).with_secret(REFRESH_TOKEN, next))
    }
}

struct House {
    _stack: TestStack,
    store: Store,
    vault: Vault,
    outgoing: Outgoing,
    apps: Apps,
    org: OrgId,
    id: ConnectorId,
}

impl House {
    async fn open() -> Self {
        let stack = TestStack::start().await.unwrap();
        let owner = stack.superuser_url().expose_secret().to_owned();
        migrations::run(&owner, Some("app")).await.unwrap();
        let mut url: url::Url = owner.parse().unwrap();
        url.set_username(migrations::APP_ROLE).unwrap();
        url.set_password(Some("app")).unwrap();
        let house = Self {
            _stack: stack,
            store: Store::connect_lazy(url.as_str(), 4).unwrap(),
            vault: Vault::from_keys(KeyRing::fresh("test").unwrap().expose_secret()).unwrap(),
            outgoing: Outgoing::new(&OutgoingSettings::default()).unwrap(),
            apps: Apps::default(),
            org: OrgId::from_uuid(Uuid::now_v7()),
            id: ConnectorId::from_uuid(Uuid::now_v7()),
        };
        let mut tx = house.store.in_org(house.org).await.unwrap();
        orgs::insert(&mut tx, "Juniper").await.unwrap();
        tx.commit().await.unwrap();
        house.connect("0").await;
        house
    }

    fn publishing(&self) -> Publishing<'_> {
        Publishing {
            store: &self.store,
            vault: &self.vault,
            outgoing: &self.outgoing,
            apps: &self.apps,
            media: None,
            short_link_base: "https://s.example/",
        }
    }

    /// A person connects the account, with this token for the first renewal.
    async fn connect(&self, refresh_token: &str) {
        let credentials = Credentials::new(Platform::Mastodon).with_token("first", None).with_secret(REFRESH_TOKEN, refresh_token);
        let row = Connector {
            id: self.id,
            platform: Platform::Mastodon,
            base_url: "https://social.example".to_owned(),
            handle: "juniper".to_owned(),
            remote_id: "1".to_owned(),
            software: None,
            max_characters: None,
            token_expires_at: None,
            scopes: Vec::new(),
            state: "connected".to_owned(),
            state_reason: None,
            budget: None,
            checked_at: None,
            created_at: Utc::now(),
        };
        let mut tx = self.store.in_org(self.org).await.unwrap();
        let sealed = seal_credentials(&self.vault, &tx, self.id, &credentials).unwrap();
        connectors::save(&mut tx, &row, sealed.as_bytes()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn renew(&self, platform: &OnceOnly) -> ActivityResult<Credentials> {
        let platform = platform.clone();
        renew(&self.publishing(), self.org, self.id, async move |_: Account, known: Credentials| platform.renew(&known)).await
    }

    /// The process ends when the platform has answered, and nothing of it is kept.
    async fn die_after_the_answer(&self, platform: &OnceOnly) {
        let (said, heard) = tokio::sync::oneshot::channel();
        let (platform, p) = (platform.clone(), self.publishing());
        let renewal = renew(&p, self.org, self.id, async move |_: Account, known: Credentials| {
            said.send(platform.renew(&known).is_ok()).unwrap();
            std::future::pending().await
        });
        tokio::select! {
            _ = renewal => panic!("it cannot end"),
            answered = heard => assert!(answered.unwrap()),
        }
    }
}

fn refresh_token(made: &Credentials) -> &str {
    made.secret(REFRESH_TOKEN).unwrap().expose_secret()
}

#[tokio::test]
async fn each_renewal_is_bought_with_what_the_last_one_brought() {
    let (house, platform) = (House::open().await, OnceOnly::with_grace(false));
    for next in ["1", "2", "3"] {
        assert_eq!(refresh_token(&house.renew(&platform).await.unwrap()), next);
    }
    let mut tx = house.store.in_org(house.org).await.unwrap();
    assert!(connectors::require(&mut tx, house.id).await.unwrap().token_expires_at.is_some());
}

#[tokio::test]
async fn a_crash_between_answer_and_note_is_survived_where_the_platform_has_a_grace() {
    let (house, platform) = (House::open().await, OnceOnly::with_grace(true));
    house.die_after_the_answer(&platform).await;
    assert_eq!(refresh_token(&house.renew(&platform).await.unwrap()), "1");
    assert_eq!(refresh_token(&house.renew(&platform).await.unwrap()), "2");
    assert_eq!(platform.asked(), 3);
}

#[tokio::test]
async fn where_it_has_none_a_person_is_told_what_happened_and_connects_again() {
    let (house, platform) = (House::open().await, OnceOnly::with_grace(false));
    house.die_after_the_answer(&platform).await;
    let error = house.renew(&platform).await.unwrap_err();
    assert!(
        matches!(&error, ActivityError::CredentialsExpired { what } if what.contains("interrupted") && what.contains("connect the account again")),
        "{error:?}"
    );
    // It is the only thing that was ever tried twice, and the same is not said of a later refusal.
    assert_eq!(platform.asked(), 2);
    let error = house.renew(&platform).await.unwrap_err();
    assert_eq!(error.what(), "invalid_grant");
    house.connect("1").await;
    assert_eq!(refresh_token(&house.renew(&platform).await.unwrap()), "2");
}

#[tokio::test]
async fn a_refusal_without_an_interruption_is_told_as_it_is() {
    let (house, platform) = (House::open().await, OnceOnly::with_grace(false));
    house.connect("7").await;
    assert_eq!(house.renew(&platform).await.unwrap_err().what(), "invalid_grant");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_refusal_however_often() {
    let (house, platform) = (House::open().await, OnceOnly::with_grace(true));
    for _ in 0..3 {
        let lost = async |_: Account, _: Credentials| Err(ActivityError::transient("the platform does not answer"));
        let error = renew(&house.publishing(), house.org, house.id, lost).await.unwrap_err();
        assert!(matches!(error, ActivityError::Transient { .. }));
    }
    let mut tx = house.store.in_org(house.org).await.unwrap();
    assert_eq!(connectors::require(&mut tx, house.id).await.unwrap().state, "connected");
    drop(tx);
    assert_eq!(refresh_token(&house.renew(&platform).await.unwrap()), "1");
}

#[tokio::test]
async fn a_renewal_that_a_person_overtook_keeps_nothing() {
    let (house, platform) = (House::open().await, OnceOnly::with_grace(false));
    let (p, old) = (house.publishing(), platform.clone());
    let house_ref = &house;
    let overtaken = async move |_: Account, known: Credentials| {
        let fresh = old.renew(&known);
        house_ref.connect("1").await;
        fresh.map(|fresh| fresh.with_secret(REFRESH_TOKEN, "of the account before"))
    };
    renew(&p, house.org, house.id, overtaken).await.unwrap();
    assert_eq!(refresh_token(&house.renew(&platform).await.unwrap()), "2", "what the person connected is in force");
}
