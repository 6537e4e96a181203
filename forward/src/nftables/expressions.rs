//! Rules in the kernel's expressions.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::{GOTO, OBJECT_COUNTER, address_bytes, kind};
use crate::attribute::Attribute;
use crate::program::{End, Expression, Family, SEED};

/// `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const NAME: u16 = 1;
const DATA: u16 = 2;

/// `enum nft_meta_keys`, `enum nft_ct_keys`.
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const CT_PROTO_DST: u32 = 12;
const CT_DST_IP: u32 = 20;
const CT_DST_IP6: u32 = 22;

/// `enum nft_payload_bases`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

/// `enum nft_cmp_ops`.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// `RTN_LOCAL`: an address of this host.
const RTN_LOCAL: u32 = 2;

/// Where a TCP header has its flags, and their bits.
const FLAGS_OFFSET: u32 = 13;
const SYN: u8 = 0x02;
const FIN_SYN_RST_ACK: u8 = 0x17;

/// `NFT_REG_VERDICT`, `NFT_REG_1`.
const VERDICT: u32 = 0;
const FIRST: u32 = 1;

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
fn protocol(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// The attribute that holds a rule's expressions.
pub(super) fn rule(rule: &[Expression]) -> Attribute {
    Attribute::nested(kind::RULE_EXPRESSIONS, rule.iter().flat_map(expression).collect::<Vec<_>>())
}

fn named(name: &str, attributes: impl Into<Vec<Attribute>>) -> Attribute {
    let parts = [Attribute::text(NAME, name), Attribute::nested(DATA, attributes)];
    Attribute::nested(kind::LIST_ELEMENT, parts)
}

fn expression(expression: &Expression) -> Vec<Attribute> {
    match expression {
        Expression::Family(family) => meta(META_NFPROTO, protocol(*family)),
        Expression::Tcp => meta(META_L4PROTO, TCP),
        Expression::FlowState(bits) => flow_bits(CT_STATE, *bits),
        Expression::FlowStatus(bit) => flow_bits(CT_STATUS, *bit),
        Expression::BegunTo(bind) => begun_to(*bind),
        Expression::Elsewhere => elsewhere(),
        Expression::BeginsNothing => flags(NOT_EQUAL),
        Expression::Begins => flags(EQUAL),
        Expression::From(prefix) => from(*prefix),
        Expression::OverRate { each_second, burst } => vec![over_rate(*each_second, *burst)],
        // NFTA_CONNLIMIT_COUNT, _FLAGS (NFT_CONNLIMIT_F_INV)
        Expression::OverCount(most) => {
            vec![named("connlimit", [Attribute::u32(1, *most), Attribute::u32(2, 1)])]
        }
        // NFTA_OBJREF_IMM_TYPE (NFT_OBJECT_COUNTER), _IMM_NAME
        Expression::Counter(name) => {
            vec![named("objref", [Attribute::u32(1, OBJECT_COUNTER), Attribute::text(2, name)])]
        }
        Expression::Goto(chain) => vec![verdict(&[
            Attribute::u32(kind::VERDICT_CODE, GOTO),
            Attribute::text(kind::VERDICT_CHAIN, chain),
        ])],
        Expression::Load { end, family, with_port, register } => {
            load(*end, *family, *with_port, *register)
        }
        Expression::Lookup { set, into } => {
            // NFTA_LOOKUP_SET, _SREG, _DREG
            let mut attributes = vec![Attribute::text(1, set), Attribute::u32(2, FIRST)];
            attributes.extend(into.map(|register| Attribute::u32(3, register)));
            vec![named("lookup", attributes)]
        }
        Expression::Count { modulus } => vec![named(
            "numgen",
            // NFTA_NG_DREG, _MODULUS, _TYPE (NFT_NG_INCREMENTAL), _OFFSET
            [
                Attribute::u32(1, FIRST),
                Attribute::u32(2, *modulus),
                Attribute::u32(3, 0),
                Attribute::u32(4, 0),
            ],
        )],
        Expression::Hash { length, modulus } => vec![named(
            "hash",
            // NFTA_HASH_SREG, _DREG, _LEN, _MODULUS, _SEED, _OFFSET, _TYPE (NFT_HASH_JENKINS)
            [
                Attribute::u32(1, 2),
                Attribute::u32(2, FIRST),
                Attribute::u32(3, *length),
                Attribute::u32(4, *modulus),
                Attribute::u32(5, SEED),
                Attribute::u32(7, 0),
            ],
        )],
        Expression::TranslateDestination(family) => {
            vec![translate(1, *family, Some(port_register(FIRST, *family)))]
        }
        Expression::TranslateSource(address) => {
            vec![immediate(FIRST, *address), translate(0, Family::of(*address), None)]
        }
        // NFTA_VERDICT_CODE: NF_DROP
        Expression::Drop => vec![verdict(&[Attribute::u32(kind::VERDICT_CODE, 0)])],
        // NFTA_REJECT_TYPE: NFT_REJECT_TCP_RST
        Expression::Reset => vec![named("reject", [Attribute::u32(1, 1)])],
        Expression::Untracked => {
            vec![Attribute::nested(kind::LIST_ELEMENT, [Attribute::text(NAME, "notrack")])]
        }
    }
}

/// What one word of 4 bytes further on has as its number.
fn port_register(register: u32, family: Family) -> u32 {
    match family {
        // The second word of a register of four: 8 is the first word of register 1.
        Family::V4 => 8 + (register - 1) * 4 + 1,
        Family::V6 => register + 1,
    }
}

fn load(end: End, family: Family, with_port: bool, register: u32) -> Vec<Attribute> {
    let offset = match (family, end) {
        (family, End::Source) => source_offset(family),
        (Family::V4, End::Destination) => 16,
        (Family::V6, End::Destination) => 24,
    };
    let mut loaded = vec![payload(NETWORK, offset, family.address_len(), register)];
    if with_port {
        let offset = match end {
            End::Source => 0,
            End::Destination => 2,
        };
        loaded.push(payload(TRANSPORT, offset, 2, port_register(register, family)));
    }
    loaded
}

fn elsewhere() -> Vec<Attribute> {
    // NFTA_FIB_DREG, _RESULT (NFT_FIB_RESULT_ADDRTYPE), _FLAGS (NFTA_FIB_F_DADDR)
    let attributes = [Attribute::u32(1, FIRST), Attribute::u32(2, 3), Attribute::u32(3, 1 << 1)];
    vec![named("fib", attributes), compare(NOT_EQUAL, &RTN_LOCAL.to_ne_bytes())]
}

/// The first segment of a connection, or any other.
fn flags(how: u32) -> Vec<Attribute> {
    vec![payload(TRANSPORT, FLAGS_OFFSET, 1, FIRST), mask(&[FIN_SYN_RST_ACK]), compare(how, &[SYN])]
}

fn from(prefix: IpNet) -> Vec<Attribute> {
    let (network, bits) = compared(prefix);
    let length = u32::try_from(network.len()).expect("an address has at most 16 bytes");
    let offset = source_offset(Family::of(prefix.network()));
    let mut parts = vec![payload(NETWORK, offset, length, FIRST)];
    parts.extend(bits.map(|bits| mask(&bits)));
    parts.push(compare(EQUAL, &network));
    parts
}

/// Where the bits of a prefix lie: whole bytes are compared as they are, and others under a mask.
fn compared(prefix: IpNet) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut network = address_bytes(prefix.network());
    if prefix.prefix_len().is_multiple_of(8) {
        network.truncate(usize::from(prefix.prefix_len() / 8));
        return (network, None);
    }
    (network, Some(address_bytes(prefix.netmask())))
}

