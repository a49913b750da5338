//! The form that CI systems read: <https://github.com/testmoapp/junitxml>.

use std::fmt::Write as _;

use super::VerifyReport;
use crate::replay::Verdict;

pub(super) fn write(report: &VerifyReport) -> String {
    let counts = report.counts;
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let tests = counts.runs + counts.unread;
    let skipped = counts.incomplete;
    let mut put = |line: &str| {
        xml.push_str(line);
        xml.push('\n');
    };
    put(&format!("<testsuites tests=\"{tests}\" failures=\"{}\" errors=\"{}\" skipped=\"{skipped}\">", counts.diverged, counts.unread));
    put(&format!(
        "  <testsuite name=\"replay\" tests=\"{tests}\" failures=\"{}\" errors=\"{}\" skipped=\"{skipped}\">",
        counts.diverged, counts.unread
    ));
    put("    <properties>");
    put(&format!("      <property name=\"entries\" value=\"{}\"/>", counts.entries));
    put(&format!("      <property name=\"faithful\" value=\"{}\"/>", counts.faithful));
    put("    </properties>");
    for run in &report.runs {
        let report = &run.report;
        let file = run.file.as_ref().map(|file| format!(" file=\"{}\"", escaped(file))).unwrap_or_default();
        let case = format!("    <testcase classname=\"{}\" name=\"{}\"{file}", escaped(&report.target), report.run);
        let (element, kind) = match &report.verdict {
            Verdict::Faithful => {
                put(&format!("{case}/>"));
                continue;
            }
            Verdict::Diverged(divergence) => ("failure", format!("{:?}", divergence.cause)),
            Verdict::Incomplete { .. } => ("skipped", "incomplete".to_owned()),
        };
        let text = report.to_string();
        let first = text.lines().next().unwrap_or_default();
        put(&format!("{case}>"));
        put(&format!("      <{element} type=\"{}\" message=\"{}\">{}</{element}>", escaped(&kind), escaped(first), escaped(&text)));
        put("    </testcase>");
    }
    for file in &report.unread {
        put(&format!("    <testcase classname=\"bundle\" name=\"{0}\" file=\"{0}\">", escaped(&file.file)));
        put(&format!("      <error type=\"unread\" message=\"{}\"/>", escaped(&file.why)));
        put("    </testcase>");
    }
    put("  </testsuite>");
    put("</testsuites>");
    xml
}

/// Text as it may stand in XML; characters that XML does not know become U+FFFD.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' | '\r' => {
                let _ = write!(safe, "&#{};", u32::from(character));
            }
            character if character.is_control() || matches!(character, '\u{FFFE}' | '\u{FFFF}') => safe.push('\u{FFFD}'),
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escaped("<a href=\"x\">&\n\u{1}"), "&lt;a href=&quot;x&quot;&gt;&amp;&#10;\u{FFFD}");
    }

    #[test]
    fn a_file_that_was_not_read_is_an_error() {
        let xml = write(&VerifyReport::unread("a.bundle".to_owned(), "cut off"));
        assert!(xml.contains("<error type=\"unread\" message=\"cut off\"/>") && xml.contains("tests=\"1\""), "{xml}");
    }
}
