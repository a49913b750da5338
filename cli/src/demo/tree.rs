//! Runs as a tree that grows while people watch.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::up::Screen;

/// Draws runs: over and over on a terminal, as lines that only come once elsewhere.
pub(crate) struct Tree {
    screen: Screen,
    drawn_lines: usize,
    told: BTreeMap<String, String>,
}

impl Tree {
    /// A tree on `screen`.
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen, drawn_lines: 0, told: BTreeMap::new() }
    }

    /// Shows `run` (as `GET /v1/runs/{id}` answers it) under `title`.
    pub(crate) fn show(&mut self, title: &str, run: &Value) {
        if self.screen.is_terminal() {
            let (rows, columns) = console::Term::stdout().size();
            let text = draw(title, run, usize::from(rows).saturating_sub(2).max(8), usize::from(columns).max(40));
            let mut out = String::new();
            if self.drawn_lines > 0 {
                // Back to the first line that was drawn, and clear from there.
                let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn_lines);
            }
            out.push_str(&text);
            self.drawn_lines = text.lines().count();
            self.screen.write(&out);
        } else {
            self.tell(title, "", steps(run));
        }
    }

    /// What is drawn stays; the next run starts below it.
    pub(crate) fn settle(&mut self) {
        self.drawn_lines = 0;
    }

    fn tell(&mut self, title: &str, path: &str, steps: &[Value]) {
        for step in steps {
            let here = format!("{path}/{}", step.get("index").and_then(Value::as_u64).unwrap_or_default());
            let (state, nested) = (status(step), children(step));
            let known = self.told.get(&format!("{title}{here}"));
            if nested.is_empty() && matches!(state, "completed" | "failed" | "backing_off") && known.is_none_or(|k| k != state) {
                self.screen.say(&format!("  {} {title}: {}{}{}", mark(state), label(step), took(step), failure(step)));
                self.told.insert(format!("{title}{here}"), state.to_owned());
            }
            self.tell(&format!("{title} > {}", label(step)), &here, nested);
        }
    }
}

/// The tree as text, what a step called indented under it, in at most `rows` lines of `columns`: what is over and lies deepest is left out first.
fn draw(title: &str, run: &Value, rows: usize, columns: usize) -> String {
    let mut lines = vec![Line { depth: 0, over: false, text: format!("{} {title}{}", mark(status(run)), took(run)) }];
    branch(&mut lines, steps(run), 1);
    for depth in (1..8).rev() {
        if lines.len() > rows {
            lines.retain(|line| !line.over || line.depth < depth);
        }
    }
    let more = lines.len().saturating_sub(rows);
    if more > 0 {
        lines.truncate(rows - 1);
        lines.push(Line { depth: 1, over: false, text: format!("... and {} more", more + 1) });
    }
    lines.iter().fold(String::new(), |mut out, line| {
        let text = format!("{:indent$}{}", "", line.text, indent = line.depth * 2);
        out.push_str(&console::truncate_str(&text, columns - 1, "…"));
        out.push('\n');
        out
    })
}

struct Line {
    depth: usize,
    over: bool,
    text: String,
}

fn branch(lines: &mut Vec<Line>, steps: &[Value], depth: usize) {
    for step in steps {
        let text = format!("{} {}{}{}", mark(status(step)), label(step), took(step), failure(step));
        lines.push(Line { depth, over: status(step) == "completed", text });
        branch(lines, children(step), depth + 1);
    }
}

fn steps(run: &Value) -> &[Value] {
    run.get("steps").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn children(step: &Value) -> &[Value] {
    step.get("children").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn status(node: &Value) -> &str {
    node.get("status").and_then(Value::as_str).unwrap_or("queued")
}

fn label(step: &Value) -> String {
    step.get("name")
        .and_then(Value::as_str)
        .filter(|n| !n.is_empty())
        .or_else(|| step.get("kind").and_then(Value::as_str))
        .unwrap_or("step")
        .to_owned()
}

fn mark(status: &str) -> &'static str {
    match status {
        "completed" => "✓",
        "failed" | "cancelled" => "✗",
        "backing_off" => "↻",
        "waiting" => "…",
        "queued" => "·",
        _ => "▸",
    }
}

fn took(node: &Value) -> String {
    node.get("took_ms").and_then(Value::as_u64).map(|ms| format!("  {ms} ms")).unwrap_or_default()
}

fn failure(step: &Value) -> String {
    let attempts = step.get("attempts").and_then(Value::as_u64).filter(|n| *n > 1).map(|n| format!("  ({n} attempts)")).unwrap_or_default();
    let what = match step.get("failure") {
        Some(Value::String(what)) => format!("  {what}"),
        Some(Value::Object(fields)) => fields.get("message").and_then(Value::as_str).map(|m| format!("  {m}")).unwrap_or_default(),
        _ => String::new(),
    };
    format!("{attempts}{what}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn children_stand_under_the_step_that_called_them() {
        let run = json!({ "status": "running", "steps": [
            { "index": 1, "name": "store.plan_posts", "kind": "run", "status": "completed", "took_ms": 3 },
            { "index": 2, "name": "Drafting/write", "kind": "call", "status": "running", "children": [
                { "index": 1, "name": "model.complete", "kind": "run", "status": "backing_off", "attempts": 2, "failure": "the model is busy" }
            ] }
        ] });
        assert_eq!(
            draw("Campaign", &run, 10, 80),
            "▸ Campaign\n  ✓ store.plan_posts  3 ms\n  ▸ Drafting/write\n    ↻ model.complete  (2 attempts)  the model is busy\n"
        );
    }

    #[test]
    fn on_a_small_screen_what_is_over_goes_first() {
        let drafts: Vec<Value> =
            (0..20).map(|n| json!({ "index": n, "name": format!("draft {n}"), "kind": "call", "status": "completed" })).collect();
        let mut steps = drafts;
        steps.push(json!({ "index": 99, "name": "model.complete", "kind": "run", "status": "running" }));
        let run = json!({ "status": "running", "steps": steps });
        assert_eq!(draw("Campaign", &run, 5, 80), "▸ Campaign\n  ▸ model.complete\n");
    }
}
