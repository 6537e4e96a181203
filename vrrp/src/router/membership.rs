//! A router's part in a group of routers that move together.

use std::time::Instant;

use super::cause::{Cause, FaultReason};
use super::{Phase, Router};

/// What a router knows of its group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Membership {
    /// It takes over only when the group does.
    pub(super) grouped: bool,
    /// It would take over by itself, for this reason.
    pub(super) wants: Option<Cause>,
    /// A member can't take part.
    pub(super) fault: bool,
    /// A member has failed, this one or another.
    pub(super) failed: bool,
}

impl Router {
    pub(crate) fn join_group(&mut self) {
        self.membership.grouped = true;
    }

    /// It moves alone from now on. Nothing if it did so before.
    pub(crate) fn leave_group(&mut self, now: Instant) {
        let Membership { fault, failed, .. } = std::mem::take(&mut self.membership);
        if failed {
            self.restand(self.standing.as_ref().clone(), false, now);
        }
        if fault {
            self.begin(now);
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Holding(_))
    }

    pub(crate) fn wants_to_take_over(&self) -> bool {
        self.membership.wants.is_some()
    }

    /// It can't take part for a reason of its own.
    pub(crate) fn is_hindered(&self) -> bool {
        match &self.phase {
            Phase::Stopped => false,
            Phase::Deaf { retry_at: Some(_), .. } => true,
            Phase::Waiting { .. }
            | Phase::Deaf { retry_at: None, .. }
            | Phase::Listening(_)
            | Phase::Holding(_) => !self.link.is_up || self.link.source.is_none(),
        }
    }

    /// A member can't take part, or all can again.
    pub(crate) fn follow_fault(&mut self, fault: bool, now: Instant) {
        let before = std::mem::replace(&mut self.membership.fault, fault);
        match (before, fault) {
            (false, true) if !matches!(self.phase, Phase::Deaf { .. }) => {
                self.fall(FaultReason::Group, None, now);
            }
            (true, false) => self.begin(now),
            (false, true) | (true, true) | (false, false) => {}
        }
    }

    /// A tracker with weight 0 of its own has failed.
    pub(crate) fn has_failed_tracker(&self) -> bool {
        self.standing.has_failed_tracker()
    }

    /// A member has failed, or all are well again: whoever is active can't serve as it should.
    pub(crate) fn follow_failure(&mut self, failed: bool, now: Instant) {
        if std::mem::replace(&mut self.membership.failed, failed) != failed {
            self.restand(self.standing.as_ref().clone(), failed, now);
        }
    }

    /// All members want to take over.
    pub(crate) fn follow_takeover(&mut self, now: Instant) {
        if let Some(cause) = self.membership.wants.take() {
            self.take_over(cause, now);
        }
    }

    /// Another member isn't active: this one isn't either.
    pub(crate) fn follow_release(&mut self, now: Instant) {
        if self.is_active() {
            self.release();
            self.listen(Cause::Group, now);
        }
    }
}
