//! What must hold for any bytes that the link between two halbs carries.

use std::net::IpAddr;
use std::time::Instant;

use halb_vrrp::config::{Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use halb_vrrp::link::{WORD_LEN_MAX, Word};
use halb_vrrp::packet::VirtualAddresses;
use halb_vrrp::router::{Action, AddressReport, Inbox, Link, Router, State};
use halb_vrrp::track::Standing;
use halb_vrrp::values::{BasePriority, Centiseconds, Family, VrId};

/// Panics if a promise of the codec or of the router is broken for `input`.
pub(crate) fn check(input: &[u8]) {
    match Word::decode(input) {
        Ok(word) => {
            assert!(input.len() <= WORD_LEN_MAX);
            assert_eq!(word.encode(), input, "a word has one form");
            for active in [false, true] {
                check_router(&word, active);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The word comes to the router that it is about, and never takes its addresses away.
fn check_router(word: &Word, active: bool) {
    let Ok(addresses) = VirtualAddresses::new(vec![word.address]) else { return };
    let source: IpAddr = match Family::of(word.address) {
        Family::V4 => [172, 16, 16, 51].into(),
        Family::V6 => [0xfe80, 0, 0, 0, 0, 0, 0, 0x51].into(),
    };
    // A virtual address is no address to send from.
    if word.address == source {
        return;
    }
    let interval = Centiseconds::new(100).unwrap();
    let protocol = Protocol::V3 { interval, checksum: ChecksumChoice::Auto };
    let behaviour = Behaviour { peer_link: true, ..Behaviour::default() };
    let config =
        RouterConfig::new(word.vrid, protocol, addresses, Delivery::Multicast, behaviour).unwrap();
    let standing = Standing::untracked(BasePriority::new(100).unwrap());
    let mut now = Instant::now();
    let mut router = Router::new(config, standing, now);
    router.handle_link(Link { is_up: true, source: Some(source) }, now);
    router.handle_start(now);
    while active && router.state() != State::Active {
        now = router.poll_timeout().expect("a backup has a deadline").0;
        router.handle_timeout(Inbox::Drained, now);
    }
    if active {
        router.give_away(now);
    }
    while router.poll_action().is_some() {}
    let (before, own) = (router.state(), Some(source));
    let concerns = router.handle_word([10, 0, 0, 2].into(), word, now);
    assert!(concerns || word.source == own);
    for _ in 0..8 {
        while let Some(action) = router.poll_action() {
            match action {
                Action::RemoveAddresses(_) => panic!("a word took the addresses away"),
                Action::AddAddresses(_) => {
                    assert!(word.invites == own, "taken without an invitation");
                    router.handle_addresses(AddressReport::Installed, now);
                }
                Action::Tell(word) => assert_eq!(Word::decode(&word.encode()), Ok(word)),
                Action::Send(_)
                | Action::Announce { .. }
                | Action::EndAnnouncements
                | Action::AnnounceSource(_)
                | Action::Transition(_)
                | Action::Notice(_) => {}
            }
        }
        router.handle_timeout(Inbox::Drained, now);
    }
    assert!(router.state() == before || router.state() == State::Active);
    assert!(!router.handle_word(
        [10, 0, 0, 2].into(),
        &Word { vrid: other(word.vrid), ..*word },
        now
    ));
}

fn other(vrid: VrId) -> VrId {
    VrId::new(if vrid.get() == 1 { 2 } else { 1 }).unwrap()
}
