use bytes::Bytes;

use super::{
    drive::{Driver, Ended},
    explain::explain,
    known::Known,
    verdict::{Cause, Divergence, Next, Reason, Report, Verdict},
};
use crate::{
    bundle::Run,
    difference::{Difference, asked},
    journal::{Entry, Step},
    protocol::{
        EntryKind,
        messages::{self as m, JOURNAL_MISMATCH},
    },
    what_if::{Engine, Taken},
};

/// How many steps of the code are looked at to explain a divergence.
const LOOK_AHEAD: usize = 48;

/// Whether an attempt went past `commands` known commands, to where it must not go on.
pub(super) fn came_to(ended: &Ended, commands: usize) -> bool {
    matches!(ended, Ended::Failed(failed) if !waits(failed) && mismatch_at(failed) == Some(commands))
}

/// The number of the command at which journal and code differ.
fn mismatch_at(failed: &m::Failed) -> Option<usize> {
    let at = failed.related_command_index.filter(|_| failed.code == JOURNAL_MISMATCH)?;
    usize::try_from(at).ok()
}

/// Whether the handler waits for something that the journal has no answer to, although the journal goes on. The SDK has one code for this and
/// for a step that differs, and tells them apart in words alone.
fn waits(failed: &m::Failed) -> bool {
    failed.code == JOURNAL_MISMATCH && failed.message.contains("could not be replayed")
}

pub(super) async fn judge(driver: &Driver, run: &Run) -> Report {
    Judge { driver, run, entries: run.journal.clone(), not_compared: Vec::new() }.judge().await
}

struct Judge<'a> {
    driver: &'a Driver,
    run: &'a Run,
    /// The journal; what was redacted in it is replaced by what the code does, once that is found to be the same step.
    entries: Vec<Entry>,
    not_compared: Vec<String>,
}

