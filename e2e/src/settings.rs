//! Settings under which nothing in a test waits longer than it has to.

use domain::{
    metrics::{PollCadence, polling::PollStep},
    schedule::LatenessRule,
};
use workflows::world::WorkflowSettings;

/// Short pauses everywhere; three readings of counters within the first seconds.
///
/// # Panics
/// Never: the cadence is a constant.
#[must_use]
pub fn quick() -> WorkflowSettings {
    #[expect(clippy::expect_used, reason = "a constant cadence")]
    let metrics =
        PollCadence::try_from(vec![PollStep { until_ms: 1_500, every_ms: 400 }, PollStep { until_ms: 3_600_000, every_ms: 600_000 }])
            .expect("a cadence");
    WorkflowSettings {
        // Wide enough that a busy machine does not make a post late.
        lateness: LatenessRule { grace_seconds: 600, limit_seconds: 24 * 3600 },
        settle_ms: vec![100, 200, 300],
        rest_ms: 500,
        metrics,
        ..WorkflowSettings::default()
    }
}
