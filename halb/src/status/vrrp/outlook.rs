//! What would happen if this node, its service or another node failed now, in words. What the
//! election would do is the core's [`Forecast`](halb_vrrp::router::Forecast).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use halb_vrrp::driver::InstanceSnapshot;
use halb_vrrp::router::{IfPeersDie, IfServiceDies, Overheard, Peer, State, WORD_COUNTS_FOR};
use halb_vrrp::timers::{down_interval, skew};
use halb_vrrp::track::{Health, Subject};
use halb_vrrp::values::{AdvertInterval, Priority};

use super::Outlook;
use crate::status::words::exact;

/// Each case with what would follow. `guarded`: a guard process would say goodbye for this node.
#[must_use]
pub fn of(instance: &InstanceSnapshot, guarded: bool, now: Instant) -> Vec<Outlook> {
    let scene = Scene { instance, guarded, now };
    let case = |case: String, then: String| Outlook { case, then };
    vec![
        case("this node died".to_owned(), scene.own_death()),
        case(scene.others(), scene.peers_die()),
        case(scene.service(), scene.service_dies()),
    ]
}

struct Scene<'a> {
    instance: &'a InstanceSnapshot,
    guarded: bool,
    now: Instant,
}

impl Scene<'_> {
    fn interval(&self) -> AdvertInterval {
        self.instance.settings.router.interval()
    }

    fn down(&self, priority: Priority) -> String {
        let adverts = self.instance.settings.router.behaviour.down_timer_adverts;
        time(down_interval(priority, self.interval(), adverts))
    }

    /// The best of the other nodes that may be there, with its priority: those that speak over the
    /// link by what they say, others by their last advert, unless it was a goodbye.
    fn best(&self) -> Option<(Priority, IpAddr)> {
        let status = &self.instance.status;
        let fresh = |word: &&Overheard| self.now < word.at + WORD_COUNTS_FOR;
        let words = || status.words.iter().filter(fresh).map(|overheard| overheard.word);
        let told = words().filter(|word| word.able).filter_map(|w| Some((w.effective, w.source?)));
        let silent = |source| words().all(|word| word.source != Some(source));
        let stays = |peer: &&Peer| peer.last.priority != Priority::RELEASE;
        let heard = status.peers.iter().filter(stays).filter(|peer| silent(peer.last.source));
        told.chain(heard.filter_map(|peer| Some((peer.priority?, peer.last.source)))).max()
    }

    fn holder(&self) -> Option<IpAddr> {
        self.instance.status.active.map(|active| active.source)
    }

    fn own_death(&self) -> String {
        if self.instance.status.state != State::Active {
            return self.holder().map_or_else(
                || "nothing moves: this node holds no address".to_owned(),
                |holder| format!("nothing moves: {holder} holds the addresses"),
            );
        }
        let goodbye = "the guard takes the addresses off and says goodbye";
        match (self.best(), self.guarded) {
            (Some((priority, node)), true) => format!(
                "{goodbye}; {node} (priority {priority}) takes over about {} later",
                time(skew(priority, self.interval())),
            ),
            (Some((priority, node)), false) => format!(
                "{node} (priority {priority}) takes over after at most {}",
                self.down(priority),
            ),
            (None, true) => format!(
                "{goodbye}; a backup that listens takes over within {}. Whether there is one isn't \
                 known: backups are silent while this node is active",
                time(skew(Priority::LAST_RESORT, self.interval())),
            ),
            (None, false) => format!(
                "a backup that listens takes over after {} to {}. Whether there is one isn't \
                 known: backups are silent while this node is active",
                self.down(Priority::HIGHEST),
                self.down(Priority::LAST_RESORT),
            ),
        }
    }

    fn others(&self) -> String {
        match self.holder().or_else(|| Some(self.best()?.1)) {
            Some(node) => format!("{node} died"),
            None => "all other nodes died".to_owned(),
        }
    }

    fn peers_die(&self) -> String {
        match self.instance.forecast.peers_die {
            IfPeersDie::NotStarted => {
                "nobody would hold the addresses: this node doesn't take part yet".to_owned()
            }
            IfPeersDie::InFault(reason) => {
                format!("nobody would hold the addresses: {reason}")
            }
            IfPeersDie::Stays => "nothing moves: this node holds the addresses".to_owned(),
            IfPeersDie::TakesOver { within, health, with_group } => {
                let group = if with_group { ", if its whole group can" } else { "" };
                let health = match health {
                    Health::Well => "",
                    Health::Sick => ", though something that it tracks is down",
                    Health::Failed => ", though a tracker of weight 0 has failed",
                };
                let own = self.instance.status.standing.effective;
                format!(
                    "this node takes over within {} ({} after a goodbye){group}{health}",
                    time(within),
                    time(skew(own, self.interval())),
                )
            }
        }
    }

    /// The frontends that are tracked.
    fn service(&self) -> String {
        let terms = self.instance.status.standing.terms.iter();
        let frontends = terms.filter(|term| matches!(term.subject, Subject::Frontend(_)));
        let names: Vec<String> = frontends.map(|term| term.subject.to_string()).collect();
        match names.as_slice() {
            [] => "the service here failed".to_owned(),
            names => format!("{} failed", names.join(" and ")),
        }
    }

    fn service_dies(&self) -> String {
        let before = self.instance.status.standing.effective;
        match self.instance.forecast.service_dies {
            IfServiceDies::NotTracked => {
                "nothing moves: no frontend is tracked (track = [{ frontend = ... }])".to_owned()
            }
            IfServiceDies::Unchanged if self.instance.status.standing.is_sick() => {
                format!("it has, and the priority is {before} already")
            }
            IfServiceDies::Unchanged => {
                format!("nothing moves: the priority stays {before}")
            }
            IfServiceDies::Falls { to } => format!(
                "the priority falls from {before} to {to}; nothing moves, since this node holds no \
                 address"
            ),
            IfServiceDies::HandsOver { to, priority } => format!(
                "the addresses are handed to {to} (priority {priority}) over the link, without a gap"
            ),
            IfServiceDies::Offers { to: Some(to), left } => format!(
                "the addresses are offered; {to} takes them within its skew, about {}. If it \
                 doesn't, they stay here, with priority {left}",
                self.skew_of(to)
            ),
            IfServiceDies::Offers { to: None, left } => format!(
                "the addresses are offered to whoever is there, and stay here, with priority \
                 {left}, if nobody takes them"
            ),
            IfServiceDies::Keeps { left } => format!(
                "the priority falls from {before} to {left}; the addresses stay, since each node \
                 that is known is worth less"
            ),
        }
    }

    fn skew_of(&self, address: IpAddr) -> String {
        let peers = &self.instance.status.peers;
        let peer = peers.iter().find(|peer| peer.last.source == address);
        let priority = peer.and_then(|peer| peer.priority).unwrap_or(Priority::LAST_RESORT);
        time(skew(priority, self.interval()))
    }
}

