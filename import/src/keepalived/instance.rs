//! What an instance is, as keepalived understands its words.

use std::net::IpAddr;
use std::time::Duration;

use super::addresses::{self, Address};
use super::globals::{DAY, Globals, HOUR, delay};
use super::groups::Group;
use super::tree::Directive;
use super::values::{seconds, small, switch};

/// `vrrp_instance`, its defaults and rounding applied.
#[derive(Debug, Clone)]
pub(super) struct Instance<'a> {
    pub(super) directive: &'a Directive,
    /// As halb's file has it.
    pub(super) name: String,
    pub(super) interface: Option<String>,
    pub(super) router_id: Option<u8>,
    pub(super) starts_as_master: bool,
    pub(super) version: u8,
    pub(super) priority: u8,
    pub(super) interval: Duration,
    pub(super) password: Option<String>,
    pub(super) lines: Vec<(&'a Directive, Line)>,
    pub(super) preempt: Preempt,
    pub(super) delivery: Delivery,
    pub(super) source: Option<IpAddr>,
    pub(super) announcements: Announcements,
    pub(super) strict: bool,
    pub(super) message_checksum: bool,
    pub(super) startup_delay: Option<Duration>,
    pub(super) group: Option<Group<'a>>,
}

/// What becomes of a line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Kept(Address),
    /// It begins with no address.
    NoAddress,
    /// Adverts list addresses of one family.
    OtherFamily,
    /// It is listed already.
    Again,
}

/// Whether it takes the addresses from a node of lower priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preempt {
    Immediately,
    Never,
    After(Duration),
}

/// Where adverts go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    /// None: to the group.
    pub(super) peers: Vec<IpAddr>,
    /// Least time to live that is accepted, where that is looked at.
    pub(super) hop_limit_min: Option<u8>,
}

/// How changes are announced, and adverts answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcements {
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u8>,
    pub(super) refresh: Option<Duration>,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
}

/// keepalived's default, which is halb's.
pub(super) const PRIORITY: u8 = 100;

/// The priority of who owns the addresses.
pub(super) const OWNER: u8 = 255;

/// Bytes of a password that count.
const PASSWORD_LEN: usize = 8;

/// Longest intervals of the versions.
const INTERVAL_MAX_V2: Duration = Duration::from_secs(255);
const INTERVAL_MAX_V3: Duration = Duration::from_millis(40_950);
const STEP_V3: Duration = Duration::from_millis(10);

/// Most that `preempt_delay` takes.
const PREEMPT_DELAY_MAX: Duration = Duration::from_secs(1000);

impl<'a> Instance<'a> {
    pub(super) fn read(directive: &'a Directive, globals: &Globals, groups: &[Group<'a>]) -> Self {
        let value = |keyword: &str| directive.last(keyword).map(Directive::value);
        let state = directive.all("state").any(|state| state.value() == "MASTER");
        let lines = read_lines(directive);
        let six = lines.iter().any(|(_, line)| match line {
            Line::Kept(address) => address.ip.is_ipv6(),
            Line::NoAddress | Line::OtherFamily | Line::Again => false,
        });
        let is_six = six || directive.last("native_ipv6").is_some();
        let written = value("version").and_then(|version| small(version, 2, 3));
        let version = if is_six { 3 } else { written.or(globals.version).unwrap_or(2) };
        let default = if state { OWNER } else { PRIORITY };
        let priority =
            value("priority").map_or(default, |it| small(it, 1, OWNER).unwrap_or(PRIORITY));
        let strict = directive.last("strict_mode").map(|it| switch(it.word(0)) == Some(true));
        let strict = strict.unwrap_or(globals.strict);
        let member = |group: &&Group<'_>| group.members.contains(&directive.value());
        let source = value("unicast_src_ip").or_else(|| value("mcast_src_ip"));
        Self {
            directive,
            name: name(directive.value()),
            interface: value("interface")
                .map(str::to_owned)
                .or_else(|| globals.default_interface.clone()),
            router_id: value("virtual_router_id").and_then(|id| small(id, 1, u8::MAX)),
            starts_as_master: state,
            version,
            priority,
            interval: interval(value("advert_int"), version),
            password: password(directive).filter(|_| version == 2 && !strict),
            preempt: preempt(directive, state, priority, strict),
            delivery: delivery(directive),
            source: source.and_then(|address| address.parse().ok()),
            announcements: announcements(directive, globals, strict),
            message_checksum: directive
                .last("v3_checksum_as_v2")
                .map_or(globals.message_checksum, |it| switch(it.word(0)) == Some(true)),
            startup_delay: globals.startup_delay.filter(|delay| !delay.is_zero()),
            group: groups.iter().find(member).cloned(),
            lines,
            strict,
        }
    }

    /// Where halb's file says this.
    pub(super) fn table(&self) -> String {
        format!("vrrp.{}", self.name)
    }

    /// The addresses that are kept.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Kept(address) => Some(address),
            Line::NoAddress | Line::OtherFamily | Line::Again => None,
        })
    }

    pub(super) fn is_owner(&self) -> bool {
        self.priority == OWNER
    }

    /// Whether weights of trackers change anything.
    pub(super) fn has_weights(&self) -> bool {
        self.group.as_ref().is_none_or(|group| group.has_weights)
    }
}

