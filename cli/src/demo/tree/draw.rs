//! Work as lines of a terminal: never more of them than there is room for, never wider than it is.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use console::{Style, truncate_str};

use super::work::{State, Work};

/// Where it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) colours: bool,
}

/// How readily a line is left out where there is no room, the last ones first. What stands above a line never ranks below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Title,
    /// What is under way, or went wrong.
    Active,
    /// What has a line for all of its kind.
    Stage,
    Waiting,
    Done,
    /// The steps behind a line that names the one under way already.
    Detail,
}

struct Line {
    depth: usize,
    rank: Rank,
    state: State,
    text: String,
    /// How long it takes, or when it goes on.
    time: String,
}

/// The work as text, as it is `now`.
pub(super) fn draw(work: &Work, now: DateTime<Utc>, canvas: Canvas) -> String {
    let mut lines = vec![Line { depth: 0, rank: Rank::Title, state: work.state, text: work.name.clone(), time: time(work, now) }];
    branch(&mut lines, &work.parts, 1, now);
    let mut by_rank: Vec<usize> = (0..lines.len()).collect();
    by_rank.sort_by_key(|&n| lines[n].rank);
    let mut shown = by_rank;
    let mut more = 0;
    if shown.len() > canvas.rows {
        // Of what is over and of details nothing is said; that something works or waits and cannot be seen, is.
        let rows = canvas.rows.max(1);
        let unseen = |from: usize| shown[from..].iter().filter(|&&n| lines[n].rank < Rank::Done).count();
        more = if unseen(rows) > 0 && rows > 1 { unseen(rows - 1) } else { 0 };
        shown.truncate(if more > 0 { rows - 1 } else { rows });
    }
    shown.sort_unstable();
    let mut out = shown.iter().fold(String::new(), |mut out, &n| {
        let _ = writeln!(out, "{}", truncate_str(&painted(&lines[n], canvas.colours), canvas.columns.saturating_sub(1), "…"));
        out
    });
    if more > 0 {
        let _ = writeln!(out, "{}", truncate_str(&format!("  … and {more} more"), canvas.columns.saturating_sub(1), "…"));
    }
    out
}

