//! The handle that all stand-ins have in common.

use serde_json::{Value, json};

use super::{App, Mastodon, Status};
use crate::{
    fault::{FaultPlan, controls::Steered as _},
    social::{Attachment, Entry, EntryKind, Login, StandIn},
};

impl App {
    fn entry(&self, status: &Status) -> Entry {
        let memory = self.memory();
        let attachment = |id: &String| {
            let media = memory.medium(id)?;
            Some(Attachment {
                id: media.id.clone(),
                content_type: media.content_type.clone(),
                bytes: media.bytes,
                sha256: media.sha256.clone(),
                alt: media.description.clone(),
            })
        };
        Entry {
            id: status.id.clone(),
            account: status.account.clone(),
            kind: if status.in_reply_to_id.is_some() { EntryKind::Reply } else { EntryKind::Post },
            parent: status.in_reply_to_id.clone(),
            text: status.text.clone(),
            media: status.media_ids.iter().filter_map(attachment).collect(),
            disclosures: Vec::new(),
            key: status.idempotency_key.clone(),
            request: serde_json::to_value(status).unwrap_or(Value::Null),
            at: status.accepted_at,
            deleted: status.deleted,
        }
    }
}

impl StandIn for Mastodon {
    fn platform(&self) -> &'static str {
        "mastodon"
    }

    fn base_url(&self) -> &str {
        self.app.base()
    }

    fn faults(&self) -> &FaultPlan {
        &self.app.shared.faults
    }

    fn logins(&self) -> Vec<Login> {
        let login = |account: &super::Account| Login {
            handle: account.handle.clone(),
            base_url: self.app.base().to_owned(),
            credentials: json!({ "access_token": account.token }),
        };
        self.app.options().accounts.iter().map(login).collect()
    }

    fn entries(&self, account: &str) -> Vec<Entry> {
        self.statuses_of(account).iter().map(|status| self.app.entry(status)).collect()
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
