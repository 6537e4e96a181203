//! Words that come over the link, on their way to the virtual routers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use halb_vrrp::link::Word;
use tracing::warn;

use super::Hear;

/// Virtual routers whose last word is remembered: as many as have an id, in both families. Words of
/// more are passed on as they come.
const ROUTERS_MAX: usize = 2 * 255;

/// Reads words and passes each on once, unless a later one of the same virtual router came before.
#[derive(Default)]
pub(super) struct Words {
    hear: OnceLock<Hear>,
    /// Sequence number of the last word, by id and first address.
    last: Mutex<HashMap<(u8, IpAddr), u64>>,
    unreadable: AtomicU64,
}

impl Words {
    /// Where they go.
    pub(super) fn bring_to(&self, hear: Hear) {
        if self.hear.set(hear).is_err() {
            warn!("words of the other balancer go somewhere already");
        }
    }

    /// The other balancer counts from the beginning again.
    pub(super) fn begin_anew(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// A message came; `sequence` rises in the order of sending.
    pub(super) fn take(&self, from: IpAddr, sequence: u64, payload: &[u8]) {
        let word = match Word::decode(payload) {
            Ok(word) => word,
            Err(error) => {
                if self.unreadable.fetch_add(1, Ordering::Relaxed) == 0 {
                    warn!(%from, %error, "a word of the other balancer can't be read; said once");
                }
                return;
            }
        };
        if self.is_latest(&word, sequence)
            && let Some(hear) = self.hear.get()
        {
            hear(from, word);
        }
    }

    fn is_latest(&self, word: &Word, sequence: u64) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (word.vrid.get(), word.address);
        match last.get_mut(&key) {
            Some(last) if *last > sequence => false,
            Some(last) => {
                *last = sequence;
                true
            }
            None => {
                if last.len() < ROUTERS_MAX {
                    last.insert(key, sequence);
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use halb_vrrp::router::State;
    use halb_vrrp::track::Health;
    use halb_vrrp::values::{BasePriority, Priority, VrId};

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 16, 16, 52));

    fn word(vrid: u8, effective: u8) -> Word {
        Word {
            vrid: VrId::new(vrid).unwrap(),
            address: "172.16.16.100".parse().unwrap(),
            source: Some(PEER),
            state: State::Backup,
            able: true,
            base: BasePriority::new(100).unwrap(),
            effective: Priority::new(effective),
            health: Health::Well,
            yielded: false,
            invites: None,
        }
    }

    /// Words with a list of what was heard of them.
    fn listened() -> (Words, Arc<Mutex<Vec<Word>>>) {
        let (words, heard) = (Words::default(), Arc::new(Mutex::new(Vec::new())));
        let list = Arc::clone(&heard);
        words.bring_to(Arc::new(move |from, word| {
            assert_eq!(from, PEER);
            list.lock().unwrap().push(word);
        }));
        (words, heard)
    }

    #[test]
    fn a_word_that_a_later_one_overtook_is_dropped_and_other_routers_do_not_matter() {
        let (words, heard) = listened();
        let told = [(word(1, 90), 7), (word(2, 80), 5), (word(1, 91), 6), (word(1, 92), 8)];
        for (word, sequence) in told {
            words.take(PEER, sequence, &word.encode());
        }
        assert_eq!(*heard.lock().unwrap(), [word(1, 90), word(2, 80), word(1, 92)]);
        words.begin_anew();
        words.take(PEER, 1, &word(1, 93).encode());
        assert_eq!(heard.lock().unwrap().last(), Some(&word(1, 93)), "numbers began anew");
    }

    #[test]
    fn what_is_no_word_is_counted() {
        let (words, heard) = listened();
        for payload in [b"".as_slice(), b"\x09later", &word(1, 90).encode()[1..]] {
            words.take(PEER, 1, payload);
        }
        assert_eq!(words.unreadable(), 3);
        assert!(heard.lock().unwrap().is_empty());
    }

    #[test]
    fn more_routers_than_there_can_be_grow_nothing() {
        let (words, heard) = listened();
        for number in 0..600_u32 {
            let address = IpAddr::V4((0xac10_0000 + number).into());
            let word = Word { address, ..word(1, 90) };
            words.take(PEER, 1, &word.encode());
        }
        assert_eq!(heard.lock().unwrap().len(), 600);
        assert_eq!(words.last.lock().unwrap().len(), ROUTERS_MAX);
    }

    #[test]
    fn before_anybody_listens_words_are_dropped() {
        let words = Words::default();
        words.take(PEER, 1, &word(1, 90).encode());
        assert_eq!(words.unreadable(), 0);
    }
}
