//! Any sequence of events against the world's plain books.

use proptest::prelude::*;

use super::world::{Event, World};
use super::*;

fn balance() -> impl Strategy<Value = Balance> {
    prop::sample::select(vec![
        Balance::RoundRobin,
        Balance::LeastConn,
        Balance::Source,
        Balance::Flow,
        Balance::Random,
    ])
}

/// Up to six servers out of `a` to `f`, each on one of two addresses.
fn servers() -> impl Strategy<Value = Vec<Server>> {
    let details = (0_u16..4, prop::bool::weighted(0.3), prop::option::of(1_u32..4), 0_u8..2);
    let chosen = prop::sample::subsequence(vec!["a", "b", "c", "d", "e", "f"], 0..=6);
    (chosen.prop_shuffle(), prop::collection::vec(details, 6)).prop_map(|(names, details)| {
        type Details = (u16, bool, Option<u32>, u8);
        let build = |(name, (weight, backup, maxconn, network)): (&str, Details)| Server {
            weight: Weight::new(weight).unwrap(),
            backup,
            maxconn: maxconn.and_then(NonZeroU32::new),
            address: Some(SocketAddr::from(([192, 0, network, name.as_bytes()[0]], 6443))),
            ..server(name)
        };
        names.into_iter().zip(details).map(build).collect()
    })
}

fn event() -> impl Strategy<Value = Event> {
    let index = 0_usize..100;
    let health = prop::sample::select(vec![Health::Up, Health::Down]);
    let admin = prop::sample::select(vec![Admin::Ready, Admin::Ready, Admin::Drain, Admin::Maint]);
    prop_oneof![
        8 => (0_u32..50).prop_map(|client| Event::Arrive { client }),
        2 => index.clone().prop_map(|session| Event::Fail { session }),
        4 => index.clone().prop_map(|session| Event::Close { session }),
        1 => index.clone().prop_map(|waiter| Event::Leave { waiter }),
        2 => (index.clone(), health).prop_map(|(server, health)| Event::Health { server, health }),
        1 => (index.clone(), admin).prop_map(|(server, admin)| Event::Admin { server, admin }),
        1 => (index, prop::option::of(0_u16..5))
            .prop_map(|(server, weight)| Event::Weight { server, weight }),
        1 => (balance(), servers())
            .prop_map(|(balance, servers)| Event::Reload { balance, servers }),
        2 => (0_u64..4_000).prop_map(|time| Event::Pass { time: Duration::from_millis(time) }),
    ]
}

proptest! {
    #[test]
    fn every_answer_is_right_and_everyone_is_answered_once(
        balance in balance(),
        servers in servers(),
        slow_start in prop::option::of((0_u64..5_000).prop_map(Duration::from_millis)),
        queue in (0_u32..6, 0_u64..3_000),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let queue = QueueLimit { max: queue.0, timeout: Duration::from_millis(queue.1) };
        let template = Backend { slow_start, queue, ..backend(balance, servers) };
        let mut world = World::new(template);
        events.into_iter().for_each(|event| world.happen(event));
        let _ = world.finish();
    }
}
