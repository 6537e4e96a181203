//! The words that keepalived knows, by the block that they stand in: those of 2.2, and of later
//! versions up to 2.4.

use halb_config::keys;

/// The block that a directive stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// The file.
    Top,
    /// `global_defs`
    Global,
    /// `vrrp_script`
    Script,
    /// `track_file`, `vrrp_track_file`
    TrackFile,
    /// `vrrp_track_process`
    TrackProcess,
    /// `vrrp_instance`
    Instance,
    /// `vrrp_sync_group`
    SyncGroup,
    /// `authentication`
    Authentication,
    /// Addresses, one a line.
    Addresses,
    /// Routes or rules, one a line.
    Routes,
    /// `unicast_peer`: other nodes, one a line.
    Peers,
    /// Names of what is tracked or grouped, one a line.
    Names,
    /// Other values, one a line.
    Values,
    /// Blocks of what halb doesn't do; their words aren't looked at one by one.
    Foreign,
}

impl Context {
    /// The block that a word opens here.
    pub(super) fn inner(self, word: &str) -> Self {
        match self {
            Self::Top => match word {
                "global_defs" => Self::Global,
                "vrrp_script" => Self::Script,
                "track_file" | "vrrp_track_file" => Self::TrackFile,
                "track_process" | "vrrp_track_process" => Self::TrackProcess,
                "vrrp_instance" => Self::Instance,
                "vrrp_sync_group" => Self::SyncGroup,
                _ => Self::Foreign,
            },
            Self::Global => match word {
                "notification_email" => Self::Values,
                _ => Self::Foreign,
            },
            Self::Instance | Self::SyncGroup => match word {
                "authentication" => Self::Authentication,
                "virtual_ipaddress" | "virtual_ipaddress_excluded" => Self::Addresses,
                "virtual_routes" | "virtual_rules" => Self::Routes,
                "unicast_peer" => Self::Peers,
                "group" | "track_interface" | "track_script" | "track_file" | "track_process"
                | "track_bfd" => Self::Names,
                _ => Self::Foreign,
            },
            Self::Script
            | Self::TrackFile
            | Self::TrackProcess
            | Self::Authentication
            | Self::Addresses
            | Self::Routes
            | Self::Peers
            | Self::Names
            | Self::Values
            | Self::Foreign => Self::Foreign,
        }
    }

    /// The words that begin a directive here. Empty: anything may.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Top => TOP,
            Self::Global => GLOBAL,
            Self::Script => SCRIPT,
            Self::TrackFile => TRACK_FILE,
            Self::TrackProcess => TRACK_PROCESS,
            Self::Instance => INSTANCE,
            Self::SyncGroup => SYNC_GROUP,
            Self::Authentication => AUTHENTICATION,
            Self::Addresses
            | Self::Routes
            | Self::Peers
            | Self::Names
            | Self::Values
            | Self::Foreign => &[],
        }
    }

    pub(super) fn knows(self, word: &str) -> bool {
        self.words().contains(&word)
    }

    /// Values stand here, one a line, rather than words that keepalived knows.
    pub(super) fn is_list(self) -> bool {
        match self {
            Self::Addresses | Self::Routes | Self::Peers | Self::Names | Self::Values => true,
            Self::Top
            | Self::Global
            | Self::Script
            | Self::TrackFile
            | Self::TrackProcess
            | Self::Instance
            | Self::SyncGroup
            | Self::Authentication
            | Self::Foreign => false,
        }
    }

    /// The nearest word that is known here, if one is near.
    pub(super) fn nearest(self, word: &str) -> Option<&'static str> {
        keys::nearest(self.words().iter().copied(), word)
    }

    /// What a block of this kind holds, as people say it.
    pub(super) fn holds(self) -> &'static str {
        match self {
            Self::Addresses | Self::Peers => "addresses",
            Self::Routes => "routes",
            Self::Names => "names",
            Self::Values => "values",
            Self::Top
            | Self::Global
            | Self::Script
            | Self::TrackFile
            | Self::TrackProcess
            | Self::Instance
            | Self::SyncGroup
            | Self::Authentication
            | Self::Foreign => "settings",
        }
    }
}

