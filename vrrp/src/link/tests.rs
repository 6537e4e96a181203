use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn word() -> Word {
    Word {
        vrid: VrId::new(51).unwrap(),
        address: [172, 16, 16, 100].into(),
        source: Some([172, 16, 16, 51].into()),
        state: State::Active,
        able: true,
        base: BasePriority::new(100).unwrap(),
        effective: Priority::new(98),
        health: Health::Sick,
        yielded: false,
        invites: Some([172, 16, 16, 52].into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_word_is_written_and_read_byte_by_byte() {
    let bytes = word().encode();
    assert_eq!(hex(&bytes), "0101330264620106ac101064ac101033ac101034");
    assert_eq!(Word::decode(&bytes), Ok(word()));
    let farewell = Word {
        address: "fd00::100".parse().unwrap(),
        source: None,
        invites: None,
        able: false,
        yielded: true,
        state: State::Initialize,
        health: Health::Well,
        ..word()
    };
    let bytes = farewell.encode();
    assert_eq!(hex(&bytes), "0102330064620201fd000000000000000000000000000100");
    assert_eq!(Word::decode(&bytes), Ok(farewell));
}

#[test]
fn each_fault_of_a_word_is_told_apart() {
    let changed = |at: usize, to: u8| {
        let mut bytes = word().encode();
        bytes[at] = to;
        Word::decode(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, 2), WordError::Version(2));
    assert_eq!(changed(1, 4), WordError::Unknown { what: "flags", got: 4 });
    assert!(matches!(changed(2, 0), WordError::Range(_)));
    assert_eq!(changed(3, 4), WordError::Unknown { what: "state", got: 4 });
    assert!(matches!(changed(4, 0), WordError::Range(_)));
    assert_eq!(changed(6, 3), WordError::Unknown { what: "health", got: 3 });
    assert_eq!(changed(7, 8), WordError::Unknown { what: "parts", got: 8 });
    assert_eq!(changed(7, 2), WordError::Length { got: 20, expected: 16 });
    assert_eq!(changed(7, 7), WordError::Length { got: 20, expected: 56 });
    assert_eq!(Word::decode(&[]), Err(WordError::Length { got: 0, expected: 8 }));
    assert_eq!(Word::decode(&[1, 0]), Err(WordError::Length { got: 2, expected: 8 }));
    assert_eq!(Word::decode(&[7]), Err(WordError::Version(7)), "whatever its length");
    let text = changed(0, 2).to_string();
    assert_eq!(text, "version 2 of words between nodes is not ours, 1; run the same halb on both");
}

#[test]
fn an_address_of_the_other_family_is_not_told() {
    let mixed = Word { source: Some("fd00::1".parse().unwrap()), ..word() };
    assert_eq!(Word::decode(&mixed.encode()), Ok(Word { source: None, ..word() }));
}

fn any_address(v6: bool) -> BoxedStrategy<IpAddr> {
    match v6 {
        true => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
        false => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
    }
}

prop_compose! {
    fn any_word()(v6 in any::<bool>())(
        (vrid, base, effective) in (1_u8..=255, 1_u8..=255, any::<u8>()),
        address in any_address(v6),
        source in option::of(any_address(v6)),
        invites in option::of(any_address(v6)),
        (state, health) in (0_u8..4, 0_u8..3),
        (able, yielded) in any::<(bool, bool)>(),
    ) -> Word {
        Word {
            vrid: VrId::new(vrid).unwrap(),
            address,
            source,
            state: state_of(state).unwrap(),
            able,
            base: BasePriority::new(base).unwrap(),
            effective: Priority::new(effective),
            health: health_of(health).unwrap(),
            yielded,
            invites,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(word in any_word()) {
        let bytes = word.encode();
        prop_assert!(bytes.len() <= WORD_LEN_MAX);
        prop_assert_eq!(Word::decode(&bytes), Ok(word));
    }

    #[test]
    fn any_bytes_are_a_word_in_its_one_form_or_refused(bytes in vec(any::<u8>(), 0..70)) {
        if let Ok(word) = Word::decode(&bytes) {
            prop_assert_eq!(word.encode(), bytes);
        }
    }

    #[test]
    fn a_damaged_word_is_a_word_in_its_one_form_or_refused(
        word in any_word(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        length in 0_usize..60,
    ) {
        let mut bytes = word.encode();
        let at = at.index(bytes.len());
        bytes[at] = to;
        bytes.truncate(length.max(1));
        if let Ok(word) = Word::decode(&bytes) {
            prop_assert_eq!(word.encode(), bytes);
        }
    }
}