impl Judge<'_> {
    async fn judge(mut self) -> Report {
        let Some(first) = self.entries.first() else { return self.incomplete(0, Reason::NoJournal) };
        if first.kind != EntryKind::INPUT {
            return self.incomplete(0, Reason::Unreadable { what: "the journal does not begin with an input".to_owned() });
        }
        let driven = self.driver.drive(self.run, Known::seal(&self.entries), &[]).await;
        // Most runs end here, and are only counted: what their steps were is not looked at.
        if driven.ended == Ended::End {
            return self.faithful(None);
        }
        let steps = match self.run.steps() {
            Ok(steps) => steps,
            Err(error) => return self.incomplete(0, Reason::Unreadable { what: error.to_string() }),
        };
        let mut ended = driven.ended;
        loop {
            match self.weigh(&steps, ended).await {
                Weighed::Done(report) => return *report,
                Weighed::Again => ended = self.driver.drive(self.run, Known::seal(&self.entries), &[]).await.ended,
            }
        }
    }

    async fn weigh(&mut self, steps: &[Step], ended: Ended) -> Weighed {
        let complete = self.run.is_complete();
        match ended {
            Ended::End => self.faithful(None).into(),
            Ended::Failed(failed) if waits(&failed) => {
                let on = awaited(&failed, steps);
                let reached = self.reached(steps).await;
                match steps.get(reached) {
                    None => self.faithful(Some(Next::Waits { on })).into(),
                    Some(_) if self.redacted_before(steps, reached).is_some() => self.redacted(steps, reached, &on).into(),
                    Some(step) => {
                        let because = format!("the handler now waits for {on} before it comes to {}", step.title());
                        self.diverged(step, None, Vec::new(), Cause::AddedAwait, because).into()
                    }
                }
            }
            Ended::Failed(failed) => match mismatch_at(&failed) {
                Some(at) if at >= steps.len() => {
                    let (kind, name) = issued(&failed);
                    let next = if kind == EntryKind::OUTPUT { Next::Returns } else { Next::Step { name: title(kind, &name) } };
                    self.faithful(Some(next)).into()
                }
                Some(at) => self.mismatch(steps, at, &failed).await,
                None if !self.has_handler().await => self.incomplete(0, Reason::NoSuchHandler).into(),
                None => {
                    let reached = self.reached(steps).await;
                    match steps.get(reached) {
                        None if !complete => self.faithful(Some(Next::Fails { message: failed.message })).into(),
                        _ if self.redacted_before(steps, reached).is_some() => self.redacted(steps, reached, &failed.message).into(),
                        step => self.fails(step.or(steps.last()), &failed.message).into(),
                    }
                }
            },
            Ended::Refused { status: 404, .. } => self.incomplete(0, Reason::NoSuchHandler).into(),
            Ended::Refused { status, message } => self.incomplete(0, Reason::Refused { status, message }).into(),
            Ended::Silent => {
                let reason = if self.has_handler().await { Reason::Silent } else { Reason::NoSuchHandler };
                self.incomplete(0, reason).into()
            }
            Ended::Panicked(message) => {
                let reached = self.reached(steps).await;
                self.stands_at(steps, reached, Reason::Panicked { message }).into()
            }
            Ended::Stalled => self.incomplete(0, Reason::Stalled).into(),
            Ended::Suspended(_) => self.incomplete(0, Reason::Silent).into(),
            Ended::Acted => self.incomplete(0, Reason::Acted).into(),
        }
    }

    /// How many of the recorded commands the handler takes, of which it is known that it takes none otherwise: sought by halves. That it comes to
    /// a stop in a command's place says that it issues that command.
    async fn reached(&self, steps: &[Step]) -> usize {
        let (mut least, mut most) = (0, steps.len().saturating_sub(1));
        while least < most {
            let middle = least.midpoint(most + 1);
            let driven = self.driver.drive(self.run, self.with_commands(middle).closed(), &[]).await;
            if came_to(&driven.ended, middle) {
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        least + 1
    }

    /// The first commands, and everything that arrived.
    fn with_commands(&self, commands: usize) -> Known {
        let mut known = Known::new();
        for entry in &self.entries {
            if !entry.kind.is_command() || (known.commands() as usize) < commands {
                known.push(entry.kind, &entry.raw);
            }
        }
        known
    }

    async fn mismatch(&mut self, steps: &[Step], at: usize, failed: &m::Failed) -> Weighed {
        let expected = &steps[at];
        let found = self.look_ahead(expected.entry as usize).await;
        // What was taken out of this very step: if it is the same step apart from that, what the code has stands in for it.
        if let Some(first) = found.first()
            && expected.redacted
            && first.step.is_like(expected)
            && self.adopt(expected, first)
        {
            self.not_compared.push(format!("step {at}, {}", expected.title()));
            return Weighed::Again;
        }
        let now = found.first().map_or_else(
            || {
                let (kind, name) = issued(failed);
                title(kind, &name)
            },
            |taken| taken.step.title(),
        );
        if self.redacted_before(steps, at).is_some() {
            return self.redacted(steps, at, &format!("the code has {now} there")).into();
        }
        let ahead: Vec<Step> = found.into_iter().map(|taken| taken.step).collect();
        let (cause, because) = explain(&steps[at..], &ahead, &now);
        let differences = match ahead.first() {
            Some(found) if found.kind == expected.kind => asked(expected, found),
            _ => vec![Difference { at: "step".to_owned(), expected: Some(expected.title().into()), found: Some(now.into()) }],
        };
        self.diverged(expected, ahead.into_iter().next(), differences, cause, because).into()
    }

    /// What the code does from a point on, with answers from the record.
    async fn look_ahead(&self, cut: usize) -> Vec<Taken> {
        let run = Run { journal: self.entries.clone(), ..self.run.clone() };
        let nobody = |_: &crate::Asked<'_>| None;
        let Ok(mut engine) = Engine::behind(self.driver, &run, cut, std::collections::BTreeMap::new(), &nobody) else {
            return Vec::new();
        };
        engine.guess = true;
        engine.enough = true;
        engine.most = LOOK_AHEAD;
        engine.go().await;
        engine.taken
    }

    fn adopt(&mut self, expected: &Step, found: &Taken) -> bool {
        let Some(entry) = self.entries.get_mut(expected.entry as usize) else { return false };
        if entry.kind != found.kind || entry.raw == found.raw {
            return false;
        }
        entry.raw = found.raw.clone();
        true
    }

    /// What was redacted of what the handler saw before a step.
    fn redacted_before(&self, steps: &[Step], at: usize) -> Option<String> {
        steps
            .iter()
            .take(at)
            .find(|step| step.redacted && !is_write(step.kind))
            .map(|step| format!("step {}, {}", step.index, step.title()))
    }

    fn redacted(&mut self, steps: &[Step], at: usize, found: &str) -> Report {
        let before = self.redacted_before(steps, at).unwrap_or_default();
        let what = format!("from {before} on the code gets other values than the run had; {found}");
        self.stands_at(steps, at, Reason::Redacted { what })
    }

    fn fails(&mut self, step: Option<&Step>, message: &str) -> Report {
        let Some(step) = step else { return self.incomplete(0, Reason::Silent) };
        let unreadable = message.contains("Failed to deserialize");
        let cause = if unreadable { Cause::UnreadableResult } else { Cause::Fails };
        let what =
            if unreadable { "the handler cannot read what a step before it gave" } else { "the handler fails before it comes there" };
        self.diverged(step, None, Vec::new(), cause, format!("{what}: {message}"))
    }

    async fn has_handler(&self) -> bool {
        let request = http::Request::get("/discover")
            .header(http::header::ACCEPT, "application/vnd.restate.endpointmanifest.v4+json")
            .body(http_body_util::Full::<Bytes>::default());
        let Ok(request) = request else { return true };
        let body = http_body_util::BodyExt::collect(self.driver.endpoint.handle(request).into_body()).await;
        let manifest = body.ok().and_then(|body| serde_json::from_slice::<serde_json::Value>(&body.to_bytes()).ok());
        let named =
            |list: &serde_json::Value, name: &str| list.as_array().and_then(|list| list.iter().find(|item| item["name"] == name)).cloned();
        let service = manifest.and_then(|manifest| named(&manifest["services"], &self.run.service));
        service.is_some_and(|service| named(&service["handlers"], &self.run.handler).is_some())
    }

    fn report(&mut self, verdict: Verdict, next: Option<Next>) -> Report {
        Report {
            run: self.run.id.clone(),
            target: self.run.target(),
            status: self.run.status.clone(),
            steps: self.run.journal.iter().filter(|entry| entry.kind.is_command()).count(),
            entries: self.run.journal.len(),
            verdict,
            next,
            not_compared: std::mem::take(&mut self.not_compared),
        }
    }

    fn faithful(&mut self, next: Option<Next>) -> Report {
        self.report(Verdict::Faithful, next)
    }

    fn diverged(&mut self, expected: &Step, found: Option<Step>, differences: Vec<Difference>, cause: Cause, because: String) -> Report {
        let divergence = Divergence {
            step: expected.index,
            name: expected.title(),
            expected: Some(expected.clone()),
            found: found.map(Step::without_times),
            differences,
            cause,
            because,
        };
        self.report(Verdict::Diverged(Box::new(divergence)), None)
    }

    fn incomplete(&mut self, step: usize, why: Reason) -> Report {
        self.report(Verdict::Incomplete { step, name: "input".to_owned(), why }, None)
    }

    fn stands_at(&mut self, steps: &[Step], at: usize, why: Reason) -> Report {
        let name = steps.get(at).map_or_else(|| "the end of the record".to_owned(), Step::title);
        self.report(Verdict::Incomplete { step: at, name, why }, None)
    }
}

enum Weighed {
    Done(Box<Report>),
    Again,
}

impl From<Report> for Weighed {
    fn from(report: Report) -> Self {
        Self::Done(Box::new(report))
    }
}

/// A step that only writes shows the handler nothing.
fn is_write(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::SET_STATE | EntryKind::OUTPUT | EntryKind::ONE_WAY_CALL | EntryKind::COMPLETE_AWAKEABLE)
}