fn time(duration: Duration) -> String {
    exact(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::vrrp::samples::{self, Node, OTHER};

    /// What would happen if this node died.
    fn own_death(node: &Node) -> String {
        node.vrrp().instances[0].outlook[0].then.clone()
    }

    #[test]
    fn a_node_that_said_goodbye_or_is_not_able_is_no_successor() {
        let mut node = samples::active();
        assert!(own_death(&node).contains("172.16.16.52 (priority 100) takes over about 609 ms"));
        node.hear(OTHER, 0, "mysecret");
        let unknown = "Whether there is one isn't known";
        assert!(own_death(&node).contains(unknown), "{}", own_death(&node));
        node.say(|word| word.effective = Priority::new(99));
        assert!(own_death(&node).contains("172.16.16.52 (priority 99)"), "{}", own_death(&node));
        node.say(|word| word.able = false);
        assert!(own_death(&node).contains(unknown), "{}", own_death(&node));
    }

    #[test]
    fn without_a_guard_the_others_wait_for_their_down_interval() {
        let mut node = samples::active();
        node.guard = halb_vrrp::driver::GuardSnapshot::None;
        assert!(own_death(&node).contains("takes over after at most 3.61 s"));
    }

    #[test]
    fn a_backup_takes_over_and_says_when() {
        let outlook = samples::backup().vrrp().instances.remove(0).outlook;
        assert_eq!(outlook[0].then, "nothing moves: 172.16.16.52 holds the addresses");
        assert_eq!(outlook[1].case, "172.16.16.52 died");
        assert!(outlook[1].then.starts_with("this node takes over within 3.31 s"));
        assert!(outlook[2].then.contains("falls from 100 to 98"));
    }
}
