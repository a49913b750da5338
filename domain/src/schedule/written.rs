//! A plan as it is written in JSON.
//!
//! serde reads a tagged enum out of a buffer and so forgets which field was wrong. One struct with the fields of every mode is read in place, so
//! that an error knows where it belongs; what a mode needs is checked afterwards, in serde's own words about missing and unknown fields.

use chrono_tz::Tz;
use serde::Deserialize;

use super::{At, OnGap, OnOverlap, ScheduleSpec, WallTime};

/// The fields of every mode.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    mode: Mode,
    at: Option<WallTime>,
    timezone: Option<Tz>,
    on_gap: Option<OnGap>,
    on_overlap: Option<OnOverlap>,
}

/// The tag.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Now,
    At,
}

impl TryFrom<Spec> for ScheduleSpec {
    type Error = String;

    fn try_from(spec: Spec) -> Result<Self, String> {
        let missing = |field: &str| format!("missing field `{field}`");
        match spec.mode {
            Mode::At => Ok(Self::At(At {
                at: spec.at.ok_or_else(|| missing("at"))?,
                timezone: spec.timezone.ok_or_else(|| missing("timezone"))?,
                on_gap: spec.on_gap.unwrap_or_default(),
                on_overlap: spec.on_overlap.unwrap_or_default(),
            })),
            Mode::Now => {
                let beside = [
                    ("at", spec.at.is_some()),
                    ("timezone", spec.timezone.is_some()),
                    ("on_gap", spec.on_gap.is_some()),
                    ("on_overlap", spec.on_overlap.is_some()),
                ];
                match beside.into_iter().find(|(_, given)| *given) {
                    Some((field, _)) => Err(format!("unknown field `{field}`, there are no others beside the mode `now`")),
                    None => Ok(Self::Now {}),
                }
            }
        }
    }
}
