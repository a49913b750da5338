//! How good a variant is, in numbers that a person can follow and a replay gets again to the last digit.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// What fit to the brand weighs in the total. The brand's voice is what the product is for; it outweighs ease of reading.
pub const WEIGHT_OF_BRAND_FIT: f64 = 0.7;
/// What readability weighs in the total.
pub const WEIGHT_OF_READABILITY: f64 = 0.3;

/// The marks of one variant, each in 0..=1 and rounded to four decimals, so that its JSON is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// How much it sounds like the brand; 1 is best.
    pub brand_fit: f64,
    /// How easily it reads; 1 is best.
    pub readability: f64,
    /// How risky it is to send; 0 is best.
    pub risk: f64,
    /// All in one; 1 is best.
    pub total: f64,
}

/// The marks and their total: `(0.7 * brand_fit + 0.3 * readability) * (1 - risk)`.
///
/// Risk multiplies instead of being a third summand, because no amount of style makes up for a banned phrase: a text at full risk is worth
/// nothing. Values outside 0..=1 are clamped; what is not a number counts as the worst.
#[must_use]
pub fn score(brand_fit: impl Into<f64>, readability: impl Into<f64>, risk: impl Into<f64>) -> Score {
    let (brand_fit, readability, risk) = (unit(brand_fit.into(), 0.0), unit(readability.into(), 0.0), unit(risk.into(), 1.0));
    let total = (WEIGHT_OF_BRAND_FIT * brand_fit + WEIGHT_OF_READABILITY * readability) * (1.0 - risk);
    Score { brand_fit, readability, risk, total: unit(total, 0.0) }
}

/// Clamped to 0..=1 and rounded to four decimals; `worst` stands in for what is not a number. Adding 0.0 turns a negative zero, which JSON
/// would show, into zero.
fn unit(value: f64, worst: f64) -> f64 {
    let value = if value.is_nan() { worst } else { value.clamp(0.0, 1.0) };
    (value * 10_000.0).round() / 10_000.0 + 0.0
}

/// The order from best to worst as indexes into `scores`: by total, then by lower risk, then by brand fit, then by readability. Equals keep
/// their order, so that the same variants rank the same everywhere.
#[must_use]
pub fn ranking(scores: &[Score]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| best_first(&scores[*a], &scores[*b]));
    order
}

fn best_first(a: &Score, b: &Score) -> Ordering {
    b.total
        .total_cmp(&a.total)
        .then(a.risk.total_cmp(&b.risk))
        .then(b.brand_fit.total_cmp(&a.brand_fit))
        .then(b.readability.total_cmp(&a.readability))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_total_is_the_documented_formula() {
        assert_eq!(score(0.8, 0.5, 0.0), Score { brand_fit: 0.8, readability: 0.5, risk: 0.0, total: 0.71 });
        assert_eq!(score(0.8, 0.5, 0.5).total, 0.355);
        assert_eq!(score(1.0, 1.0, 1.0).total, 0.0, "full risk is worth nothing");
        assert_eq!(score(f64::NAN, 2.0, f64::NAN), Score { brand_fit: 0.0, readability: 1.0, risk: 1.0, total: 0.0 });
    }

    #[test]
    fn json_is_the_same_bytes_whichever_float_came_in() {
        let json = serde_json::to_string(&score(0.1_f32 + 0.2_f32, 1.0_f64 / 3.0, -0.0_f64)).unwrap();
        assert_eq!(json, r#"{"brand_fit":0.3,"readability":0.3333,"risk":0.0,"total":0.31}"#);
    }

    #[test]
    fn ties_go_to_the_safer_and_then_to_the_earlier() {
        let mark = |total, risk| Score { brand_fit: 0.5, readability: 0.5, risk, total };
        assert_eq!(ranking(&[mark(0.4, 0.0), mark(0.6, 0.3), mark(0.6, 0.1), mark(0.4, 0.0)]), [2, 1, 0, 3]);
    }

    proptest! {
        #[test]
        fn more_risk_is_never_worth_more(fit in 0.0..1.0_f64, ease in 0.0..1.0_f64, a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            let (low, high) = (a.min(b), a.max(b));
            let (safe, risky) = (score(fit, ease, low), score(fit, ease, high));
            prop_assert!(safe.total >= risky.total);
            for mark in [safe.brand_fit, safe.readability, safe.risk, safe.total] {
                prop_assert!((0.0..=1.0).contains(&mark));
            }
            let again: Score = serde_json::from_str(&serde_json::to_string(&safe).unwrap()).unwrap();
            prop_assert_eq!(again, safe);
        }
    }
}
