//! Reads `[vrrp_group.NAME]`, and compares it with the instances.

use std::sync::Arc;
use std::time::Duration;

use halb_lb::names::FrontendName;

use super::{RouterDraft, read_hook};
use crate::config::diagnostic::Diagnostic;
use crate::config::reader::{Entry, Table};
use crate::config::settings::{Hook, HookSubject};
use crate::config::sides::name_of;
use crate::config::sink::Sink;
use crate::config::{keys, programs};

/// What is run for a group. What is wrong is none, and has been reported.
pub(in crate::config) struct GroupDraft<'a> {
    table: Table<'a>,
    name: Option<Arc<str>>,
    hook: Option<(Vec<String>, Duration)>,
}

impl<'a> GroupDraft<'a> {
    /// Reads one. None: it is no table.
    pub(in crate::config) fn read(sink: &'a Sink, entry: &Entry<'a>) -> Option<Self> {
        let name = name_of(sink, entry, |name| FrontendName::new(name).map(|_| Arc::from(name)));
        let table = Table::open(sink, entry, &[&keys::VRRP_GROUP])?;
        table.require("notify", "the table would do nothing");
        let hook = read_hook(&table, "/usr/local/bin/group-moved");
        Some(Self { table, name, hook })
    }
}

impl GroupDraft<'_> {
    /// Looks whether the program that it names is there.
    pub(in crate::config) fn check_program(&self) {
        let program = self.hook.as_ref().and_then(|(command, _)| command.first());
        let Some((program, entry)) = program.zip(self.table.get("notify")) else { return };
        if let Some(why) = programs::unusable(program) {
            self.table.sink.report(
                Diagnostic::error(entry.span.clone(), why)
                    .consequence("nobody would hear of a change")
                    .remedy(programs::USABLE),
            );
        }
    }

    /// The hook, of a file without errors.
    pub(super) fn hook(&self) -> Option<Hook> {
        let (command, timeout) = self.hook.clone()?;
        Some(Hook { subject: HookSubject::Group(self.name.clone()?), command, timeout })
    }
}

/// Reports groups that nobody is in.
pub(super) fn check(sink: &Sink, groups: &[GroupDraft<'_>], drafts: &[RouterDraft<'_>]) {
    let named: Vec<&str> =
        drafts.iter().filter_map(|draft| Some(&*draft.sync_group.as_ref()?.0)).collect();
    for group in groups {
        let Some(name) = group.name.as_deref().filter(|name| !named.contains(name)) else {
            continue;
        };
        let remedy = match keys::nearest(named.iter().copied(), name) {
            Some(near) => format!("write `[vrrp_group.{near}]`"),
            None => {
                format!("write `sync_group = \"{name}\"` in each [vrrp.NAME] that belongs to it")
            }
        };
        sink.report_absence(
            Diagnostic::error(
                group.table.key_span.clone(),
                format!("no instance is in group '{name}'"),
            )
            .consequence("its hook would never be run")
            .remedy(remedy),
        );
    }
}