/// A name that halb takes.
pub(super) fn name(text: &str) -> String {
    let usual = |c: char| if c.is_ascii_alphanumeric() || "-_.:".contains(c) { c } else { '_' };
    let name: String = text.chars().map(usual).take(64).collect();
    if name.is_empty() { "VI".to_owned() } else { name }
}

fn read_lines(directive: &Directive) -> Vec<(&Directive, Line)> {
    let mut lines: Vec<(&Directive, Line)> = Vec::new();
    let (mut family, mut known) = (None, Vec::new());
    for line in directive.all("virtual_ipaddress").flat_map(Directive::inside) {
        let fate = match addresses::read(line) {
            None => Line::NoAddress,
            Some(address)
                if *family.get_or_insert_with(|| address.ip.is_ipv4()) != address.ip.is_ipv4() =>
            {
                Line::OtherFamily
            }
            Some(address) if known.contains(&address.ip) => Line::Again,
            Some(address) => {
                known.push(address.ip);
                Line::Kept(address)
            }
        };
        lines.push((line, fate));
    }
    lines
}

/// keepalived rounds to what the version knows.
fn interval(word: Option<&str>, version: u8) -> Duration {
    let written = word.and_then(seconds).filter(|interval| !interval.is_zero());
    let written = written.unwrap_or(Duration::from_secs(1));
    if version == 2 {
        let rounded = Duration::from_secs((written + Duration::from_millis(500)).as_secs());
        return rounded.clamp(Duration::from_secs(1), INTERVAL_MAX_V2);
    }
    let steps = (written + STEP_V3 / 2).as_micros() / STEP_V3.as_micros();
    let steps = u32::try_from(steps).unwrap_or(u32::MAX);
    STEP_V3.saturating_mul(steps).clamp(STEP_V3, INTERVAL_MAX_V3)
}

/// What adverts carry: nothing without `auth_type PASS`, and at most eight bytes.
fn password(directive: &Directive) -> Option<String> {
    let inside = |keyword: &'static str| {
        let blocks = directive.all("authentication");
        blocks.flat_map(Directive::inside).filter(move |it| it.keyword() == keyword).last()
    };
    inside("auth_type").filter(|it| it.value() == "PASS")?;
    let password = inside("auth_pass")?.value();
    let cut = password.floor_char_boundary(PASSWORD_LEN);
    Some(password[..cut].to_owned()).filter(|password| !password.is_empty())
}

fn preempt(directive: &Directive, starts_as_master: bool, priority: u8, strict: bool) -> Preempt {
    let never = directive.last("nopreempt").is_some() && !starts_as_master && priority != OWNER;
    let after = directive.last("preempt_delay").and_then(|it| delay(it.value(), PREEMPT_DELAY_MAX));
    match after.filter(|after| !after.is_zero() && !starts_as_master && !strict) {
        _ if never => Preempt::Never,
        Some(after) => Preempt::After(after),
        None => Preempt::Immediately,
    }
}

fn delivery(directive: &Directive) -> Delivery {
    let mut delivery = Delivery::default();
    let mut least: Option<u8> = None;
    for peer in directive.all("unicast_peer").flat_map(Directive::inside) {
        let Ok(address) = peer.keyword().parse() else { continue };
        if !delivery.peers.contains(&address) {
            delivery.peers.push(address);
        }
        let words: Vec<_> = peer.words.iter().map(|word| word.text.as_str()).collect();
        let min = words.windows(2).find(|pair| pair[0] == "min_ttl");
        let min = min.and_then(|pair| small(pair[1], 0, u8::MAX)).unwrap_or(0);
        least = Some(least.map_or(min, |least| least.min(min)));
    }
    delivery.hop_limit_min = least;
    delivery
}

fn announcements(directive: &Directive, globals: &Globals, strict: bool) -> Announcements {
    let value = |keyword: &str| directive.last(keyword).map(Directive::value);
    let time = |keyword, most, global: Option<Duration>| {
        value(keyword).and_then(|word| delay(word, most)).or(global)
    };
    let on = |keyword: &str, global: Option<bool>| {
        let written = directive.last(keyword).and_then(|it| switch(it.word(0)));
        written.or(global).unwrap_or(false)
    };
    let adverts = value("down_timer_adverts").and_then(|word| small(word, 1, 100));
    Announcements {
        delay: time("garp_master_delay", HOUR, globals.garp_delay),
        repeat: value("garp_master_repeat")
            .and_then(|it| small(it, 1, 100))
            .or(globals.garp_repeat),
        refresh: time("garp_master_refresh", DAY, globals.garp_refresh),
        down_timer_adverts: adverts.or(globals.down_timer_adverts),
        lower_prio_no_advert: strict || on("lower_prio_no_advert", globals.lower_prio_no_advert),
        higher_prio_send_advert: !strict
            && on("higher_prio_send_advert", globals.higher_prio_send_advert),
    }
}
