//! `global`: limits of the process, and what other sections lean on.

use std::time::Duration;

use super::super::model::begins_with;
use super::super::parse::{Kind, Line, Parsed};
use super::super::units;
use super::super::work::Work;
use crate::document::Table;
use crate::finding::Class;

/// Most workers that halb takes.
const WORKERS_MAX: u32 = halb_config::defaults::WORKERS_MAX;

/// Longest `drain_timeout`.
const DRAIN_MAX: Duration = Duration::from_secs(24 * 3600);

/// Where systems keep the authorities that they trust: Debian's file, which Alpine and Arch have
/// too.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What `global` says that other sections lean on.
#[derive(Debug, Default)]
pub(super) struct Globals<'a> {
    /// `ssl-server-verify none`.
    pub(super) verify_none: Option<&'a Line>,
    /// `external-check` is allowed.
    pub(super) external_check: bool,
    ca_base: Option<&'a str>,
    crt_base: Option<&'a str>,
    lines: Vec<&'a Line>,
}

impl<'a> Globals<'a> {
    /// Reads all `global` sections as one.
    pub(super) fn read(parsed: &'a Parsed) -> Self {
        let sections = parsed.sections.iter().filter(|section| section.kind == Kind::Global);
        let lines: Vec<_> = sections.flat_map(|section| &section.lines).collect();
        let last = |word: &str| lines.iter().rev().find(|line| line.word(0) == word).copied();
        let base = |word: &str| last(word).map(|line| line.word(1)).filter(|b| b.starts_with('/'));
        Self {
            verify_none: last("ssl-server-verify").filter(|line| line.word(1) == "none"),
            external_check: last("external-check").is_some(),
            ca_base: base("ca-base"),
            crt_base: base("crt-base"),
            lines,
        }
    }

    /// The absolute path of an authority's file.
    pub(super) fn ca_file(&self, file: &str) -> String {
        if file == "@system-ca" { SYSTEM_CA.to_owned() } else { based(file, self.ca_base) }
    }

    /// The absolute path of a certificate's file.
    pub(super) fn certificate(&self, file: &str) -> String {
        based(file, self.crt_base)
    }

    /// `[global]`, and the lines that went into it.
    pub(super) fn translate(&self, table: &mut Table, work: &mut Work<'_>) {
        self.maxconn(table, work);
        if let Some(line) = self.last(&["nbthread"], work) {
            let workers = units::number(line.word(1)).filter(|n| (1..=WORKERS_MAX).contains(n));
            self.number(line, "workers", workers, table, work);
        }
        if let Some(line) = self.last(&["hard-stop-after"], work) {
            let class = match units::time(line.word(1)) {
                Some(time) => {
                    let written = units::written(time, Duration::ZERO, DRAIN_MAX);
                    table.set("drain_timeout", written);
                    Class::to("global.drain_timeout")
                }
                None => Class::lost("that is no time, and HAProxy refuses it"),
            };
            work.settle(line, class);
        }
        for line in self.logs() {
            let class = work.syslog.class(line);
            work.settle(line, class);
        }
        let leaned_on = ["ca-base", "crt-base", "external-check", "ssl-server-verify"];
        for line in self.lines.iter().filter(|line| leaned_on.contains(&line.word(0))) {
            if !work.ledger.covers(&line.place()) {
                let class = Class::meaningless("it is used where checks are translated");
                work.settle(line, class);
            }
        }
    }

    /// Where HAProxy's commands are answered.
    pub(super) fn stats_sockets(&self) -> Vec<&'a Line> {
        self.lines.iter().filter(|line| begins_with(line, &["stats", "socket"])).copied().collect()
    }

    /// Where HAProxy itself logs to, and sections that say `log global`.
    pub(super) fn logs(&self) -> Vec<&'a Line> {
        self.lines.iter().filter(|line| line.word(0) == "log").copied().collect()
    }

    fn last(&self, words: &[&str], work: &mut Work<'_>) -> Option<&'a Line> {
        let lines: Vec<_> = self.lines.iter().filter(|line| begins_with(line, words)).collect();
        let (last, earlier) = lines.split_last()?;
        for line in earlier {
            work.settle(line, Class::meaningless("a later line says otherwise"));
        }
        Some(last)
    }

    fn maxconn(&self, table: &mut Table, work: &mut Work<'_>) {
        if let Some(line) = self.last(&["maxconn"], work) {
            let number = units::number(line.word(1)).filter(|n| (1..=10_000_000).contains(n));
            self.number(line, "maxconn", number, table, work);
        }
    }

    fn number(
        &self,
        line: &Line,
        key: &str,
        number: Option<u32>,
        table: &mut Table,
        work: &mut Work<'_>,
    ) {
        let class = match number {
            Some(number) => {
                table.set(key, number);
                Class::to(format!("global.{key}"))
            }
            None if line.word(1) == "0" => Class::DefaultAnyway,
            None => Class::lost(format!("halb takes no such '{key}'")),
        };
        work.settle(line, class);
    }
}

fn based(file: &str, base: Option<&str>) -> String {
    if file.starts_with('/') {
        file.to_owned()
    } else {
        format!("{}/{file}", base.unwrap_or("/etc/haproxy").trim_end_matches('/'))
    }
}
