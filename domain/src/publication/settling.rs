//! When looking for a part has said enough.
//!
//! A part whose sending had no definite outcome is looked for several times across a window in which its platform settles. What it says last counts, and
//! that it is not there counts only if it says so twice, the second time when nobody would be waiting for the request any more: where the process died,
//! or the line was cut, the platform may be at work on it still, and whoever sends again then has sent twice.

/// How often one may look beyond the planned times, until two of the last say the same.
const MORE: u32 = 4;

/// How much later than the end of a request it is looked for, in milliseconds: clocks differ, and an answer takes its way.
const AFTERWARDS_MS: u64 = 500;

/// What the look-ups so far have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// How many there were.
    pub look_ups: u32,
    /// How many of the last said, one after the other, that it is not there.
    pub absences: u32,
    /// For how many milliseconds after the last one the request might still be under way.
    pub alive_ms: u64,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again after so many milliseconds.
    LookAgain(u64),
    /// It is not there, and will not come any more.
    Absent,
    /// Nobody can tell.
    Unknown,
}

/// The pause before look-up number `turn`, from 0, in milliseconds; the last of `pauses_ms` repeats.
#[must_use]
pub fn pause_ms(pauses_ms: &[u64], turn: u32) -> u64 {
    let at = usize::try_from(turn).unwrap_or(usize::MAX).min(pauses_ms.len().saturating_sub(1));
    pauses_ms.get(at).copied().unwrap_or(1_000)
}

/// What follows from what was seen, where `pauses_ms` are the pauses before each planned look-up.
#[must_use]
pub fn verdict(pauses_ms: &[u64], seen: Seen) -> Verdict {
    let planned = u32::try_from(pauses_ms.len()).unwrap_or(u32::MAX).max(1);
    let again = pause_ms(pauses_ms, seen.look_ups);
    let is_over = seen.alive_ms == 0;
    match seen {
        Seen { look_ups, .. } if look_ups < planned => Verdict::LookAgain(again),
        Seen { absences: 0, .. } => Verdict::Unknown,
        Seen { absences: 2.., .. } if is_over => Verdict::Absent,
        Seen { look_ups, .. } if look_ups >= planned.saturating_add(MORE) => Verdict::Unknown,
        _ if is_over => Verdict::LookAgain(again),
        Seen { alive_ms, .. } => Verdict::LookAgain(again.max(alive_ms.saturating_add(AFTERWARDS_MS))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: &[u64] = &[100, 200, 300];

    fn after(look_ups: u32, absences: u32, alive_ms: u64) -> Verdict {
        verdict(PAUSES, Seen { look_ups, absences, alive_ms })
    }

    #[test]
    fn the_planned_times_are_all_looked_at() {
        assert_eq!((after(1, 1, 0), after(2, 2, 0)), (Verdict::LookAgain(200), Verdict::LookAgain(300)));
        assert_eq!(after(3, 3, 0), Verdict::Absent);
        assert_eq!(after(3, 0, 0), Verdict::Unknown);
    }

    #[test]
    fn one_absence_after_others_that_could_not_tell_is_looked_at_again() {
        assert_eq!(after(3, 1, 0), Verdict::LookAgain(300));
        assert_eq!(after(4, 2, 0), Verdict::Absent);
        assert_eq!(after(4, 0, 0), Verdict::Unknown, "it could not be told once more");
        // One look-up is planned, and two are needed.
        assert_eq!(verdict(&[50], Seen { look_ups: 1, absences: 1, alive_ms: 0 }), Verdict::LookAgain(50));
    }

    #[test]
    fn nothing_is_absent_while_its_request_may_be_under_way() {
        assert_eq!(after(3, 3, 14_000), Verdict::LookAgain(14_500));
        assert_eq!(after(4, 4, 0), Verdict::Absent);
        assert_eq!(after(3, 3, 10), Verdict::LookAgain(510));
    }

    #[test]
    fn it_ends_whatever_is_seen() {
        for alive_ms in [0, 1, 30_000, u64::MAX] {
            for absences in 0..9 {
                assert!(!matches!(after(3 + MORE, absences, alive_ms), Verdict::LookAgain(_)), "{absences} {alive_ms}");
            }
        }
    }
}
