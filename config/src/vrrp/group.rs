//! Reads `[vrrp_group.NAME]`, and compares it with the instances.

use std::sync::Arc;
use std::time::Duration;

use halb_lb::names::FrontendName;

use super::{RouterDraft, read_hook};
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::keys;
use crate::reader::{Entry, Table};
use crate::settings::{Hook, HookSubject};
use crate::sides::name_of;
use crate::sink::Sink;

/// What is run for a group. What is wrong is none, and has been reported.
pub(crate) struct GroupDraft<'a> {
    table: Table<'a>,
    name: Option<Arc<str>>,
    hook: Option<(Vec<String>, Duration)>,
}

impl<'a> GroupDraft<'a> {
    /// Reads one. None: it is no table.
    pub(crate) fn read(sink: &'a Sink, entry: &Entry<'a>) -> Option<Self> {
        let name = name_of(sink, entry, |name| FrontendName::new(name).map(|_| Arc::from(name)));
        let table = Table::open(sink, entry, &[&keys::VRRP_GROUP])?;
        table.require("notify", "the table would do nothing");
        let hook = read_hook(&table, "/usr/local/bin/group-moved");
        Some(Self { table, name, hook })
    }
}

impl GroupDraft<'_> {
    /// Looks whether the program that it names is there.
    pub(crate) fn check_program(&self, host: &dyn Host) {
        let program = self.hook.as_ref().and_then(|(command, _)| command.first());
        let Some((program, entry)) = program.zip(self.table.get("notify")) else { return };
        if let Err(unusable) = host.program(program) {
            let wrong = unusable.at(entry.span.clone());
            self.table.sink.report(wrong.consequence("nobody would hear of a change"));
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
