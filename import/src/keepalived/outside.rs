//! What becomes of each directive outside of instances.

use super::account::Account;
use super::classes::{TRACKS, mail, settle_below, strict, unknown};
use super::globals::weight;
use super::hooks;
use super::known::Context;
use super::scripts::{Names, Subjects};
use super::trackers::{Decision, Decisions, Subject};
use super::tree::{Directive, Tree};
use super::values::switch;
use super::words;
use crate::finding::Class;

/// What the file says beside instances.
pub(super) struct Outside<'a, 'b> {
    pub(super) subjects: &'b Subjects<'a>,
    pub(super) decisions: &'b Decisions,
    /// Groups whose hooks become a table, by their directives.
    pub(super) hooked: &'b [&'a Directive],
    /// The FIFO that changes are told in.
    pub(super) fifo: Option<String>,
    /// A script or hook of the file is still run.
    pub(super) runs_programs: bool,
    pub(super) account: &'b mut Account,
}

impl Outside<'_, '_> {
    /// Settles all of it.
    pub(super) fn settle(&mut self, tree: &Tree) {
        for directive in &tree.directives {
            match directive.keyword() {
                "vrrp_instance" => {}
                "global_defs" => self.global(directive),
                "vrrp_script" => self.script(directive),
                "track_file" | "vrrp_track_file" => self.file(directive),
                "track_process" | "vrrp_track_process" => self.process(directive),
                "vrrp_sync_group" => self.group(directive),
                _ => self.other(directive),
            }
        }
    }

    fn note(&mut self, directive: &Directive, class: Class) {
        self.account.settle(&directive.place(), directive.text(), class);
    }

    fn global(&mut self, block: &Directive) {
        self.note(block, Class::to("the instances and [global]"));
        for it in block.inside() {
            let class = match Context::Global.knows(it.keyword()) {
                true => self.of_global(it),
                false => unknown(it, Context::Global),
            };
            self.note(it, class);
            settle_below(it, self.account);
        }
    }

    fn of_global(&self, it: &Directive) -> Class {
        let keyword = it.keyword();
        let on = switch(it.word(0)) == Some(true);
        let every = |key: &str| Class::to(format!("{key} of each [vrrp.NAME]"));
        match keyword {
            "vrrp_version" => every("version"),
            "vrrp_garp_master_delay" => every("garp_delay"),
            "vrrp_garp_master_repeat" => every("garp_repeat"),
            "vrrp_garp_master_refresh" => every("garp_refresh"),
            "vrrp_min_garp" if on => every("garp_repeat and garp_delay"),
            "vrrp_down_timer_adverts" => every("down_timer_adverts"),
            "vrrp_lower_prio_no_advert" if on => every("lower_prio_no_advert"),
            "vrrp_higher_prio_send_advert" if on => every("higher_prio_send_advert"),
            "v3_checksum_as_v2" if on => every("checksum"),
            "vrrp_startup_delay" => every("startup_delay"),
            "default_interface" => every("interface"),
            "vrrp_rt_priority" => Class::to("global.realtime_priority"),
            "vrrp_notify_fifo" | "notify_fifo" => match &self.fifo {
                Some(path) if path == it.value() => Class::to("global.notify_fifo"),
                Some(path) => Class::lost(format!("halb writes to one FIFO, {path}"))
                    .instead("a reader that passes the lines on (tee)"),
                None => Class::lost(format!("'{}' is no absolute path", it.value())),
            },
            "vrrp_strict" => strict(),
            "vrrp_min_garp"
            | "vrrp_lower_prio_no_advert"
            | "vrrp_higher_prio_send_advert"
            | "v3_checksum_as_v2"
            | "vrrp_check_unicast_src"
            | "vrrp_no_swap"
            | "enable_script_security"
            | "dynamic_interfaces"
            | "log_unknown_vrids"
            | "reload_check_config" => Class::DefaultAnyway,
            "vrrp_garp_interval" | "vrrp_gna_interval" if it.value() == "0" => Class::DefaultAnyway,
            "vrrp_mcast_group4" if it.value() == "224.0.0.18" => Class::DefaultAnyway,
            "vrrp_mcast_group6" if it.value() == "ff02::12" => Class::DefaultAnyway,
            "vrrp_mcast_group4" | "vrrp_mcast_group6" => {
                Class::lost("halb's adverts go to 224.0.0.18 and ff02::12")
                    .instead("remove it on the other nodes; or use unicast_peers")
            }
            "vrrp_garp_lower_prio_delay"
            | "vrrp_garp_lower_prio_repeat"
            | "vrrp_garp_master_refresh_repeat"
            | "vrrp_garp_interval"
            | "vrrp_gna_interval"
            | "vrrp_garp_extra_if" => {
                Class::left_out("halb announces each time as at a takeover, without gaps")
            }
            "smtp_alert" | "smtp_alert_vrrp" if on => mail(),
            "script_user" if self.runs_programs && it.value() == "root" => {
                Class::lost("halb runs scripts and hooks as its own user, without rights")
                    .instead("let a program that needs more gain it itself (sudo)")
            }
            "script_user" if self.runs_programs => Class::left_out(
                "halb runs scripts and hooks as its own user, which has no rights either",
            ),
            "script_user" => Class::meaningless("no script of this file is run any more"),
            keyword => of_daemon(keyword, on),
        }
    }

