//! What becomes of each directive of an instance.

use super::account::Account;
use super::addresses;
use super::hooks;
use super::instance::{Instance, Line, OWNER, Preempt};
use super::known::Context;
use super::scripts::Subjects;
use super::trackers::{Decisions, Tracker};
use super::tree::Directive;
use super::values::{seconds, small, switch};
use crate::finding::Class;

/// What an instance is judged with.
pub(super) struct Judge<'a, 'b> {
    pub(super) instance: &'b Instance<'a>,
    pub(super) subjects: &'b Subjects<'a>,
    pub(super) decisions: &'b Decisions,
    pub(super) account: &'b mut Account,
}

impl Judge<'_, '_> {
    /// Settles the instance and all in it, and returns what it tracks.
    pub(super) fn settle(&mut self) -> Vec<Tracker> {
        let directive = self.instance.directive;
        let class = Class::to(self.instance.table());
        self.account.settle(&directive.place(), directive.text(), class);
        let mut trackers = Vec::new();
        for (index, inner) in directive.inside().iter().enumerate() {
            let same = |it: &Directive| it.keyword() == inner.keyword();
            let is_first = !directive.inside()[..index].iter().any(same);
            let is_last = !directive.inside()[index + 1..].iter().any(same);
            let class = self.class(inner, is_first, is_last);
            self.account.settle(&inner.place(), inner.text(), class);
            self.settle_lines(inner, &mut trackers);
        }
        if let Some(group) = &self.instance.group {
            let group = group.directive;
            for list in group.inside().iter().filter(|it| TRACKS.contains(&it.keyword())) {
                self.settle_lines(list, &mut trackers);
            }
        }
        trackers
    }

    fn key(&self, key: &str) -> Class {
        Class::to(format!("{}.{key}", self.instance.table()))
    }

    /// What stands in a block.
    fn settle_lines(&mut self, block: &Directive, trackers: &mut Vec<Tracker>) {
        let keyword = block.keyword();
        for line in block.inside() {
            let class = match keyword {
                "virtual_ipaddress" => self.address(line),
                "virtual_ipaddress_excluded" => excluded(line),
                "authentication" => self.authentication(block, line),
                "unicast_peer" => self.peer(line),
                "virtual_routes" | "virtual_rules" => {
                    let what = if keyword == "virtual_routes" { "route" } else { "rule" };
                    Class::lost(format!("halb moves addresses, no {what}s"))
                        .instead(format!("set the {what} in a program that 'notify' runs"))
                }
                _ if TRACKS.contains(&keyword) => {
                    let (decisions, instance) = (self.decisions, self.instance);
                    let (tracker, class) =
                        decisions.tracker(line, keyword, instance, self.subjects);
                    trackers.extend(tracker.filter(|tracker| !trackers.contains(tracker)));
                    class
                }
                _ => Class::left_out(format!("'{keyword}' isn't kept")),
            };
            self.account.settle(&line.place(), line.text(), class);
            settle_below(line, self.account);
        }
    }

    fn address(&self, line: &Directive) -> Class {
        let found =
            self.instance.lines.iter().find(|(directive, _)| std::ptr::eq(*directive, line));
        match found.map(|(_, fate)| fate) {
            Some(Line::Kept(address)) => address.class(&self.instance.table()),
            Some(Line::Again) => Class::meaningless("the address is listed already"),
            Some(Line::OtherFamily) => Class::left_out(
                "adverts list addresses of one family, that of the first; keepalived skips it, too",
            )
            .instead(format!("give it a [{}-6] with the same router_id", self.instance.table())),
            Some(Line::NoAddress) | None => {
                let because =
                    format!("'{}' is no address; keepalived skips it, too", line.keyword());
                Class::left_out(because)
            }
        }
    }

    fn authentication(&self, block: &Directive, line: &Directive) -> Class {
        let kind = block.last("auth_type").map(Directive::value).unwrap_or_default();
        if !Context::Authentication.knows(line.keyword()) {
            return unknown(line, Context::Authentication);
        }
        if self.instance.version == 3 {
            return Class::meaningless("version 3 has no passwords; keepalived ignores it, too");
        }
        if self.instance.strict {
            return Class::meaningless("strict mode has no passwords; keepalived ignores it, too");
        }
        match (line.keyword(), kind) {
            (_, "PASS") => self.key("auth_pass"),
            (_, "AH") => Class::lost("halb knows passwords (PASS), not IPsec headers")
                .instead("auth_type PASS on the other node; or halb on both, with [peer]"),
            _ => Class::meaningless("without 'auth_type PASS' keepalived sends no password either"),
        }
    }

    fn peer(&self, line: &Directive) -> Class {
        if line.keyword().parse::<std::net::IpAddr>().is_err() {
            let because = format!("'{}' is no address; keepalived skips it, too", line.keyword());
            return Class::left_out(because);
        }
        let words: Vec<_> = line.words.iter().map(|word| word.text.as_str()).collect();
        match words.windows(2).find(|pair| pair[0] == "max_ttl" && pair[1] != "255") {
            Some(_) => {
                Class::left_out("the peer is kept; 'max_ttl' isn't: halb has a least one only")
            }
            None => self.key("unicast_peers"),
        }
    }

