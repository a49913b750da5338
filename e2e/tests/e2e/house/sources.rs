//! What may stand in a source file.

use super::{File, assert_none, files, root};

/// A file longer than this is split.
const LINES: usize = 600;

/// The one door: no other file of the workflows may write an effect to the journal.
const DOOR: &str = "workflows/src/step.rs";

/// Names that say nothing about what they hold.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager"];

/// What the domain may not ask: the clock and chance.
const IMPURE: &[&str] =
    &["Utc::now", "Local::now", "SystemTime::now", "Instant::now", "now_v7", "new_v4", "std::fs", "std::net", "std::env", "std::thread"];

fn wrong_sources(files: &[File]) -> Vec<String> {
    // In two halves, or this file would break its own rule.
    let unfinished = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    let journalled = concat!("ctx", ".run(");
    let mut wrong = Vec::new();
    for File { path, text } in files {
        let lines = text.lines().count();
        if lines > LINES {
            wrong.push(format!("{path} has {lines} lines, {LINES} is the end"));
        }
        if let Some(name) = path.split('/').map(|part| part.trim_end_matches(".rs")).find(|part| EMPTY_NAMES.contains(part)) {
            wrong.push(format!("{path}: `{name}` does not say what it holds"));
        }
        for (number, line) in text.lines().enumerate() {
            let mut says = |what: String| wrong.push(format!("{path}:{}: {what}", number + 1));
            let code = line.split("//").next().unwrap_or_default();
            for word in unfinished.iter().filter(|word| code.contains(**word)) {
                says(format!("`{word}` is not finished"));
            }
            if code.contains(journalled) && path != DOOR {
                says(format!("effects go through step(...) in {DOOR}"));
            }
            if path.starts_with("domain/src/") {
                for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                    says(format!("the domain is pure: no `{word}`"));
                }
            }
        }
    }
    wrong
}

fn wrong_manifest(path: &str, text: &str) -> Vec<String> {
    let manifest: toml::Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let mut wrong = Vec::new();
    let inherits = |table: &str, key: &str| manifest.get(table).and_then(|t| t.get(key)).and_then(toml::Value::as_bool) == Some(true);
    if !inherits("lints", "workspace") {
        wrong.push(format!("{path}: [lints] workspace = true is missing"));
    }
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, dependency) in manifest.get(table).and_then(toml::Value::as_table).into_iter().flatten() {
            if dependency.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                wrong.push(format!("{path}: the version of {name} belongs into the workspace's Cargo.toml"));
            }
        }
    }
    wrong
}

#[test]
fn sources_keep_the_rules() {
    assert_none(&wrong_sources(&files(&root(), ".rs")));
}

#[test]
fn a_wrong_source_is_caught() {
    let wrong = |path: &str, text: &str| wrong_sources(&[File::new(path, text)]).len();
    assert_eq!(wrong("workflows/src/step.rs", concat!("ctx", ".run(|| ())")), 0);
    assert_eq!(wrong("workflows/src/campaign.rs", concat!("    let x = ctx", ".run(|| ());")), 1);
    assert_eq!(wrong("workflows/src/campaign.rs", concat!("// `ctx", ".run(` is banned")), 0);
    assert_eq!(wrong("gateway/src/a.rs", concat!("todo", "!()")), 1);
    assert_eq!(wrong("gateway/src/a.rs", concat!("unimplemented", "!(\"later\")")), 1);
    assert_eq!(wrong("gateway/src/a.rs", &"\n".repeat(600)), 0);
    assert_eq!(wrong("gateway/src/a.rs", &"\n".repeat(601)), 1);
    assert_eq!(wrong("gateway/src/utils.rs", ""), 1);
    assert_eq!(wrong("gateway/src/helpers/mod.rs", ""), 1);
    assert_eq!(wrong("domain/src/ids.rs", "let now = Utc::now();"), 1);
    assert_eq!(wrong("activities/src/clock.rs", "let now = Utc::now();"), 0);
}

#[test]
fn manifests_share_lints_and_versions() {
    let members: Vec<File> = files(&root(), "Cargo.toml").into_iter().filter(|f| f.path != "Cargo.toml").collect();
    assert_none(&members.iter().flat_map(|f| wrong_manifest(&f.path, &f.text)).collect::<Vec<_>>());
}

#[test]
fn a_wrong_manifest_is_caught() {
    let good = "[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n";
    assert_eq!(wrong_manifest("a/Cargo.toml", good), Vec::<String>::new());
    assert_eq!(wrong_manifest("a/Cargo.toml", "[package]\nname = \"a\"\n").len(), 1);
    assert_eq!(wrong_manifest("a/Cargo.toml", &good.replace("serde.workspace = true", "serde = \"1\"")).len(), 1);
    assert_eq!(wrong_manifest("a/Cargo.toml", "[lints\n").len(), 1);
}
