//! Routers that move together, as keepalived's `vrrp_sync_group`: a node that forwards between
//! two segments must be active on both or on none.
//!
//! - The group takes over when each of its members would. One that still hears a better router
//!   holds the others back, which is safer than members that hold different ends.
//! - If one member ceases to be active, all do; the others say so, so that nobody waits for them.
//! - If one member can't take part, none does, until it can.
//! - If one member has failed, all have, and if the addresses of one are given away, all are.

use std::time::Instant;

use crate::router::{Action, Inbox, Router};

/// Routers that move together.
#[derive(Debug)]
pub struct SyncGroup {
    members: Vec<Router>,
}

impl SyncGroup {
    /// A group of routers that aren't started yet. Each is known by its place in the list.
    #[must_use]
    pub fn new(mut members: Vec<Router>) -> Self {
        members.iter_mut().for_each(Router::join_group);
        Self { members }
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[Router] {
        &self.members
    }

    /// The members, no longer kept together.
    pub(crate) fn into_members(self) -> Vec<Router> {
        self.members
    }

    /// Lets a member take an event (any of its `handle_*` but the timeout), and the others follow.
    /// None if there is no such member.
    pub fn handle<R>(
        &mut self,
        member: usize,
        now: Instant,
        event: impl FnOnce(&mut Router) -> R,
    ) -> Option<R> {
        let result = event(self.members.get_mut(member)?);
        self.follow(now);
        Some(result)
    }

    /// [`Router::give_away`] for each member.
    pub fn give_away(&mut self, now: Instant) {
        self.members.iter_mut().for_each(|member| member.give_away(now));
        self.follow(now);
    }

    /// [`Router::resume`] for each member.
    pub fn resume(&mut self, now: Instant) {
        self.members.iter_mut().for_each(|member| member.resume(now));
        self.follow(now);
    }

    /// [`Router::retire`] for each member: once the addresses of one are taken, all stop.
    pub fn retire(&mut self, now: Instant) {
        self.members.iter_mut().for_each(|member| member.retire(now));
        self.follow(now);
    }

    /// All members have stopped.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.members.iter().all(Router::is_retired)
    }

    /// The time of [`SyncGroup::poll_timeout`] has come. A call before it does nothing.
    pub fn handle_timeout(&mut self, inbox: Inbox, now: Instant) {
        for member in &mut self.members {
            if member.poll_timeout().is_some_and(|(due, _)| due <= now) {
                member.handle_timeout(inbox, now);
            }
        }
        self.follow(now);
    }

    /// The earliest deadline of a member, and what it is for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.members.iter().filter_map(Router::poll_timeout).min_by_key(|(due, _)| *due)
    }

    /// What is to be done next, and for which member.
    pub fn poll_action(&mut self) -> Option<(usize, Action)> {
        let mut members = self.members.iter_mut().enumerate();
        members.find_map(|(index, member)| Some((index, member.poll_action()?)))
    }

    fn follow(&mut self, now: Instant) {
        if self.members.iter().any(Router::is_yielded) {
            let others = self.members.iter_mut().filter(|member| !member.is_yielded());
            others.for_each(|member| member.give_away(now));
        }
        let failed = self.members.iter().any(Router::has_failed_tracker);
        self.members.iter_mut().for_each(|member| member.follow_failure(failed, now));
        let hindered = self.members.iter().any(Router::is_hindered);
        self.members.iter_mut().for_each(|member| member.follow_fault(hindered, now));
        if self.members.iter().all(Router::wants_to_take_over) {
            self.members.iter_mut().for_each(|member| member.follow_takeover(now));
        } else if !self.members.iter().all(Router::is_active) {
            self.members.iter_mut().for_each(|member| member.follow_release(now));
        }
    }
}

#[cfg(test)]
mod tests;
