//! Runs as a tree that grows while people watch.

mod draw;
mod work;

use std::{collections::BTreeSet, fmt::Write as _};

use chrono::Utc;
use serde_json::Value;

use self::{
    draw::{Canvas, draw, mark, span},
    work::{State, Work},
};
use crate::up::Screen;

/// Draws runs: over and over on a terminal, as lines that only come once elsewhere.
pub(crate) struct Tree {
    screen: Screen,
    drawn_lines: usize,
    /// What was told of, in lines that only come once.
    told: BTreeSet<(String, State)>,
}

impl Tree {
    /// A tree on `screen`.
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen, drawn_lines: 0, told: BTreeSet::new() }
    }

    /// Shows `run` (as `GET /v1/runs/{id}` answers it) under `title`.
    pub(crate) fn show(&mut self, title: &str, run: &Value) {
        let work = Work::of_run(title, run);
        let Some((rows, columns)) = self.screen.size() else {
            for line in self.news(&work) {
                self.screen.say(&line);
            }
            return;
        };
        // The cursor stands below the last line.
        let text = draw(&work, Utc::now(), Canvas { rows: rows.saturating_sub(1), columns, colours: self.screen.colours() });
        let mut out = String::new();
        if self.drawn_lines > 0 {
            // Back to the first line that was drawn, and clear from there.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn_lines);
        }
        out.push_str(&text);
        self.drawn_lines = text.lines().count();
        self.screen.write(&out);
    }

    /// What is drawn stays; the next run starts below it.
    pub(crate) fn settle(&mut self) {
        self.drawn_lines = 0;
    }

    /// A line for each workflow that ended, for each step of the run's own, and for each failure, once.
    fn news(&mut self, run: &Work) -> Vec<String> {
        let mut lines = Vec::new();
        self.tell(&mut lines, &run.name, &run.parts, true);
        lines
    }

    fn tell(&mut self, lines: &mut Vec<String>, within: &str, parts: &[Work], each: bool) {
        for part in parts {
            // A workflow has a name of its own; a step is that of something.
            let here = match part.family {
                Some(_) => part.name.clone(),
                None if within.starts_with(&part.name) => within.to_owned(),
                None => format!("{within} → {}", part.name),
            };
            self.tell(lines, &here, &part.parts, part.is_joined);
            let broke = matches!(part.state, State::Failed | State::Retrying);
            let tells = broke || (part.state.is_over() && !part.is_joined && (each || part.family.is_some()));
            if tells && self.told.insert((part.id.clone(), part.state)) {
                lines.push(format!("  {} {here}{}{}", mark(part.state), took(part), failure(part)));
            }
        }
    }
}

fn took(work: &Work) -> String {
    work.took.map(|took| format!("  {}", span(took))).unwrap_or_default()
}

fn failure(work: &Work) -> String {
    let attempts = if work.attempts > 1 { format!("  ({} attempts)", work.attempts) } else { String::new() };
    format!("{attempts}{}", work.failure.as_deref().map(|what| format!("  {what}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{work::tests::campaign, *};

    #[test]
    fn where_nothing_can_be_drawn_over_each_piece_of_work_is_told_once() {
        let mut tree = Tree::new(Screen::default());
        let mut told = Vec::new();
        for stage in ["due", "due", "delivery", "measured"] {
            told.push(tree.news(&Work::of_run("Campaign", &campaign(stage))));
        }
        let lines = |n: usize| told[n].iter().map(|line| line.trim()).collect::<Vec<_>>();
        assert_eq!(lines(0), ["✓ Campaign → store.create_campaign", "✓ Writing", "✓ Approval", "✓ Post mastodon/en → Schedule"]);
        assert!(told[1].is_empty());
        assert_eq!(lines(2), ["✓ Post mastodon/en → Due time"]);
        assert_eq!(lines(3), ["✓ Post mastodon/en → Delivery", "✓ Metrics mastodon/en"]);
    }
}
