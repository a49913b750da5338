//! What every connector has to keep, against every stand-in and every way of connecting one: one suite, parametrised, so that a platform is held to
//! it as soon as it has a stand-in.

mod faults;
mod life;
mod publishing;
mod secrets;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use activities::{
    http::{Outgoing, OutgoingSettings},
    platform::{self, Account, Answered, Apps, Credentials, Health, MediaFile, Sending, Staged, Staging, Window},
};
use bytes::Bytes;
use chrono::Utc;
use domain::{
    brief::Language,
    ids::AssetId,
    platform::Platform,
    publication::{Frozen, Part, PartKind, PartMedia, ReplyTo, Resolution, SendClass, Sent, Submission, body_hash},
};
use sandbox::{
    bluesky::{self, Bluesky},
    mastodon::{self, Mastodon, Software},
    social::{self, Entry, Login, StandIn},
};
use uuid::Uuid;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The smallest thing that begins as a PNG does, which is all that the stand-ins look at.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n-- no picture, but it begins like one --";
/// The same of a JPEG.
const JPEG: &[u8] = b"\xff\xd8\xff\xe0-- no picture either --";

/// Every stand-in, those of one platform that differ in what they promise included. None counts requests: a test of limits orders one.
async fn stand_ins() -> Vec<Arc<dyn StandIn>> {
    let mastodon = |software| mastodon::Options { software, limits: None, ..mastodon::Options::default() };
    let mut all: Vec<Arc<dyn StandIn>> = vec![
        Arc::new(Mastodon::start(mastodon(Software::Mastodon)).await.unwrap()),
        Arc::new(Mastodon::start(mastodon(Software::Snac)).await.unwrap()),
        Arc::new(Bluesky::start(bluesky::Options { limits: None, ..bluesky::Options::default() }).await.unwrap()),
    ];
    let options = social::Options { throttled: false, ..social::Options::default() };
    all.extend(social::every(&options).await.unwrap().into_iter().map(Arc::from));
    all
}

/// One account of one stand-in, connected.
struct Stage {
    stand_in: Arc<dyn StandIn>,
    platform: Platform,
    login: Login,
    http: Outgoing,
    account: Account,
    credentials: Credentials,
    shelf: Arc<MockServer>,
}

impl Stage {
    /// An account for every way in.
    async fn all() -> Vec<Self> {
        let mut stages = Vec::new();
        let shelf = Arc::new(shelf().await);
        for stand_in in stand_ins().await {
            for login in stand_in.logins() {
                stages.push(Self::connect(Arc::clone(&stand_in), login, Arc::clone(&shelf)).await);
            }
        }
        let missing: Vec<_> = Platform::ALL
            .iter()
            // Those that take no text alone are held to the same in `films`.
            .filter(|platform| platform.capabilities().takes_text_alone())
            .filter(|platform| stages.iter().all(|stage| stage.platform != **platform))
            .collect();
        assert!(missing.is_empty(), "no stand-in for {missing:?}");
        stages
    }

    /// The same, in groups that share a stand-in: its faults fall on whoever comes first, so that only groups may go at once.
    async fn by_server() -> Vec<Vec<Self>> {
        let mut groups: BTreeMap<String, Vec<Self>> = BTreeMap::new();
        Self::all().await.into_iter().for_each(|stage| groups.entry(stage.login.base_url.clone()).or_default().push(stage));
        groups.into_values().collect()
    }

    async fn connect(stand_in: Arc<dyn StandIn>, login: Login, shelf: Arc<MockServer>) -> Self {
        let platform: Platform = stand_in.platform().parse().unwrap();
        let settings =
            OutgoingSettings { allow_private_networks: true, timeout: Duration::from_millis(1_000), ..OutgoingSettings::default() };
        let http = Outgoing::new(&settings).unwrap();
        let input = Credentials::from_input(platform, &login.credentials).unwrap();
        let connected = platform::connect(&http, &Apps::default(), platform, &login.base_url, &login.handle, input).await;
        let (account, credentials, _) = connected.unwrap_or_else(|error| panic!("{platform} as {}: {error}", login.handle));
        Self { stand_in, platform, login, http, account, credentials, shelf }
    }

    /// For messages: which of the stages this is.
    fn name(&self) -> String {
        format!("{} as {}, {:?}", self.platform, self.login.handle, self.account.software)
    }

    fn class(&self) -> SendClass {
        self.account.send_class()
    }

    /// Whether what was sent can be looked for. LinkedIn lists a member's posts for nobody; there, sending again tells, because it names the original.
    fn looks(&self) -> bool {
        let member = self.platform == Platform::LinkedIn && self.account.software.as_deref() == Some("member");
        self.class() != SendClass::F && !member
    }

    fn part(&self, text: &str) -> Part {
        let now = Utc::now();
        Part::new(text.to_owned(), Language::EN, now, now)
    }