    fn tracked(&self, block: &Directive, names: &Names<'_>) -> Option<Class> {
        let name = block.value();
        let first = names.get(name)?;
        if !std::ptr::eq(first.directive, block) {
            return Some(Class::meaningless("one of this name is above, which keepalived takes"));
        }
        None
    }

    fn is_used(&self, tree_word: &str, name: &str) -> bool {
        self.subjects.used.contains(&(tree_word.to_owned(), name.to_owned()))
    }

    fn script(&mut self, block: &Directive) {
        let name = block.value();
        if let Some(class) = self.tracked(block, &self.subjects.scripts) {
            return self.note_all(block, &class);
        }
        if !self.is_used("track_script", name) {
            return self.note_all(block, &Class::meaningless("no instance tracks it"));
        }
        let Some(decision) = self.decisions.script(name).cloned() else { return };
        self.note(block, tracked_as(&decision));
        for it in block.inside() {
            let class = match it.keyword() {
                keyword if !Context::Script.knows(keyword) => unknown(it, Context::Script),
                "weight" => of_weight(it),
                keyword => match &decision.subject {
                    Subject::Script { .. } if keyword == "user" => {
                        Class::lost("halb runs scripts as its own user, without rights")
                            .instead("let the script gain what it needs itself (sudo)")
                    }
                    Subject::Script { .. } => self.of_script(it),
                    Subject::Frontend(_) if keyword == "script" => tracked_as(&decision),
                    Subject::Frontend(_) => Class::meaningless(
                        "the checks of the frontend's servers decide: [backend.NAME] check",
                    ),
                    Subject::Interface(_) | Subject::File(_) => Class::DefaultAnyway,
                },
            };
            self.note(it, class);
            settle_below(it, self.account);
        }
    }

    fn of_script(&mut self, it: &Directive) -> Class {
        let limits = match it.keyword() {
            "interval" => (1, 86_400),
            "timeout" => (1, 3600),
            "rise" | "fall" => (1, 1000),
            "script" => {
                self.hint_lost_arguments(it);
                return Class::to("track.script");
            }
            keyword => return Class::to(format!("track.{keyword}")),
        };
        match super::values::number(it.value(), limits.0, limits.1) {
            Some(_) => Class::to(format!("track.{}", it.keyword())),
            None => Class::left_out(format!(
                "'{}' is no whole number of {} to {}; keepalived takes its default, too",
                it.value(),
                limits.0,
                limits.1
            )),
        }
    }

    /// keepalived takes one word behind `script`: arguments belong into quotes with it.
    fn hint_lost_arguments(&mut self, it: &Directive) {
        if it.words.len() > 2 {
            let lost: Vec<_> = it.words.iter().skip(2).map(|word| word.text.as_str()).collect();
            let whole: Vec<_> = it.words.iter().skip(1).map(|word| word.text.as_str()).collect();
            self.account.hint(
                &it.place(),
                format!(
                    "keepalived runs '{}' without '{}', and so does this import",
                    it.value(),
                    lost.join(" ")
                ),
                format!(
                    "if it was meant, write it into `track` below: {:?}",
                    words::command(&whole.join(" "))
                ),
            );
        }
    }