/// Blocks that stand in no other: whoever opens one has ended all others.
pub(super) const OUTERMOST: &[&str] = &[
    "global_defs",
    "vrrp_script",
    "vrrp_instance",
    "vrrp_sync_group",
    "vrrp_track_file",
    "vrrp_track_process",
    "virtual_server",
    "virtual_server_group",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "bfd_instance",
    "garp_group",
];

const TOP: &[&str] = &[
    "global_defs",
    "vrrp_script",
    "vrrp_instance",
    "vrrp_sync_group",
    "track_file",
    "vrrp_track_file",
    "track_process",
    "vrrp_track_process",
    "virtual_server",
    "virtual_server_group",
    "SSL",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "track_group",
    "bfd_instance",
    "garp_group",
    "linkbeat_interfaces",
    "interface_up_down_delays",
    "net_namespace",
    "net_namespace_ipvs",
    "namespace_with_ipsets",
    "instance",
    "use_pid_dir",
    "linkbeat_use_polling",
    "child_wait_time",
    "config_save_dir",
    "include_check",
    "random_seed",
];

const GLOBAL: &[&str] = &[
    "router_id",
    "notification_email",
    "notification_email_from",
    "smtp_server",
    "smtp_helo_name",
    "smtp_connect_timeout",
    "smtp_alert",
    "smtp_alert_vrrp",
    "smtp_alert_checker",
    "no_email_faults",
    "checker_log_all_failures",
    "no_checker_emails",
    "vrrp_mcast_group4",
    "vrrp_mcast_group6",
    "default_interface",
    "lvs_sync_daemon",
    "lvs_timeouts",
    "lvs_flush",
    "lvs_flush_on_stop",
    "vrrp_garp_master_delay",
    "vrrp_garp_master_repeat",
    "vrrp_garp_master_refresh",
    "vrrp_garp_master_refresh_repeat",
    "vrrp_garp_lower_prio_delay",
    "vrrp_garp_lower_prio_repeat",
    "vrrp_garp_interval",
    "vrrp_gna_interval",
    "vrrp_garp_extra_if",
    "vrrp_min_garp",
    "vrrp_down_timer_adverts",
    "vrrp_lower_prio_no_advert",
    "vrrp_higher_prio_send_advert",
    "vrrp_version",
    "vrrp_iptables",
    "vrrp_ipsets",
    "nftables",
    "nftables_priority",
    "nftables_counters",
    "nftables_ifindex",
    "nftables_ipvs",
    "nftables_ipvs_priority",
    "nftables_ipvs_start_fwmark",
    "disable_local_igmp",
    "vrrp_check_unicast_src",
    "vrrp_skip_check_adv_addr",
    "vrrp_strict",
    "vrrp_notify_priority_changes",
    "vrrp_notify_fifo",
    "vrrp_notify_fifo_script",
    "notify_fifo",
    "notify_fifo_script",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "fifo_write_vrrp_states_on_reload",
    "max_auto_priority",
    "min_auto_priority_delay",
    "vrrp_priority",
    "vrrp_no_swap",
    "vrrp_rt_priority",
    "vrrp_cpu_affinity",
    "vrrp_rlimit_rttime",
    "vrrp_rlimit_rtime",
    "checker_priority",
    "checker_no_swap",
    "checker_rt_priority",
    "checker_cpu_affinity",
    "checker_rlimit_rttime",
    "bfd_priority",
    "bfd_no_swap",
    "bfd_rt_priority",
    "bfd_cpu_affinity",
    "bfd_rlimit_rttime",
    "process_names",
    "process_name",
    "vrrp_process_name",
    "checker_process_name",
    "bfd_process_name",
    "snmp_socket",
    "enable_snmp_keepalived",
    "enable_snmp_vrrp",
    "enable_snmp_checker",
    "enable_snmp_rfc",
    "enable_snmp_rfcv2",
    "enable_snmp_rfcv3",
    "enable_traps",
    "enable_dbus",
    "dbus_service_name",
    "dbus_no_interface_name",
    "script_user",
    "enable_script_security",
    "startup_script",
    "startup_script_timeout",
    "shutdown_script",
    "shutdown_script_timeout",
    "dynamic_interfaces",
    "vrrp_netlink_cmd_rcv_bufs",
    "vrrp_netlink_cmd_rcv_bufs_force",
    "vrrp_netlink_monitor_rcv_bufs",
    "vrrp_netlink_monitor_rcv_bufs_force",
    "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_cmd_rcv_bufs_force",
    "lvs_netlink_monitor_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs_force",
    "process_monitor_rcv_bufs",
    "process_monitor_rcv_bufs_force",
    "vrrp_rx_bufs_policy",
    "vrrp_rx_bufs_multiplier",
    "rs_init_notifies",
    "umask",
    "vrrp_startup_delay",
    "vrrp_delay_after_boot",
    "log_unknown_vrids",
    "vmac_prefix",
    "vmac_addr_prefix",
    "random_seed",
    "reload_check_config",
    "include_check",
    "reload_time_file",
    "reload_repeat",
    "reload_file",
    "data_use_instance",
    "json_version",
    "json_file_location",
    "tmp_config_directory",
    "config_save_dir",
    "use_symlink_paths",
    "v3_checksum_as_v2",
];