    /// What the platform is given ahead, and the part frozen with it.
    async fn try_freeze(&self, part: &Part) -> activities::ActivityResult<Ready> {
        let needs = self.platform.capabilities().media.required.is_some() && part.kind != PartKind::Comment;
        let files = if needs { vec![self.image(0, "A cat")] } else { Vec::new() };
        let (staged, _) = self.staged(part, &files).await?;
        let frozen = platform::freeze(&self.account, part, &staged, Uuid::now_v7())?;
        Ok(Ready { frozen, staged, files })
    }

    /// A part that can be sent: of nothing but text, where the platform has that.
    async fn freeze(&self, part: &Part) -> Ready {
        self.try_freeze(part).await.unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    async fn submit(&self, ready: &Ready) -> Submission {
        platform::submit(&self.http, &self.account, &self.credentials, ready.sending()).await.value
    }

    /// Publishes a part of nothing but text, where the platform has that.
    async fn publish(&self, part: &Part) -> Sent {
        self.published(self.submit(&self.freeze(part).await).await)
    }

    fn published(&self, submission: Submission) -> Sent {
        match submission {
            Submission::Published(sent) => sent,
            other => panic!("{}: {other:?}", self.name()),
        }
    }

    async fn resolve(&self, ready: &Ready) -> Resolution {
        let window = Window { first_sent_at: ready.frozen.frozen_at, known_external_ids: Vec::new() };
        let looked = platform::resolve(&self.http, &self.account, &self.credentials, ready.sending(), &window).await;
        looked.unwrap_or_else(|error| panic!("{}: {error}", self.name())).value
    }

    async fn check(&self) -> activities::ActivityResult<Answered<Health>> {
        platform::check(&self.http, &self.account, &self.credentials).await
    }

    /// What this account has in its stand-in's books.
    fn entries(&self) -> Vec<Entry> {
        self.stand_in.entries(&self.login.handle)
    }

    /// Stages a part's media to the end and gives what is to be frozen with it; an error if the platform gives up.
    async fn staged(&self, part: &Part, files: &[MediaFile]) -> activities::ActivityResult<(Staged, u32)> {
        let (mut staged, mut waits) = (Staged::NOTHING, 0);
        loop {
            match platform::stage(&self.http, &self.account, &self.credentials, part, files, staged).await?.value {
                Staging::Ready(ready) => return Ok((ready, waits)),
                Staging::Wait { staged: so_far, .. } => {
                    // It has to survive the journal's vault.
                    staged = Staged::from_plaintext(&so_far.to_plaintext())?;
                    waits += 1;
                    assert!(waits < 20, "{}: never ready", self.name());
                }
            }
        }
    }
}

/// A part that can be sent.
struct Ready {
    frozen: Frozen,
    staged: Staged,
    files: Vec<MediaFile>,
}

impl Ready {
    fn sending(&self) -> Sending<'_> {
        Sending { frozen: &self.frozen, staged: &self.staged, files: &self.files }
    }
}

impl Stage {
    /// An image with this alt text, of a kind that the platform takes, and with an address where it fetches media itself.
    fn image(&self, number: u8, alt: &str) -> MediaFile {
        let rules = self.platform.capabilities().media;
        let png = rules.images.is_none_or(|images| images.types.contains(&"image/png"));
        let bytes = picture(png, number);
        let media = PartMedia {
            asset: AssetId::from_uuid(Uuid::now_v7()),
            content_type: if png { "image/png" } else { "image/jpeg" }.to_owned(),
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
            size: Some((640, 480)),
            alt: alt.to_owned(),
        };
        let kind = if png { "png" } else { "jpg" };
        let url = rules.fetched.then(|| format!("{}/{number}.{kind}", self.shelf.uri()).parse().unwrap());
        MediaFile::held(media, url, Bytes::from(bytes))
    }
}

fn picture(png: bool, number: u8) -> Vec<u8> {
    [if png { PNG } else { JPEG }, &[number]].concat()
}

/// Where platforms fetch media: `/<number>.png` and `/<number>.jpg`.
async fn shelf() -> MockServer {
    let server = MockServer::start().await;
    let files = |request: &wiremock::Request| {
        let (number, kind) = request.url.path().trim_start_matches('/').split_once('.').unwrap();
        ResponseTemplate::new(200).set_body_bytes(picture(kind == "png", number.parse().unwrap()))
    };
    Mock::given(wiremock::matchers::any()).respond_with(files).mount(&server).await;
    server
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A further part that hangs below `parent`.
fn below(part: Part, kind: PartKind, root: &Sent, parent: &Sent) -> Part {
    Part { kind, reply_to: Some(ReplyTo { root: root.clone(), parent: parent.clone() }), ..part }
}
