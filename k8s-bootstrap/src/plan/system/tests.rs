use proptest::prelude::*;

use super::*;
use crate::inventory::{self, example};

#[test]
fn only_lines_whose_type_is_swap_leave_the_table() {
    let table = "\
# swap was on /dev/sda2
UUID=1 / ext4 errors=remount-ro 0 1
/dev/sda2\tnone\tswap\tsw\t0 0
  /swap.img none swap sw 0 0
/dev/sdb1 /var/swapped ext4 comment=swap 0 2
#/dev/sdc none swap sw 0 0
";
    let without = fstab_without_swap(table);
    let expected = "\
# swap was on /dev/sda2
UUID=1 / ext4 errors=remount-ro 0 1
# halb: /dev/sda2\tnone\tswap\tsw\t0 0
# halb:   /swap.img none swap sw 0 0
/dev/sdb1 /var/swapped ext4 comment=swap 0 2
#/dev/sdc none swap sw 0 0
";
    assert_eq!(without, expected);
    assert_eq!(fstab_without_swap(&without), without, "once is enough");
}

fn seed() -> Inventory {
    inventory::parse(example::HIGHLY_AVAILABLE).expect("good").inventory
}

#[test]
fn names_that_changed_replace_those_that_were_written() {
    let mut inventory = seed();
    let first = hosts_file("127.0.0.1 localhost\n\n# mine\n10.0.0.1 other\n", &inventory);
    inventory.hosts.pop();
    inventory.endpoint.name = None;
    let second = hosts_file(&first, &inventory);
    assert!(second.contains("# mine\n10.0.0.1 other\n"), "{second}");
    assert!(second.contains("172.16.16.201 kworker01\n"), "{second}");
    assert!(!second.contains("kworker02") && !second.contains("api.seed.internal"), "{second}");
    assert_eq!(second.matches(NAMES_BEGIN).count(), 1, "{second}");
}

proptest! {
    #[test]
    fn whatever_is_in_a_hosts_file_stays_and_names_are_written_once(text in "([a-z0-9.# \t]{0,20}\n?){0,8}") {
        let inventory = seed();
        let once = hosts_file(&text, &inventory);
        prop_assert!(once.starts_with(text.as_str()));
        prop_assert_eq!(hosts_file(&once, &inventory), once);
    }

    #[test]
    fn a_table_of_mounts_keeps_all_of_its_words(text in "([a-z/# ]{0,12}( swap)?\n?){0,8}") {
        let without = fstab_without_swap(&text);
        prop_assert_eq!(without.replace("# halb: ", ""), text);
    }
}