    fn file(&mut self, block: &Directive) {
        let name = block.value();
        if let Some(class) = self.tracked(block, &self.subjects.files) {
            return self.note_all(block, &class);
        }
        if !self.is_used("track_file", name) {
            return self.note_all(block, &Class::meaningless("no instance tracks it"));
        }
        self.note(block, Class::to("track"));
        for it in block.inside() {
            let class = match it.keyword() {
                "file" => Class::to("track.file"),
                "weight" => of_weight(it),
                "init_file" => Class::left_out(
                    "halb writes no file that it tracks; one that isn't there holds 0",
                )
                .instead("let tmpfiles.d make it"),
                _ => unknown(it, Context::TrackFile),
            };
            self.note(it, class);
            settle_below(it, self.account);
        }
    }

    fn process(&mut self, block: &Directive) {
        let name = block.value();
        if let Some(class) = self.tracked(block, &self.subjects.processes) {
            return self.note_all(block, &class);
        }
        if !self.is_used("track_process", name) {
            return self.note_all(block, &Class::meaningless("no instance tracks it"));
        }
        let Some(decision) = self.decisions.process(name).cloned() else {
            let class = Class::lost("halb counts no processes of others")
                .instead("a script with a weight: pgrep -c");
            return self.note_all(block, &class);
        };
        self.note(block, tracked_as(&decision));
        for it in block.inside() {
            let class = match it.keyword() {
                "weight" => of_weight(it),
                "process" => tracked_as(&decision),
                "quorum" => Class::DefaultAnyway,
                "delay" | "fork_delay" | "terminate_delay" => {
                    Class::left_out("halb looks each second, without delays")
                }
                keyword if Context::TrackProcess.knows(keyword) => Class::to("track"),
                _ => unknown(it, Context::TrackProcess),
            };
            self.note(it, class);
            settle_below(it, self.account);
        }
    }

    fn group(&mut self, block: &Directive) {
        let name = super::instance::name(block.value());
        self.note(block, Class::to(format!("sync_group = \"{name}\"")));
        let table = format!("vrrp_group.{name}");
        let is_hooked = self.hooked.iter().any(|hooked| std::ptr::eq(*hooked, block));
        for (index, it) in block.inside().iter().enumerate() {
            let above = &block.inside()[..index];
            let first = !above.iter().any(|other| other.keyword() == it.keyword());
            let class = match it.keyword() {
                keyword if !Context::SyncGroup.knows(keyword) => unknown(it, Context::SyncGroup),
                "group" => Class::to("sync_group"),
                keyword if TRACKS.contains(&keyword) => Class::to("track of each member"),
                "smtp_alert" if switch(it.word(0)) == Some(true) => mail(),
                "notify_priority_changes" if switch(it.word(0)) == Some(true) => {
                    Class::lost("halb tells hooks of states, not of priorities")
                }
                "smtp_alert" | "notify_priority_changes" => Class::DefaultAnyway,
                "global_tracking" | "sync_group_tracking_weight" => Class::to("track.weight"),
                _ => match hooks::class(it, first, &table, self.account) {
                    Some(Class::Translated { .. }) if !is_hooked => {
                        Class::meaningless("no instance is in this group, or another is called so")
                    }
                    Some(class) => class,
                    None => Class::DefaultAnyway,
                },
            };
            self.note(it, class);
            if it.keyword() == "group" {
                for line in it.inside() {
                    self.note(line, Class::to("sync_group"));
                }
            } else {
                // What its members make of a tracker weighs more; a group may have none.
                settle_below(it, self.account);
            }
        }
    }

    fn other(&mut self, directive: &Directive) {
        let class = match directive.keyword() {
            "virtual_server" | "virtual_server_group" => {
                Class::lost("halb balances connections itself, not through the kernel's IPVS")
                    .instead("[frontend.NAME] and [backend.NAME]")
            }
            "bfd_instance" => Class::lost("halb has no BFD").instead("[peer], if both run halb"),
            "static_ipaddress" | "static_routes" | "static_rules" | "track_group" => {
                Class::lost("halb moves virtual addresses, and leaves the others alone")
                    .instead("the host's network configuration")
            }
            "interface_up_down_delays" => Class::left_out("halb believes the kernel at once"),
            "garp_group" => Class::left_out("halb's announcements go out without gaps"),
            "net_namespace" | "net_namespace_ipvs" => {
                Class::lost("halb runs in the namespace that it is started in")
                    .instead("NetworkNamespacePath= in the unit of systemd")
            }
            keyword if Context::Top.knows(keyword) => {
                Class::meaningless("it is about keepalived's own process")
            }
            _ => unknown(directive, Context::Top),
        };
        self.note(directive, class);
        settle_below(directive, self.account);
    }