/// Where a network header has the address of its sender.
fn source_offset(family: Family) -> u32 {
    match family {
        Family::V4 => 12,
        Family::V6 => 8,
    }
}

fn over_rate(each_second: u32, burst: u32) -> Attribute {
    // NFTA_LIMIT_RATE, _UNIT (in seconds), _BURST, _TYPE (NFT_LIMIT_PKTS), _FLAGS (NFT_LIMIT_F_INV)
    let attributes = [
        Attribute::bytes(1, u64::from(each_second).to_be_bytes()),
        Attribute::bytes(2, 1u64.to_be_bytes()),
        Attribute::u32(3, burst),
        Attribute::u32(4, 0),
        Attribute::u32(5, 1),
    ];
    named("limit", attributes)
}

fn verdict(attributes: &[Attribute]) -> Attribute {
    let verdict = [Attribute::nested(kind::DATA_VERDICT, attributes)];
    named("immediate", [Attribute::u32(1, VERDICT), Attribute::nested(2, verdict)])
}

fn meta(key: u32, value: u8) -> Vec<Attribute> {
    // NFTA_META_DREG, NFTA_META_KEY
    vec![
        named("meta", [Attribute::u32(1, FIRST), Attribute::u32(2, key)]),
        compare(EQUAL, &[value]),
    ]
}

