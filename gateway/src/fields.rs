//! Collects everything that is wrong with a body, so that a client can mend it in one go.

use crate::problem::{FieldError, Problem};

/// The bad fields found so far.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes that the field at `pointer` is wrong.
    pub(crate) fn bad(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    /// A text of at most `max` characters that says something.
    pub(crate) fn text(&mut self, pointer: &str, value: &str, max: usize) {
        if value.trim().is_empty() {
            self.bad(pointer, "must not be empty");
        }
        self.at_most(pointer, value, max);
    }

    /// A text of at most `max` characters; it may be empty.
    pub(crate) fn at_most(&mut self, pointer: &str, value: &str, max: usize) {
        if value.chars().count() > max {
            self.bad(pointer, format!("must have at most {max} characters"));
        }
    }

    /// A list of at most `max_items` texts of at most `max` characters, none empty.
    pub(crate) fn texts(&mut self, pointer: &str, values: &[String], max_items: usize, max: usize) {
        if values.len() > max_items {
            self.bad(pointer, format!("must have at most {max_items} entries"));
        }
        for (index, value) in values.iter().enumerate().take(max_items) {
            self.text(&format!("{pointer}/{index}"), value, max);
        }
    }

    /// An http or https URL without credentials in it.
    pub(crate) fn web_url(&mut self, pointer: &str, value: &str) {
        match url::Url::parse(value) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => self.bad(pointer, "must be an http or https URL"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => self.bad(pointer, "must not carry credentials"),
            Ok(_) => self.at_most(pointer, value, 2000),
            Err(_) => self.bad(pointer, "must be a URL such as https://example.com/page"),
        }
    }

    /// Nothing, or a problem that names every bad field.
    ///
    /// # Errors
    /// If any field is bad.
    pub(crate) fn done(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::fields(self.0)) }
    }
}

/// Escapes one segment of a JSON pointer (RFC 6901).
pub(crate) fn segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
