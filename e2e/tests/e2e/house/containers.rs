//! Whether the compose files and the Dockerfile set what there is to set: no engine is needed to see that.

use std::collections::BTreeSet;

use super::{assert_none, root};

/// Every `section.key` that the annotated settings file names, in force or commented out.
fn known_settings(annotated: &str) -> BTreeSet<String> {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
    let mut section = String::new();
    let mut known = BTreeSet::new();
    for line in annotated.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|name| is_name(name)) {
            section = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| is_name(key)) {
            known.insert(format!("{section}.{key}"));
        }
    }
    known
}

/// `PRESSROOM__SECTION__KEY` wherever it stands in `text`, as `section.key`.
fn named_settings(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter_map(|word| word.strip_prefix("PRESSROOM__"))
        // `PRESSROOM__...` in prose names none.
        .filter(|name| !name.is_empty())
        .map(|name| name.to_ascii_lowercase().replace("__", "."))
        .collect()
}

fn unknown_settings(file: &str, text: &str, annotated: &str) -> Vec<String> {
    let known = known_settings(annotated);
    named_settings(text).difference(&known).map(|name| format!("{file}: there is no setting {name}")).collect()
}

#[test]
fn containers_and_documents_name_settings_that_exist() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let annotated = read("pressroom.toml");
    let files = ["Dockerfile", "docker-compose.yml", "docker-compose.cluster.yml", "README.md", "CONTRIBUTING.md"];
    let named: usize = files.iter().map(|file| named_settings(&read(file)).len()).sum();
    assert!(named > 10, "only {named} settings were found: are they written otherwise now?");
    assert_none(&files.iter().flat_map(|file| unknown_settings(file, &read(file), &annotated)).collect::<Vec<_>>());
}

#[test]
fn an_unknown_setting_is_caught() {
    let annotated = "[gateway]\nlisten = \"127.0.0.1:1\"\n# Words = words\n# token_secret = \"...\"\n# [mail]\n# host = \"h\"\n[workflows.lateness]\ngrace_seconds = 60\n";
    let unknown = |text: &str| unknown_settings("a", text, annotated);
    let good = "PRESSROOM__GATEWAY__LISTEN: x\nPRESSROOM__GATEWAY__TOKEN_SECRET=1 PRESSROOM__MAIL__HOST PRESSROOM__WORKFLOWS__LATENESS__GRACE_SECONDS";
    assert_eq!(unknown(good), Vec::<String>::new());
    assert_eq!(unknown("PRESSROOM__GATEWAY__LISTN: x"), ["a: there is no setting gateway.listn"]);
    assert_eq!(unknown("PRESSROOM__MAIL__TOKEN_SECRET: x").len(), 1);
}
