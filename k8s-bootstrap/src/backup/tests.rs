use proptest::collection::vec;
use proptest::prelude::*;
use ring::digest::digest;

use super::*;
use crate::inventory::example;
use crate::plan::tests::world::World;

/// A snapshot as etcd writes one: whole pages, then their hash.
fn snapshot(pages: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..pages * 512).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let hash = digest(&SHA256, &bytes);
    bytes.extend_from_slice(hash.as_ref());
    bytes
}

fn check(pieces: &[&[u8]]) -> Result<Snapshot, SnapshotError> {
    let mut check = SnapshotCheck::default();
    pieces.iter().for_each(|piece| check.update(piece));
    check.finish()
}

proptest! {
    #[test]
    fn a_snapshot_is_whole_however_it_arrives(cuts in vec(0_usize..1568, 0..12)) {
        let bytes = snapshot(3);
        let mut cuts = cuts;
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let whole = check(&pieces).expect("it is whole");
        prop_assert_eq!(whole, Snapshot { bytes: 1568, sha256: crate::pki::sha256(&bytes) });
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is(at in 0_usize..1568) {
        let mut bytes = snapshot(3);
        bytes[at] ^= 1;
        prop_assert_eq!(check(&[&bytes]), Err(SnapshotError::Altered));
    }
}

#[test]
fn what_lacks_a_part_is_no_snapshot() {
    let bytes = snapshot(3);
    for length in [0, 31, 32, 512, 1536, 1567] {
        let bytes_there = u64::try_from(length).expect("small");
        let expected = Err(SnapshotError::Length { bytes: bytes_there });
        assert_eq!(check(&[&bytes[..length]]), expected, "{length}");
    }
    assert_eq!(check(&[&bytes[..1056]]), Err(SnapshotError::Altered));
}

#[test]
fn a_backup_of_another_cluster_version_or_snapshot_is_refused() {
    let world = World::bare(example::HIGHLY_AVAILABLE, "debian12");
    let of = (&world.inventory, &world.material);
    let taken = Snapshot { bytes: 544, sha256: "5a".repeat(32) };
    let record = Record::new(of, ("now".to_owned(), "kmaster01".to_owned()), &taken);
    assert_eq!(record.faults(of.0, of.1, &taken), []);
    let stranger = World::bare(example::HIGHLY_AVAILABLE, "debian12");
    let mut faults = record.faults(of.0, &stranger.material, &taken);
    assert!(faults.remove(0).what.contains("another authority"));
    let mut other = record.clone();
    other.kubernetes = "1.31.4".to_owned();
    assert!(other.faults(of.0, of.1, &taken)[0].what.contains("of Kubernetes 1.31.4"));
    let changed = Snapshot { bytes: 544, sha256: "5b".repeat(32) };
    assert!(record.faults(of.0, of.1, &changed)[0].what.contains("isn't the one"));
}