    /// The same for a block and all in it.
    fn note_all(&mut self, block: &Directive, class: &Class) {
        self.note(block, class.clone());
        for it in block.inside() {
            self.note(it, class.clone());
            settle_below(it, self.account);
        }
    }
}

fn of_weight(it: &Directive) -> Class {
    let words: Vec<_> = it.words.iter().skip(1).map(|word| word.text.as_str()).collect();
    match weight(&words) {
        Some(_) => Class::to("track.weight"),
        None => Class::left_out(format!(
            "'{}' is no weight; keepalived takes its default, too",
            it.value()
        )),
    }
}

fn tracked_as(decision: &Decision) -> Class {
    match &decision.subject {
        Subject::Frontend(name) => {
            Class::to(format!("track = frontend {name}: {}", decision.because))
        }
        Subject::Script { .. } => {
            Class::to(format!("track.script, a script still: {}", decision.because))
        }
        Subject::Interface(_) | Subject::File(_) => Class::to("track"),
    }
}

/// Words of `global_defs` that are about the daemon rather than the protocol.
fn of_daemon(keyword: &str, on: bool) -> Class {
    match keyword {
        "router_id" => Class::meaningless("it names the machine in mails and to SNMP"),
        "notification_email"
        | "notification_email_from"
        | "smtp_server"
        | "smtp_helo_name"
        | "smtp_connect_timeout"
        | "no_email_faults" => {
            Class::meaningless("halb sends no mail; what asks for one is told where it stands")
        }
        "smtp_alert" | "smtp_alert_vrrp" => Class::DefaultAnyway,
        "vrrp_notify_fifo_script" | "notify_fifo_script" => {
            Class::lost("halb starts nobody who reads the FIFO")
                .instead("a unit of systemd that does")
        }
        "vrrp_notify_priority_changes" if on => {
            Class::lost("halb tells hooks of states, not of priorities")
                .instead("the metric halb_vrrp_priority")
        }
        "enable_snmp_keepalived"
        | "enable_snmp_vrrp"
        | "enable_snmp_rfc"
        | "enable_snmp_rfcv2"
        | "enable_snmp_rfcv3"
        | "enable_traps"
        | "snmp_socket" => Class::lost("halb has no SNMP").instead("/metrics on the admin address"),
        "enable_dbus" | "dbus_service_name" | "dbus_no_interface_name" => {
            Class::lost("halb isn't on D-Bus").instead("halb vip status --json")
        }
        "startup_script"
        | "startup_script_timeout"
        | "shutdown_script"
        | "shutdown_script_timeout" => Class::lost("halb runs nothing at its start and end")
            .instead("ExecStartPre= and ExecStopPost= in the unit of systemd"),
        "vrrp_delay_after_boot" => {
            Class::lost("halb's delay counts from its own start").instead("startup_delay")
        }
        "vrrp_cpu_affinity" => Class::left_out("halb leaves processors to the scheduler")
            .instead("CPUAffinity= in the unit of systemd"),
        "vrrp_priority"
        | "max_auto_priority"
        | "min_auto_priority_delay"
        | "vrrp_rlimit_rttime"
        | "vrrp_rlimit_rtime" => Class::meaningless("halb's thread for adverts does nothing else"),
        "lvs_sync_daemon" => Class::lost("halb balances connections itself, not through IPVS"),
        keyword if keyword.starts_with("lvs_") || keyword.starts_with("checker_") => {
            Class::meaningless("halb doesn't use IPVS")
        }
        keyword if keyword.starts_with("nftables") || keyword.starts_with("vrrp_ip") => {
            Class::meaningless("halb sets no firewall")
        }
        _ => Class::meaningless("it is about keepalived's own process"),
    }
}
