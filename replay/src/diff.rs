//! Two runs, step by step.

use std::fmt;

use serde::Serialize;

use crate::{
    bundle::Run,
    difference::{Difference, asked, gave},
    journal::{Step, Unreadable},
};

/// Up to this product of lengths the longest common subsequence is sought; beyond it, steps are paired as they come.
const MOST_CELLS: usize = 16_000_000;

/// Two runs, aligned.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The steps, in order.
    pub rows: Vec<DiffRow>,
}

/// A step of one run beside that of the other.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffRow {
    /// The step of the first run; nothing where only the second has it.
    pub left: Option<Step>,
    /// The step of the second run; nothing where only the first has it.
    pub right: Option<Step>,
    /// What they were asked with, where that differs.
    pub asked: Vec<Difference>,
    /// What came of them, where that differs.
    pub gave: Vec<Difference>,
    /// How much longer the second took, in milliseconds.
    pub slower_ms: Option<i64>,
}

impl DiffRow {
    fn new(left: Option<Step>, right: Option<Step>) -> Self {
        let (mut questions, mut answers, mut slower_ms) = (Vec::new(), Vec::new(), None);
        if let (Some(left), Some(right)) = (&left, &right) {
            questions = asked(left, right);
            answers = gave(left.outcome.as_ref(), right.outcome.as_ref());
            // An output is what it gives; telling it twice helps nobody.
            if left.kind == crate::EntryKind::OUTPUT {
                answers.clear();
            }
            let took = |step: &Step| i64::try_from(step.took_ms()?).ok();
            slower_ms = took(right).zip(took(left)).map(|(right, left)| right - left);
        }
        Self { left, right, asked: questions, gave: answers, slower_ms }
    }

    /// Whether both runs have the step, asked the same, with the same outcome.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.left.is_some() && self.right.is_some() && self.asked.is_empty() && self.gave.is_empty()
    }
}

impl Diff {
    /// Aligns two runs.
    ///
    /// # Errors
    /// When a journal cannot be read.
    pub fn of(left: &Run, right: &Run) -> Result<Self, Unreadable> {
        Ok(Self::of_steps(&left.steps()?, &right.steps()?))
    }

    /// Aligns steps by what they are and what they are called: the longest sequence that both have is paired, the rest stands alone.
    #[must_use]
    pub fn of_steps(left: &[Step], right: &[Step]) -> Self {
        let rows = align(left, right);
        let step = |steps: &[Step], place: Option<usize>| place.and_then(|place| steps.get(place)).cloned();
        Self { rows: rows.into_iter().map(|(one, other)| DiffRow::new(step(left, one), step(right, other))).collect() }
    }

    /// The first row in which the runs part: another step, or the same asked otherwise. Another result of a step is not yet another way.
    #[must_use]
    pub fn first_divergence(&self) -> Option<&DiffRow> {
        self.rows.iter().find(|row| row.left.is_none() || row.right.is_none() || !row.asked.is_empty())
    }

    /// The rows in which the same step gave something else.
    pub fn changed_results(&self) -> impl Iterator<Item = &DiffRow> {
        self.rows.iter().filter(|row| !row.gave.is_empty())
    }

    /// Whether both runs took the same steps with the same results.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.rows.iter().all(DiffRow::is_same)
    }
}

impl fmt::Display for Diff {
    /// One line a step, and its differences under it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let sign = match (&row.left, &row.right) {
                (Some(_), None) => '-',
                (None, Some(_)) => '+',
                _ if row.is_same() => ' ',
                _ => '~',
            };
            let Some(step) = row.left.as_ref().or(row.right.as_ref()) else { continue };
            write!(f, "{sign} {}", step.title())?;
            if let Some(took) = row.left.as_ref().and_then(Step::took_ms) {
                write!(f, "  {took} ms")?;
            }
            if let Some(slower) = row.slower_ms.filter(|slower| *slower != 0) {
                write!(f, " ({slower:+} ms)")?;
            }
            writeln!(f)?;
            for difference in row.asked.iter().chain(&row.gave) {
                writeln!(f, "    {difference}")?;
            }
        }
        Ok(())
    }
}

