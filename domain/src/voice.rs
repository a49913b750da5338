//! A brand's voice: learned from 3 to 500 example posts, stated as constraints for a prompt, and scored on a new text.
//!
//! [`check_examples`] refuses what cannot be learned from; [`train`] makes a [`VoiceModel`]; [`brand_fit`] says how much a post sounds like
//! the examples and why, and [`draft_fit`] the same of a draft; [`constraint_violations`] says which of the stated constraints it breaks. Everything is counted, nothing is asked of
//! a language model, so that the same text always has the same score and every score can be explained.

mod constraints;
mod examples;
mod fit;
mod letters;
mod lexicon;
mod measures;
mod phrases;
mod profile;
mod train;
mod wording;
mod words;

pub use constraints::{Constraint, ConstraintKind, Violation, constraint_violations};
pub use examples::{Example, ExampleProblem, ExampleReason, MAX_EXAMPLE_CHARS, MAX_EXAMPLES, MIN_EXAMPLES, check_examples};
pub use fit::{BrandFit, Reason, brand_fit, draft_fit};
pub use measures::{Feature, Measures, measure};
pub use phrases::Phrase;
pub use profile::{Calibration, Habit, Spread, VoiceModel, VoiceProfile};
pub use train::train;
pub use wording::Wording;
