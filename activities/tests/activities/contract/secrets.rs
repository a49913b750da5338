//! No secret of an account comes back in an outcome, an error or a debug print, whatever breaks.

use sandbox::fault::{Endpoint, Fault};

use super::*;

/// The secrets of a login, and the parts of an address that are one.
fn secrets(stage: &Stage) -> Vec<String> {
    let fields = stage.platform.capabilities().connect.fields().iter().filter(|field| field.secret);
    let values = fields.filter_map(|field| stage.login.credentials[field.name].as_str());
    values
        .flat_map(|value| value.split('/'))
        .filter(|part| part.contains("token") || part.contains("password"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn nothing_that_is_said_holds_a_secret() {
    futures::future::join_all(Stage::by_server().await.into_iter().map(async |stages| {
        for stage in stages {
            says_no_secret(stage).await;
        }
    }))
    .await;
}

async fn says_no_secret(stage: Stage) {
    let secrets = secrets(&stage);
    assert!(!secrets.is_empty(), "{}", stage.name());
    let mut said = vec![format!("{:?}", stage.credentials), format!("{:?}", stage.account)];
    for fault in [
        Fault::AcceptThenReset,
        Fault::Hang,
        Fault::Refuse { status: 400 },
        Fault::Refuse { status: 404 },
        Fault::Refuse { status: 500 },
        Fault::RateLimit { seconds: 5 },
    ] {
        let frozen = stage.freeze(&stage.part("Secret?")).await;
        let faults = stage.stand_in.faults();
        for endpoint in [Endpoint::Publish, Endpoint::Lookup, Endpoint::Auth, Endpoint::Metrics, Endpoint::Media] {
            faults.next(endpoint, fault.clone(), 9);
        }
        said.push(format!("{:?} {:?}", frozen.frozen, stage.submit(&frozen).await));
        let window = Window { first_sent_at: frozen.frozen.frozen_at, known_external_ids: Vec::new() };
        let (http, account, credentials) = (&stage.http, &stage.account, &stage.credentials);
        said.push(format!("{:?}", platform::resolve(http, account, credentials, frozen.sending(), &window).await));
        said.push(format!("{:?}", stage.check().await));
        said.push(format!("{:?}", platform::delete(http, account, credentials, "17").await));
        said.push(format!("{:?}", platform::metrics(http, account, credentials, "17").await));
        said.push(format!("{:?}", stage.staged(&stage.part("x"), &[stage.image(0, "A cat")]).await.map(|_| ())));
        faults.clear();
    }
    for secret in secrets {
        let leak = said.iter().find(|said| said.contains(&secret));
        assert!(leak.is_none(), "{}: {leak:?}", stage.name());
    }
}
