use super::*;
use crate::values::{AdvertInterval, BasePriority, Centiseconds, Priority, Seconds, Version, VrId};

mod golden;
mod properties;
mod refusals;

const FROM_51: Ipv4Addr = Ipv4Addr::new(172, 16, 16, 51);
const FROM_52: Ipv4Addr = Ipv4Addr::new(172, 16, 16, 52);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}

fn seconds(count: u16) -> AdvertInterval {
    AdvertInterval::V2(Seconds::new(count).unwrap())
}

fn centiseconds(count: u16) -> AdvertInterval {
    AdvertInterval::V3(Centiseconds::new(count).unwrap())
}

/// The seed's router: id 1, one address, multicast.
fn expect(interval: AdvertInterval, passwords: &[Password]) -> Expectation<'_> {
    Expectation {
        vrid: VrId::new(1).unwrap(),
        family: Family::V4,
        interval,
        passwords,
        origin: Origin::Multicast,
        hop_limit_min: HOP_LIMIT,
        own: None,
    }
}

fn to_group(message: &[u8]) -> Datagram<'_> {
    Datagram { source: FROM_51.into(), destination: GROUP_V4.into(), hop_limit: HOP_LIMIT, message }
}

fn mysecret() -> Password {
    Password::new("mysecret")
}

fn advert(priority: u8, body: Body, addresses: &[&str]) -> Advert {
    Advert {
        vrid: VrId::new(1).unwrap(),
        priority: Priority::new(priority),
        addresses: addresses_of(addresses),
        body,
    }
}

fn addresses_of(addresses: &[&str]) -> VirtualAddresses {
    VirtualAddresses::new(addresses.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
}

fn v2(interval: u16, password: Option<Password>) -> Body {
    Body::V2 { interval: Seconds::new(interval).unwrap(), password }
}

fn v3(interval: u16, checksum: ChecksumForm) -> Body {
    Body::V3 { interval: Centiseconds::new(interval).unwrap(), checksum }
}
