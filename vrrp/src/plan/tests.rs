use std::num::NonZeroU8;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::{Behaviour, ChecksumChoice, Protocol, RouterConfig};
use crate::packet::HOP_LIMIT;
use crate::settings::Instance;
use crate::values::{BasePriority, Centiseconds, VrId};

/// Any plan of fewer than so many entries of either kind.
fn plans(entries: usize) -> impl Strategy<Value = Plan> {
    let address = || {
        prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from)
        ]
    };
    let message = prop::collection::vec(any::<u8>(), 0..200);
    let farewell = (any::<u32>(), address(), address(), message).prop_map(
        |(interface, source, destination, message)| Farewell {
            interface,
            source,
            destination,
            message,
        },
    );
    let held = (any::<u32>(), address(), any::<u8>())
        .prop_map(|(interface, address, prefix_len)| Held { interface, address, prefix_len });
    let farewells = prop::collection::vec(farewell, 0..entries);
    let addresses = prop::collection::vec(held, 0..entries);
    (farewells, addresses).prop_map(|(farewells, addresses)| Plan { farewells, addresses })
}

proptest! {
    #[test]
    fn a_plan_is_read_as_it_was_written(plan in plans(8)) {
        let bytes = plan.encode().unwrap();
        prop_assert_eq!(bytes.is_empty(), plan.is_empty());
        prop_assert_eq!(Plan::decode(&bytes), Some(plan));
    }

    #[test]
    fn a_plan_that_is_cut_off_or_changed_is_read_without_harm(
        plan in plans(4),
        cut in any::<prop::sample::Index>(),
        (place, value) in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let mut bytes = plan.encode().unwrap();
        prop_assume!(!bytes.is_empty());
        let cut = cut.index(bytes.len());
        if let Some(shorter) = Plan::decode(&bytes[..cut]) {
            prop_assert_eq!(shorter.encode().unwrap(), &bytes[..cut]);
        }
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _ = Plan::decode(&bytes);
    }
}

/// So many routers of IPv6 with so many addresses and peers each.
fn settings(routers: usize, addresses: u16, peers: u16) -> Settings {
    let list = |network: u16, count: u16| -> Vec<IpAddr> {
        (1..=count).map(|n| Ipv6Addr::new(0xfd00, network, 0, 0, 0, 0, 0, n).into()).collect()
    };
    let delivery = match peers {
        0 => Delivery::Multicast,
        peers => Delivery::Unicast { peers: list(2, peers), hop_limit_min: HOP_LIMIT },
    };
    let interval = Centiseconds::new(100).unwrap();
    let router = RouterConfig::new(
        VrId::new(1).unwrap(),
        Protocol::V3 { interval, checksum: ChecksumChoice::Auto },
        VirtualAddresses::new(list(1, addresses)).unwrap(),
        delivery,
        Behaviour::default(),
    );
    let instance = Instance {
        name: Arc::from("VI_1"),
        interface: Arc::from("eth1"),
        router: router.unwrap(),
        priority: BasePriority::new(100).unwrap(),
        source: None,
        placements: Vec::new(),
        trackers: Vec::new(),
    };
    Settings {
        instances: vec![instance; routers],
        groups: Vec::new(),
        realtime: NonZeroU8::new(50),
        freeze_limit: None,
    }
}

#[test]
fn the_largest_router_fits_sixteen_times_and_thousands_of_usual_ones() {
    let most = u16::try_from(VirtualAddresses::MAX_V6).unwrap();
    let peers = u16::try_from(PEERS_MAX).unwrap();
    assert_eq!(check(&settings(16, most, peers)), Ok(()));
    let error = check(&settings(20, most, peers)).unwrap_err();
    assert!(error.needed > PLAN_LEN_MAX);
    let expected = format!(
        "the virtual routers need {} bytes to be given up by the guard, which has room for \
         {PLAN_LEN_MAX}; use fewer addresses or unicast peers, or split the routers between nodes",
        error.needed
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(check(&settings(5000, 1, 0)), Ok(()));
}

#[test]
fn what_a_check_foretells_is_what_a_plan_takes() {
    let farewell = Farewell {
        interface: 2,
        source: Ipv6Addr::LOCALHOST.into(),
        destination: Ipv6Addr::LOCALHOST.into(),
        message: vec![0; message_len(16, 3)],
    };
    let held = Held { interface: 2, address: Ipv6Addr::LOCALHOST.into(), prefix_len: 128 };
    let plan = Plan { farewells: vec![farewell; 2], addresses: vec![held; 3] };
    let foretold = needed(&settings(1, 3, 2).instances[0]);
    assert_eq!(plan.encode().unwrap().len(), foretold);
}

#[test]
fn a_plan_without_room_is_refused_with_its_length() {
    let farewell = Farewell {
        interface: 1,
        source: Ipv4Addr::LOCALHOST.into(),
        destination: Ipv4Addr::LOCALHOST.into(),
        message: vec![0; 60_000],
    };
    let needed = 20 * (FAREWELL_HEAD + 60_000);
    let plan = Plan { farewells: vec![farewell; 20], addresses: Vec::new() };
    assert_eq!(plan.encode(), Err(PlanTooLong { needed }));
}
