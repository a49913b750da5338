//! After publishing: counters, deletion, and an account that comes and goes.

use activities::ActivityError;
use domain::metrics::Metric;

use super::*;

#[tokio::test]
async fn the_counters_are_those_that_the_platform_says_it_has() {
    for stage in Stage::all().await {
        let sent = stage.publish(&stage.part("Count me")).await;
        let read = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await;
        let counters = read.unwrap_or_else(|error| panic!("{}: {error}", stage.name())).value;
        for metric in Metric::ALL {
            let has = stage.platform.capabilities().metrics.contains(&metric);
            assert!(has || counters.get(metric).is_none(), "{}: {metric:?}", stage.name());
            // Older servers do not tell all that the platform can.
            let optional = (stage.platform == Platform::Bluesky && metric == Metric::Saves)
                // Of a member's post, LinkedIn does not tell them.
                || (stage.account.software.as_deref() == Some("member") && metric == Metric::Clicks);
            assert!(!has || optional || counters.get(metric).is_some(), "{}: {metric:?}", stage.name());
        }
    }
}

#[tokio::test]
async fn counters_that_a_test_set_are_read() {
    for stage in Stage::all().await {
        let (counter, metric) = match stage.platform {
            Platform::Slack => ("heart", Metric::Likes),
            Platform::Discord => ("👍", Metric::Likes),
            _ => continue,
        };
        let sent = stage.publish(&stage.part("Count me")).await;
        assert!(stage.stand_in.set_counter(&sent.external_id, counter, 4711));
        let counters = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap().value;
        assert_eq!(counters.get(metric), Some(4711), "{}", stage.name());
    }
}

#[tokio::test]
async fn a_deleted_post_is_gone_and_stays_so() {
    for stage in Stage::all().await {
        let kept = stage.publish(&stage.part("I stay")).await;
        let sent = stage.publish(&stage.part("I go")).await;
        // Hootsuite deletes only what it has not sent yet: `hootsuite` holds it to saying so.
        if stage.platform == Platform::Hootsuite {
            continue;
        }
        let delete = async || platform::delete(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await;
        if stage.account.software.as_deref() == Some("snac") {
            // Its API has no deletion; it is not taken for done.
            assert!(matches!(delete().await, Err(ActivityError::Rejected { what }) if what.contains("delete it there")));
            assert!(stage.entries().iter().all(|entry| !entry.deleted));
            continue;
        }
        delete().await.unwrap_or_else(|error| panic!("{}: {error}", stage.name()));
        let deleted: Vec<(String, bool)> = stage.entries().into_iter().map(|entry| (entry.id, entry.deleted)).collect();
        assert_eq!(deleted, [(kept.external_id, false), (sent.external_id.clone(), true)], "{}", stage.name());
        let again = delete().await;
        assert!(matches!(again, Ok(_) | Err(ActivityError::NotFound { .. })), "{}: {again:?}", stage.name());
        if !stage.platform.capabilities().metrics.is_empty() {
            let gone = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap_err();
            assert!(matches!(gone, ActivityError::NotFound { .. }), "{}: {gone:?}", stage.name());
        }
    }
}

#[tokio::test]
async fn an_account_that_lost_its_credentials_says_so_and_works_again_when_it_has_them() {
    for mut stage in Stage::all().await {
        let health = stage.check().await.unwrap().value;
        assert_eq!((&health.remote_id, &health.handle), (&stage.account.remote_id, &stage.account.handle), "{}", stage.name());
        let nobody = stage.freeze(&stage.part("Nobody")).await;
        assert!(stage.stand_in.revoke(&stage.login.handle));
        let lost = stage.check().await.unwrap_err();
        assert!(matches!(lost, ActivityError::CredentialsExpired { .. }), "{}: {lost:?}", stage.name());
        assert_eq!(stage.submit(&nobody).await.name(), "credentials_expired", "{}", stage.name());
        assert!(stage.stand_in.reinstate(&stage.login.handle));
        let input = Credentials::from_input(stage.platform, &stage.login.credentials).unwrap();
        let (http, base_url) = (&stage.http, &stage.login.base_url);
        let connected = platform::connect(http, &Apps::default(), stage.platform, base_url, &stage.login.handle, input).await.unwrap();
        stage.credentials = connected.1;
        assert_eq!(connected.0, stage.account, "{}: it is the same account", stage.name());
        stage.publish(&stage.part("Back again")).await;
        assert_eq!(stage.entries().len(), 1, "{}", stage.name());
    }
}

#[tokio::test]
async fn credentials_of_another_account_are_refused() {
    for stage in Stage::all().await {
        let input = Credentials::from_input(stage.platform, &stage.login.credentials).unwrap();
        let other = platform::connect(&stage.http, &Apps::default(), stage.platform, &stage.login.base_url, "somebody.else", input).await;
        // Bluesky signs in by the name: under another one, the password is wrong.
        let named = matches!(&other, Err(ActivityError::Rejected { what }) if what.contains("somebody.else"));
        let wrong = stage.platform == Platform::Bluesky && matches!(&other, Err(ActivityError::CredentialsExpired { .. }));
        assert!(named || wrong, "{}", stage.name());
    }
}
