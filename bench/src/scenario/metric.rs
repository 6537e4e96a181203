//! What is measured: names, units, and which way is better.

use serde::{Serialize, Serializer};

/// A figure that a run brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Memory of a process that has served nobody yet.
    AtRest,
    /// Memory for each idle connection.
    IdleMemory,
    /// Processor time for a request of a closed loop.
    RequestCpu,
    /// Requests per second of a closed loop.
    RequestRate,
    /// Their median latency.
    RequestMedian,
    /// What one of a hundred of them exceeds.
    RequestTail,
    /// Processor time for a request at a fixed rate.
    OfferedCpu,
    /// Median latency at a fixed rate, from when a request was due.
    OfferedMedian,
    /// What one of a hundred exceeds.
    OfferedTail,
    /// What one of a thousand exceeds.
    OfferedFarTail,
    /// Median latency of the only client.
    SingleMedian,
    /// What one of a hundred of its requests exceeds.
    SingleTail,
    /// Processor time for a connection with one request.
    ConnectionCpu,
    /// Connections per second.
    ConnectionRate,
    /// Median time of connect, request and answer.
    ConnectionMedian,
    /// What one of a hundred exceeds.
    ConnectionTail,
    /// Processor time for a request over short-lived connections.
    ChurnCpu,
    /// Requests per second over short-lived connections.
    ChurnRate,
    /// What one of a hundred of them exceeds.
    ChurnTail,
    /// Processor time for bulk to clients.
    DownloadCpu,
    /// Speed of bulk to clients.
    DownloadRate,
    /// Processor time for bulk from clients.
    UploadCpu,
    /// Speed of bulk from clients.
    UploadRate,
    /// Processor time for bulk both ways.
    DuplexCpu,
    /// Speed of bulk both ways, added up.
    DuplexRate,
    /// Processor time for the mix, which is the same for everyone.
    KubernetesCpu,
    /// What one of a hundred keystrokes of an exec stream exceeds.
    ExecTail,
    /// What one of a hundred lists exceeds.
    ListTail,
    /// What one of a hundred events of a watch is late by.
    WatchTail,
}

/// In what a figure is told. Values are in the base unit, in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Time (seconds).
    Seconds,
    /// Per second.
    PerSecond,
    /// Seconds of a processor for 10^9 bytes.
    SecondsPerGigabyte,
    /// 10^9 bits per second.
    GigabitsPerSecond,
    /// Share of one core (1 is all of it).
    Cores,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less.
    Lower,
    /// More.
    Higher,
}

