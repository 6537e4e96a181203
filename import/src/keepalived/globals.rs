//! What `global_defs` and other settings outside of instances say for all of them.

use std::time::Duration;

use super::tree::{Directive, Tree};
use super::values::{number, seconds, small, switch};

/// What holds for every instance that doesn't say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Globals {
    pub(super) version: Option<u8>,
    pub(super) garp_delay: Option<Duration>,
    pub(super) garp_repeat: Option<u8>,
    pub(super) garp_refresh: Option<Duration>,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: Option<bool>,
    pub(super) message_checksum: bool,
    pub(super) strict: bool,
    pub(super) startup_delay: Option<Duration>,
    pub(super) realtime_priority: Option<u8>,
    pub(super) default_interface: Option<String>,
    pub(super) fifo: Option<String>,
}

/// Longest times that halb takes.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

impl Globals {
    /// Reads all `global_defs` of a file; of a word that is written again the last one counts.
    pub(super) fn read(tree: &Tree) -> Self {
        let mut globals = Self::default();
        let blocks = tree.directives.iter().filter(|block| block.keyword() == "global_defs");
        for directive in blocks.flat_map(Directive::inside) {
            globals.take(directive);
        }
        globals
    }

    fn take(&mut self, directive: &Directive) {
        let value = directive.value();
        let on = || switch(directive.word(0));
        match directive.keyword() {
            "vrrp_version" => self.version = small(value, 2, 3),
            "vrrp_garp_master_delay" => self.garp_delay = delay(value, HOUR),
            "vrrp_garp_master_repeat" => self.garp_repeat = small(value, 1, 100),
            "vrrp_garp_master_refresh" => self.garp_refresh = delay(value, DAY),
            "vrrp_min_garp" if on() == Some(true) => {
                self.garp_delay = Some(Duration::ZERO);
                self.garp_repeat = Some(1);
            }
            "vrrp_down_timer_adverts" => self.down_timer_adverts = small(value, 1, 100),
            "vrrp_lower_prio_no_advert" => self.lower_prio_no_advert = on(),
            "vrrp_higher_prio_send_advert" => self.higher_prio_send_advert = on(),
            "v3_checksum_as_v2" => self.message_checksum = on() == Some(true),
            "vrrp_strict" => self.strict = true,
            "vrrp_startup_delay" => self.startup_delay = delay(value, HOUR),
            "vrrp_rt_priority" => self.realtime_priority = small(value, 1, 99),
            // Both get the same lines.
            "vrrp_notify_fifo" | "notify_fifo" if value.starts_with('/') => {
                self.fifo.get_or_insert_with(|| value.to_owned());
            }
            "default_interface" => self.default_interface = directive.word(0).map(str::to_owned),
            _ => {}
        }
    }
}

/// A time within what halb takes.
pub(super) fn delay(word: &str, most: Duration) -> Option<Duration> {
    seconds(word).filter(|delay| *delay <= most)
}

/// A weight within what keepalived takes, and whether it is reversed.
pub(super) fn weight(words: &[&str]) -> Option<(i16, bool)> {
    let weight = number(words.first()?, -253, 253)?;
    Some((i16::try_from(weight).ok()?, words.contains(&"reverse")))
}
