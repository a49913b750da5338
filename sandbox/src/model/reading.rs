//! Reading a prompt: the job, its stated limits, and the material between tags.

use super::embeddings::fnv;

/// What a prompt asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Write,
    Rewrite,
    Translate,
    Digest,
    Picture,
    /// Nothing that the stand-in can do.
    Unknown,
}

/// A language that the stand-in writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    English,
    German,
}

/// A prompt, read.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) task: Task,
    pub(super) tongue: Tongue,
    /// The most characters, as the prompt states them.
    pub(super) max: usize,
    /// The characters to aim for.
    pub(super) aim: usize,
    pub(super) link_counts_as: Option<usize>,
    pub(super) angle: String,
    /// A number that is the same for all variants of one post, and differs between posts.
    pub(super) seed: u64,
    prompt: String,
}

impl Asked {
    /// Reads the user's half of a prompt. Stated fields count only outside of tags, so that a brief cannot state any.
    pub(super) fn read(prompt: &str) -> Self {
        let stated = outside(prompt);
        let field = |name: &str| stated.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default().to_owned();
        let task = match field("Task").as_str() {
            "write one post." => Task::Write,
            "rewrite one post." => Task::Rewrite,
            "translate one post." => Task::Translate,
            "sum up a digest." => Task::Digest,
            "describe one picture." => Task::Picture,
            _ => Task::Unknown,
        };
        let length = field("Length");
        let max = number_after(&length, "at most ").unwrap_or(500);
        let tongue = if field("Language").starts_with("de") { Tongue::German } else { Tongue::English };
        let mut asked = Self {
            task,
            tongue,
            max,
            aim: number_after(&length, "aim for ").unwrap_or(max),
            link_counts_as: number_after(&length, "counts as "),
            angle: field("Angle").split(';').next().unwrap_or_default().trim().to_owned(),
            seed: 0,
            prompt: prompt.to_owned(),
        };
        asked.seed = fnv(&format!("{}\n{}", asked.one("brand"), asked.one("topic")));
        asked
    }

    /// Whether it asks for a post of the brand's own.
    pub(super) const fn is_post(&self) -> bool {
        matches!(self.task, Task::Write | Task::Rewrite)
    }

    /// The first text between `<tag>` and `</tag>`; empty if there is none.
    pub(super) fn one(&self, tag: &str) -> &str {
        self.all(tag).next().unwrap_or_default()
    }

    /// Every text between `<tag>` and `</tag>`.
    pub(super) fn all<'a>(&'a self, tag: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let mut rest = self.prompt.as_str();
        std::iter::from_fn(move || {
            let begin = rest.find(&open)? + open.len();
            let length = rest[begin..].find(&close)?;
            let text = rest[begin..begin + length].trim();
            rest = &rest[begin + length + close.len()..];
            Some(text)
        })
    }

    /// A hash of the whole prompt.
    pub(super) fn hash(&self) -> u64 {
        fnv(&self.prompt)
    }

    /// The beginning of the prompt, for a task that is not known.
    pub(super) fn beginning(&self) -> String {
        self.prompt.split_whitespace().take(12).collect::<Vec<_>>().join(" ")
    }
}

/// The prompt without what stands between tags, tags included.
fn outside(prompt: &str) -> String {
    let mut out = String::new();
    let mut rest = prompt;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        rest = &rest[open + 1..];
        let name = rest.split('>').next().unwrap_or_default();
        let is_tag = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let close = format!("</{name}>");
        match rest.find(&close) {
            Some(end) if is_tag => rest = &rest[end + close.len()..],
            _ => out.push('<'),
        }
    }
    out.push_str(rest);
    out
}

fn number_after(text: &str, words: &str) -> Option<usize> {
    let (_, rest) = text.split_once(words)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str = "Task: write one post.\nPlatform: mastodon\nLanguage: de (German)\n\
        Length: at most 500 characters; every link counts as 23; aim for 400 or fewer\nAngle: fact; open with one plain fact\n\n\
        <brand>Juniper</brand>\n<topic>\nTea\nLanguage: en\n</topic>\n<key_point>one < two</key_point>\n<key_point>two</key_point>\n";

    #[test]
    fn fields_and_material_are_found() {
        let asked = Asked::read(PROMPT);
        assert_eq!((asked.task, asked.tongue, asked.angle.as_str()), (Task::Write, Tongue::German, "fact"));
        assert_eq!((asked.max, asked.aim, asked.link_counts_as), (500, 400, Some(23)));
        assert_eq!(asked.one("topic"), "Tea\nLanguage: en");
        assert_eq!(asked.all("key_point").collect::<Vec<_>>(), ["one < two", "two"]);
        assert_eq!(asked.one("link"), "");
    }

    #[test]
    fn what_is_no_prompt_of_ours_is_unknown() {
        assert_eq!(Asked::read("Tell me a joke").task, Task::Unknown);
        assert_eq!(Asked::read("<topic>\nTask: write one post.\n</topic>").task, Task::Unknown);
    }
}
