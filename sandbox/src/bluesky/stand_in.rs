//! The handle that all stand-ins have in common.

use serde_json::{Value, json};

use super::{Account, App, Bluesky, Record};
use crate::{
    fault::{FaultPlan, controls::Steered as _},
    social::{Attachment, Entry, EntryKind, Login, StandIn},
};

const POST: &str = "app.bsky.feed.post";

impl App {
    fn entry(&self, record: &Record) -> Entry {
        let value = &record.value;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let parent = text(&value["reply"]["parent"]["uri"]);
        let images = value["embed"]["images"].as_array().into_iter().flatten().map(|image| (&image["image"], &image["alt"]));
        let video = Some((&value["embed"]["video"], &value["embed"]["alt"])).filter(|(video, _)| video.is_object());
        let attachment = |(blob, alt): (&Value, &Value)| Attachment {
            id: text(&blob["ref"]["$link"]).unwrap_or_default(),
            content_type: text(&blob["mimeType"]).unwrap_or_default(),
            bytes: blob["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or_default(),
            // A blob's id is made of its hash, but the books do not keep that by itself.
            sha256: String::new(),
            alt: text(alt).filter(|alt| !alt.is_empty()),
        };
        Entry {
            id: record.uri.clone(),
            account: self.account(&record.did).map(|account| account.handle.clone()).unwrap_or_default(),
            kind: if parent.is_some() { EntryKind::Reply } else { EntryKind::Post },
            parent,
            text: text(&value["text"]).unwrap_or_default(),
            media: images.chain(video).map(attachment).collect(),
            disclosures: Vec::new(),
            key: Some(record.rkey.clone()),
            request: value.clone(),
            at: record.accepted_at,
            deleted: record.deleted,
        }
    }
}

impl StandIn for Bluesky {
    fn platform(&self) -> &'static str {
        "bluesky"
    }

    fn base_url(&self) -> &str {
        self.app.base()
    }

    fn faults(&self) -> &FaultPlan {
        &self.app.shared.faults
    }

    fn logins(&self) -> Vec<Login> {
        let login = |account: &Account| Login {
            handle: account.handle.clone(),
            base_url: self.app.base().to_owned(),
            credentials: json!({ "app_password": account.password }),
        };
        self.app.options().accounts.iter().map(login).collect()
    }

    fn entries(&self, account: &str) -> Vec<Entry> {
        self.records_of(account).iter().filter(|record| record.collection == POST).map(|record| self.app.entry(record)).collect()
    }

    fn expire(&self, account: &str) -> bool {
        self.app.expire(account)
    }

    fn revoke(&self, account: &str) -> bool {
        self.app.revoke(account)
    }

    fn reinstate(&self, account: &str) -> bool {
        self.app.reinstate(account)
    }

    fn set_counter(&self, _: &str, _: &str, _: u64) -> bool {
        false
    }
}
