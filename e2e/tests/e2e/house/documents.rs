//! Whether what the documents point to is there.

use std::path::Path;

use super::{File, assert_none, files, root};

/// The targets of Markdown links in `text`, without those in code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // What stands between backticks is an example.
        let prose: String = line.split('`').step_by(2).collect();
        let mut rest = prose.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}

/// Links of `file` to files that are not there, by what `exists` says of a path from the root.
fn dead_links(file: &File, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    links(&file.text)
        .into_iter()
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:") && !link.starts_with('#'))
        .filter(|link| !exists(&folder.join(link.split('#').next().unwrap_or_default())))
        .map(|link| format!("{}: {link} is not there", file.path))
        .collect()
}

#[test]
fn documents_point_to_what_is_there() {
    let root = root();
    let dead: Vec<String> = files(&root, ".md").iter().flat_map(|file| dead_links(file, |path| root.join(path).exists())).collect();
    assert_none(&dead);
}

#[test]
fn a_dead_link_is_caught() {
    let dead = |text: &str| dead_links(&File::new("docs/A.md", text), |path| path == Path::new("docs/B.md")).len();
    assert_eq!(dead("[b](B.md), [b](B.md#part), [web](https://example.org/x), [here](#part)"), 0);
    assert_eq!(dead("[b](B.md) and [c](C.md)"), 1);
    assert_eq!(dead("`[c](C.md)`\n```\n[c](C.md)\n```\n"), 0);
}
