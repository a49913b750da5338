//! A digest as mail: subject, text and HTML.
//!
//! The HTML is what mail programs can show: one column, inline styles, no scripts, no images, nothing loaded from anywhere. Every text that a
//! person or a model wrote is escaped, and a link is one only if it is http or https.

use super::{
    DigestData, PostFigures,
    plain::{one_line, platform_name},
    words::Words,
};
use crate::{brief::Language, metrics::Metric};

/// The subject line.
#[must_use]
pub fn subject(data: &DigestData, language: Language) -> String {
    let (from, to) = data.period.on_the_wall();
    let words = Words::of(language);
    let title = words.title.replace("{brand}", &one_line(&data.brand));
    format!("{title}: {} \u{2013} {}", words.day(from.naive()), words.day(to.naive()))
}

/// The digest as plain text; `summary` is the model's words or those of [`super::plain_summary`].
#[must_use]
pub fn render_text(data: &DigestData, summary: &str, language: Language) -> String {
    let words = Words::of(language);
    let mut lines = vec![
        title(data, words),
        words.period(&data.period),
        String::new(),
        summary.trim().to_owned(),
        String::new(),
        words.figures.to_owned(),
    ];
    for (name, now, before) in figures(data, words) {
        lines.push(format!("- {name}: {now} ({}: {before})", words.before));
    }
    for (heading, posts) in [(words.best, &data.best), (words.worst, &data.worst)] {
        if posts.is_empty() {
            continue;
        }
        lines.extend([String::new(), heading.to_owned()]);
        for post in posts {
            lines.push(format!("- {} ({})", one_line(&post.excerpt), told(post, words)));
            lines.extend(link(post).map(|url| format!("  {url}")));
        }
    }
    lines.extend([String::new(), "-- ".to_owned(), words.sent_by.replace("{brand}", &one_line(&data.brand)), String::new()]);
    lines.join("\n")
}

/// The digest as an HTML document; `summary` as for [`render_text`], blank lines in it part paragraphs.
#[must_use]
pub fn render_html(data: &DigestData, summary: &str, language: Language) -> String {
    let words = Words::of(language);
    let title = escape(&title(data, words));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;font-family:sans-serif;color:#1a1a1a;background:#ffffff\">\n\
         <div style=\"max-width:600px;margin:0 auto\">\n<h1 style=\"font-size:22px;margin:0 0 4px\">{title}</h1>\n\
         <p style=\"color:#555555;margin:0 0 16px\">{}</p>\n",
        words.language,
        escape(&words.period(&data.period)),
    );
    for paragraph in summary.trim().split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        html.push_str(&format!("<p style=\"line-height:1.5\">{}</p>\n", escape(paragraph).replace('\n', "<br>")));
    }
    let heading = |text: &str| format!("<h2 style=\"font-size:17px;margin:24px 0 8px\">{}</h2>\n", escape(text));
    html.push_str(&heading(words.figures));
    html.push_str("<table role=\"presentation\" style=\"border-collapse:collapse\">\n");
    for (name, now, before) in figures(data, words) {
        html.push_str(&format!(
            "<tr><td style=\"padding:4px 16px 4px 0\">{}</td><td style=\"padding:4px 16px 4px 0;text-align:right\"><b>{now}</b></td>\
             <td style=\"padding:4px 0;color:#555555\">{}: {before}</td></tr>\n",
            escape(&name),
            words.before,
        ));
    }
    html.push_str("</table>\n");
    for (title, posts) in [(words.best, &data.best), (words.worst, &data.worst)] {
        if posts.is_empty() {
            continue;
        }
        html.push_str(&heading(title));
        html.push_str("<ul style=\"padding-left:20px;line-height:1.5\">\n");
        for post in posts {
            let excerpt = escape(&one_line(&post.excerpt));
            let excerpt = link(post).map_or_else(|| excerpt.clone(), |url| format!("<a href=\"{}\">{excerpt}</a>", escape(url)));
            html.push_str(&format!(
                "<li lang=\"{}\">{excerpt} <span lang=\"{}\" style=\"color:#555555\">({})</span></li>\n",
                post.language,
                words.language,
                escape(&told(post, words))
            ));
        }
        html.push_str("</ul>\n");
    }
    let footer = escape(&words.sent_by.replace("{brand}", &one_line(&data.brand)));
    html.push_str(&format!("<p style=\"color:#555555;font-size:13px;margin-top:32px\">{footer}</p>\n</div>\n</body>\n</html>\n"));
    html
}

fn title(data: &DigestData, words: &Words) -> String {
    words.title.replace("{brand}", &one_line(&data.brand))
}

/// Every counter that anybody told in either period, and the click rate where it can be computed: its name, now, before.
fn figures(data: &DigestData, words: &Words) -> Vec<(String, String, String)> {
    let number = |value: Option<i64>| value.map_or_else(|| words.unknown.to_owned(), |value| words.number(value));
    let known = Metric::ALL.into_iter().filter(|metric| data.totals.get(*metric).is_some() || data.previous.get(*metric).is_some());
    let mut rows: Vec<_> =
        known.map(|metric| (words.metric(metric).to_owned(), number(data.totals.get(metric)), number(data.previous.get(metric)))).collect();
    if let Some(ctr) = data.rated.ctr() {
        let before = data.rated_previous.ctr().map_or_else(|| words.unknown.to_owned(), |ctr| words.rate(ctr));
        rows.push((words.click_rate.to_owned(), words.rate(ctr), before));
    }
    rows
}

fn told(post: &PostFigures, words: &Words) -> String {
    let engagement = post.period.engagement().map_or_else(|| words.unknown.to_owned(), |n| words.number(n));
    format!("{}, {}: {engagement}", platform_name(post), words.engagement)
}

/// The post's address, if it is one that a mail may link to.
fn link(post: &PostFigures) -> Option<&str> {
    let url = post.url.as_deref()?;
    let scheme = url::Url::parse(url).ok()?.scheme().to_owned();
    (matches!(scheme.as_str(), "http" | "https") && !url.contains(char::is_whitespace)).then_some(url)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