/// What the handler was about to do when the SDK found the difference.
fn issued(failed: &m::Failed) -> (EntryKind, String) {
    let kind = failed.related_command_type.and_then(|ty| u16::try_from(ty).ok()).map_or(EntryKind(0), EntryKind);
    (kind.as_issued(), failed.related_command_name.clone().unwrap_or_default())
}

fn title(kind: EntryKind, name: &str) -> String {
    if name.is_empty() { kind.words().to_owned() } else { format!("{} \"{name}\"", kind.words()) }
}

/// What the handler waits for, from the SDK's list of it.
fn awaited(failed: &m::Failed, steps: &[Step]) -> String {
    let owner = |id: u32| {
        let step = steps.iter().find(|step| step.completions.contains(&id));
        step.map_or_else(|| format!("completion {id}"), Step::title)
    };
    let lines = failed.message.lines().filter_map(|line| line.trim().strip_prefix("- "));
    let lines = lines.filter(|line| !line.to_lowercase().contains("cancel"));
    let all: Vec<String> = lines
        .map(|line| match line.strip_prefix("completion id ").and_then(|id| id.parse().ok()) {
            Some(id) => owner(id),
            None => line.to_owned(),
        })
        .collect();
    if all.is_empty() { "something".to_owned() } else { all.join(" or ") }
}

impl Step {
    /// What the code does has no times: nothing ran.
    fn without_times(mut self) -> Self {
        (self.started_at, self.ended_at) = (None, None);
        if !matches!(self.kind, EntryKind::OUTPUT) {
            self.outcome = None;
        }
        self.invocation = None;
        self
    }
}
