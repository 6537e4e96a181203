//! The rotation: the servers that share new connections at the moment, in the order of the file,
//! as dense arrays that a pick can run over. Made anew when a server's state changes, which is
//! rare; picks allocate nothing.

use std::collections::BTreeMap;

use crate::balance::{Seat, least_conn, random, rendezvous, round_robin};
use crate::pool::method::Spread;
use crate::pool::server::Entry;
use crate::pool::{Loads, ServerKey};

/// Who shares new connections; `members` and `seats` go in step.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    members: Vec<Member>,
    seats: Vec<Seat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    server: ServerKey,
    /// Most connections at a time.
    limit: Option<u32>,
}

/// What a new rotation has that the old one hadn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The same servers with other weights or bounds.
    Shares,
    /// Other servers.
    Members,
}

impl Member {
    fn has_room(self, loads: &impl Loads) -> bool {
        self.limit.is_none_or(|limit| loads.active(self.server) < limit)
    }
}

impl Rotation {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Servers with room for a further connection.
    pub(super) fn with_room(&self, loads: &impl Loads) -> impl Iterator<Item = ServerKey> {
        self.members.iter().filter(|m| m.has_room(loads)).map(|member| member.server)
    }

    /// The server has room; false if it isn't in the rotation.
    pub(super) fn has_room(&self, server: ServerKey, loads: &impl Loads) -> bool {
        self.members.iter().any(|member| member.server == server && member.has_room(loads))
    }

    /// Picks a server that has room: one that isn't in `tried` where there is one. None: all are
    /// full.
    pub(super) fn pick(
        &mut self,
        spread: Spread,
        tried: &[ServerKey],
        loads: &impl Loads,
        random: u64,
    ) -> Option<ServerKey> {
        self.invite(tried, loads, spread != Spread::RoundRobin);
        let index = match spread {
            Spread::RoundRobin => round_robin::pick(&mut self.seats),
            Spread::LeastConn => least_conn::pick(&mut self.seats),
            Spread::Random => random::pick(&self.seats, random),
        }?;
        Some(self.members[index].server)
    }

    /// The server that a point of the hash belongs to, full or not: among those not in `tried`
    /// where there are any. None: the rotation is empty.
    pub(super) fn winner(&mut self, point: u64, tried: &[ServerKey]) -> Option<ServerKey> {
        let untried = |member: &Member| !tried.contains(&member.server);
        let any_untried = self.members.iter().any(untried);
        for (member, seat) in self.members.iter().zip(&mut self.seats) {
            seat.candidate = !any_untried || untried(member);
        }
        let index = rendezvous::pick(&self.seats, point)?;
        Some(self.members[index].server)
    }

    /// Marks the candidates and reads each load once: all of them, or where there is a bound.
    fn invite(&mut self, tried: &[ServerKey], loads: &impl Loads, every_load: bool) {
        let mut any_untried = false;
        for (member, seat) in self.members.iter().zip(&mut self.seats) {
            if every_load || member.limit.is_some() {
                seat.load = loads.active(member.server);
            }
            seat.candidate = member.limit.is_none_or(|limit| seat.load < limit);
            any_untried |= seat.candidate && !tried.contains(&member.server);
        }
        if any_untried && !tried.is_empty() {
            for (member, seat) in self.members.iter().zip(&mut self.seats) {
                seat.candidate &= !tried.contains(&member.server);
            }
        }
    }

    /// Seats whoever is eligible now. Backups are seated, all of them, while nobody else is (as
    /// HAProxy's `allbackups`: one backup alone would take everyone's load). What the round robin
    /// owes a server survives, also an absence: about a connection at most, so no burst.
    pub(super) fn rebuild(
        &mut self,
        servers: &mut BTreeMap<ServerKey, Entry>,
        order: &[ServerKey],
    ) -> Change {
        let total = round_robin::total(&self.seats);
        for (member, seat) in self.members.iter().zip(&self.seats) {
            if let Some(entry) = servers.get_mut(&member.server) {
                entry.owed = round_robin::to_owed(seat.credit, total);
            }
        }
        let before = std::mem::take(self);
        let eligible = |key: &&ServerKey| servers.get(key).is_some_and(Entry::is_eligible);
        let backup = |key: &ServerKey| servers.get(key).is_some_and(|e| e.config.backup);
        let on_backup = order.iter().filter(eligible).all(backup);
        for key in order.iter().filter(eligible).filter(|key| backup(key) == on_backup) {
            let entry = &servers[key];
            self.members.push(Member { server: *key, limit: entry.limit() });
            self.seats.push(Seat::new(entry.effective_weight(), entry.seed));
        }
        self.hand_out_credit(servers);
        self.change_since(&before)
    }

    fn hand_out_credit(&mut self, servers: &BTreeMap<ServerKey, Entry>) {
        let total = round_robin::total(&self.seats);
        for (member, seat) in self.members.iter().zip(&mut self.seats) {
            seat.credit = round_robin::to_credit(servers[&member.server].owed, total);
        }
        round_robin::settle(&mut self.seats);
    }

    fn change_since(&self, before: &Self) -> Change {
        let same = |a: &Member, b: &Member| a.server == b.server;
        if !(self.len() == before.len()
            && self.members.iter().zip(&before.members).all(|(a, b)| same(a, b)))
        {
            return Change::Members;
        }
        let same_weights =
            self.seats.iter().map(|s| s.weight).eq(before.seats.iter().map(|s| s.weight));
        if same_weights && self.members == before.members { Change::None } else { Change::Shares }
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self, expected: &[ServerKey]) {
        let members: Vec<ServerKey> = self.members.iter().map(|member| member.server).collect();
        assert_eq!(members, expected, "the rotation holds exactly those who may serve");
        assert_eq!(self.seats.len(), self.members.len());
        assert!(self.seats.iter().all(|seat| seat.weight > 0));
    }
}
