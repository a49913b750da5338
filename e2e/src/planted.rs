//! Secrets that can be recognised, and the search for them in whatever a system leaves behind.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// As many characters of a secret are searched for: enough to be no coincidence, few enough to find one that was cut off.
const TELLING: usize = 14;

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub struct Planted {
    needles: Vec<Needle>,
}

#[derive(Debug, Clone)]
struct Needle {
    name: String,
    forms: Vec<Vec<u8>>,
}

/// Where a secret was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// Which secret.
    pub name: String,
    /// Where.
    pub place: String,
    /// What stood around it.
    pub around: String,
}

/// A new secret: letters and digits that stand nowhere else.
#[must_use]
pub fn secret() -> String {
    (0..4).fold(String::from("s"), |mut text, _| {
        let _ = write!(text, "{:08x}", rand::random::<u32>());
        text
    })
}

impl Planted {
    /// Also searches for the beginning and the end of this secret, as it is, in hexadecimal, and in base64. `public` characters at its beginning
    /// are no secret.
    ///
    /// # Errors
    /// When the secret is too short to be recognised.
    pub fn add(&mut self, name: &str, secret: &str, public: usize) -> anyhow::Result<()> {
        let unknown = secret.as_bytes().get(public..).unwrap_or_default();
        ensure!(unknown.len() >= TELLING, "{name} is too short to be recognised");
        let ends = [unknown.get(..TELLING), unknown.get(unknown.len() - TELLING..)];
        self.needles.push(Needle { name: name.to_owned(), forms: ends.into_iter().flatten().flat_map(forms).collect() });
        Ok(())
    }

    /// Finds secrets in bytes.
    #[must_use]
    pub fn in_bytes(&self, place: &str, bytes: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        for needle in &self.needles {
            if let Some(at) = needle.forms.iter().find_map(|form| find(bytes, form)) {
                let around = bytes.get(at.saturating_sub(80)..(at + 60).min(bytes.len())).unwrap_or_default();
                let around = String::from_utf8_lossy(around).into_owned();
                leaks.push(Leak { name: needle.name.clone(), place: place.to_owned(), around });
            }
        }
        leaks
    }

    /// Finds secrets in JSON: in its texts, and in the bytes that a text stands for where it is hexadecimal, as the engine's tables give theirs.
    #[must_use]
    pub fn in_json(&self, place: &str, value: &Value) -> Vec<Leak> {
        match value {
            Value::String(text) => {
                let mut leaks = self.in_bytes(place, text.as_bytes());
                if let (true, Some(bytes)) = (leaks.is_empty(), unhex(text)) {
                    leaks.extend(self.in_bytes(place, &bytes));
                }
                leaks
            }
            Value::Array(items) => items.iter().flat_map(|item| self.in_json(place, item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, field)| {
                    let place = format!("{place}.{name}");
                    let mut leaks = self.in_bytes(&place, name.as_bytes());
                    leaks.extend(self.in_json(&place, field));
                    leaks
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Finds secrets in every log file of a folder and of the folders in it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn in_logs(&self, folder: &Path) -> anyhow::Result<Vec<Leak>> {
        let mut leaks = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                // A database's files are the database's; what is in them is found by asking it.
                leaks.extend(self.in_logs(&path).unwrap_or_default());
            } else if path.extension().is_some_and(|extension| extension == "log") {
                leaks.extend(self.in_bytes(&path.display().to_string(), &fs::read(&path)?));
            }
        }
        Ok(leaks)
    }
}

fn find(bytes: &[u8], form: &[u8]) -> Option<usize> {
    let first = *form.first()?;
    // Debug logs are long; most places are not even a beginning.
    bytes.iter().enumerate().filter(|(_, byte)| **byte == first).map(|(at, _)| at).find(|at| bytes.get(*at..at + form.len()) == Some(form))
}

/// A few bytes as they are, in hexadecimal, and in base64 at each of the three places where they can begin.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let mut all = vec![bytes.to_vec(), hex.into_bytes()];
    for skipped in [0, 2, 1] {
        all.push(base64(bytes.get(skipped..).unwrap_or_default()));
    }
    all
}

/// The digits of base64 that whole groups of three bytes come to. Of letters and digits both of its alphabets make the same.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for three in bytes.chunks_exact(3) {
        let group = three.iter().fold(0_usize, |group, byte| (group << 8) | usize::from(*byte));
        text.extend([18, 12, 6, 0].into_iter().filter_map(|shift| DIGITS.get((group >> shift) & 63)));
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn planted(secret: &str) -> Planted {
        let mut planted = Planted::default();
        planted.add("it", secret, 0).unwrap();
        planted
    }

    #[test]
    fn a_secret_is_found_in_every_form_and_only_where_it_is() {
        let it = "k3jd92hfks01lq8ez7";
        let planted = planted(it);
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        for before in ["", "a", "ab", "abc", "abcd"] {
            let text = format!("{before}{it}xx");
            for form in [text.clone().into_bytes(), hex(&text).into_bytes(), base64(text.as_bytes())] {
                assert_eq!(planted.in_bytes("here", &form).len(), 1, "{}", String::from_utf8_lossy(&form));
            }
            let row = json!({ "raw": hex(&text), "rows": [{ "text": text }] });
            let places: Vec<_> = planted.in_json("row", &row).into_iter().map(|leak| leak.place).collect();
            assert_eq!(places, ["row.raw", "row.rows.text"]);
        }
        assert_eq!(planted.in_bytes("here", &it.as_bytes()[..15]).len(), 1, "cut off at its end");
        assert_eq!(planted.in_bytes("here", &it.as_bytes()[3..]).len(), 1, "cut off at its beginning");
        assert_eq!(planted.in_bytes("here", b"k3jd92hf ks01lq8ez7"), []);
        assert!(Planted::default().add("short", "k3jd92", 0).is_err());
    }

    #[test]
    fn logs_are_found_in_folders_and_settings_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let it = secret();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/a.log"), format!("x {it}")).unwrap();
        fs::write(folder.path().join("settings.toml"), &it).unwrap();
        let leaks = planted(&it).in_logs(folder.path()).unwrap();
        assert_eq!(leaks.len(), 1, "{leaks:?}");
    }
}
