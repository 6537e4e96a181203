//! What must hold for any bytes that a raw socket delivers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use halb_vrrp::config::{Auth, Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use halb_vrrp::packet::{
    Accepted, Advert, Body, ChecksumForm, Datagram, Expectation, GROUP_V6, HOP_LIMIT, Origin,
    Password, VirtualAddresses, ipv4, receive,
};
use halb_vrrp::router::{Action, AddressReport, Inbox, Link, Router};
use halb_vrrp::track::Standing;
use halb_vrrp::values::{AdvertInterval, BasePriority, Centiseconds, Family, Seconds, VrId};

const OWN: Ipv4Addr = Ipv4Addr::new(172, 16, 16, 50);

/// What one packet may make a router do: an advert, its transition, addresses that come or go,
/// announcements, notices.
const ACTIONS_MAX: usize = 12;

/// Panics if a promise of the codec or of the router is broken for `input`: as an IPv4 packet, as
/// it is and with a checksum that fits, and as a message over IPv6.
pub(crate) fn check(input: &[u8]) {
    if let Ok(datagram) = ipv4::parse(input) {
        let summed = with_checksum(datagram.message);
        for protocol in [v2(), v3()] {
            check_datagram(&datagram, &protocol);
            check_datagram(&Datagram { message: &summed, ..datagram }, &protocol);
        }
    }
    let (source, destination) =
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).into(), GROUP_V6.into());
    let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message: input };
    check_datagram(&datagram, &v3());
}

/// The checksum of version 2, and of version 3 in one reading; a fuzzer wouldn't find it.
fn with_checksum(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if let Some(field) = message.get_mut(6..8) {
        field.fill(0);
        let words = message.chunks(2).map(|pair| match *pair {
            [high, low] => u32::from(u16::from_be_bytes([high, low])),
            [high] => u32::from(high) << 8,
            _ => 0,
        });
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        let sum = !u16::try_from(sum).unwrap();
        message[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

fn v2() -> Protocol {
    let auth = Auth { password: Password::new("mysecret"), also: Some(Password::new("newer")) };
    Protocol::V2 { interval: Seconds::new(5).unwrap(), auth: Some(auth) }
}

fn v3() -> Protocol {
    let interval = Centiseconds::new(100).unwrap();
    Protocol::V3 { interval, checksum: ChecksumChoice::Auto }
}

fn check_datagram(datagram: &Datagram<'_>, protocol: &Protocol) {
    let passwords = [Password::new("mysecret"), Password::new("newer")];
    let interval = match protocol {
        Protocol::V2 { interval, .. } => AdvertInterval::V2(*interval),
        Protocol::V3 { interval, .. } => AdvertInterval::V3(*interval),
    };
    let expected = Expectation {
        vrid: VrId::new(1).unwrap(),
        family: Family::of(datagram.source),
        interval,
        passwords: &passwords,
        origin: Origin::Multicast,
        hop_limit_min: HOP_LIMIT,
        own: Some(OWN.into()),
    };
    match receive(datagram, &expected) {
        Ok(accepted) => check_accepted(&accepted, datagram, &passwords),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
    if Family::of(datagram.source) == Family::V4 {
        check_router(datagram, protocol);
    }
}

/// What was accepted is what the packet says, byte by byte but for the checksum, which has several
/// readings.
fn check_accepted(accepted: &Accepted<'_>, datagram: &Datagram<'_>, passwords: &[Password]) {
    let message = datagram.message;
    assert_eq!(accepted.addresses.iter().count(), accepted.addresses.len());
    assert!(!accepted.addresses.is_empty());
    let Ok(addresses) = VirtualAddresses::new(accepted.addresses.iter().collect()) else { return };
    let in_order = accepted.addresses.iter().eq(addresses.as_slice().iter().copied());
    assert!(accepted.addresses.matches(&addresses));
    let bodies: Vec<_> = match accepted.interval {
        AdvertInterval::V2(interval) => {
            let with = |password: &Password| Body::V2 { interval, password: Some(*password) };
            passwords.iter().map(with).collect()
        }
        AdvertInterval::V3(interval) => {
            let checksum = accepted.checksum.unwrap_or(ChecksumForm::Message);
            vec![Body::V3 { interval, checksum }]
        }
    };
    let reserved = matches!(accepted.interval, AdvertInterval::V3(_)) && message[4] > 0x0f;
    if reserved || !in_order {
        return;
    }
    let vrid = VrId::new(message[1]).unwrap();
    let priority = accepted.priority;
    let written = bodies.into_iter().map(|body| {
        let advert = Advert { vrid, priority, addresses: addresses.clone(), body };
        advert.message(datagram.source, datagram.destination)
    });
    let rest = |bytes: &[u8]| [&bytes[..6], &bytes[8..]].concat();
    assert!(written.into_iter().any(|written| rest(&written) == rest(message)));
}

/// A backup and an active router take it, again and again, and do little.
fn check_router(datagram: &Datagram<'_>, protocol: &Protocol) {
    let vip = VirtualAddresses::new(vec![IpAddr::from([172, 16, 16, 100])]).unwrap();
    let (vrid, behaviour) = (VrId::new(1).unwrap(), Behaviour::default());
    let config = RouterConfig::new(vrid, protocol.clone(), vip, Delivery::Multicast, behaviour);
    let standing = Standing::untracked(BasePriority::new(100).unwrap());
    let mut now = Instant::now();
    let mut router = Router::new(config.unwrap(), standing, now);
    router.handle_link(Link { is_up: true, source: Some(OWN.into()) }, now);
    router.handle_start(now);
    for step in 0..6 {
        router.handle_datagram(datagram, now);
        let mut actions = 0;
        loop {
            while let Some(action) = router.poll_action() {
                actions += 1;
                if matches!(action, Action::AddAddresses(_)) {
                    router.handle_addresses(AddressReport::Installed, now);
                }
            }
            if router.poll_timeout().is_none_or(|(due, _)| due > now) {
                break;
            }
            router.handle_timeout(Inbox::Drained, now);
        }
        assert!(actions <= ACTIONS_MAX, "{actions} actions");
        let (due, _) = router.poll_timeout().expect("a started router has a deadline");
        now = if step == 2 { due } else { now + Duration::from_millis(1) };
    }
}
