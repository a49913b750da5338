//! Counters from elsewhere: a webhook, signed with the org's secret.
//!
//! `Pressroom-Signature: t=<unix seconds>,v1=<hex>` is HMAC-SHA256 over `<t>.<body>`. Its time must be near ours, and each delivery is taken in
//! once: forged, old and repeated ones are refused.

use activities::{
    store::{lookup, posts, webhooks},
    vault::Sealed,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use domain::{
    ids::{OrgId, PostId},
    metrics::{Counters, Metric, Reading},
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::metrics::Ingest;

use crate::{
    access::{anyone, never},
    admin,
    app::App,
    extract,
    fields::Fields,
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    // What is signed is read, however it is declared.
    OpenApiRouter::new().routes(never("415", anyone(routes!(ingest))))
}

/// Counters of one post at one moment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "post_id": "post_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "observed_at": "2026-12-01T10:00:00Z",
    "counters": {"likes": 12, "impressions": 900}
}))]
struct Delivery {
    /// The post.
    #[schema(value_type = String)]
    post_id: PostId,
    /// When the counters had these values.
    observed_at: DateTime<Utc>,
    /// Totals since publication: `likes`, `comments`, `shares`, `saves`, `impressions`, `clicks`, `followers_delta`. Leave out what is not known.
    #[schema(value_type = Object)]
    counters: Counters,
}

/// A signature as it was sent.
#[derive(Debug, PartialEq, Eq)]
struct Signature {
    time: i64,
    mac: Vec<u8>,
}

fn read_signature(headers: &HeaderMap) -> Option<Signature> {
    let text = headers.get("pressroom-signature")?.to_str().ok()?;
    let (time, mac) = text.strip_prefix("t=")?.split_once(",v1=")?;
    Some(Signature { time: time.parse().ok()?, mac: HEXLOWER.decode(mac.as_bytes()).ok()? })
}

/// Whether `secret` made `signature` over `body`. The time of the answer does not depend on how much of it is right.
fn holds(secret: &[u8], signature: &Signature, body: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(signature.time.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&signature.mac).is_ok()
}

/// Take in counters from elsewhere
///
/// Headers: `Pressroom-Org` names the org, `Pressroom-Signature: t=<unix seconds>,v1=<hex>` is HMAC-SHA256 of `<t>.<body>` under its secret.
#[utoipa::path(post, path = "/v1/metrics/ingest", tag = "metrics", operation_id = "ingest_metrics", request_body = Delivery,
    params(("Pressroom-Org" = String, Header), ("Pressroom-Signature" = String, Header)),
    responses((status = 202, description = "Taken in"), (status = 401, description = "The signature does not hold"), (status = 409, description = "Taken in before")))]
async fn ingest(State(app): State<App>, request: Request) -> ApiResult<StatusCode> {
    let refused = || Problem::new(Code::SignatureInvalid);
    let org: OrgId = request.headers().get("pressroom-org").and_then(|v| v.to_str().ok()?.parse().ok()).ok_or_else(refused)?;
    let signature = read_signature(request.headers()).ok_or_else(refused)?;
    let body = extract::body(request).await?;
    if Utc::now().timestamp().abs_diff(signature.time) > u64::from(app.settings.webhook_tolerance_seconds) {
        return Err(refused().detail("Its time is too far from ours."));
    }
    let sealed = lookup::webhook_secret(&app.store, org).await?.ok_or_else(refused)?;
    let secret = app.vault.open(&admin::webhook_secret_row(org), &Sealed::from_bytes(sealed)).map_err(Problem::internal)?;
    if !holds(secret.expose_secret(), &signature, &body) {
        return Err(refused());
    }

    let delivery: Delivery = extract::parse(&body)?;
    let mut fields = Fields::default();
    for metric in Metric::ALL {
        if metric != Metric::FollowersDelta && delivery.counters.get(metric).is_some_and(|n| n < 0) {
            fields.bad(format!("/counters/{metric}"), "must not be negative");
        }
    }
    // The latest reading is the truth: one from the future would be it until then.
    if delivery.observed_at > Utc::now() + TimeDelta::seconds(app.settings.webhook_tolerance_seconds.into()) {
        fields.bad("/observed_at", "lies in the future");
    }
    let mut tx = app.store.in_org(org).await?;
    match posts::get(&mut tx, delivery.post_id).await? {
        None => fields.bad("/post_id", "names no post of this org"),
        Some(post) if delivery.observed_at < post.created_at => fields.bad("/observed_at", "lies before the post was made"),
        Some(_) => {}
    }
    fields.done()?;
    let id = Sha256::digest(&signature.mac);
    // Held until the engine has it: a crash in between lets the sender's retry through, and the engine knows the delivery by its key.
    if !webhooks::take_in(&mut tx, &id).await? {
        return Err(Problem::new(Code::DeliveryReplayed));
    }
    let source_id = format!("webhook:{}", HEXLOWER.encode(&id[..16]));
    let reading = Reading { source_id: source_id.clone(), observed_at: delivery.observed_at, counters: delivery.counters };
    app.engine.send_object("Metrics", &delivery.post_id.to_string(), "ingest", &Ingest { org, reading }, &source_id).await?;
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &[u8], time: i64, body: &[u8]) -> Signature {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        Signature { time, mac: mac.finalize().into_bytes().to_vec() }
    }

    #[test]
    fn only_the_secret_over_this_time_and_body_holds() {
        let signature = sign(b"secret", 100, b"{}");
        assert!(holds(b"secret", &signature, b"{}"));
        assert!(!holds(b"other", &signature, b"{}"));
        assert!(!holds(b"secret", &signature, b"{ }"));
        assert!(!holds(b"secret", &Signature { time: 101, mac: signature.mac.clone() }, b"{}"));
        assert!(!holds(b"secret", &Signature { time: 100, mac: signature.mac[..16].to_vec() }, b"{}"));
        assert!(!holds(b"secret", &Signature { time: 100, mac: vec![] }, b"{}"));
    }

    #[test]
    fn the_header_is_read_as_documented() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("pressroom-signature", text.parse().unwrap());
            read_signature(&headers)
        };
        assert_eq!(of("t=5,v1=00ff"), Some(Signature { time: 5, mac: vec![0, 255] }));
        for bad in ["", "v1=00", "t=x,v1=00", "t=5,v1=0", "t=5,v1=zz"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
