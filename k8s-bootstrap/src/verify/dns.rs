//! One question to the cluster's name server, and whether an answer is the right one (RFC 1035).

use std::net::Ipv4Addr;

use crate::inventory::Inventory;

/// Number of the question: the answer must carry it. One socket asks one thing.
const ID: [u8; 2] = [0x68, 0x6c];

/// Type A, class IN.
const QUESTION: [u8; 4] = [0, 1, 0, 1];

/// Length of what comes before the question.
const HEADER: usize = 12;

/// Most records of an answer that are looked at: a Service has one address.
const RECORDS_MAX: usize = 16;

/// The name of the Service that every cluster has.
pub(super) fn name(inventory: &Inventory) -> String {
    format!("kubernetes.default.svc.{}", inventory.kubernetes.dns_domain)
}

/// The address of that Service: kubeadm takes the first of the range.
pub(super) fn service(inventory: &Inventory) -> Ipv4Addr {
    offset(inventory, 1)
}

/// The address of the name server: kubeadm takes the tenth of the range.
pub(super) fn resolver(inventory: &Inventory) -> Ipv4Addr {
    offset(inventory, 10)
}

fn offset(inventory: &Inventory, count: u32) -> Ipv4Addr {
    let first = u32::from(inventory.kubernetes.service_subnet.network());
    Ipv4Addr::from(first.saturating_add(count))
}

/// A question for the address of a name. A label longer than a label may be is cut.
pub(super) fn query(name: &str) -> Vec<u8> {
    const LABEL_MAX: usize = 63;
    // Recursion desired; one question.
    let mut packet = vec![ID[0], ID[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = label.as_bytes();
        let label = &label[..label.len().min(LABEL_MAX)];
        packet.push(u8::try_from(label.len()).expect("a label has 63 bytes at most"));
        packet.extend_from_slice(label);
    }
    packet.push(0);
    packet.extend_from_slice(&QUESTION);
    packet
}

/// The addresses in an answer to our question; why there are none otherwise.
pub(super) fn addresses(reply: &[u8]) -> Result<Vec<Ipv4Addr>, String> {
    const ANSWER: u8 = 0x80;
    const CODE: u8 = 0x0f;
    if reply.is_empty() {
        return Err("no answer came".to_owned());
    }
    let header = reply.first_chunk::<HEADER>().ok_or("the answer is cut off")?;
    if header[..2] != ID || header[2] & ANSWER == 0 {
        return Err("what came answers no question of ours".to_owned());
    }
    match header[3] & CODE {
        0 => {}
        3 => return Err("the name server says that there is no such name".to_owned()),
        code => return Err(format!("the name server answers with error {code}")),
    }
    records(reply).ok_or_else(|| "the answer is cut off".to_owned())
}

/// All addresses of the answer section.
fn records(reply: &[u8]) -> Option<Vec<Ipv4Addr>> {
    let count = |at: usize| Some(u16::from_be_bytes([*reply.get(at)?, *reply.get(at + 1)?]));
    let (questions, answers) = (count(4)?, count(6)?);
    let mut at = HEADER;
    for _ in 0..usize::from(questions).min(RECORDS_MAX) {
        at = after_name(reply, at)? + QUESTION.len();
    }
    let mut found = Vec::new();
    for _ in 0..usize::from(answers).min(RECORDS_MAX) {
        at = after_name(reply, at)?;
        // Type, class, time to live, length.
        let fixed: &[u8; 10] = reply.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = reply.get(at + fixed.len()..at + fixed.len() + length)?;
        if let ([0, 1, 0, 1], [a, b, c, d]) = (&fixed[..4], data) {
            found.push(Ipv4Addr::new(*a, *b, *c, *d));
        }
        at += fixed.len() + length;
    }
    Some(found)
}

/// Where a name ends: at a zero, or behind a pointer.
fn after_name(reply: &[u8], mut at: usize) -> Option<usize> {
    const POINTER: u8 = 0xc0;
    loop {
        match *reply.get(at)? {
            0 => return Some(at + 1),
            length if length & POINTER == POINTER => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// Bytes of hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    crate::facts::unhex(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer as CoreDNS gives it: the question, and a record whose name points back to it.
    fn answer(code: u8, records: &[[u8; 4]]) -> Vec<u8> {
        let mut packet = query("kubernetes.default.svc.cluster.local");
        (packet[2], packet[3]) = (0x85, code);
        packet[7] = u8::try_from(records.len()).expect("few");
        for address in records {
            packet.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            packet.extend_from_slice(address);
        }
        packet
    }

    #[test]
    fn an_address_is_read_and_everything_else_is_told_apart() {
        let address = [10, 96, 0, 1];
        assert_eq!(addresses(&answer(0, &[address])), Ok(vec![address.into()]));
        assert_eq!(addresses(&answer(0, &[])), Ok(vec![]));
        let error = |reply: &[u8]| addresses(reply).expect_err("no address");
        assert!(error(&answer(3, &[])).contains("no such name"));
        assert!(error(&answer(2, &[])).contains("error 2"));
        assert!(error(&[]).contains("no answer"));
        assert!(error(&query("a.b")).contains("no question of ours"));
        let whole = answer(0, &[address]);
        for length in 1..whole.len() {
            addresses(&whole[..length]).expect_err("cut off");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(reply in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = addresses(&reply);
            let mut ours = answer(0, &[]);
            ours[7] = 9;
            ours.extend(reply);
            let _ = addresses(&ours);
        }
    }
}