    fn class(&mut self, it: &Directive, is_first: bool, is_last: bool) -> Class {
        let keyword = it.keyword();
        if !Context::Instance.knows(keyword) {
            return unknown(it, Context::Instance);
        }
        let table = self.instance.table();
        if let Some(class) = hooks::class(it, is_first, &table, self.account) {
            return class;
        }
        if !is_last && it.block.is_none() {
            return Class::meaningless(format!("a later '{keyword}' takes its place"));
        }
        self.identity(it).or_else(|| self.delivery(it)).unwrap_or_else(|| self.behaviour(it))
    }

    fn identity(&self, it: &Directive) -> Option<Class> {
        let (instance, value) = (self.instance, it.value());
        let or_default = |is_good: bool, key: &str, default: &str| match is_good {
            true => self.key(key),
            false => {
                Class::left_out(format!("'{value}' can't be; keepalived takes {default}, too"))
            }
        };
        Some(match it.keyword() {
            "state" => Class::meaningless(match instance.starts_as_master {
                true => "every node begins as backup, keepalived's masters too; priorities decide",
                false => "every node begins as backup",
            }),
            "interface" => self.key("interface"),
            "virtual_router_id" if instance.router_id.is_some() => self.key("router_id"),
            "virtual_router_id" => Class::lost(format!("'{value}' is no id of 1 to 255")),
            "priority" => or_default(small(value, 1, OWNER).is_some(), "priority", "100"),
            "version" if !["2", "3"].contains(&value) => {
                Class::left_out(format!("there is no version '{value}'"))
            }
            "version" if value == "2" && instance.version == 3 => {
                Class::meaningless("IPv6 takes version 3, with keepalived too")
            }
            "version" if instance.version == 3 => Class::DefaultAnyway,
            "version" => self.key("version"),
            "advert_int" if seconds(value).is_none_or(|it| it.is_zero()) => {
                Class::left_out(format!("'{value}' is no interval; keepalived takes 1, too"))
            }
            "advert_int" if instance.interval.as_secs_f64() == 1.0 => Class::DefaultAnyway,
            "advert_int" => self.key("advert_interval"),
            "authentication" => match instance.password {
                Some(_) => self.key("auth_pass"),
                None => Class::meaningless("no password is sent"),
            },
            "virtual_ipaddress" => self.key("addresses"),
            "virtual_ipaddress_excluded" => Class::lost("halb puts every address into its adverts")
                .instead(
                    "'addresses', as long as all nodes list the same; IPv6 in its own [vrrp.NAME]",
                ),
            "virtual_routes" | "virtual_rules" => {
                Class::lost("halb moves addresses alone").instead("a program that 'notify' runs")
            }
            "no_virtual_ipaddress" => Class::lost("halb holds at least one address"),
            "native_ipv6" => Class::DefaultAnyway,
            _ => return None,
        })
    }

    fn delivery(&self, it: &Directive) -> Option<Class> {
        let (instance, value) = (self.instance, it.value());
        let has_peers = !instance.delivery.peers.is_empty();
        Some(match it.keyword() {
            "unicast_src_ip" | "mcast_src_ip" => match value.parse::<std::net::IpAddr>().ok() {
                Some(address) if instance.source == Some(address) => self.key("source"),
                Some(_) => Class::meaningless("another source address takes its place"),
                None => {
                    Class::left_out(format!("'{value}' is no address; keepalived skips it, too"))
                }
            },
            "unicast_peer" if has_peers => self.key("unicast_peers"),
            "unicast_peer" => Class::left_out("it names no peer: adverts go to the group"),
            "mcast_dst_ip" if ["224.0.0.18", "ff02::12"].contains(&value) => Class::DefaultAnyway,
            "mcast_dst_ip" => Class::lost("halb's adverts go to 224.0.0.18 and ff02::12")
                .instead("remove it on the other nodes; or use unicast_peers"),
            "unicast_ttl" if !has_peers => Class::meaningless("there are no unicast peers"),
            "unicast_ttl" if value == "255" => Class::DefaultAnyway,
            "unicast_ttl" => Class::lost("halb's adverts leave with 255"),
            "check_unicast_src"
            | "unicast_fault_no_peer"
            | "track_src_ip"
            | "accept"
            | "preempt" => Class::DefaultAnyway,
            "old_unicast_checksum" => Class::DefaultAnyway,
            "v3_checksum_as_v2" if instance.version == 2 => {
                Class::meaningless("version 2 has one kind of checksum")
            }
            "v3_checksum_as_v2" => self.key("checksum"),
            "use_vmac" | "use_vmac_addr" | "use_ipvlan" => Class::lost(
                "addresses have the interface's own MAC, and are announced when they move",
            ),
            "vmac_xmit_base" => Class::meaningless("there is no virtual MAC"),
            "vrf" => Class::lost("halb knows interfaces, no VRFs")
                .instead("'interface'; or run halb within the VRF (ip vrf exec)"),
            "dont_track_primary" => Class::lost("halb takes part only while the interface is up"),
            "no_accept" => Class::lost(
                "halb serves on its addresses, and sets no firewall; keepalived drops what is sent to them",
            ),
            _ => return None,
        })
    }

