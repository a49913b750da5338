//! A mail as it was received, and as much reading of it as a test or a curious person needs.

use std::{fs, path::Path};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A mail that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body as they came in, with the stand-in's `Received` line in front.
    pub raw: Vec<u8>,
}

impl Letter {
    /// The value of a header, unfolded and decoded (RFC 2047); the first if there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        Entity::of(&self.raw).header(name).map(|value| decode_words(&value))
    }

    /// The plain text, decoded.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        Entity::of(&self.raw).find("text/plain")
    }

    /// The HTML, decoded.
    #[must_use]
    pub fn html(&self) -> Option<String> {
        Entity::of(&self.raw).find("text/html")
    }

    /// Writes it as the `number`th file of a folder: the envelope in two headers of our own, then the mail.
    pub(super) fn write(&self, folder: &Path, number: usize) -> anyhow::Result<()> {
        let envelope = format!("X-Envelope-From: {}\r\nX-Envelope-To: {}\r\n", self.from, self.to.join(", "));
        let path = folder.join(format!("{number:06}.eml"));
        let half = path.with_extension("part");
        fs::write(&half, [envelope.as_bytes(), &self.raw].concat()).with_context(|| format!("write {}", half.display()))?;
        // Renamed when it is whole, so that a crash leaves no half mail behind.
        fs::rename(&half, &path).with_context(|| format!("write {}", path.display()))
    }
}

/// Every mail of a folder, in order. The folder is made if it is missing.
pub(super) fn read_all(folder: &Path) -> anyhow::Result<Vec<Letter>> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|path| read(path).with_context(|| format!("read {}", path.display()))).collect()
}

fn read(path: &Path) -> anyhow::Result<Letter> {
    let bytes = fs::read(path)?;
    let entity = Entity::of(&bytes);
    let from = entity.header("X-Envelope-From").context("no X-Envelope-From")?;
    let to = entity.header("X-Envelope-To").context("no X-Envelope-To")?.split(", ").map(str::to_owned).collect();
    let raw = bytes.splitn(3, |byte| *byte == b'\n').nth(2).unwrap_or_default().to_vec();
    Ok(Letter { from, to, raw })
}

/// Headers and body: a mail, or a part of one.
struct Entity {
    headers: Vec<(String, String)>,
    body: String,
}

impl Entity {
    fn of(raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        let headers = unfolded.lines().filter_map(|line| line.split_once(':'));
        Self { headers: headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    /// The decoded body of the first part of that type.
    fn find(&self, content_type: &str) -> Option<String> {
        let declared = self.header("Content-Type").unwrap_or_else(|| "text/plain".to_owned());
        if declared.to_ascii_lowercase().starts_with("multipart/") {
            let boundary = declared.split_once("boundary=")?.1.split(';').next()?.trim().trim_matches('"').to_owned();
            let delimiter = format!("--{boundary}");
            let parts = self.body.split(&delimiter).skip(1).take_while(|part| !part.starts_with("--"));
            return parts.map(|part| Self::of(part.strip_prefix('\n').unwrap_or(part).as_bytes())).find_map(|part| part.find(content_type));
        }
        declared.to_ascii_lowercase().starts_with(content_type).then(|| self.decoded())
    }

    fn decoded(&self) -> String {
        match self.header("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase().as_str() {
            "base64" => {
                let packed: String = self.body.split_whitespace().collect();
                STANDARD.decode(packed).map_or_else(|_| self.body.clone(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
            }
            "quoted-printable" => unquote(&self.body.replace("=\n", "")),
            _ => self.body.clone(),
        }
    }
}

/// `=C3=A4` to `ä` (RFC 2045 6.7).
fn unquote(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = (*first == b'=').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match pair.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Decodes the encoded words of a header (`=?utf-8?b?...?=`); blanks between two of them do not count (RFC 2047 6.2).
fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut last_was_word = false;
    for piece in value.split(' ') {
        let word = decode_word(piece);
        let joined = last_was_word && word.is_some();
        if !decoded.is_empty() && !joined {
            decoded.push(' ');
        }
        last_was_word = word.is_some();
        decoded.push_str(word.as_deref().unwrap_or(piece));
    }
    decoded
}

fn decode_word(piece: &str) -> Option<String> {
    let mut fields = piece.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
    let (_, encoding, text) = (fields.next()?, fields.next()?, fields.next()?);
    match encoding.to_ascii_lowercase().as_str() {
        "b" => Some(String::from_utf8_lossy(&STANDARD.decode(text).ok()?).into_owned()),
        "q" => Some(unquote(&text.replace('_', " "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(raw: &str) -> Letter {
        Letter { from: "a@example.org".into(), to: vec!["b@example.org".into()], raw: raw.replace('\n', "\r\n").into_bytes() }
    }

    #[test]
    fn headers_are_unfolded_and_decoded() {
        let letter = letter("Subject: =?utf-8?b?U28gbGllZiBlcyBmw7xy?=\n =?utf-8?q?_L=C3=A4rche?= AG\nX-Long: one\n\ttwo\n\nbody");
        assert_eq!(letter.header("subject").unwrap(), "So lief es für Lärche AG");
        assert_eq!(letter.header("X-Long").unwrap(), "one two");
        assert_eq!(letter.header("Missing"), None);
        assert_eq!(letter.text().unwrap(), "body");
    }

    #[test]
    fn both_alternatives_are_found_and_decoded() {
        let letter = letter(
            "Content-Type: multipart/alternative; boundary=\"x1\"\n\nfor old readers\n--x1\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe und l=\nang\n--x1\nContent-Type: text/html; charset=utf-8\n\
             Content-Transfer-Encoding: base64\n\nPGI+ZmV0\ndDwvYj4=\n--x1--\n",
        );
        assert_eq!(letter.text().unwrap().trim_end(), "Grüße und lang");
        assert_eq!(letter.html().unwrap(), "<b>fett</b>");
    }

    #[test]
    fn a_folder_gives_back_what_was_put_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = letter("Subject: one\n\nbody");
        let two = Letter { to: vec!["b@example.org".into(), "c@example.org".into()], ..letter("Subject: two\n\n") };
        one.write(folder.path(), 1).unwrap();
        two.write(folder.path(), 2).unwrap();
        fs::write(folder.path().join("000003.part"), "half").unwrap();
        assert_eq!(read_all(folder.path()).unwrap(), [one, two]);
    }
}
