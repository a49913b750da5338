//! A middle and how far the rest lies from it.

use std::fmt;

/// Median and quartiles of some readings, in their unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// Of at least one reading; of none, everything is "not a number".
    pub(crate) fn of(mut readings: Vec<f64>) -> Self {
        readings.sort_by(f64::total_cmp);
        Self { low: at(&readings, 0.25), median: at(&readings, 0.5), high: at(&readings, 0.75), count: readings.len() }
    }
}

/// The reading below which this share of them lies.
pub(crate) fn share(mut readings: Vec<f64>, share: f64) -> f64 {
    readings.sort_by(f64::total_cmp);
    at(&readings, share)
}

/// The value at a share of the sorted readings, between two of them in proportion.
fn at(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * f64::from(u32::try_from(last).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} [{:.digits$} .. {:.digits$}]", self.median, self.low, self.high)
    }
}
