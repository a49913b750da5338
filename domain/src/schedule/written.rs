//! A plan as it is written in JSON.
//!
//! serde reads a tagged enum out of a buffer and so forgets which field was wrong. One struct with the fields of every mode is read in place, so
//! that an error knows where it belongs; what a mode needs is checked afterwards, in serde's own words about missing and unknown fields.

use chrono_tz::Tz;
use serde::Deserialize;

use super::{At, OnGap, OnOverlap, ScheduleSpec, WallTime, best_time::BestTime};

/// The fields of every mode.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    mode: Mode,
    at: Option<WallTime>,
    timezone: Option<Tz>,
    on_gap: Option<OnGap>,
    on_overlap: Option<OnOverlap>,
    within_hours: Option<u32>,
    window_seconds: Option<u32>,
}

/// The tag.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Now,
    At,
    BestTime,
}

impl TryFrom<Spec> for ScheduleSpec {
    type Error = String;

    fn try_from(spec: Spec) -> Result<Self, String> {
        let missing = |field: &str| format!("missing field `{field}`");
        let given = [
            ("at", spec.at.is_some()),
            ("timezone", spec.timezone.is_some()),
            ("on_gap", spec.on_gap.is_some()),
            ("on_overlap", spec.on_overlap.is_some()),
            ("within_hours", spec.within_hours.is_some()),
            ("window_seconds", spec.window_seconds.is_some()),
        ];
        let (name, known): (&str, &[&str]) = match spec.mode {
            Mode::Now => ("now", &[]),
            Mode::At => ("at", &["at", "timezone", "on_gap", "on_overlap", "window_seconds"]),
            Mode::BestTime => ("best_time", &["timezone", "within_hours", "window_seconds"]),
        };
        if let Some((field, _)) = given.into_iter().find(|(field, given)| *given && !known.contains(field)) {
            let others = if known.is_empty() { "there are no others".to_owned() } else { format!("expected one of {}", known.join(", ")) };
            return Err(format!("unknown field `{field}`, {others} beside the mode `{name}`"));
        }
        match spec.mode {
            Mode::Now => Ok(Self::Now {}),
            Mode::At => Ok(Self::At(At {
                at: spec.at.ok_or_else(|| missing("at"))?,
                timezone: spec.timezone.ok_or_else(|| missing("timezone"))?,
                on_gap: spec.on_gap.unwrap_or_default(),
                on_overlap: spec.on_overlap.unwrap_or_default(),
                window_seconds: spec.window_seconds,
            })),
            Mode::BestTime => Ok(Self::BestTime(BestTime {
                timezone: spec.timezone.ok_or_else(|| missing("timezone"))?,
                within_hours: spec.within_hours.ok_or_else(|| missing("within_hours"))?,
                window_seconds: spec.window_seconds,
            })),
        }
    }
}