const SCRIPT: &[&str] =
    &["script", "interval", "timeout", "weight", "rise", "fall", "user", "init_fail"];

const TRACK_FILE: &[&str] = &["file", "weight", "init_file"];

const TRACK_PROCESS: &[&str] = &[
    "process",
    "param_match",
    "weight",
    "quorum",
    "quorum_max",
    "fork_delay",
    "terminate_delay",
    "delay",
    "full_command",
];

const AUTHENTICATION: &[&str] = &["auth_type", "auth_pass"];

const SYNC_GROUP: &[&str] = &[
    "group",
    "track_interface",
    "track_script",
    "track_file",
    "track_process",
    "track_bfd",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_deleted",
    "notify",
    "notify_priority_changes",
    "smtp_alert",
    "global_tracking",
    "sync_group_tracking_weight",
];

const INSTANCE: &[&str] = &[
    "state",
    "interface",
    "vrf",
    "use_vmac",
    "use_vmac_addr",
    "vmac_xmit_base",
    "use_ipvlan",
    "native_ipv6",
    "dont_track_primary",
    "linkbeat_use_polling",
    "track_interface",
    "track_script",
    "track_file",
    "track_process",
    "track_bfd",
    "mcast_src_ip",
    "unicast_src_ip",
    "mcast_dst_ip",
    "track_src_ip",
    "version",
    "check_unicast_src",
    "unicast_peer",
    "unicast_fault_no_peer",
    "unicast_ttl",
    "old_unicast_checksum",
    "v3_checksum_as_v2",
    "garp_master_delay",
    "garp_master_repeat",
    "garp_master_refresh",
    "garp_master_refresh_repeat",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
    "garp_extra_if",
    "down_timer_adverts",
    "lower_prio_no_advert",
    "higher_prio_send_advert",
    "owner_ignore_adverts",
    "virtual_router_id",
    "priority",
    "advert_int",
    "authentication",
    "auth_hmac",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "no_virtual_ipaddress",
    "promote_secondaries",
    "virtual_routes",
    "virtual_rules",
    "accept",
    "no_accept",
    "nopreempt",
    "preempt",
    "preempt_delay",
    "timer_expired_backup",
    "skip_check_adv_addr",
    "strict_mode",
    "debug",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_deleted",
    "notify",
    "notify_master_rx_lower_pri",
    "notify_priority_changes",
    "smtp_alert",
    "kernel_rx_buf_size",
];
