//! Who else says that it has an address of this node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::DriverNotice;
use super::Engine;
use crate::node::Key;
use crate::packet::claim::Claim;
use crate::router::{Cause, State, Transition};
use crate::settings::Instance;

/// Claims that are read per interface and turn: anybody on the segment can send any number.
const CLAIMS_PER_TURN: usize = 16;

/// Least time between two readings that find some.
const CLAIMS_PACE: Duration = Duration::from_millis(100);

impl Engine {
    /// Reads claims of others, a few at a time: they are told to people, and a flood of them is
    /// to cost next to nothing.
    pub(super) fn hear_claims(&mut self, now: Instant) {
        if self.claims_at.is_some_and(|at| now < at) {
            return;
        }
        let mut claims = Vec::new();
        for watch in &self.network.claims {
            for _ in 0..CLAIMS_PER_TURN {
                match watch.read() {
                    Ok(Some(claim)) => claims.push((watch.index(), claim)),
                    // What the kernel reports instead is told by the interface's own changes.
                    Ok(None) | Err(_) => break,
                }
            }
        }
        self.claims_at = (!claims.is_empty()).then_some(now + CLAIMS_PACE);
        for (index, claim) in claims {
            self.note_claim(index, claim, now);
        }
    }

    fn note_claim(&mut self, index: u32, claim: Claim, now: Instant) {
        let picture = &self.network.picture;
        let concerned = self.node.members().find(|(member, _)| {
            let instance = member.settings();
            let placements = instance.placements.iter();
            let placed = placements.filter_map(|of| picture.resolve(of, &instance.interface));
            let mut there = placed.filter(|placed| placed.index == index);
            there.any(|placed| placed.address == claim.address)
        });
        let Some((member, router)) = concerned else { return };
        let (key, instance) = (member.key(), Arc::clone(member.settings()));
        let interval = instance.router.interval().duration();
        // Whoever takes up an offer claims the address before it says so in an advert.
        let settled = router.state() == State::Active && !router.is_offering();
        let active = settled.then(|| (router.since(), interval));
        if self.rivals.note(key, claim, active, now) {
            self.tell_claim(&instance, claim);
        }
    }

    fn tell_claim(&mut self, instance: &Instance, claim: Claim) {
        let Claim { address, mac } = claim;
        let instance = Arc::clone(&instance.name);
        self.notice(DriverNotice::ForeignClaim { instance, address, mac });
    }

    /// A router changed its state: what is asked and told of its addresses then.
    pub(super) fn note_transition(
        &mut self,
        key: Key,
        instance: &Instance,
        transition: &Transition,
        now: Instant,
    ) {
        match transition.to {
            State::Active => {
                let interval = instance.router.interval().duration();
                self.rivals.entered(key, interval, now);
                if matches!(transition.cause, Cause::Silence { last: None, .. }) {
                    for claim in self.rivals.fresh(key, now) {
                        self.tell_claim(instance, claim);
                    }
                }
            }
            // Before it can take over, whoever has the addresses has time to answer.
            State::Backup => self.probe(instance),
            State::Initialize | State::Fault => {}
        }
    }

    /// Asks once more who has the addresses that were taken over.
    pub(super) fn ask_again(&mut self, now: Instant) {
        while let Some(key) = self.rivals.next(now) {
            let active =
                self.node.member(key).filter(|(_, router)| router.state() == State::Active);
            let instance = active.map(|(member, _)| Arc::clone(member.settings()));
            instance.iter().for_each(|instance| self.probe(instance));
        }
    }
}