    fn behaviour(&self, it: &Directive) -> Class {
        let (instance, value) = (self.instance, it.value());
        let on = switch(it.word(0)) == Some(true);
        match it.keyword() {
            "nopreempt" if instance.preempt == Preempt::Never => self.key("preempt"),
            "nopreempt" => Class::meaningless(
                "keepalived doesn't heed it beside 'state MASTER' or priority 255",
            ),
            "preempt_delay" => match instance.preempt {
                Preempt::After(_) => self.key("preempt"),
                Preempt::Never => {
                    Class::meaningless("keepalived doesn't heed it beside 'nopreempt'")
                }
                Preempt::Immediately => Class::meaningless(
                    "keepalived doesn't heed it if it is 0, or beside 'state MASTER' or strict mode",
                ),
            },
            "garp_master_delay" if value == "5" => Class::DefaultAnyway,
            "garp_master_delay" => self.key("garp_delay"),
            "garp_master_repeat" if value == "5" => Class::DefaultAnyway,
            "garp_master_repeat" => self.key("garp_repeat"),
            "garp_master_refresh" if value == "0" => Class::DefaultAnyway,
            "garp_master_refresh" => self.key("garp_refresh"),
            "garp_lower_prio_delay" | "garp_lower_prio_repeat" | "garp_master_refresh_repeat" => {
                Class::left_out("halb announces each time as at a takeover")
            }
            "garp_extra_if" => {
                Class::left_out("halb refreshes all of its addresses alike").instead("garp_refresh")
            }
            "down_timer_adverts" if value == "3" => Class::DefaultAnyway,
            "down_timer_adverts" => self.key("down_timer_adverts"),
            "lower_prio_no_advert" | "higher_prio_send_advert" if on => self.key(it.keyword()),
            "lower_prio_no_advert" | "higher_prio_send_advert" => Class::DefaultAnyway,
            "strict_mode" if !on => Class::DefaultAnyway,
            "strict_mode" => strict(),
            "promote_secondaries" => match instance.addresses().any(|it| it.prefix_len.is_some()) {
                true => Class::left_out("halb changes no settings of the kernel")
                    .instead("addresses without a length, of which none is secondary; or sysctl"),
                false => Class::meaningless("addresses that stand alone have no secondary ones"),
            },
            "smtp_alert" if on => mail(),
            "smtp_alert" => Class::DefaultAnyway,
            "notify_priority_changes" if on => {
                Class::lost("halb tells hooks of states, not of priorities")
                    .instead("the metric halb_vrrp_priority")
            }
            "notify_priority_changes" => Class::DefaultAnyway,
            "timer_expired_backup" | "owner_ignore_adverts" => Class::DefaultAnyway,
            "auth_hmac" => Class::lost("keepalived alone has this trailer")
                .instead("halb on both nodes, with [peer]"),
            "skip_check_adv_addr" => {
                Class::meaningless("looking costs nothing that could be saved")
            }
            "debug" | "kernel_rx_buf_size" | "linkbeat_use_polling" => {
                Class::meaningless("halb has nothing to tune there")
            }
            keyword if TRACKS.contains(&keyword) => self.key("track"),
            keyword => Class::left_out(format!("'{keyword}' isn't kept")),
        }
    }
}

/// Blocks that say what is tracked.
pub(super) const TRACKS: [&str; 5] =
    ["track_interface", "track_script", "track_file", "track_process", "track_bfd"];

/// A word that keepalived doesn't know here.
pub(super) fn unknown(it: &Directive, context: Context) -> Class {
    let class = Class::left_out("keepalived knows no such word here, and skips it");
    match context.nearest(it.keyword()) {
        Some(nearest) => class.instead(nearest),
        None => class,
    }
}

/// Transitions by mail.
pub(super) fn mail() -> Class {
    Class::lost("halb sends no mail")
        .instead("a program in 'notify' that does; or an alert on its metrics")
}

/// `strict_mode` and `vrrp_strict`, where they are on.
pub(super) fn strict() -> Class {
    Class::lost(
        "halb serves on its addresses; with strict mode keepalived drops what is sent to them, \
         sends no password and answers no lower priority, and this is kept",
    )
}

fn excluded(line: &Directive) -> Class {
    match addresses::read(line) {
        Some(address) => {
            let class = Class::lost(format!("{} would be missing on this node", address.ip));
            class.instead("'addresses' on all nodes at once; or a [vrrp.NAME] of its own")
        }
        None => Class::left_out(format!("'{}' is no address", line.keyword())),
    }
}

/// Settles what stands below something that isn't looked at word by word.
pub(super) fn settle_below(directive: &Directive, account: &mut Account) {
    let mut below: Vec<&Directive> = directive.inside().iter().collect();
    while let Some(it) = below.pop() {
        let because = format!("it is part of '{}'", directive.keyword());
        account.settle(&it.place(), it.text(), Class::meaningless(because));
        below.extend(it.inside());
    }
}
