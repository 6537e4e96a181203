//! Keeps the kernel's rules as they should be, whoever else changes them.

use std::time::{Duration, Instant};

use super::super::nftables::Nftables;
use super::super::{Error, Limited, Notice};
use crate::nftables::differences;
use crate::program::{Counted, Program, Step, counters, program, transaction};
use crate::table::{Strays, Table};

/// The kernel's rules.
pub(super) struct Rules {
    nftables: Nftables,
    /// What the kernel holds; none: not known.
    held: Option<Program>,
    /// The table that it was made from, so that most turns needn't make it anew.
    table: Option<Table>,
    /// Of the rules when they were last compared.
    generation: u32,
    look_at: Instant,
    is_applied: bool,
    repairs: u64,
}

/// Between looks for changes by others, each one question and one number; and before another try
/// after the kernel refused.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type Notices = Box<dyn FnMut(Notice) + Send>;

impl Rules {
    pub(super) fn open(now: Instant) -> Result<Self, Error> {
        Ok(Self {
            nftables: Nftables::open()?,
            held: None,
            table: None,
            generation: 0,
            look_at: now,
            is_applied: false,
            repairs: 0,
        })
    }

    /// Leaves the table of a run before alone where it is what it should be, and replaces it
    /// otherwise.
    pub(super) fn start(&mut self, table: &Table, notices: &mut Notices) -> Result<(), Error> {
        let held = self.nftables.held()?;
        let [loud, quiet] = [Strays::Reset, Strays::Drop]
            .map(|strays| program(&table.clone().with_strays(|_| strays)));
        let is_held = |program: &Program| differences(program, &held).is_empty();
        if is_held(&quiet) {
            self.held = Some(quiet);
        } else if is_held(&loud) {
            self.held = Some(loud);
        } else {
            self.apply(quiet)?;
            notices(Notice::Applied);
            return Ok(());
        }
        self.is_applied = true;
        notices(Notice::Adopted);
        Ok(())
    }

    /// Brings the kernel to this table, and looks whether others changed it.
    pub(super) fn keep(&mut self, table: &Table, now: Instant, notices: &mut Notices) {
        let is_due = self.look_at <= now;
        if is_due {
            self.look_at = now + LOOK_EVERY;
            if let Err(error) = self.look(notices) {
                notices(Notice::Trouble(error));
            }
        }
        // After a refusal nothing is tried before the next look.
        let is_blocked = self.held.is_none() && !is_due;
        let is_known = self.held.is_some() && self.table.as_ref() == Some(table);
        if is_blocked || is_known {
            return;
        }
        let wanted = program(table);
        if self.held.as_ref() == Some(&wanted) {
            self.table = Some(table.clone());
            return;
        }
        match self.apply(wanted) {
            Ok(()) => {
                self.table = Some(table.clone());
                notices(Notice::Applied);
            }
            Err(error) => {
                self.held = None;
                self.is_applied = false;
                notices(Notice::Trouble(error));
            }
        }
    }

    /// Forgets what the kernel held if it holds something else now.
    fn look(&mut self, notices: &mut Notices) -> Result<(), Error> {
        let generation = self.nftables.generation()?;
        if generation == self.generation {
            return Ok(());
        }
        let held = self.nftables.held()?;
        self.generation = generation;
        let Some(should) = &self.held else { return Ok(()) };
        let differences = differences(should, &held);
        if !differences.is_empty() {
            self.held = None;
            self.repairs += 1;
            notices(Notice::Drift(differences));
        }
        Ok(())
    }

    fn apply(&mut self, wanted: Program) -> Result<(), Error> {
        let steps = transaction(self.held.as_ref(), &wanted);
        if !steps.is_empty() {
            self.nftables.commit(&steps)?;
        }
        self.held = Some(wanted);
        self.is_applied = true;
        Ok(())
    }

    /// What the table's counters of limits say, frontend by frontend.
    pub(super) fn limited(&mut self, table: &Table) -> Result<Vec<Limited>, Error> {
        let names = counters(table);
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let counted = self.nftables.counters()?;
        let of = |name: &str| {
            let mut counted = counted.iter();
            counted.find(|(known, _)| known == name).map_or(0, |(_, packets)| *packets)
        };
        let limited = |one: Counted| Limited {
            denied: of(&one.denied),
            held_back: of(&one.held_back),
            frontend: one.frontend,
        };
        Ok(names.into_iter().map(limited).collect())
    }

    /// Takes the table away.
    pub(super) fn remove(&mut self) -> Result<(), Error> {
        self.held = None;
        self.is_applied = false;
        self.nftables.commit(&[Step::AddTable, Step::DeleteTable])
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.look_at
    }

    pub(super) fn is_applied(&self) -> bool {
        self.is_applied
    }

    pub(super) fn repairs(&self) -> u64 {
        self.repairs
    }
}
