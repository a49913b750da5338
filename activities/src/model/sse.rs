//! Server-sent events, as the HTML standard reads them (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

/// The longest line and the most data of one event, in bytes: a stream beyond that is no model's.
const MAX_EVENT: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its `event` field; empty if it has none.
    pub(super) name: String,
    /// Its `data` fields, one a line.
    pub(super) data: String,
}

/// Why a stream is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A line is not UTF-8.
    NotUtf8,
    /// An event is larger than any that makes sense.
    TooLarge,
}

/// Puts events together from chunks that may be split anywhere, in the middle of a character as well.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line, which may begin with a byte order mark, is over.
    begun: bool,
    name: String,
    data: Option<String>,
}

impl SseParser {
    /// Takes the next bytes and gives the events that they complete. An event that the stream does not end with an empty line is never given.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Malformed> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if follows_cr => {}
                b'\n' => events.extend(self.end_line()?),
                b'\r' => {
                    self.after_cr = true;
                    events.extend(self.end_line()?);
                }
                _ if self.line.len() >= MAX_EVENT => return Err(Malformed::TooLarge),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, Malformed> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| Malformed::NotUtf8)?;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return Ok(self.data.take().map(|data| Event { name, data }));
        }
        // A line that begins with a colon is a comment, which keeps connections alive: its field is the empty name.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) if data.len() + value.len() >= MAX_EVENT => return Err(Malformed::TooLarge),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    /// Every part of the grammar, each line end, and characters of two to four bytes.
    const STREAM: &str = "\u{feff}: hello\n\ndata: {\"text\":\"Grüße 🦀\"}\n\nevent: message_stop\r\ndata:x\r\ndata:  y\r\n\r\nid: 7\rdata\r\rretry: 5\ndata: last\n\n";

    fn expected() -> Vec<Event> {
        vec![event("", "{\"text\":\"Grüße 🦀\"}"), event("message_stop", "x\n y"), event("", ""), event("", "last")]
    }

    #[test]
    fn the_grammar_is_read() {
        assert_eq!(SseParser::default().push(STREAM.as_bytes()).unwrap(), expected());
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_split() {
        for at in 0..=STREAM.len() {
            let (head, tail) = STREAM.as_bytes().split_at(at);
            let mut parser = SseParser::default();
            let mut events = parser.push(head).unwrap();
            events.extend(parser.push(tail).unwrap());
            assert_eq!(events, expected(), "split at byte {at}");
        }
    }

    #[test]
    fn an_event_without_its_end_is_none() {
        assert_eq!(SseParser::default().push(b"data: half\n").unwrap(), []);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(SseParser::default().push(b"data: \xff\xfe\n"), Err(Malformed::NotUtf8));
        assert_eq!(SseParser::default().push(&vec![b'x'; MAX_EVENT + 1]), Err(Malformed::TooLarge));
        let mut parser = SseParser::default();
        let line = format!("data: {}\n", "x".repeat(MAX_EVENT / 2));
        assert_eq!(parser.push(line.as_bytes()), Ok(Vec::new()));
        assert_eq!(parser.push(line.as_bytes()), Err(Malformed::TooLarge));
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_give_what_one_gives(lines in prop::collection::vec("(data|event|id|x|): ?[a-zü🦀:]{0,6}|", 0..12), end in "\n|\r\n|\r", sizes in prop::collection::vec(1usize..9, 1..9)) {
            let stream: String = lines.iter().map(|line| format!("{line}{end}")).collect();
            let whole = SseParser::default().push(stream.as_bytes()).unwrap();
            let mut parser = SseParser::default();
            let (mut pieces, mut rest, mut sizes) = (Vec::new(), stream.as_bytes(), sizes.iter().cycle());
            while !rest.is_empty() {
                let (head, tail) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                pieces.extend(parser.push(head).unwrap());
                rest = tail;
            }
            prop_assert_eq!(pieces, whole);
        }
    }
}