fn flow_bits(key: u32, bits: u32) -> Vec<Attribute> {
    vec![
        // NFTA_CT_DREG, NFTA_CT_KEY
        named("ct", [Attribute::u32(1, FIRST), Attribute::u32(2, key)]),
        mask(&bits.to_ne_bytes()),
        compare(NOT_EQUAL, &[0; 4]),
    ]
}

fn begun_to(bind: SocketAddr) -> Vec<Attribute> {
    let key = match bind {
        SocketAddr::V4(_) => CT_DST_IP,
        SocketAddr::V6(_) => CT_DST_IP6,
    };
    let original = |key| {
        // NFTA_CT_DREG, _KEY, _DIRECTION (IP_CT_DIR_ORIGINAL)
        let attributes = [Attribute::u32(1, FIRST), Attribute::u32(2, key), Attribute::u8(3, 0)];
        named("ct", attributes)
    };
    let mut parts = vec![original(key), compare(EQUAL, &address_bytes(bind.ip()))];
    parts.extend(meta(META_L4PROTO, TCP));
    parts.extend([original(CT_PROTO_DST), compare(EQUAL, &bind.port().to_be_bytes())]);
    parts
}

fn payload(base: u32, offset: u32, length: u32, register: u32) -> Attribute {
    // NFTA_PAYLOAD_DREG, _BASE, _OFFSET, _LEN
    let values = [register, base, offset, length];
    named("payload", (1..).zip(values).map(|(kind, v)| Attribute::u32(kind, v)).collect::<Vec<_>>())
}

fn mask(bits: &[u8]) -> Attribute {
    let length = u32::try_from(bits.len()).expect("a mask is as long as a register at most");
    // NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR
    let attributes = [
        Attribute::u32(1, FIRST),
        Attribute::u32(2, FIRST),
        Attribute::u32(3, length),
        Attribute::nested(4, [Attribute::bytes(kind::DATA_VALUE, bits)]),
        Attribute::nested(5, [Attribute::bytes(kind::DATA_VALUE, vec![0; bits.len()])]),
    ];
    named("bitwise", attributes)
}

fn compare(how: u32, value: &[u8]) -> Attribute {
    // NFTA_CMP_SREG, _OP, _DATA
    let data = [Attribute::bytes(kind::DATA_VALUE, value)];
    named("cmp", [Attribute::u32(1, FIRST), Attribute::u32(2, how), Attribute::nested(3, data)])
}

fn immediate(register: u32, address: IpAddr) -> Attribute {
    // NFTA_IMMEDIATE_DREG, _DATA
    let data = [Attribute::bytes(kind::DATA_VALUE, address_bytes(address))];
    named("immediate", [Attribute::u32(1, register), Attribute::nested(2, data)])
}

/// `how`: `NFT_NAT_SNAT` (0) or `NFT_NAT_DNAT` (1).
fn translate(how: u32, family: Family, port: Option<u32>) -> Attribute {
    // NFTA_NAT_TYPE, _FAMILY, _REG_ADDR_MIN, _REG_PROTO_MIN
    let mut attributes = vec![
        Attribute::u32(1, how),
        Attribute::u32(2, u32::from(protocol(family))),
        Attribute::u32(3, FIRST),
    ];
    attributes.extend(port.map(|register| Attribute::u32(5, register)));
    named("nat", attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_bytes_of_a_prefix_need_no_mask() {
        for (prefix, network, mask) in [
            ("10.1.0.0/16", &[10, 1][..], None),
            ("10.1.2.3/32", &[10, 1, 2, 3], None),
            ("10.1.16.0/20", &[10, 1, 16, 0], Some(&[255, 255, 240, 0][..])),
            ("fd00::/8", &[0xfd], None),
        ] {
            let expected = (network.to_vec(), mask.map(<[u8]>::to_vec));
            assert_eq!(compared(prefix.parse().unwrap()), expected, "{prefix}");
        }
    }
}
