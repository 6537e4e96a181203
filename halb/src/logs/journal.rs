//! Events for systemd-journald in its own protocol: a datagram for each, a line for each field
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). So they keep their importance and their fields,
//! which a line on the standard error loses.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::{env, fmt};

use halb_lb::snapshot::ConnectionRecord;
use nix::sys::stat::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::datagrams::END;
use super::sink::Framing;
use super::syslog::Severity;
use super::{Sink, record};

/// Where journald takes entries.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Where journald takes messages of syslog; `/dev/log` leads there on its hosts.
const SYSLOG_SOCKET: &str = "/run/systemd/journal/dev-log";

/// Longest entry, in bytes. It fits into a datagram with room to spare, so that none has to be
/// handed over as a file in memory.
const ENTRY_LEN_MAX: usize = 16 * 1024;

/// Longest value, in bytes: one field can't push out the others.
const VALUE_LEN_MAX: usize = 8_000;

/// Stands for the end of a line within a value on its way to the thread that sends it.
const LINE_END: char = '\u{1e}';

/// An entry as it is put together.
#[derive(Debug, Clone)]
pub struct Entry(String);

impl Entry {
    /// An entry of this importance; `event` says in fixed words what happened, `message` in full.
    #[must_use]
    pub fn new(severity: Severity, facility: u8, event: &str, message: &str) -> Self {
        let mut entry = Self(String::new());
        entry.set("PRIORITY", &severity.number().to_string());
        entry.set("SYSLOG_IDENTIFIER", "halb");
        entry.set("SYSLOG_FACILITY", &facility.to_string());
        entry.set("MESSAGE", message);
        entry.add("event", event);
        entry
    }

    /// Adds `HALB_NAME=value`, if there is room and the name can be one.
    pub fn add(&mut self, name: &str, value: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.len() <= 50 && name.chars().all(fits) {
            self.set(&format!("HALB_{}", name.to_ascii_uppercase()), value);
        }
    }

    /// Control characters of a value become blanks, but for the ends of its lines; what is too long
    /// is cut.
    fn set(&mut self, name: &str, value: &str) {
        let room = ENTRY_LEN_MAX.saturating_sub(self.0.len() + name.len() + 2).min(VALUE_LEN_MAX);
        let value = value.trim_end();
        let cut = value.floor_char_boundary(room);
        if room == 0 || (cut == 0 && !value.is_empty()) {
            return;
        }
        self.0.push_str(name);
        self.0.push('=');
        let value = value.get(..cut).unwrap_or_default();
        self.0.extend(value.chars().map(|c| match c {
            '\n' => LINE_END,
            _ if c.is_control() => ' ',
            _ => c,
        }));
        self.0.push('\n');
    }

    /// Its bytes, and what ends it on its way to the thread that sends it.
    fn framed(self) -> Vec<u8> {
        let mut bytes = self.0.into_bytes();
        bytes.push(END);
        bytes
    }
}

/// Sends each entry that is written to it.
struct Sender {
    socket: UnixDatagram,
    path: PathBuf,
}

/// Each call sends one entry.
impl io::Write for Sender {
    fn write(&mut self, entries: &[u8]) -> io::Result<usize> {
        let length = entries.iter().position(|byte| *byte == END).unwrap_or(entries.len());
        let entry = entries.get(..length).unwrap_or_default();
        // The socket is looked up for each, so that journald may start anew.
        self.socket.send_to(&encoded(entry), &self.path)?;
        Ok(entries.len().min(length + 1))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value of several lines stands behind its length.
fn encoded(entry: &[u8]) -> Vec<u8> {
    let is_line_end = |byte: &u8| u32::from(*byte) == u32::from(LINE_END);
    let mut out = Vec::with_capacity(entry.len());
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let equals = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
        match line.get(equals + 1..) {
            Some(value) if value.iter().any(is_line_end) => {
                out.extend_from_slice(&line[..equals]);
                out.push(b'\n');
                let len = u64::try_from(value.len()).unwrap_or(u64::MAX);
                out.extend_from_slice(&len.to_le_bytes());
                out.extend(value.iter().map(|b| if is_line_end(b) { b'\n' } else { *b }));
            }
            Some(_) | None => out.extend_from_slice(line),
        }
        out.push(b'\n');
    }
    out
}

/// A way to the journal.
#[derive(Clone)]
pub struct ToJournal {
    sink: Sink,
    facility: u8,
}

impl ToJournal {
    /// A way to the journal at this socket. None: nobody takes entries there.
    ///
    /// # Errors
    /// The operating system gives no socket or no thread.
    pub fn open(socket: &Path, facility: u8) -> io::Result<Option<Self>> {
        if UnixDatagram::unbound()?.connect(socket).is_err() {
            return Ok(None);
        }
        let sender = Sender { socket: UnixDatagram::unbound()?, path: socket.to_owned() };
        let note = move |words: &str| {
            Entry::new(Severity::Warning, facility, "log lines dropped", words).framed()
        };
        let framing = Framing { end: END, note: Box::new(note) };
        Ok(Some(Self { sink: Sink::new(sender, framing)?, facility }))
    }