/// Pairs of places, in order.
pub(crate) fn align(left: &[Step], right: &[Step]) -> Vec<(Option<usize>, Option<usize>)> {
    let same = |one: &Step, other: &Step| one.is_like(other);
    let start = left.iter().zip(right).take_while(|(one, other)| same(one, other)).count();
    let end = left[start..].iter().rev().zip(right[start..].iter().rev()).take_while(|(one, other)| same(one, other)).count();
    let (middle_left, middle_right) = (&left[start..left.len() - end], &right[start..right.len() - end]);
    let mut rows: Vec<_> = (0..start).map(|place| (Some(place), Some(place))).collect();
    for (one, other) in align_middle(middle_left, middle_right) {
        rows.push((one.map(|place| place + start), other.map(|place| place + start)));
    }
    rows.extend((0..end).map(|place| (Some(left.len() - end + place), Some(right.len() - end + place))));
    rows
}

fn align_middle(left: &[Step], right: &[Step]) -> Vec<(Option<usize>, Option<usize>)> {
    let (rows, columns) = (left.len(), right.len());
    if rows.saturating_mul(columns) > MOST_CELLS {
        return (0..rows).map(|place| (Some(place), None)).chain((0..columns).map(|place| (None, Some(place)))).collect();
    }
    // longest[row][column]: of what is left from there on. A step that was asked the same is worth more than one that is only of the name.
    let width = columns + 1;
    let mut longest = vec![0u32; (rows + 1) * width];
    let worth = |row: usize, column: usize| match (left[row].is_like(&right[column]), left[row].fields == right[column].fields) {
        (true, true) => 3,
        (true, false) => 2,
        _ => 0,
    };
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let skip = longest[(row + 1) * width + column].max(longest[row * width + column + 1]);
            let pair = worth(row, column);
            let taken = if pair > 0 { longest[(row + 1) * width + column + 1] + pair } else { 0 };
            longest[row * width + column] = skip.max(taken);
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < rows && column < columns {
        let here = longest[row * width + column];
        let pair = worth(row, column);
        if pair > 0 && here == longest[(row + 1) * width + column + 1] + pair {
            pairs.push((Some(row), Some(column)));
            (row, column) = (row + 1, column + 1);
        } else if here == longest[(row + 1) * width + column] {
            pairs.push((Some(row), None));
            row += 1;
        } else {
            pairs.push((None, Some(column)));
            column += 1;
        }
    }
    pairs.extend((row..rows).map(|row| (Some(row), None)));
    pairs.extend((column..columns).map(|column| (None, Some(column))));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryKind, protocol::Frame, protocol::messages as m};

    fn steps(names: &[&str]) -> Vec<Step> {
        let step = |(index, name): (usize, &&str)| {
            let frame = Frame::new(EntryKind::RUN.0, &m::Run { completion: 1, name: (*name).to_owned() });
            let command = crate::journal::Command::decode(EntryKind::RUN, &frame.body).unwrap();
            Step::begin(index, 0, EntryKind::RUN, &command)
        };
        names.iter().enumerate().map(step).collect()
    }

    fn rows(left: &[&str], right: &[&str]) -> String {
        let diff = Diff::of_steps(&steps(left), &steps(right));
        let sign = |row: &DiffRow| match (&row.left, &row.right) {
            (Some(step), None) => format!("-{}", step.name),
            (None, Some(step)) => format!("+{}", step.name),
            (Some(step), Some(_)) => step.name.clone(),
            (None, None) => String::new(),
        };
        diff.rows.iter().map(sign).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_longest_sequence_that_both_have_is_paired() {
        assert_eq!(rows(&["a", "b", "c"], &["a", "b", "c"]), "a b c");
        assert_eq!(rows(&["a", "b", "c"], &["a", "c"]), "a -b c");
        assert_eq!(rows(&["a", "c"], &["a", "b", "c"]), "a +b c");
        assert_eq!(rows(&["a", "b", "c", "d"], &["b", "x", "d", "a"]), "-a b -c +x d +a");
        assert_eq!(rows(&["a", "a", "b"], &["a", "b"]), "a -a b");
        assert_eq!(rows(&[], &["a"]), "+a");
        assert_eq!(rows(&["a"], &[]), "-a");
    }

    #[test]
    fn what_is_too_long_to_align_is_told_apart_without_trying() {
        let long = |name: &'static str| vec![name; 4_100];
        let diff = Diff::of_steps(&steps(&long("a")), &steps(&long("b")));
        assert_eq!(diff.rows.len(), 8_200);
        assert!(!diff.is_same() && diff.first_divergence().is_some());
    }
}
