//! Multipart forms (RFC 7578), as far as uploads need them.

use bytes::Bytes;

/// A form: its plain fields and its files, each in the order in which it was sent.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) files: Vec<FormFile>,
}

/// A part of a form that has a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormFile {
    /// Name of the field.
    pub field: String,
    /// Name of the file.
    pub name: String,
    /// Content type as sent.
    pub content_type: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// Reads a form; `None` if it is not one, or not whole.
pub(crate) fn parse(content_type: &str, body: &Bytes) -> Option<Form> {
    let boundary = content_type.split("boundary=").nth(1)?.split(';').next()?.trim_matches('"');
    let delimiter = format!("\r\n--{boundary}");
    let mut form = Form::default();
    // The first delimiter has no line break before it.
    let mut at = find(body, &delimiter.as_bytes()[2..], 0)? + delimiter.len() - 2;
    while !body.get(at..)?.starts_with(b"--") {
        let head_end = find(body, b"\r\n\r\n", at)?;
        let end = find(body, delimiter.as_bytes(), head_end + 2)?;
        let head = String::from_utf8_lossy(&body[at..head_end]).into_owned();
        let content = body.slice((head_end + 4).min(end)..end);
        let field = attribute(&head, "name")?;
        match attribute(&head, "filename") {
            Some(name) => form.files.push(FormFile { field, name, content_type: part_type(&head), bytes: content }),
            None => form.fields.push((field, String::from_utf8_lossy(&content).into_owned())),
        }
        at = end + delimiter.len();
    }
    Some(form)
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    body.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| at + from)
}

/// A quoted attribute of a part's `Content-Disposition`.
fn attribute(head: &str, name: &str) -> Option<String> {
    let start = head.find(&format!("; {name}=\""))? + name.len() + 4;
    Some(head[start..].split('"').next()?.to_owned())
}

fn part_type(head: &str) -> String {
    let line = head.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-type")));
    line.map_or("application/octet-stream", |(_, value)| value.trim()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_keep_their_order_their_names_and_every_byte() {
        let body = b"--x-1\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n--x-1\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"cat.png\"\r\n\
            Content-Type: image/png\r\n\r\n\r\n\x89PNG\r\n--x\r\n--x-1--\r\n";
        let form = parse("multipart/form-data; boundary=x-1", &Bytes::from_static(body)).unwrap();
        assert_eq!(form.fields, [("chat_id".to_owned(), "42".to_owned())]);
        let [file] = form.files.as_slice() else { panic!("{:?}", form.files) };
        assert_eq!((file.field.as_str(), file.name.as_str(), file.content_type.as_str()), ("photo", "cat.png", "image/png"));
        assert_eq!(file.bytes, Bytes::from_static(b"\r\n\x89PNG\r\n--x"));
        assert!(parse("multipart/form-data; boundary=x-1", &Bytes::from_static(b"--x-1\r\nname")).is_none());
        assert!(parse("multipart/form-data", &Bytes::from_static(body)).is_none());
    }
}
