//! What the whole dependency graph may contain. `deny.toml` says the same to cargo-deny, where that is installed; this needs nothing but the files.

use super::{assert_none, root};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every crate of the graph: its name, and where it comes from (nothing: this workspace).
fn packages(lockfile: &str) -> Vec<(String, Option<String>)> {
    let table: toml::Table = lockfile.parse().unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    table["package"].as_array().unwrap().iter().map(|package| (text(package, "name").unwrap(), text(package, "source"))).collect()
}

/// The crates that `deny.toml` bans altogether, or with `wrappers` from all but those.
fn bans(deny: &str, with_wrappers: bool) -> Vec<(String, Vec<String>)> {
    let table: toml::Table = deny.parse().unwrap();
    let entries = table["bans"]["deny"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| {
            let wrappers = entry.get("wrappers").and_then(toml::Value::as_array);
            let names = wrappers.into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>();
            (entry["crate"].as_str().unwrap().to_owned(), names)
        })
        .filter(|(_, wrappers)| wrappers.is_empty() != with_wrappers)
        .collect()
}

fn wrong_packages(lockfile: &str, deny: &str, ours: &[&str]) -> Vec<String> {
    let banned = bans(deny, false);
    let mut wrong = Vec::new();
    for (name, source) in packages(lockfile) {
        match source.as_deref() {
            Some(CRATES_IO) => {}
            Some(other) => wrong.push(format!("{name} comes from {other}")),
            None if ours.contains(&name.as_str()) => {}
            None => wrong.push(format!("{name} comes from a folder that is no crate of the house")),
        }
        if banned.iter().any(|(crate_name, _)| *crate_name == name) {
            wrong.push(format!("{name} is banned in deny.toml"));
        }
    }
    wrong
}

#[test]
fn crates_come_from_one_registry_and_none_is_banned() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let ours: Vec<&str> = super::imports::OURS.iter().map(|(name, _)| *name).collect();
    assert_none(&wrong_packages(&read("Cargo.lock"), &read("deny.toml"), &ours));
}

#[test]
fn cargo_deny_is_told_the_same_as_the_house() {
    let told = bans(&std::fs::read_to_string(root().join("deny.toml")).unwrap(), true);
    let house: Vec<(String, Vec<String>)> = super::imports::ONLY_IN
        .iter()
        .map(|(name, only)| ((*name).to_owned(), only.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(told, house);
}

#[test]
fn a_wrong_crate_is_caught() {
    let deny = "[bans]\ndeny = [{ crate = \"backoff\" }, { crate = \"restate-sdk\", wrappers = [\"workflows\"] }]";
    let wrong = |name: &str, source: &str| {
        let source = if source.is_empty() { String::new() } else { format!("source = \"{source}\"\n") };
        wrong_packages(&format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n{source}"), deny, &["domain"]).len()
    };
    assert_eq!(wrong("domain", ""), 0);
    assert_eq!(wrong("serde", CRATES_IO), 0);
    assert_eq!(wrong("restate-sdk", CRATES_IO), 0);
    assert_eq!(wrong("serde", ""), 1);
    assert_eq!(wrong("serde", "git+https://example.org/serde"), 1);
    assert_eq!(wrong("serde", "registry+https://example.org/index"), 1);
    assert_eq!(wrong("backoff", CRATES_IO), 1);
}
