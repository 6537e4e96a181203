//! The access log: one line per connection when it ends, with the fields of HAProxy's `tcplog`.
//!
//! ```text
//! 2026-01-31T12:00:00.000000Z access client=10.0.0.9:51234 frontend=kubernetes
//!   server=masters/kmaster1 wait=0ms connect=1ms total=12034ms in=1234 out=5678 end=-- retries=0
//! ```
//! (one line). `server=masters/-`: no server was found; `connect=-`: no connection stood;
//! `retries=1+`: the last attempt went to another server. docs/logs.md lists `end`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};

use halb_lb::snapshot::{Cause, ConnectionRecord, Phase, Termination};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::outlets::AccessOutlet;
use halb_config::settings::LogFormat;

/// Records that wait for their line, at most: a tenth of a second of 20,000 connections a second.
/// The data path drops and counts beyond it.
pub const RECORDS_MAX: usize = 2_048;

/// Whether lines are written; shared with whoever switches it.
pub type Switch = Arc<AtomicBool>;

/// What becomes of records.
pub struct AccessLog {
    /// Where lines go.
    pub outlet: AccessOutlet,
    /// What they look like.
    pub format: LogFormat,
    /// Whether there are any.
    pub on: Switch,
    /// Is told of each record, whether or not it becomes a line.
    pub also: Box<dyn FnMut(&ConnectionRecord) + Send>,
}

/// Starts the thread that turns records into lines; it ends when the last sender does.
///
/// # Errors
/// The operating system refused a thread.
pub fn start(
    records: Receiver<Box<ConnectionRecord>>,
    log: AccessLog,
) -> io::Result<JoinHandle<()>> {
    let AccessLog { outlet, format, on, mut also } = log;
    thread::Builder::new().name("access-log".to_owned()).spawn(move || {
        let mut text = String::new();
        for record in records {
            also(&record);
            if !on.load(Ordering::Relaxed) {
                continue;
            }
            text.clear();
            // Writing to a String can't fail.
            let _ = line(&record, format, &mut text);
            outlet.push(&text, time_len(&text, format), &record);
        }
    })
}

/// Length of the time that a line begins with; JSON has it within.
fn time_len(line: &str, format: LogFormat) -> usize {
    match format {
        LogFormat::Text => line.find(' ').map_or(0, |blank| blank + 1),
        LogFormat::Json => 0,
    }
}

/// Appends the line of `record` to `out`, `\n` included.
fn line(record: &ConnectionRecord, format: LogFormat, out: &mut String) -> fmt::Result {
    match format {
        LogFormat::Text => text_line(record, out),
        LogFormat::Json => json_line(record, out),
    }
}

fn text_line(record: &ConnectionRecord, out: &mut String) -> fmt::Result {
    SystemTime.format_time(&mut Writer::new(out))?;
    write!(out, " access client={} frontend={}", record.client, record.frontend)?;
    out.push_str(" server=");
    push_server(record, out);
    write!(out, " wait={}ms connect=", millis(record.wait))?;
    match record.connect {
        Some(connect) => write!(out, "{}ms", millis(connect))?,
        None => out.push('-'),
    }
    let Termination(cause, phase) = record.termination;
    writeln!(
        out,
        " total={}ms in={} out={} end={}{} retries={}{}",
        millis(record.total),
        record.bytes_in,
        record.bytes_out,
        cause_char(cause),
        phase_char(phase),
        record.retries,
        if record.redispatched { "+" } else { "" },
    )
}

/// Names hold only characters that JSON takes as they are, and so do addresses and numbers.
fn json_line(record: &ConnectionRecord, out: &mut String) -> fmt::Result {
    out.push_str("{\"timestamp\":\"");
    SystemTime.format_time(&mut Writer::new(out))?;
    write!(
        out,
        "\",\"event\":\"access\",\"id\":{},\"client\":\"{}\",\"frontend\":\"{}\"",
        record.id, record.client, record.frontend
    )?;
    out.push_str(",\"backend\":");
    push_name(record.backend.as_ref(), out)?;
    out.push_str(",\"server\":");
    push_name(record.server.as_ref(), out)?;
    write!(out, ",\"wait_ms\":{},\"connect_ms\":", millis(record.wait))?;
    match record.connect {
        Some(connect) => write!(out, "{}", millis(connect))?,
        None => out.push_str("null"),
    }
    let Termination(cause, phase) = record.termination;
    writeln!(
        out,
        ",\"total_ms\":{},\"bytes_in\":{},\"bytes_out\":{},\"end\":\"{}{}\",\"retries\":{},\"redispatched\":{}}}",
        millis(record.total),
        record.bytes_in,
        record.bytes_out,
        cause_char(cause),
        phase_char(phase),
        record.retries,
        record.redispatched,
    )
}

fn push_server(record: &ConnectionRecord, out: &mut String) {
    out.push_str(record.backend.as_ref().map_or("-", |name| name.as_str()));
    out.push('/');
    out.push_str(record.server.as_ref().map_or("-", |name| name.as_str()));
}

fn push_name(name: Option<&impl fmt::Display>, out: &mut String) -> fmt::Result {
    match name {
        Some(name) => write!(out, "\"{name}\""),
        None => out.write_str("null"),
    }
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}

/// HAProxy's first character.
fn cause_char(cause: Cause) -> char {
    match cause {
        Cause::Normal => '-',
        Cause::Client => 'C',
        Cause::Server => 'S',
        Cause::Proxy => 'P',
        Cause::Resource => 'R',
        Cause::Internal => 'I',
        Cause::Down => 'D',
        Cause::Killed => 'K',
        Cause::ClientTimeout => 'c',
        Cause::ServerTimeout => 's',
    }
}

/// HAProxy's second character.
fn phase_char(phase: Phase) -> char {
    match phase {
        Phase::Request => 'R',
        Phase::Queue => 'Q',
        Phase::Connect => 'C',
        Phase::Data => 'D',
        Phase::Last => 'L',
        Phase::Done => '-',
    }
}

#[cfg(test)]
mod tests;
