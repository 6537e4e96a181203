//! `show info`: the process, in HAProxy's names and order. What halb has no notion of (TLS,
//! compression, memory pools) is 0; `Release_date` is left out.

use crate::columns::Shape;
use crate::picture::Picture;
use crate::rows::Value;
use crate::stat::Format;
use crate::typed::{Field, JsonField, json_line};

/// A line of `show info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// HAProxy's number of it.
    pub position: usize,
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    tags: &'static str,
    shape: Shape,
}

/// All lines.
#[must_use]
pub fn lines(picture: &Picture) -> Vec<Line> {
    let process = &picture.process;
    let frontends = || picture.proxies.iter().filter_map(|proxy| proxy.frontend.as_ref());
    let accepted: u64 = frontends().map(|frontend| frontend.connections_total).sum();
    let listeners: u64 = frontends().map(|frontend| frontend.listeners).sum();
    let bytes_out: u64 = frontends().map(|frontend| frontend.bytes_out).sum();
    let uptime = seconds(process.uptime_seconds);
    let text = |text: &str| Value::Text(text.to_owned());
    let mut lines = Vec::new();
    for &(position, name, tags, shape) in LINES {
        let value = match name {
            "Name" => text("HAProxy"),
            "Version" | "Build info" => Value::Text(process.told_version()),
            "Nbthread" => Value::Count(process.threads),
            "Nbproc" | "Process_num" => Value::Count(1),
            "Pid" => Value::Count(u64::from(process.pid)),
            "Uptime" => Value::Text(span(uptime)),
            "Uptime_sec" => Value::Count(uptime),
            "Maxconn" | "Hard_maxconn" => Value::Count(process.connections_max),
            "Ulimit-n" | "Maxsock" => Value::Count(process.descriptors),
            "CurrConns" => Value::Count(process.connections),
            "CumConns" | "CumReq" => Value::Count(accepted),
            "PipesUsed" => Value::Count(process.pipes),
            "ConnRate" | "SessRate" => Value::Count(process.rate),
            "MaxConnRate" | "MaxSessRate" => Value::Count(process.rate_max),
            "Idle_pct" => Value::Count(process.idle_percent),
            "node" => text(&process.node),
            "Stopping" => Value::Count(u64::from(process.stopping)),
            "Jobs" => Value::Count(listeners.saturating_add(process.connections)),
            "Listeners" => Value::Count(listeners),
            "DroppedLogs" => Value::Count(process.logs_dropped),
            "TotalBytesOut" => Value::Count(bytes_out),
            "BytesOutRate" => Value::Count(process.bytes_out_rate),
            "Start_time_sec" => Value::Count(process.started_at),
            _ if shape == Shape::Str => text("0"),
            _ => Value::Count(0),
        };
        lines.push(Line { position, name, value, tags, shape });
    }
    lines
}