/// Lines for siblings: what works, what waits, what is done, each in its order; equals under a line that counts them.
fn branch(lines: &mut Vec<Line>, parts: &[Work], depth: usize, now: DateTime<Utc>) {
    let mut groups: Vec<Vec<&Work>> = Vec::new();
    for part in parts {
        match groups.iter_mut().find(|group| part.family.is_some() && group[0].family == part.family) {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    groups.sort_by_key(|group| group.iter().map(|work| place(work.state)).min());
    for mut group in groups {
        if let [one] = group[..] {
            let rank = if one.family.is_some() && place(one.state) > 0 { Rank::Stage } else { rank(one.state) };
            lines.push(line(one, depth, rank, now));
            details(lines, one, depth + 1, now);
            continue;
        }
        lines.push(Line { depth, ..counted(&group, now) });
        group.sort_by_key(|work| place(work.state));
        // What is done is counted; only posts stay in sight, for they are what it is all for.
        for work in group.into_iter().filter(|work| work.is_joined || rank(work.state) != Rank::Done) {
            lines.push(line(work, depth + 1, rank(work.state), now));
        }
    }
}

/// What is behind a single line: the calls, and of what is not over the steps.
fn details(lines: &mut Vec<Line>, work: &Work, depth: usize, now: DateTime<Utc>) {
    let from = lines.len();
    if work.has_calls() || !work.state.is_over() {
        branch(lines, &work.parts, depth, now);
    }
    if !work.has_calls() {
        lines[from..].iter_mut().for_each(|line| line.rank = Rank::Detail);
    }
}

/// One line for all of a kind: how many, and how they are.
fn counted(group: &[&Work], now: DateTime<Utc>) -> Line {
    let states = [
        ("failed", State::Failed),
        ("tried again", State::Retrying),
        ("at work", State::Working),
        ("waiting", State::Waiting),
        ("queued", State::Queued),
        ("stopped", State::Stopped),
        ("done", State::Done),
    ];
    let counts: Vec<String> = states
        .iter()
        .filter_map(|(name, state)| Some((name, group.iter().filter(|work| work.state == *state).count())).filter(|(_, n)| *n > 0))
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    let state = group.iter().map(|work| work.state).min().unwrap_or(State::Done);
    let text = format!("{} ×{}: {}", group[0].family.unwrap_or_default(), group.len(), counts.join(", "));
    let over = group.iter().all(|work| work.state.is_over());
    // Side by side, the longest is the time of all.
    let longest = group.iter().filter_map(|work| work.took).max().filter(|_| over);
    let next = group.iter().filter_map(|work| work.until).min().filter(|_| state == State::Waiting);
    let time = longest.map(|took| format!("up to {}", span(took))).or_else(|| next.map(|at| ahead(at, now))).unwrap_or_default();
    Line { depth: 0, rank: if place(state) == 0 { Rank::Active } else { Rank::Stage }, state, text, time }
}

fn line(work: &Work, depth: usize, rank: Rank, now: DateTime<Utc>) -> Line {
    // The way down to what is under way, in one line; of a post that is out, how it went out last.
    let mut path = vec![work.name.as_str()];
    let (mut last, mut innermost) = (work, work);
    while let Some(part) = last.current().filter(|_| work.state != State::Done && !last.has_calls()) {
        path.push(&part.name);
        (last, innermost) = (part, part);
    }
    if work.state == State::Done && work.is_joined {
        path.extend(work.parts.last().map(|part| part.name.as_str()));
    }
    path.dedup_by(|next, before| before.starts_with(*next));
    let mut text = path.join(" → ");
    if innermost.attempts > 1 {
        let _ = write!(text, " ({} attempts)", innermost.attempts);
    }
    if let Some(failure) = innermost.failure.as_deref().or(work.failure.as_deref()).filter(|_| work.state != State::Done) {
        let _ = write!(text, ": {}", failure.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    Line { depth, rank, state: work.state, text, time: time(work, now) }
}

const fn rank(state: State) -> Rank {
    match state {
        State::Failed | State::Retrying | State::Working => Rank::Active,
        State::Waiting | State::Queued => Rank::Waiting,
        State::Stopped | State::Done => Rank::Done,
    }
}

/// What works comes before what waits, and that before what is over.
const fn place(state: State) -> u8 {
    match rank(state) {
        Rank::Active => 0,
        Rank::Waiting => 1,
        _ => 2,
    }
}

fn time(work: &Work, now: DateTime<Utc>) -> String {
    match work.state {
        State::Waiting | State::Retrying => work.until.map(|at| ahead(at, now)).unwrap_or_default(),
        State::Working => work.started_at.map(|at| span((now - at).max(TimeDelta::zero()))).unwrap_or_default(),
        State::Queued => String::new(),
        State::Failed | State::Stopped | State::Done => work.took.map(span).unwrap_or_default(),
    }
}

/// `24 ms`, `1.4 s`, `2 min 5 s`, `3 h 20 min`.
pub(super) fn span(span: TimeDelta) -> String {
    let ms = span.num_milliseconds();
    match ms / 1000 {
        0 => format!("{ms} ms"),
        1..=59 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        s @ 60..=3599 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

fn ahead(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (at - now).num_seconds() {
        ..=0 => "now".to_owned(),
        s @ 1..=59 => format!("in {s} s"),
        s @ 60..=3599 => format!("in {} min", s / 60),
        s @ 3600..=172_799 => format!("in {} h", s / 3600),
        s => format!("in {} days", s / 86_400),
    }
}

/// The sign of a state.
pub(super) const fn mark(state: State) -> &'static str {
    match state {
        State::Failed | State::Stopped => "✗",
        State::Retrying => "↻",
        State::Working => "▸",
        State::Waiting => "…",
        State::Queued => "·",
        State::Done => "✓",
    }
}

fn painted(line: &Line, colours: bool) -> String {
    let (indent, gap) = (" ".repeat(line.depth * 2), if line.time.is_empty() { "" } else { "  " });
    if !colours {
        return format!("{indent}{} {}{gap}{}", mark(line.state), line.text, line.time);
    }
    let style = Style::new().force_styling(true);
    let sign = match line.state {
        State::Failed | State::Stopped => style.clone().red(),
        State::Retrying => style.clone().yellow(),
        State::Working => style.clone().cyan().bold(),
        State::Waiting | State::Queued => style.clone().dim(),
        State::Done => style.clone().green(),
    };
    let words = match line.state {
        State::Working | State::Failed | State::Retrying => style.clone().bold(),
        State::Waiting | State::Queued | State::Done | State::Stopped => style.clone(),
    };
    format!("{indent}{} {}{gap}{}", sign.apply_to(mark(line.state)), words.apply_to(&line.text), style.dim().apply_to(&line.time))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::work::tests::{campaign, invoked, leaf},
        *,
    };

    const WIDE: Canvas = Canvas { rows: 38, columns: 120, colours: false };

    fn drawn(run: &Value, canvas: Canvas) -> String {
        draw(&Work::of_run("Campaign", run), "2026-11-21T09:00:00Z".parse().unwrap(), canvas)
    }

    /// Twelve drafts: three done, two at work, one tried again, six queued.
    fn writing() -> Value {
        let places = [("mastodon", "en"), ("mastodon", "de"), ("bluesky", "en"), ("bluesky", "de")];
        let drafts: Vec<Value> = (0..12_usize)
            .map(|n| {
                let (status, step) = match n {
                    0..=2 => ("completed", leaf("store.save_variant", "completed")),
                    3 | 4 => ("running", leaf("model.complete", "running")),
                    5 => (
                        "backing_off",
                        json!({ "index": 1, "name": "model.complete", "kind": "step", "status": "backing_off", "attempts": 3,
                        "failure": "the model\nanswers 503" }),
                    ),
                    _ => ("queued", leaf("store.draft_inputs", "queued")),
                };
                let mut draft = invoked("call", "Drafting/write", &format!("inv_{n}"), status, places[n / 3], json!([step]));
                draft["invoked"]["subject"]["variant"] = json!(n % 3 + 1);
                if status == "completed" {
                    draft["took_ms"] = json!(1200 + n);
                }
                draft
            })
            .collect();
        let generation = invoked("send", "Generation/run", "inv_g", "running", ("", ""), Value::Array(drafts));
        json!({ "status": "running", "started_at": "2026-11-21T08:59:58.500Z", "steps": [leaf("store.create_campaign", "completed"), generation] })
    }

    #[test]
    fn equal_siblings_are_counted_and_what_works_comes_first() {
        let text = drawn(&writing(), WIDE);
        assert_eq!(
            text,
            "▸ Campaign  1.5 s\n\
            \x20 ▸ Writing\n\
            \x20   ↻ Drafting ×12: 1 tried again, 2 at work, 6 queued, 3 done\n\
            \x20     ▸ Drafting mastodon/de 1 → model.complete\n\
            \x20     ▸ Drafting mastodon/de 2 → model.complete\n\
            \x20     ↻ Drafting mastodon/de 3 → model.complete (3 attempts): the model answers 503\n\
            \x20     · Drafting bluesky/en 1 → store.draft_inputs\n\
            \x20     · Drafting bluesky/en 2 → store.draft_inputs\n\
            \x20     · Drafting bluesky/en 3 → store.draft_inputs\n\
            \x20     · Drafting bluesky/de 1 → store.draft_inputs\n\
            \x20     · Drafting bluesky/de 2 → store.draft_inputs\n\
            \x20     · Drafting bluesky/de 3 → store.draft_inputs\n\
            \x20 ✓ store.create_campaign\n"
        );
    }

    #[test]
    fn it_is_never_higher_or_wider_than_the_terminal_and_what_is_done_goes_first() {
        for rows in 1..=20 {
            for columns in [20, 80] {
                let text = drawn(&writing(), Canvas { rows, columns, colours: rows % 2 == 0 });
                assert!(text.lines().count() <= rows, "{rows}: {text}");
                assert!(text.lines().all(|line| console::measure_text_width(line) < columns), "{columns}: {text}");
            }
        }
        let small = drawn(&writing(), Canvas { rows: 7, ..WIDE });
        assert!(small.contains("model.complete") && !small.contains('✓'), "{small}");
        assert!(small.ends_with("  … and 6 more\n"), "{small}");
    }

    #[test]
    fn a_post_is_seen_on_its_way() {
        let shows = |stage: &str, line: &str| {
            let text = drawn(&campaign(stage), WIDE);
            assert!(text.lines().any(|l| l.trim() == line), "{line}\n{text}");
        };
        shows("due", "… Post mastodon/en → Due time  in 10 s");
        shows("delivery", "▸ Post mastodon/en → Delivery → mastodon.submit");
        shows("measured", "✓ Post mastodon/en → Delivery");
        shows("measured", "… Metrics mastodon/en  in 30 s");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let plain = drawn(&writing(), WIDE);
        let painted = drawn(&writing(), Canvas { colours: true, ..WIDE });
        assert!(painted.contains("\x1b["));
        assert_eq!(console::strip_ansi_codes(&painted), plain);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            [24, 1_460, 125_000, 12_000_000].map(|ms| span(TimeDelta::milliseconds(ms))),
            ["24 ms", "1.4 s", "2 min 5 s", "3 h 20 min"]
        );
    }
}
