//! What a campaign, or a post on its way out, does, as its journals say: which invocations, which steps in them, which calls and sends, and how many bytes of each.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use e2e::engine::Engine;
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::Value;

/// One invocation.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Of an object, one at a time for each key; else of a service.
    pub(crate) keyed: bool,
    /// `service/handler`.
    pub(crate) target: String,
    /// Bytes of its input.
    pub(crate) input: usize,
    /// What it does, in order.
    pub(crate) does: Vec<Deed>,
}

/// One entry, or some calls side by side.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A step with a result of so many bytes.
    Step { name: String, bytes: usize },
    /// Calls of these nodes, all awaited.
    Calls(Vec<usize>),
    /// A send to this node.
    Send(usize),
    /// A send of so many bytes that nobody lives to see.
    Later(usize),
}

/// Every invocation; the first is the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording {
    pub(crate) nodes: Vec<Node>,
}

impl Recording {
    /// Reads the journals of an invocation and of everything it caused, once all of it has ended.
    pub(crate) async fn read(engine: &Engine, root: &str) -> anyhow::Result<Self> {
        let mut recording = Self::default();
        recording.add(engine, root.to_owned()).await?;
        Ok(recording)
    }

    fn add<'a>(&'a mut self, engine: &'a Engine, id: String) -> BoxFuture<'a, anyhow::Result<usize>> {
        async move {
            let sql =
                format!("SELECT target_service_ty, target_service_name, target_handler_name, status FROM sys_invocation WHERE id = '{id}'");
            let about = engine.query(&sql).await?.into_iter().next().with_context(|| format!("the engine does not know {id}"))?;
            anyhow::ensure!(about["status"] == "completed", "{id} has not ended: {about}");
            let sql = format!("SELECT entry_type, name, raw, entry_lite_json FROM sys_journal WHERE id = '{id}' ORDER BY index");
            let entries = engine.query(&sql).await?;
            let place = self.nodes.len();
            let text = |name: &str| about[name].as_str().unwrap_or_default().to_owned();
            let target = format!("{}/{}", text("target_service_name"), text("target_handler_name"));
            let keyed = text("target_service_ty") != "service";
            let input = entries.iter().find(|e| e["entry_type"] == "Command: Input").map_or(0, bytes);
            self.nodes.push(Node { keyed, target, input, does: Vec::new() });
            // Results stand in the journal in the order of the steps, which follow one another.
            let mut results = entries.iter().filter(|e| e["entry_type"] == "Notification: Run").map(bytes);
            let mut does = Vec::new();
            let mut outstanding = 0_usize;
            for entry in &entries {
                let invoked = invoked(entry);
                match entry["entry_type"].as_str().unwrap_or_default() {
                    "Command: Run" => {
                        let name = entry["name"].as_str().unwrap_or_default().to_owned();
                        does.push(Deed::Step { name, bytes: results.next().context("a step without a result")? });
                    }
                    "Command: Call" => {
                        let child = self.add(engine, invoked.context("a call of nobody")?).await?;
                        match does.last_mut() {
                            // Calls that were made while others ran, ran side by side with them.
                            Some(Deed::Calls(calls)) if outstanding > 0 => calls.push(child),
                            _ => does.push(Deed::Calls(vec![child])),
                        }
                        outstanding += 1;
                    }
                    "Notification: Call" => outstanding = outstanding.saturating_sub(1),
                    "Command: OneWayCall" => {
                        let child = invoked.context("a send to nobody")?;
                        let sql = format!("SELECT status FROM sys_invocation WHERE id = '{child}'");
                        let status =
                            engine.query(&sql).await?.into_iter().next().with_context(|| format!("the engine does not know {child}"))?;
                        does.push(match status["status"].as_str() {
                            Some("scheduled") => Deed::Later(bytes(entry)),
                            _ => Deed::Send(self.add(engine, child).await?),
                        });
                    }
                    "Command: Input" | "Command: Output" | "Notification: Run" | "Notification: CallInvocationId" => {}
                    // The bare service keeps no state: that is not one of the steps.
                    "Command: GetEagerState" | "Command: GetLazyState" | "Notification: GetLazyState" => {}
                    "Command: SetState" | "Command: ClearState" => {}
                    other => bail!("the bare service cannot do `{other}` yet, which the journal holds"),
                }
            }
            self.nodes[place].does = does;
            Ok(place)
        }
        .boxed()
    }

    /// Steps by name.
    pub(crate) fn steps(&self) -> BTreeMap<&str, usize> {
        let mut steps = BTreeMap::new();
        for deed in self.nodes.iter().flat_map(|node| &node.does) {
            if let Deed::Step { name, .. } = deed {
                *steps.entry(name.as_str()).or_default() += 1;
            }
        }
        steps
    }

    /// Invocations by handler.
    pub(crate) fn invocations(&self) -> BTreeMap<&str, usize> {
        let mut invocations = BTreeMap::new();
        for node in &self.nodes {
            *invocations.entry(node.target.as_str()).or_default() += 1;
        }
        invocations
    }

    /// Calls, sends, and sends for later.
    pub(crate) fn calls(&self) -> (usize, usize, usize) {
        self.nodes.iter().flat_map(|node| &node.does).fold((0, 0, 0), |(calls, sends, later), deed| match deed {
            Deed::Step { .. } => (calls, sends, later),
            Deed::Calls(nodes) => (calls + nodes.len(), sends, later),
            Deed::Send(_) => (calls, sends + 1, later),
            Deed::Later(_) => (calls, sends, later + 1),
        })
    }
}

/// Whom a call or send invoked. (The column `invoked_id` is empty for sends.)
fn invoked(entry: &Value) -> Option<String> {
    let about: Value = serde_json::from_str(entry["entry_lite_json"].as_str()?).ok()?;
    let command = about.get("Command")?;
    let call = command.get("Call").or_else(|| command.get("OneWayCall"))?;
    Some(call.get("invocation_id")?.as_str()?.to_owned())
}

/// Bytes of an entry; the engine shows them as hexadecimal digits.
fn bytes(entry: &Value) -> usize {
    entry["raw"].as_str().map_or(0, |raw| raw.len() / 2)
}
