//! Who stands where in a cycle or on a wheel of hashes: arithmetic alone.

use std::net::SocketAddr;

use super::{Balance, Server, Standing};
use crate::mix::mix;

/// Most slots of a frontend and family. Weights whose cycle would be longer are rounded to it: an
/// error of 0.1 % of all connections at most, for a map that the kernel takes in one message.
pub(crate) const SLOTS_MAX: u32 = 1024;

/// Draws for a slot whose server doesn't serve, before the first one that does takes it. With one
/// server of 128 serving, all of these miss once in 2.7 slots, so a last resort is needed anyway.
const DRAWS_MAX: u64 = 128;

/// Servers of one family, slot by slot; none if nobody serves.
///
/// Round robin: one whole cycle of those that serve, spread as evenly as weights allow. Hashes:
/// slots of all, whether they serve or not; where one doesn't, others stand in, and nobody else's
/// slots change.
pub(crate) fn slots(balance: Balance, servers: &[Server]) -> Vec<SocketAddr> {
    let serves = |server: &Server| server.standing == Standing::Serving && server.weight > 0;
    let Some(last_resort) = servers.iter().find(|server| serves(server)) else {
        return Vec::new();
    };
    let weights = |counts: &dyn Fn(&Server) -> bool| -> Vec<u32> {
        let weight = |s: &Server| if counts(s) { u32::from(s.weight) } else { 0 };
        servers.iter().map(weight).collect()
    };
    match balance {
        Balance::RoundRobin => {
            let cycle = cycle(&fitted(weights(&serves)));
            cycle.into_iter().map(|index| servers[index].address).collect()
        }
        Balance::Flow | Balance::Source => {
            let weights = fitted(weights(&|_| true));
            let cycle = cycle(&weights);
            let turns = (SLOTS_MAX as usize / cycle.len()).max(1);
            let home: Vec<_> = cycle.iter().copied().cycle().take(cycle.len() * turns).collect();
            let count = home.len() as u64;
            let stand_in = |slot: u64| {
                let draws = (0..DRAWS_MAX).map(|draw| mix(slot << 32 | draw) % count);
                let mut drawn = draws.filter_map(|at| home.get(usize::try_from(at).ok()?));
                drawn.find(|index| serves(&servers[**index])).copied()
            };
            let place = |(slot, &index): (u64, &usize)| match &servers[index] {
                server if serves(server) => server.address,
                _ => stand_in(slot).map_or(last_resort.address, |index| servers[index].address),
            };
            (0..).zip(&home).map(place).collect()
        }
    }
}

/// Weights in lowest terms, and rounded if their sum is more than [`SLOTS_MAX`]; none that wasn't
/// zero becomes so.
fn fitted(mut weights: Vec<u32>) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    weights.iter_mut().for_each(|weight| *weight /= divisor);
    let sum: u32 = weights.iter().sum();
    if sum > SLOTS_MAX {
        for weight in weights.iter_mut().filter(|weight| **weight > 0) {
            *weight = (*weight * SLOTS_MAX / sum).max(1);
        }
    }
    weights
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// One cycle of smooth weighted round robin, as nginx has it: each index as often as its weight.
fn cycle(weights: &[u32]) -> Vec<usize> {
    let sum: u32 = weights.iter().sum();
    let mut credits = vec![0i64; weights.len()];
    let turn = |_| {
        for (credit, weight) in credits.iter_mut().zip(weights) {
            *credit += i64::from(*weight);
        }
        let most = (0..weights.len()).filter(|index| weights[*index] > 0);
        let next = most.max_by_key(|index| (credits[*index], usize::MAX - index))?;
        credits[next] -= i64::from(sum);
        Some(next)
    };
    (0..sum).filter_map(turn).collect()
}