/// The answer.
#[must_use]
pub fn show(picture: &Picture, format: Format) -> String {
    let lines = lines(picture);
    let fields = lines.iter().map(|line| Field {
        of: None,
        position: line.position,
        name: line.name,
        tags: line.tags,
        shape: line.shape,
        value: &line.value,
        help: None,
    });
    let mut out = String::new();
    match format {
        Format::Plain => {
            for line in &lines {
                let value = match &line.value {
                    Value::Text(text) => text.clone(),
                    Value::Count(number) => number.to_string(),
                    Value::Never => "-1".to_owned(),
                };
                out.push_str(line.name);
                out.push_str(": ");
                out.push_str(&value);
                out.push('\n');
            }
            out
        }
        Format::Typed => {
            fields.for_each(|field| field.line(&mut out));
            out
        }
        Format::Json => {
            let fields: Vec<Field<'_>> = fields.collect();
            json_line(&fields.iter().map(Field::json).collect::<Vec<JsonField<'_>>>())
        }
    }
}

/// `1d 2h03m04s`.
fn span(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!("{}d {}h{minutes:02}m{seconds:02}s", hours / 24, hours % 24)
}

fn seconds(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs()
}

/// Number, name, tags and shape of each line.
const LINES: &[(usize, &str, &str, Shape)] = &[
    (0, "Name", "POS", Shape::Str),
    (1, "Version", "POS", Shape::Str),
    (3, "Nbthread", "CGS", Shape::U32),
    (4, "Nbproc", "CGS", Shape::U32),
    (5, "Process_num", "KGP", Shape::U32),
    (6, "Pid", "SGP", Shape::U32),
    (7, "Uptime", "MDP", Shape::Str),
    (8, "Uptime_sec", "MDP", Shape::U32),
    (9, "Memmax_MB", "CLP", Shape::U32),
    (10, "PoolAlloc_MB", "MGP", Shape::U32),
    (11, "PoolUsed_MB", "MGP", Shape::U32),
    (12, "PoolFailed", "MCP", Shape::U32),
    (13, "Ulimit-n", "CLP", Shape::U32),
    (14, "Maxsock", "CLP", Shape::U32),
    (15, "Maxconn", "CLP", Shape::U32),
    (16, "Hard_maxconn", "CLP", Shape::U32),
    (17, "CurrConns", "MGP", Shape::U32),
    (18, "CumConns", "MCP", Shape::U32),
    (19, "CumReq", "MCP", Shape::U32),
    (20, "MaxSslConns", "MMP", Shape::U32),
    (21, "CurrSslConns", "MGP", Shape::U32),
    (22, "CumSslConns", "MCP", Shape::U32),
    (23, "Maxpipes", "CLP", Shape::U32),
    (24, "PipesUsed", "MGP", Shape::U32),
    (25, "PipesFree", "MGP", Shape::U32),
    (26, "ConnRate", "MRP", Shape::U32),
    (27, "ConnRateLimit", "CLP", Shape::U32),
    (28, "MaxConnRate", "MMP", Shape::U32),
    (29, "SessRate", "MRP", Shape::U32),
    (30, "SessRateLimit", "CLP", Shape::U32),
    (31, "MaxSessRate", "MRP", Shape::U32),
    (32, "SslRate", "MRP", Shape::U32),
    (33, "SslRateLimit", "CLP", Shape::U32),
    (34, "MaxSslRate", "MMP", Shape::U32),
    (35, "SslFrontendKeyRate", "MGP", Shape::U32),
    (36, "SslFrontendMaxKeyRate", "MMP", Shape::U32),
    (37, "SslFrontendSessionReuse_pct", "MGP", Shape::U32),
    (38, "SslBackendKeyRate", "MRP", Shape::U32),
    (39, "SslBackendMaxKeyRate", "MMP", Shape::U32),
    (40, "SslCacheLookups", "MCP", Shape::U32),
    (41, "SslCacheMisses", "MCP", Shape::U32),
    (42, "CompressBpsIn", "MRP", Shape::U32),
    (43, "CompressBpsOut", "MRP", Shape::U32),
    (44, "CompressBpsRateLim", "CLP", Shape::U32),
    (47, "Tasks", "MGP", Shape::U32),
    (48, "Run_queue", "MGP", Shape::U32),
    (49, "Idle_pct", "MaP", Shape::U32),
    (50, "node", "COS", Shape::Str),
    (52, "Stopping", "MGP", Shape::U32),
    (53, "Jobs", "MGP", Shape::U32),
    (54, "Unstoppable Jobs", "MGP", Shape::U32),
    (55, "Listeners", "MGP", Shape::U32),
    (56, "ActivePeers", "MGP", Shape::U32),
    (57, "ConnectedPeers", "MGP", Shape::U32),
    (58, "DroppedLogs", "MGP", Shape::U32),
    (59, "BusyPolling", "MGP", Shape::U32),
    (60, "FailedResolutions", "MGP", Shape::U32),
    (61, "TotalBytesOut", "MGP", Shape::U64),
    (62, "TotalSplicdedBytesOut", "MGP", Shape::U64),
    (63, "BytesOutRate", "MRP", Shape::U64),
    (64, "DebugCommandsIssued", "MGP", Shape::U32),
    (65, "CumRecvLogs", "MCP", Shape::U32),
    (66, "Build info", "POS", Shape::Str),
    (67, "Memmax_bytes", "CLP", Shape::U32),
    (68, "PoolAlloc_bytes", "MGP", Shape::U64),
    (69, "PoolUsed_bytes", "MGP", Shape::U64),
    (70, "Start_time_sec", "MDP", Shape::U32),
    (71, "Tainted", "SGP", Shape::Str),
];

#[cfg(test)]
mod tests;
