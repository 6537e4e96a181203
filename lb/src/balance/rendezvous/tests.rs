use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn seat(name: &str, weight: u32) -> Seat {
    let mut seat = Seat::new(weight, seed_of(name));
    seat.candidate = true;
    seat
}

fn seats(servers: &[(&str, u32)]) -> Vec<Seat> {
    servers.iter().map(|(name, weight)| seat(name, *weight)).collect()
}

fn v4(client: u32) -> u64 {
    point_of_address(IpAddr::V4(Ipv4Addr::from_bits(client)))
}

fn point(address: &str) -> u64 {
    point_of_address(address.parse().unwrap())
}

fn winner<'a>(servers: &[(&'a str, u32)], point: u64) -> &'a str {
    servers[pick(&seats(servers), point).unwrap()].0
}

/// Figures of an independent implementation: a change here breaks the agreement of two balancers
/// of different versions.
#[test]
fn hashes_are_what_every_balancer_computes() {
    assert_eq!(point("172.16.16.1"), 0xdf7a_a19a_1239_3246);
    assert_eq!(point("2001:db8::1"), 0x06d2_6393_deb2_98e7);
    assert_eq!(point_of_flow("172.16.16.1:40000".parse().unwrap()), 0x68e7_3902_c29a_138d);
    assert_eq!(seed_of("kmaster1"), 0x44cb_4653_ee89_1c7b);
    assert_eq!(seed_of("kmaster-with-a-long-name"), 0xa2cb_acf1_c7c3_b1b6);
    let equal = [("kmaster1", 1), ("kmaster2", 1), ("kmaster3", 1)];
    let heavy = [("kmaster1", 1), ("kmaster2", 1), ("kmaster3", 4)];
    for (client, among_equals, with_a_heavy_third) in [
        ("172.16.16.1", "kmaster1", "kmaster1"),
        ("172.16.16.4", "kmaster2", "kmaster3"),
        ("2001:db8::1", "kmaster1", "kmaster3"),
        ("2001:db8::2", "kmaster3", "kmaster3"),
    ] {
        assert_eq!(winner(&equal, point(client)), among_equals);
        assert_eq!(winner(&heavy, point(client)), with_a_heavy_third);
    }
}

#[test]
fn an_ipv4_mapped_address_is_the_ipv4_address() {
    assert_eq!(point("::ffff:172.16.16.1"), point("172.16.16.1"));
    assert_ne!(point("::172.16.16.1"), point("172.16.16.1"));
    let mapped = point_of_flow("[::ffff:10.0.0.1]:5".parse().unwrap());
    assert_eq!(mapped, point_of_flow("10.0.0.1:5".parse().unwrap()));
    assert_ne!(mapped, point_of_flow("10.0.0.1:6".parse().unwrap()));
}

#[test]
fn the_logarithm_is_exact_to_the_last_few_bits() {
    let hashes = (0..64).flat_map(|bit| [1_u64 << bit, u64::MAX >> bit, u64::MAX << bit]);
    for hash in hashes.chain((0..10_000_u64).map(|n| absorb(7, n))) {
        let [high, low] = [(hash | 1) >> 32, (hash | 1) & u64::from(u32::MAX)]
            .map(|word| f64::from(u32::try_from(word).unwrap()));
        let expected = -(high * 2f64.powi(-32) + low * 2f64.powi(-64)).ln();
        let draw = exponential(hash);
        assert!(draw > 0.0 && draw.is_finite(), "{hash:#x} draws {draw}");
        // The hash itself is cut to 53 bits.
        let error = (draw - expected).abs();
        assert!(error <= 1e-15 * expected + 2f64.powi(-51), "{hash:#x}: {draw} for {expected}");
    }
}

#[test]
fn shares_are_proportional_to_weights() {
    let servers = [("a", 256), ("b", 512), ("c", 1280)];
    let mut counts = [0_u32; 3];
    let clients = 64_000;
    let seats = seats(&servers);
    // Neighbouring addresses, as a cluster's clients have.
    (0..clients).for_each(|client| counts[pick(&seats, v4(0x0a00_0000 + client)).unwrap()] += 1);
    for ((name, weight), count) in servers.iter().zip(counts) {
        let expected = clients * weight / 2048;
        // Four standard deviations of the widest binomial share: sqrt(64,000 / 4) · 4 = 506.
        assert!(count.abs_diff(expected) < 506, "{name}: {count} for {expected}");
    }
}

#[test]
fn candidates_alone_are_picked() {
    let mut two = seats(&[("a", 1), ("b", 1)]);
    two[0].candidate = false;
    assert!((0..100).all(|client| pick(&two, v4(client)) == Some(1)));
    two[1].candidate = false;
    assert_eq!(pick(&two, 0), None);
}

fn servers() -> impl Strategy<Value = Vec<(String, u32)>> {
    prop::collection::btree_map("[a-z0-9.-]{1,20}", 1_u32..=65_536, 2..10)
        .prop_map(|servers| servers.into_iter().collect())
}

proptest! {
    #[test]
    fn a_server_that_leaves_moves_its_own_clients_alone(
        servers in servers(), gone in any::<prop::sample::Index>(), clients in any::<[u128; 32]>(),
    ) {
        let servers: Vec<_> = servers.iter().map(|(name, weight)| (&**name, *weight)).collect();
        let gone = gone.index(servers.len());
        let mut rest = servers.clone();
        let (gone, _) = rest.remove(gone);
        for client in clients {
            let point = point_of_address(IpAddr::V6(Ipv6Addr::from_bits(client)));
            let (before, after) = (winner(&servers, point), winner(&rest, point));
            // Read backwards: a server that comes takes only what it wins.
            prop_assert!(before == after || before == gone);
        }
    }

    #[test]
    fn more_weight_only_gains(
        servers in servers(), heavier in any::<prop::sample::Index>(), more in 1_u32..=65_536,
        clients in any::<[u32; 32]>(),
    ) {
        let servers: Vec<_> = servers.iter().map(|(name, weight)| (&**name, *weight)).collect();
        let mut changed = servers.clone();
        let heavier = heavier.index(servers.len());
        changed[heavier].1 += more;
        for client in clients {
            let (before, after) = (winner(&servers, v4(client)), winner(&changed, v4(client)));
            prop_assert!(before == after || after == servers[heavier].0);
        }
    }

    #[test]
    fn the_order_of_the_file_is_irrelevant(servers in servers(), clients in any::<[u32; 32]>()) {
        let servers: Vec<_> = servers.iter().map(|(name, weight)| (&**name, *weight)).collect();
        let reversed: Vec<_> = servers.iter().rev().copied().collect();
        for client in clients {
            prop_assert_eq!(winner(&servers, v4(client)), winner(&reversed, v4(client)));
        }
    }
}