    /// What is written through.
    #[must_use]
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Takes a line of the access log, without its time of day.
    pub fn access(&self, text: &str, record: &ConnectionRecord) {
        let mut entry = Entry::new(Severity::Informational, self.facility, "access", text);
        entry.add("frontend", &record.frontend.to_string());
        if let Some(backend) = &record.backend {
            entry.add("backend", &backend.to_string());
            if let Some(server) = &record.server {
                entry.add("server", &format!("{backend}/{server}"));
            }
        }
        entry.add("client", &record.client.to_string());
        self.sink.push(&entry.framed());
    }
}

impl<S: Subscriber> Layer<S> for ToJournal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let severity = record::severity(*event.metadata().level());
        let mut entry = Entry::new(severity, self.facility, &fields.message, &record::text(event));
        for (name, value) in &fields.others {
            entry.add(name, value);
        }
        self.sink.push(&entry.framed());
    }
}

/// The fields of an event, texts as they are.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.others.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = write!(text, "{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => self.others.push((name, text)),
        }
    }
}

/// Whether the standard error goes to the journal, as systemd tells whoever it starts
/// (`JOURNAL_STREAM` of systemd.exec(5)): a redirection since then makes it another file.
#[must_use]
pub fn is_stderr() -> bool {
    let told = env::var("JOURNAL_STREAM").ok();
    let own = fstat(io::stderr()).ok().map(|stat| (stat.st_dev, stat.st_ino));
    told.as_deref().and_then(stream).is_some_and(|stream| Some(stream) == own)
}

/// Whether what is sent to the syslog at this socket comes to the journal that the standard error
/// goes to, so that each event would be there twice.
#[must_use]
pub fn is_syslog(socket: &Path) -> bool {
    is_stderr() && leads_to(socket, SYSLOG_SOCKET.as_ref())
}

fn leads_to(link: &Path, socket: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(link).is_some_and(|end| Some(end) == real(socket))
}

/// `DEVICE:INODE`.
fn stream(text: &str) -> Option<(u64, u64)> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing::warn;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn lines(entry: Entry) -> Vec<String> {
        entry.0.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_link_to_a_socket_leads_there_and_another_socket_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, other, link] =
            ["dev-log", "other", "log"].map(|name| folder.path().join(name));
        let bound = [&socket, &other].map(|path| UnixDatagram::bind(path).unwrap());
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        assert!(leads_to(&link, &socket) && leads_to(&socket, &socket));
        assert!(!leads_to(&other, &socket));
        std::fs::remove_file(&socket).unwrap();
        assert!(!leads_to(&link, &socket), "nobody is there");
        drop(bound);
    }

    #[test]
    fn an_event_reaches_the_journal_with_its_importance_and_its_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_read_timeout(Some(PATIENCE)).unwrap();
        let layer = ToJournal::open(&path, 3).unwrap().expect("it is there");
        tracing::subscriber::with_default(registry().with(layer), || {
            warn!(server = "masters/kmaster1", took_ms = 7, check = %"L4CON\trefused", "server is DOWN");
        });
        let mut buffer = [0; 4096];
        let len = journal.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        let expected = "PRIORITY=4\nSYSLOG_IDENTIFIER=halb\nSYSLOG_FACILITY=3\n\
            MESSAGE=server is DOWN server=\"masters/kmaster1\" took_ms=7 check=L4CON refused\n\
            HALB_EVENT=server is DOWN\nHALB_SERVER=masters/kmaster1\nHALB_TOOK_MS=7\n\
            HALB_CHECK=L4CON refused\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_message_of_several_lines_keeps_them() {
        let entry = Entry::new(Severity::Error, 3, "x", "one\ntwo = 2\n").framed();
        let text = [
            &b"PRIORITY=3\nSYSLOG_IDENTIFIER=halb\nSYSLOG_FACILITY=3\nMESSAGE\n"[..],
            b"\x0b\0\0\0\0\0\0\0one\ntwo = 2\nHALB_EVENT=x\n",
        ];
        assert_eq!(encoded(entry.strip_suffix(&[END]).unwrap()), text.concat());
    }

    #[test]
    fn a_journal_that_hangs_costs_entries_and_never_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _journal = UnixDatagram::bind(&path).unwrap();
        let layer = ToJournal::open(&path, 3).unwrap().expect("it is there");
        let sink = layer.sink().clone();
        tracing::subscriber::with_default(registry().with(layer), || {
            let text = "x".repeat(4_000);
            for number in 0..1_000 {
                warn!(number, text, "nobody reads");
            }
        });
        assert!(sink.dropped() > 0, "more than fits was taken");
    }

    #[test]
    fn where_nobody_listens_there_is_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ToJournal::open(&folder.path().join("none"), 3).unwrap().is_none());
    }

    #[test]
    fn an_entry_is_bounded_and_holds_nothing_but_fields() {
        let mut entry = Entry::new(Severity::Error, 3, "an event", &"ß\n".repeat(10_000));
        for number in 0..100 {
            entry.add(&format!("field{number}"), &"y".repeat(1_000));
        }
        entry.add("no name", "x");
        entry.add("", "x");
        assert!(entry.0.len() <= ENTRY_LEN_MAX && entry.0.len() > ENTRY_LEN_MAX - 1_100);
        let lines = lines(entry);
        assert!(lines.iter().all(|line| line.contains('=')), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("HALB_NO")));
    }

    #[test]
    fn the_stream_that_systemd_tells_of_is_read() {
        assert_eq!(stream("8:12345"), Some((8, 12345)));
        assert_eq!(stream("8"), None);
        assert_eq!(stream("8:x"), None);
    }
}
