//! Bundles: the same bytes each time, and an error that names what is wrong with a file.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use proptest::prelude::*;
use replay::{Bundle, BundleError, EntryKind, Limits, Outcome, Part, Redaction, Rule};

use crate::{foreign::Build, recorded::RECORDS, replaying::against};

/// The records of a file: each is a length, a kind, a number, a body and a link.
fn records(file: &[u8]) -> Vec<Vec<u8>> {
    let mut inflated = Vec::new();
    DeflateDecoder::new(&file[10..]).read_to_end(&mut inflated).unwrap();
    let (mut records, mut rest) = (Vec::new(), inflated.as_slice());
    while !rest.is_empty() {
        let length = 41 + u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        records.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    records
}

fn file(inflated: &[u8]) -> Vec<u8> {
    let mut file = ordered()[..10].to_vec();
    let mut deflated = DeflateEncoder::new(&mut file, Compression::fast());
    deflated.write_all(inflated).unwrap();
    deflated.finish().unwrap();
    file
}

fn ordered() -> Vec<u8> {
    RECORDS.bundle("ordered").to_bytes().unwrap()
}

fn error(file: &[u8]) -> String {
    Bundle::read(file).unwrap_err().to_string()
}

/// The place of an entry's record: of the run that the bundle is about, behind its head and the run itself.
fn entry(index: usize) -> usize {
    index + 2
}

#[test]
fn a_bundle_is_the_same_bytes_and_is_read_back() {
    for (name, bundle) in &RECORDS.bundles {
        let bytes = bundle.to_bytes().unwrap();
        assert_eq!(bundle.to_bytes().unwrap(), bytes, "{name}");
        let read = Bundle::read(bytes.as_slice()).unwrap();
        assert_eq!(&read, bundle, "{name}");
        assert_eq!(read.digest(), bundle.digest(), "{name}");
    }
    let digests: std::collections::BTreeSet<_> = RECORDS.bundles.values().map(Bundle::digest).collect();
    assert_eq!(digests.len(), RECORDS.bundles.len());
}

#[test]
fn a_bundle_holds_what_the_server_knew() {
    let bundle = RECORDS.bundle("ordered");
    let root = bundle.root().unwrap();
    let targets: Vec<_> = bundle.runs.iter().map(|run| format!("{}/{}", run.service, run.handler)).collect();
    assert_eq!(targets, ["Checkout/order", "Stock/check", "Stock/check", "Stock/check", "Mailer/receipt", "Cart/add"]);
    assert!(bundle.runs[1..].iter().all(|run| run.parent.as_ref() == Some(&root.id)));
    assert_eq!((root.status.as_str(), root.completion.as_deref(), root.protocol_version), ("completed", Some("success"), Some(6)));
    assert!(root.deployment.as_ref().unwrap().endpoint.as_ref().unwrap().starts_with("http://127.0.0.1:"));
    assert!(root.created_at <= root.completed_at && root.journal.iter().all(|entry| entry.appended_at.is_some()));
    assert!(bundle.server_version.is_some() && !bundle.truncated);
    let failing = RECORDS.run("failing");
    assert!(failing.attempts[0].detail.contains("the bank is closed"), "{:?}", failing.attempts);
    let cart = RECORDS.run("added again");
    assert_eq!(cart.key.as_deref(), Some("coffee"));
    assert!(cart.state.iter().any(|state| state.key == "items" && state.value.as_ref() == b"7"), "{:?}", cart.state);
}

#[test]
fn an_export_takes_what_is_wanted() {
    let (part, alone) = &RECORDS.parts;
    assert_eq!((part.runs.len(), part.truncated), (3, true));
    assert_eq!((alone.runs.len(), alone.truncated), (1, false));
    assert_eq!(alone.runs[0].journal, RECORDS.run("ordered").journal);
    assert!(RECORDS.unknown.contains("the server knows no run inv_1"), "{}", RECORDS.unknown);
}

#[test]
fn what_was_altered_dropped_or_moved_is_named() {
    let whole = records(&ordered());
    let root = &RECORDS.run("ordered").id;
    let title = format!("entry 1 (Command: Run price.ask) of run {root}");

    let mut altered = whole.clone();
    let last_of_body = altered[entry(1)].len() - 33;
    altered[entry(1)][last_of_body] ^= 1;
    let message = error(&file(&altered.concat()));
    assert!(message.starts_with("entry 1 (Command: Run price.as") && message.contains("was altered"), "{message}");

    let mut dropped = whole.clone();
    dropped.remove(entry(1));
    assert_eq!(error(&file(&dropped.concat())), format!("entry 1 of run {root} is missing"));

    let mut swapped = whole.clone();
    swapped.swap(entry(1), entry(2));
    let message = error(&file(&swapped.concat()));
    assert!(
        message.starts_with("entry 2 (Notification: Run)") && message.contains("in the wrong place: it was record 4, and is record 3"),
        "{message}"
    );

    let mut doubled = whole.clone();
    doubled.insert(entry(2), whole[entry(1)].clone());
    let message = error(&file(&doubled.concat()));
    assert!(message.starts_with(&title) && message.contains("wrong place"), "{message}");

    // Numbered anew, so that only the chain tells.
    let mut renumbered = dropped.clone();
    for (number, record) in renumbered.iter_mut().enumerate() {
        record[5..9].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
    }
    let message = error(&file(&renumbered.concat()));
    assert!(message.starts_with("entry 2 (") && message.contains("was altered"), "{message}");
}

#[test]
fn what_is_no_whole_bundle_says_so() {
    let bytes = ordered();
    assert!(error(b"").contains("it is empty"));
    assert!(error(b"PK\x03\x04 and so on").contains("it begins otherwise"));
    assert!(error(&bytes[..5]).contains("cut off"));
    let mut as_text = bytes.clone();
    as_text.remove(4);
    assert!(error(&as_text).contains("as text is"));
    let mut newer = bytes.clone();
    newer[9] = 9;
    assert!(error(&newer).contains("has format 9") && error(&newer).contains("reads up to 1"));

    let whole = records(&bytes);
    let root = &RECORDS.run("ordered").id;
    let message = error(&file(&whole[..entry(3)].concat()));
    assert_eq!(message, format!("the bundle is cut off after entry 2 (Notification: Run) of run {root}"));
    let message = error(&bytes[..bytes.len() - 3]);
    assert!(message.contains("cut off after") || message.contains("damaged after"), "{message}");
    let more = [whole.concat(), whole[3].clone()].concat();
    assert!(error(&file(&more)).contains("something follows"));
}

#[test]
fn a_bomb_takes_no_memory() {
    // A length that nothing stands behind.
    let mut claims = 30_000_000u32.to_be_bytes().to_vec();
    claims.extend([1, 0, 0, 0, 0]);
    assert!(error(&file(&claims)).contains("cut off"));
    let mut claims = u32::MAX.to_be_bytes().to_vec();
    claims.extend([1, 0, 0, 0, 0]);
    assert!(error(&file(&claims)).contains("holds more than"));

    // A hundred megabytes of nothing, in a hundred kilobytes.
    let mut bomb = 30_000_000u32.to_be_bytes().to_vec();
    bomb.extend([1, 0, 0, 0, 0]);
    bomb.resize(100_000_000, 0);
    let small = file(&bomb);
    assert!(small.len() < 500_000);
    let limits = Limits::default().with_bytes(1_000_000);
    let result = Bundle::read_within(small.as_slice(), limits);
    assert!(matches!(result, Err(BundleError::TooLarge { .. })), "{result:?}");
}

#[test]
fn files_are_saved_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ordered.bundle");
    RECORDS.bundle("ordered").save(&path).unwrap();
    assert_eq!(&Bundle::open(&path).unwrap(), RECORDS.bundle("ordered"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    assert!(Bundle::open(folder.path().join("none")).is_err());
}

#[test]
fn what_is_redacted_is_in_no_file() {
    let mut bundle = RECORDS.bundle("ordered").clone();
    let secret = |bundle: &Bundle| {
        let records = records(&bundle.to_bytes().unwrap()).concat();
        records.windows(12).any(|window| window == b"secret-token")
    };
    assert!(secret(&bundle));
    assert_eq!(bundle.redact(&Redaction::new()), 0);
    let changed = bundle.redact(&Redaction::new().with(Rule::Member("TOKEN".to_owned())));
    assert!(changed > 0 && !secret(&bundle));
    assert!(bundle.root().unwrap().is_redacted() && bundle.redactions[0].contains("TOKEN"));
    assert_eq!(Bundle::read(bundle.to_bytes().unwrap().as_slice()).unwrap(), bundle);
}

#[tokio::test]
async fn a_redacted_bundle_replays_as_far_as_it_can() {
    let (replayer, _) = against(Build::AsItWas);
    let redacted = |name: &str, rule: Rule| {
        let mut bundle = RECORDS.bundle(name).clone();
        assert!(bundle.redact(&Redaction::new().with(rule)) > 0);
        bundle.runs.swap_remove(0)
    };
    // A member that nothing depends on.
    let run = redacted("ordered", Rule::Member("token".to_owned()));
    let report = replayer.replay(&run).await;
    assert!(report.is_faithful() && report.not_compared.is_empty(), "{report}");
    // What the handler only gives away.
    let report = replayer.replay(&redacted("ordered", Rule::Everything(Part::Arguments))).await;
    assert!(report.is_faithful() && report.not_compared.len() >= 4, "{report} {:?}", report.not_compared);
    let report = replayer.replay(&redacted("added", Rule::StateKey("last".to_owned()))).await;
    assert!(report.is_faithful() && report.not_compared == ["step 4, set state \"last\""], "{report} {:?}", report.not_compared);
    // What it goes on with.
    let report = replayer.replay(&redacted("ordered", Rule::Step("price.*".to_owned()))).await;
    assert!(
        !report.is_faithful() && report.to_string().contains("from step 1, run \"price.ask\" on the code gets other values"),
        "{report}"
    );
    let report = replayer.replay(&redacted("ordered", Rule::Everything(Part::Inputs))).await;
    assert!(report.to_string().contains("redacted: from step 0, input on"), "{report}");
    // A change before it is seen all the same.
    let (changed, _) = against(Build::RenamedRun);
    let report = changed.replay(&redacted("ordered", Rule::Step("card.*".to_owned()))).await;
    assert_eq!(report.divergence().unwrap().step, 1);
}

#[test]
fn every_part_can_be_taken_out() {
    let parts = [Part::Inputs, Part::Outputs, Part::Arguments, Part::Results, Part::State, Part::Failures, Part::Headers];
    let all = parts.into_iter().fold(Redaction::new(), |all, part| all.with(Rule::Everything(part)));
    for (name, bundle) in &RECORDS.bundles {
        let mut bundle = bundle.clone();
        bundle.redact(&all);
        for step in bundle.runs.iter().flat_map(|run| run.steps().unwrap()) {
            let values = step.fields.iter().filter(|field| ["value", "parameter", "result"].contains(&field.name.as_ref()));
            for field in values {
                let text = field.value.to_string();
                assert!(
                    !text.contains(char::is_alphabetic) || text.contains("[redacted]") || text.contains("false"),
                    "{name}: {} {text}",
                    step.title()
                );
            }
            if let Some(Outcome::Failure { message, .. }) = step.outcome {
                assert_eq!(message, "[redacted]", "{name}");
            }
        }
        assert!(bundle.runs.iter().flat_map(|run| &run.attempts).all(|attempt| attempt.detail == "[redacted]"));
    }
    assert_eq!(EntryKind::RUN.to_string(), "Command: Run");
}

/// Something happens to a file.
#[derive(Debug, Clone)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Drop(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Copy(prop::sample::Index, prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Harm::Flip(at, bits)),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        any::<prop::sample::Index>().prop_map(Harm::Drop),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Insert(at, byte)),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(from, to)| Harm::Copy(from, to)),
    ]
}

fn suffer(mut bytes: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match harm {
            Harm::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Harm::Cut(at) => bytes.truncate(at.index(length)),
            Harm::Drop(at) => drop(bytes.remove(at.index(length))),
            Harm::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Harm::Copy(from, to) => bytes[to.index(length)] = bytes[from.index(length)],
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    /// Whatever happens to a file, it is an error or it is the bundle that was written; never a panic, never another bundle.
    #[test]
    fn no_harm_goes_unseen(harms in prop::collection::vec(harm(), 1..4), inside in any::<bool>()) {
        let bytes = ordered();
        let harmed = if inside {
            file(&suffer(records(&bytes).concat(), &harms))
        } else {
            suffer(bytes, &harms)
        };
        if let Ok(read) = Bundle::read(harmed.as_slice()) {
            prop_assert_eq!(&read, RECORDS.bundle("ordered"));
        }
    }

    /// Nor do bytes that were never a bundle's.
    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Bundle::read(bytes.as_slice()).is_err());
        let _ = Bundle::read(file(&bytes).as_slice());
    }
}