impl Metric {
    /// Its name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AtRest => "memory_at_rest",
            Self::IdleMemory => "memory_per_idle_connection",
            Self::RequestCpu => "cpu_per_request",
            Self::RequestRate => "request_rate",
            Self::RequestMedian => "request_p50",
            Self::RequestTail => "request_p99",
            Self::OfferedCpu => "offered_cpu_per_request",
            Self::OfferedMedian => "offered_p50",
            Self::OfferedTail => "offered_p99",
            Self::OfferedFarTail => "offered_p999",
            Self::SingleMedian => "single_p50",
            Self::SingleTail => "single_p99",
            Self::ConnectionCpu => "cpu_per_connection",
            Self::ConnectionRate => "connection_rate",
            Self::ConnectionMedian => "connection_p50",
            Self::ConnectionTail => "connection_p99",
            Self::ChurnCpu => "churn_cpu_per_request",
            Self::ChurnRate => "churn_request_rate",
            Self::ChurnTail => "churn_p99",
            Self::DownloadCpu => "download_cpu",
            Self::DownloadRate => "download_speed",
            Self::UploadCpu => "upload_cpu",
            Self::UploadRate => "upload_speed",
            Self::DuplexCpu => "duplex_cpu",
            Self::DuplexRate => "duplex_speed",
            Self::KubernetesCpu => "kubernetes_cpu",
            Self::ExecTail => "exec_p99",
            Self::ListTail => "list_p99",
            Self::WatchTail => "watch_late_p99",
        }
    }

    /// The head of its column, short.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AtRest => "at rest",
            Self::IdleMemory => "each",
            Self::RequestCpu | Self::OfferedCpu | Self::ChurnCpu => "CPU/request",
            Self::ConnectionCpu => "CPU/connection",
            Self::RequestRate | Self::ChurnRate => "requests/s",
            Self::ConnectionRate => "connections/s",
            Self::RequestMedian
            | Self::OfferedMedian
            | Self::SingleMedian
            | Self::ConnectionMedian => "p50",
            Self::RequestTail
            | Self::OfferedTail
            | Self::SingleTail
            | Self::ConnectionTail
            | Self::ChurnTail => "p99",
            Self::OfferedFarTail => "p99.9",
            Self::DownloadCpu | Self::UploadCpu | Self::DuplexCpu => "CPU/GB",
            Self::DownloadRate | Self::UploadRate | Self::DuplexRate => "Gb/s",
            Self::KubernetesCpu => "cores",
            Self::ExecTail => "exec p99",
            Self::ListTail => "list p99",
            Self::WatchTail => "event late p99",
        }
    }

    /// What it is, where it stands alone.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::AtRest => "memory at rest",
            Self::IdleMemory => "memory per idle connection",
            Self::RequestCpu => "CPU per kept-alive request",
            Self::RequestRate => "kept-alive requests per second",
            Self::RequestMedian => "median latency, as fast as it goes",
            Self::RequestTail => "p99 latency, as fast as it goes",
            Self::OfferedCpu => "CPU per request at equal load",
            Self::OfferedMedian => "median latency at equal load",
            Self::OfferedTail => "p99 latency at equal load",
            Self::OfferedFarTail => "p99.9 latency at equal load",
            Self::SingleMedian => "median latency of a single client",
            Self::SingleTail => "p99 latency of a single client",
            Self::ConnectionCpu => "CPU per connection",
            Self::ConnectionRate => "connections per second",
            Self::ConnectionMedian => "median time of a connection",
            Self::ConnectionTail => "p99 time of a connection",
            Self::ChurnCpu => "CPU per request, short-lived connections",
            Self::ChurnRate => "requests per second, short-lived connections",
            Self::ChurnTail => "p99 latency, short-lived connections",
            Self::DownloadCpu => "CPU per GB to clients",
            Self::DownloadRate => "speed to clients",
            Self::UploadCpu => "CPU per GB from clients",
            Self::UploadRate => "speed from clients",
            Self::DuplexCpu => "CPU per GB both ways",
            Self::DuplexRate => "speed both ways",
            Self::KubernetesCpu => "CPU of the Kubernetes mix",
            Self::ExecTail => "p99 of an exec stream in the mix",
            Self::ListTail => "p99 of a list in the mix",
            Self::WatchTail => "p99 lateness of a watch's events in the mix",
        }
    }

    /// In what it is told.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::AtRest | Self::IdleMemory => Unit::Bytes,
            Self::RequestRate | Self::ConnectionRate | Self::ChurnRate => Unit::PerSecond,
            Self::DownloadCpu | Self::UploadCpu | Self::DuplexCpu => Unit::SecondsPerGigabyte,
            Self::DownloadRate | Self::UploadRate | Self::DuplexRate => Unit::GigabitsPerSecond,
            Self::KubernetesCpu => Unit::Cores,
            Self::RequestCpu
            | Self::RequestMedian
            | Self::RequestTail
            | Self::OfferedCpu
            | Self::OfferedMedian
            | Self::OfferedTail
            | Self::OfferedFarTail
            | Self::SingleMedian
            | Self::SingleTail
            | Self::ConnectionCpu
            | Self::ConnectionMedian
            | Self::ConnectionTail
            | Self::ChurnCpu
            | Self::ChurnTail
            | Self::ExecTail
            | Self::ListTail
            | Self::WatchTail => Unit::Seconds,
        }
    }

    /// Which way is better.
    #[must_use]
    pub fn better(self) -> Better {
        match self.unit() {
            Unit::PerSecond | Unit::GigabitsPerSecond => Better::Higher,
            Unit::Bytes | Unit::Seconds | Unit::SecondsPerGigabyte | Unit::Cores => Better::Lower,
        }
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Unit {
    /// A value as people read it: three digits, and a unit that suits its size.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Bytes => scaled(value, &[(1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
            Self::Seconds => scaled(value, &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]),
            Self::PerSecond => grouped(value),
            Self::SecondsPerGigabyte => scaled(value, &[(1.0, "s"), (1e-3, "ms")]),
            Self::GigabitsPerSecond => digits(value),
            Self::Cores => format!("{:.1} %", value * 100.0),
        }
    }
}

/// In the largest unit of which there is at least one.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let fits = units.iter().find(|(size, _)| value.abs() >= *size);
    let (size, name) = fits.or_else(|| units.last()).copied().unwrap_or((1.0, ""));
    format!("{} {name}", digits(value / size))
}

/// Three significant digits where it takes that many.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// A whole number, its thousands apart.
fn grouped(value: f64) -> String {
    let plain = format!("{value:.0}");
    let mut shown = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_units_that_suit_their_size() {
        let told = [
            (Unit::Bytes, 3_280.0, "3.28 kB"),
            (Unit::Bytes, 87.0, "87.0 B"),
            (Unit::Bytes, 12_034_560.0, "12.0 MB"),
            (Unit::Seconds, 0.000_018_31, "18.3 µs"),
            (Unit::Seconds, 0.002_5, "2.50 ms"),
            (Unit::PerSecond, 51_923.4, "51,923"),
            (Unit::PerSecond, 987.0, "987"),
            (Unit::SecondsPerGigabyte, 0.3, "300 ms"),
            (Unit::GigabitsPerSecond, 12.55, "12.6"),
            (Unit::Cores, 0.123, "12.3 %"),
        ];
        for (unit, value, text) in told {
            assert_eq!(unit.show(value), text);
        }
    }
}
