//! Consistent hashing by weighted rendezvous (highest random weight): each server draws a number
//! for the client, and the best number wins.
//!
//! Draws depend on nothing but the client, the server's name and its weight. So two balancers
//! agree without talking, the order of the file doesn't matter, a server that leaves moves only
//! its own clients, and one that comes (or gains weight) takes only what it wins.
//!
//! A draw is exponentially distributed with the weight as its rate, E = -ln(u) / weight, and the
//! smallest wins; that makes shares exactly proportional to weights. It is computed in `f64` out
//! of additions, multiplications and divisions alone, which IEEE 754 rounds alike everywhere; the
//! logarithm of a C library may differ in its last bit from host to host, and then so would the
//! balancers. The hash has no secret key, since both must agree: a client that can choose its
//! address can choose its server.
//!
//! A pick costs some 20 ns a server: next to nothing for a control plane, 20 µs for 1,000 servers,
//! where a ring would take less but move more clients than it must.

use std::net::{IpAddr, SocketAddr};

use crate::balance::{Seat, candidates};

/// Where a client's address stands; an IPv4-mapped IPv6 address is the IPv4 address.
pub(crate) fn point_of_address(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => absorb(START_V4, u64::from(v4.to_bits())),
        IpAddr::V6(v6) => absorb(absorb(START_V6, half(v6.octets(), 0)), half(v6.octets(), 8)),
    }
}

/// Where a client's address and port stand together.
pub(crate) fn point_of_flow(client: SocketAddr) -> u64 {
    absorb(point_of_address(client.ip()), u64::from(client.port()))
}

/// What a server draws its numbers with.
pub(crate) fn seed_of(name: &str) -> u64 {
    let words = name.as_bytes().chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    // A name is at most 64 bytes and none of them is 0, so padding can't make two names one.
    words.fold(START_NAME, absorb)
}

/// The candidate that wins `point`. None: there is no candidate.
pub(crate) fn pick(seats: &[Seat], point: u64) -> Option<usize> {
    let draw = |index: usize| {
        let seat = &seats[index];
        (exponential(absorb(point, seat.seed)) / f64::from(seat.weight), index)
    };
    // A tie has odds of 2^-50, so that the file's order decides nothing in practice.
    let best = candidates(seats).map(draw).min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(best.1)
}

/// Fractional digits of π, as nothing-up-my-sleeve starts that keep kinds of input apart.
const START_V4: u64 = 0x243f_6a88_85a3_08d3;
const START_V6: u64 = 0x1319_8a2e_0370_7344;
const START_NAME: u64 = 0xa409_3822_299f_31d0;

/// Takes a further word into a hash: SplitMix64's step (Steele, Lea, Flood 2014), whose finaliser
/// lets each input bit flip each output bit with a chance close to one half.
fn absorb(state: u64, word: u64) -> u64 {
    let mut x = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn half(octets: [u8; 16], from: usize) -> u64 {
    octets[from..from + 8].iter().fold(0, |word, octet| (word << 8) | u64::from(*octet))
}

/// -ln(u) for u = (hash + 1/2^k)/2^64 in (0, 1): exponentially distributed, above 0 and finite.
fn exponential(hash: u64) -> f64 {
    let hash = hash | 1;
    let zeros = hash.leading_zeros();
    // u = mantissa · 2^-(zeros + 1), with the leading one left implicit as IEEE 754 has it.
    let fraction = (hash << zeros << 1) >> 12;
    let mantissa = f64::from_bits(1.0_f64.to_bits() | fraction);
    // Brought next to 1, where the series is short, without cancellation for u close to 1.
    let (mantissa, halvings) = if mantissa > std::f64::consts::SQRT_2 {
        (mantissa / 2.0, zeros)
    } else {
        (mantissa, zeros + 1)
    };
    f64::from(halvings) * std::f64::consts::LN_2 - ln_near_one(mantissa)
}

/// 1/21 to 1/1: the coefficients of artanh, highest power first.
const ODD_RECIPROCALS: [f64; 11] = [
    1.0 / 21.0,
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
    1.0,
];

/// Natural logarithm of `x` between √½ and √2: ln x = 2·artanh((x-1)/(x+1)) as a series whose first
/// left-out term is below 2^-58 of the sum.
fn ln_near_one(x: f64) -> f64 {
    let ratio = (x - 1.0) / (x + 1.0);
    let square = ratio * ratio;
    let series = ODD_RECIPROCALS.into_iter().fold(0.0, |sum, term| sum * square + term);
    2.0 * ratio * series
}

#[cfg(test)]
mod tests;
