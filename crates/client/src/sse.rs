//! Server-sent events: bytes in, events out.
//!
//! As the HTML standard describes the format (section 9.2.6), with a bound on each line and on each event. Comments, `retry` and
//! unknown fields are passed over.

use std::io::{self, BufRead};

/// The longest line.
const LINE_BYTES_MAX: usize = 1 << 20;
/// The longest data of one event.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// One event of a stream.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ServerEvent {
    /// Its type; `message` is said by leaving it out.
    pub name: String,
    /// The last `id` that was seen, this event's or an earlier one's.
    pub id: Option<String>,
    /// Its lines, joined by newlines.
    pub data: String,
}

/// Takes a stream apart.
pub struct EventReader<R> {
    from: R,
    id: Option<String>,
    /// A line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    is_first_line: bool,
}

impl<R: BufRead> EventReader<R> {
    /// Reads from the start of a stream, with the id that it was asked to go on from.
    pub const fn new(from: R, id: Option<String>) -> Self {
        Self { from, id, after_cr: false, is_first_line: true }
    }

    /// The next event; none at the end. An event that the end cuts is dropped, as the standard says.
    pub fn next_event(&mut self) -> io::Result<Option<ServerEvent>> {
        let mut event = ServerEvent::default();
        let mut has_data = false;
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if has_data {
                    event.id.clone_from(&self.id);
                    return Ok(Some(event));
                }
                event = ServerEvent::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.name = value.to_owned(),
                "data" => {
                    if event.data.len() + value.len() >= EVENT_BYTES_MAX {
                        return Err(too_long("an event", EVENT_BYTES_MAX));
                    }
                    if has_data {
                        event.data.push('\n');
                    }
                    has_data = true;
                    event.data.push_str(value);
                }
                "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(None)
    }

    /// One line without its end: CR LF, LF or CR.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        loop {
            let bytes = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let Some(first) = bytes.first() else { return Ok(None) };
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                self.from.consume(1);
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            if line.len() + part.len() > LINE_BYTES_MAX {
                return Err(too_long("a line", LINE_BYTES_MAX));
            }
            line.extend_from_slice(part);
            self.after_cr = end.and_then(|end| bytes.get(end)) == Some(&b'\r');
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&line);
        let text = if std::mem::take(&mut self.is_first_line) { text.trim_start_matches('\u{feff}') } else { &text };
        Ok(Some(text.to_owned()))
    }
}

fn too_long(what: &str, bytes_max: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} of the event stream has more than {bytes_max} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn events(stream: &str, buffer_bytes: usize) -> Vec<(String, Option<String>, String)> {
        let mut reader = EventReader::new(BufReader::with_capacity(buffer_bytes, stream.as_bytes()), None);
        std::iter::from_fn(|| reader.next_event().unwrap()).map(|event| (event.name, event.id, event.data)).collect()
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> (String, Option<String>, String) {
        (name.to_owned(), id.map(str::to_owned), data.to_owned())
    }

    #[test]
    fn the_examples_of_the_standard_read_as_it_says() {
        // HTML, section 9.2.6 "Interpreting an event stream".
        let stock = "data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_eq!(events(stock, 64), [event("", None, "YHOO\n+2\n10")]);
        let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        let expected = [
            event("", Some("1"), "first event"),
            event("", Some(""), "second event"),
            event("", Some(""), " third event"),
        ];
        assert_eq!(events(four, 64), expected);
        assert_eq!(events("data\n\ndata\ndata\n\ndata:", 64), [event("", None, ""), event("", None, "\n")]);
        assert_eq!(events("data:test\n\ndata: test\n\n", 64), [event("", None, "test"), event("", None, "test")]);
    }

    #[test]
    fn every_line_end_counts_once_wherever_the_bytes_are_cut() {
        let expected = [event("task", Some("7"), "a\nb"), event("job", Some("7"), "{}")];
        for end in ["\n", "\r\n", "\r"] {
            let lines = [
                "\u{feff}id: 7",
                "event: task",
                "data: a",
                "data: b",
                "",
                ": still there",
                "event: job",
                "data: {}",
                "",
                "",
            ];
            for buffer_bytes in [1, 2, 3, 5, 64] {
                assert_eq!(events(&lines.join(end), buffer_bytes), expected, "{end:?} {buffer_bytes}");
            }
        }
    }

    #[test]
    fn an_event_that_the_end_cuts_is_no_event() {
        assert_eq!(events("event: job\ndata: {\"jo", 64), []);
        assert_eq!(events("", 64), []);
    }

    #[test]
    fn lines_and_events_without_end_are_refused() {
        let line = BufReader::new(io::repeat(b'a'));
        assert!(EventReader::new(line, None).next_event().is_err());
        let lines =
            BufReader::new("data: 0123456789abcdef\n".repeat(EVENT_BYTES_MAX / 16).into_bytes().leak() as &[u8]);
        assert!(EventReader::new(lines, None).next_event().is_err());
    }
}
