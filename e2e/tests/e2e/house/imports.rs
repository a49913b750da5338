//! Who may import whom.

use std::{collections::BTreeSet, process::Command};

use serde::Deserialize;

use super::{assert_none, root};

/// Our crates, and what of ours each may depend on. `e2e`, which nothing depends on, may use all.
pub(super) const OURS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("migrations", &[]),
    ("replay", &[]),
    ("activities", &["domain"]),
    ("workflows", &["domain", "activities"]),
    ("gateway", &["domain", "activities", "workflows", "replay"]),
    ("cli", &["domain", "activities", "workflows", "gateway", "replay", "migrations", "sandbox"]),
    ("sandbox", &["migrations"]),
    ("e2e", &["domain", "activities", "workflows", "gateway", "replay", "migrations", "sandbox", "cli"]),
];

/// Tests may stand on real servers and stand-ins: `sandbox` imports nothing of ours that could carry a dependency back.
const TESTS_MAY_USE: &[(&str, &[&str])] = &[
    ("activities", &["sandbox", "migrations"]),
    ("workflows", &["sandbox", "migrations"]),
    ("gateway", &["sandbox", "migrations"]),
    ("replay", &["sandbox"]),
];

/// Crates that only some of ours may depend on, in whatever role.
pub(super) const ONLY_IN: &[(&str, &[&str])] =
    &[("restate-sdk", &["workflows", "gateway", "replay", "cli", "e2e"]), ("aws-sdk-s3", &["activities"])];

/// What would let the domain act: IO, engines, chance, threads of its own.
const NOT_IN_DOMAIN: &[&str] = &[
    "tokio",
    "reqwest",
    "sqlx",
    "axum",
    "hyper",
    "futures",
    "rand",
    "getrandom",
    "lettre",
    "restate-sdk",
    "aws-sdk-s3",
    "tracing",
    "metrics",
];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
}

/// What `cargo metadata` says of this workspace.
fn metadata() -> Metadata {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(package, _)| *package == name).map(|(_, allowed)| *allowed)
}

fn wrong_imports(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> = OURS.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut wrong: Vec<String> =
        ours.symmetric_difference(&there).map(|name| format!("{name} is not both in the house's table and in the workspace")).collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = of(OURS, name).unwrap_or_default();
        let in_tests = of(TESTS_MAY_USE, name).unwrap_or_default();
        for dependency in &package.dependencies {
            let on = dependency.name.as_str();
            let test_only = dependency.kind.as_deref() == Some("dev");
            if ours.contains(on) && !allowed.contains(&on) && !(test_only && in_tests.contains(&on)) {
                wrong.push(format!("{name} may not import {on}"));
            }
            if let Some(only) = of(ONLY_IN, on)
                && !only.contains(&name)
            {
                wrong.push(format!("{name} may not use {on}, which belongs to {}", only.join(", ")));
            }
            if name == "domain" && NOT_IN_DOMAIN.contains(&on) {
                wrong.push(format!("the domain is pure: it may not use {on}"));
            }
        }
    }
    wrong
}

#[test]
fn crates_import_in_one_direction() {
    assert_none(&wrong_imports(&metadata()));
}

#[test]
fn a_wrong_import_is_caught() {
    let with = |name: &str, on: &str, kind: Option<&str>| {
        let mut metadata =
            Metadata { packages: OURS.iter().map(|(name, _)| Package { name: (*name).to_owned(), dependencies: vec![] }).collect() };
        let package = metadata.packages.iter_mut().find(|p| p.name == name).unwrap();
        package.dependencies.push(Dependency { name: on.to_owned(), kind: kind.map(str::to_owned) });
        wrong_imports(&metadata).len()
    };
    assert_eq!(with("gateway", "workflows", None), 0);
    assert_eq!(with("activities", "sandbox", Some("dev")), 0);
    assert_eq!(with("replay", "sandbox", Some("dev")), 0);
    for (name, on, kind) in [
        ("domain", "activities", None),
        ("activities", "workflows", None),
        ("activities", "sandbox", None),
        ("activities", "migrations", None),
        ("workflows", "gateway", None),
        ("workflows", "gateway", Some("dev")),
        ("replay", "workflows", Some("dev")),
        ("replay", "sandbox", None),
        ("sandbox", "domain", None),
        ("migrations", "domain", Some("build")),
        ("activities", "restate-sdk", None),
        ("workflows", "aws-sdk-s3", None),
        ("domain", "tokio", None),
        ("domain", "sqlx", Some("dev")),
    ] {
        assert_eq!(with(name, on, kind), 1, "{name} -> {on} {kind:?}");
    }
    assert_eq!(with("domain", "restate-sdk", None), 2);
    let stranger = Metadata { packages: vec![Package { name: "utils".to_owned(), dependencies: vec![] }] };
    assert_eq!(wrong_imports(&stranger).len(), OURS.len() + 1);
}
