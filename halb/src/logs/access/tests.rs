use std::sync::{Mutex, mpsc};

use halb_lb::names::{BackendName, FrontendName, ServerName};

use super::*;
use crate::logs::sink::{Framing, Sink};

fn record() -> ConnectionRecord {
    ConnectionRecord {
        id: 7,
        client: "[2001:db8::9]:51234".parse().unwrap(),
        frontend: FrontendName::new("kubernetes").unwrap(),
        backend: Some(BackendName::new("masters").unwrap()),
        server: Some(ServerName::new("kmaster1").unwrap()),
        wait: Duration::from_micros(300),
        connect: Some(Duration::from_millis(1)),
        total: Duration::from_millis(12_034),
        bytes_in: 1234,
        bytes_out: 5678,
        termination: Termination(Cause::Normal, Phase::Done),
        retries: 0,
        redispatched: false,
    }
}

fn unserved() -> ConnectionRecord {
    ConnectionRecord {
        server: None,
        connect: None,
        termination: Termination(Cause::Server, Phase::Connect),
        retries: 2,
        redispatched: true,
        ..record()
    }
}

fn written(record: &ConnectionRecord, format: LogFormat) -> String {
    let mut out = String::new();
    line(record, format, &mut out).unwrap();
    out
}

#[test]
fn a_text_line_holds_the_fields_of_tcplog() {
    let line = written(&record(), LogFormat::Text);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    assert_eq!(
        rest,
        "access client=[2001:db8::9]:51234 frontend=kubernetes server=masters/kmaster1 \
         wait=0ms connect=1ms total=12034ms in=1234 out=5678 end=-- retries=0\n"
    );
}

#[test]
fn a_connection_without_a_server_says_so() {
    let line = written(&unserved(), LogFormat::Text);
    assert!(line.contains(" server=masters/- "), "{line}");
    assert!(line.contains(" connect=- "), "{line}");
    assert!(line.ends_with(" end=SC retries=2+\n"), "{line}");
}

#[test]
fn a_json_line_is_json_with_the_same_fields() {
    let line = written(&unserved(), LogFormat::Json);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["event"], "access");
    assert_eq!(value["client"], "[2001:db8::9]:51234");
    assert_eq!(value["backend"], "masters");
    assert_eq!(value["server"], serde_json::Value::Null);
    assert_eq!(value["connect_ms"], serde_json::Value::Null);
    assert_eq!(value["total_ms"], 12_034);
    assert_eq!(value["end"], "SC");
    assert_eq!(value["redispatched"], true);
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn to(sink: &Sink, format: LogFormat, on: &Switch) -> AccessLog {
    AccessLog {
        outlet: AccessOutlet::Lines(sink.clone()),
        format,
        on: Arc::clone(on),
        also: Box::new(|_| {}),
    }
}

#[test]
fn each_record_becomes_one_line_and_the_thread_ends_with_its_sender() {
    let out = Shared::default();
    let sink = Sink::new(out.clone(), Framing::lines()).unwrap();
    let (sender, records) = mpsc::sync_channel(RECORDS_MAX);
    let on = Switch::new(AtomicBool::new(true));
    let thread = start(records, to(&sink, LogFormat::Text, &on)).unwrap();
    for _ in 0..3 {
        sender.send(Box::new(record())).unwrap();
    }
    drop(sender);
    thread.join().unwrap();
    assert!(sink.flush(Duration::from_secs(10)));
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn nothing_is_written_while_the_access_log_is_off() {
    let out = Shared::default();
    let sink = Sink::new(out.clone(), Framing::lines()).unwrap();
    let (sender, records) = mpsc::sync_channel(RECORDS_MAX);
    let (told, also) = mpsc::channel();
    let mut log = to(&sink, LogFormat::Json, &Switch::default());
    log.also = Box::new(move |record| told.send(record.id).unwrap());
    let thread = start(records, log).unwrap();
    sender.send(Box::new(record())).unwrap();
    drop(sender);
    thread.join().unwrap();
    assert_eq!(also.iter().count(), 1, "who counts connections is told all the same");
    assert!(sink.flush(Duration::from_secs(10)));
    assert!(out.0.lock().unwrap().is_empty());
}

const DOC: &str = include_str!("../../../../docs/logs.md");

#[test]
fn the_page_explains_each_character_of_the_end() {
    let causes = [
        Cause::Normal,
        Cause::Client,
        Cause::Server,
        Cause::Proxy,
        Cause::Resource,
        Cause::Internal,
        Cause::Down,
        Cause::Killed,
        Cause::ClientTimeout,
        Cause::ServerTimeout,
    ];
    let phases =
        [Phase::Request, Phase::Queue, Phase::Connect, Phase::Data, Phase::Last, Phase::Done];
    let expected: Vec<char> =
        causes.map(cause_char).into_iter().chain(phases.map(phase_char)).collect();
    let tables = DOC.split("First character").nth(1).unwrap().lines();
    let explained: Vec<char> = tables
        .filter_map(|line| line.strip_prefix("| `")?.chars().next())
        .filter(|c| *c != 'e')
        .collect();
    assert_eq!(explained, expected);
}

#[test]
fn the_page_shows_a_line_as_it_is() {
    let shown = DOC.lines().find(|line| line.contains(" access client=")).unwrap();
    let record = ConnectionRecord { client: "10.0.0.9:51234".parse().unwrap(), ..record() };
    let written = written(&record, LogFormat::Text);
    let after_time = |line: &str| line.trim_end().split_once(' ').unwrap().1.to_owned();
    assert_eq!(after_time(shown), after_time(&written));
}
