//! What `[vrrp.NAME]` and `[peer]` mean.

use std::net::IpAddr;
use std::num::NonZeroU8;

use halb_vrrp::config::{
    Announcements, Answers, Auth, ChecksumChoice, Delivery, Preempt, Protocol,
};
use halb_vrrp::packet::{ChecksumForm, Password};
use halb_vrrp::settings::{Instance, Placement};
use halb_vrrp::track::{RiseFall, Subject, Weight};
use halb_vrrp::values::{AdvertInterval, Centiseconds, Seconds};

use super::*;
use crate::settings::{Hook, HookSubject, Peer, TrackedFile, TrackedScript};

const LOADBALANCER01: &str = include_str!("../../../examples/loadbalancer01.toml");
const LOADBALANCER02: &str = include_str!("../../../examples/loadbalancer02.toml");

const SERVICE: &str = "[frontend.web]\nbind = ['*:80']\nbackend = 'pool'\n\
                       [backend.pool]\ncheck = false\nserver = { s = '10.0.0.1:80' }\n";

fn router(rest: &str) -> String {
    format!("{SERVICE}[vrrp.VI_1]\ninterface = 'eth1'\nrouter_id = 7\n{rest}\n")
}

fn instance(rest: &str) -> Instance {
    let settings = good(&router(&format!("addresses = ['10.0.0.100']\n{rest}")));
    settings.vrrp.routers.instances[0].clone()
}

fn said(text: &str) -> String {
    bad(text).to_string()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_file_of_the_design_means_what_keepalived_would_do() {
    let settings = good(LOADBALANCER01);
    let routers = &settings.vrrp.routers;
    let [instance] = &routers.instances[..] else { panic!("{routers:?}") };
    assert_eq!((&*instance.name, &*instance.interface), ("VI_1", "eth1"));
    assert_eq!((instance.router.vrid().get(), instance.priority.get()), (1, 100));
    let interval = Seconds::new(5).unwrap();
    let auth = Some(Auth { password: Password::new("mysecret"), also: None });
    assert_eq!(*instance.router.protocol(), Protocol::V2 { interval, auth });
    assert_eq!(instance.router.addresses().as_slice(), [ip("172.16.16.100")]);
    assert_eq!(*instance.router.delivery(), Delivery::Multicast);
    let alone =
        Placement { address: ip("172.16.16.100"), prefix_len: 32, interface: None, label: None };
    assert_eq!(instance.placements, [alone]);
    let [tracker] = &instance.trackers[..] else { panic!("{instance:?}") };
    assert_eq!(tracker.subject, Subject::Frontend("kubernetes".into()));
    assert_eq!((tracker.weight, tracker.reverse), (Weight::new(-2).unwrap(), false));
    assert_eq!((routers.realtime, routers.freeze_limit), (None, None));
    assert_eq!(routers.freeze_limit(), Duration::from_secs(2));
    let peer = Peer {
        address: "172.16.16.52:7112".parse().unwrap(),
        bind: "0.0.0.0:7112".parse().unwrap(),
        key_file: "/etc/halb/peer.key".into(),
    };
    assert_eq!(settings.peer, Some(peer));
}

#[test]
fn the_two_nodes_of_the_design_differ_only_in_priority_and_peer() {
    let (mut one, mut two) = (good(LOADBALANCER01), good(LOADBALANCER02));
    let priority = |settings: &Settings| settings.vrrp.routers.instances[0].priority;
    assert_ne!(priority(&one), priority(&two), "the one with more holds the address");
    for settings in [&mut one, &mut two] {
        settings.vrrp.routers.instances[0].priority = defaults::vrrp_priority();
        assert!(settings.peer.take().is_some());
    }
    assert_eq!(one, two);
}

#[test]
fn what_is_not_written_is_as_the_protocol_and_keepalived_have_it() {
    let instance = instance("");
    let (interval, checksum) = (Centiseconds::new(100).unwrap(), ChecksumChoice::Auto);
    assert_eq!(*instance.router.protocol(), Protocol::V3 { interval, checksum });
    assert_eq!(instance.priority.get(), 100);
    assert_eq!(instance.router.behaviour, halb_vrrp::config::Behaviour::default());
    assert_eq!((instance.source, &instance.trackers[..]), (None, &[][..]));
    let settings = good(SERVICE);
    assert!(settings.vrrp.routers.instances.is_empty() && settings.peer.is_none());
}

#[test]
fn intervals_are_whole_seconds_or_steps_of_ten_milliseconds() {
    let interval = |version: u8, interval: &str| {
        instance(&format!("version = {version}\nadvert_interval = '{interval}'")).router.interval()
    };
    let seconds = |count| AdvertInterval::V2(Seconds::new(count).unwrap());
    let centiseconds = |count| AdvertInterval::V3(Centiseconds::new(count).unwrap());
    assert_eq!(interval(2, "1s"), seconds(1));
    assert_eq!(interval(2, "4m15s"), seconds(255));
    assert_eq!(interval(3, "10ms"), centiseconds(1));
    assert_eq!(interval(3, "40s950ms"), centiseconds(4095));
    assert_eq!(interval(3, "100ms"), centiseconds(10));
    for (version, interval, remedy) in [
        (2, "500ms", "write at least \"1s\"; or `version = 3` on all nodes"),
        (2, "0s", "write at least \"1s\"; or `version = 3` on all nodes"),
        (2, "1500ms", "write \"1s\" or \"2s\"; or `version = 3` on all nodes"),
        (2, "256s", "write at most \"4m15s\""),
        (3, "15ms", "write \"10ms\" or \"20ms\""),
        (3, "5ms", "write at least \"10ms\""),
        (3, "41s", "write at most \"40s950ms\"; or `version = 2` on all nodes"),
    ] {
        let rest = format!("version = {version}\nadvert_interval = '{interval}'");
        let said = said(&router(&format!("addresses = ['10.0.0.100']\n{rest}")));
        assert!(said.contains(remedy), "{version} {interval}: {said}");
    }
}

#[test]
fn preempt_is_a_word_or_a_delay() {
    for (written, preempt) in [
        ("true", Preempt::Immediately),
        ("false", Preempt::Never),
        ("'30s'", Preempt::After(Duration::from_secs(30))),
        ("'0s'", Preempt::Immediately),
    ] {
        assert_eq!(instance(&format!("preempt = {written}")).router.behaviour.preempt, preempt);
    }
}

#[test]
fn keepalived_s_knobs_are_known() {
    let behaviour = instance(
        "down_timer_adverts = 5\nlower_prio_no_advert = true\nhigher_prio_send_advert = true\n\
         garp_repeat = 3\ngarp_delay = false\ngarp_refresh = '1m'\nstartup_delay = '10s'",
    )
    .router
    .behaviour;
    let answers = Answers { lower_prio_no_advert: true, higher_prio_send_advert: true };
    let refresh = Some(Duration::from_secs(60));
    let announcements = Announcements { repeats: 3, again_after: None, refresh };
    assert_eq!((behaviour.down_timer_adverts.get(), behaviour.answers), (5, answers));
    assert_eq!(behaviour.announcements, announcements);
    assert_eq!(behaviour.startup_delay, Duration::from_secs(10));
}

#[test]
fn routers_exchange_words_where_there_is_a_peer() {
    let linked = |text: &str| good(text).vrrp.routers.instances[0].router.behaviour.peer_link;
    let alone = router("addresses = ['10.0.0.100']");
    assert!(!linked(&alone));
    assert!(linked(&format!("{alone}[peer]\naddress = '10.0.0.2:7112'\nkey_file = '/key'\n")));
}

#[test]
fn adverts_go_where_the_file_says_in_the_form_that_it_says() {
    let told = instance(
        "unicast_peers = ['10.0.0.2', '10.0.0.3']\nhop_limit_min = 254\nsource = '10.0.0.9'",
    );
    let peers = vec![ip("10.0.0.2"), ip("10.0.0.3")];
    assert_eq!(*told.router.delivery(), Delivery::Unicast { peers, hop_limit_min: 254 });
    assert_eq!(told.source, Some(ip("10.0.0.9")));
    for (written, form) in [
        ("auto", ChecksumChoice::Auto),
        ("rfc9568", ChecksumChoice::Fixed(ChecksumForm::Message)),
        ("pseudo", ChecksumChoice::Fixed(ChecksumForm::PseudoHeader)),
    ] {
        let told = instance(&format!("checksum = '{written}'"));
        let Protocol::V3 { checksum, .. } = told.router.protocol() else { panic!("{told:?}") };
        assert_eq!(*checksum, form);
    }
}

#[test]
fn placements_follow_the_order_of_the_adverts() {
    let settings = good(&router(
        "addresses = ['fd00::100', { address = 'fe80::100/64', interface = 'eth2' }]",
    ));
    let instance = &settings.vrrp.routers.instances[0];
    let in_adverts = instance.router.addresses().as_slice();
    let placed: Vec<_> = instance.placements.iter().map(|placed| placed.address).collect();
    assert_eq!(in_adverts, placed, "link-local first");
    let first = &instance.placements[0];
    assert_eq!((first.prefix_len, first.interface.as_deref()), (64, Some("eth2")));
    assert_eq!(instance.placements[1].prefix_len, 128);
}

#[test]
fn scripts_and_files_are_run_once_for_all_that_track_them() {
    let text = format!(
        "{}[vrrp.VI_2]\ninterface = 'eth2'\nrouter_id = 7\naddresses = ['10.0.1.100']\n\
         track = [{{ script = ['/bin/check', 'a b'], weight = 5, interval = '3s' }}, {{ file = '/run/w', weight = 2 }}]\n",
        router(
            "addresses = ['10.0.0.100']\n\
             track = [{ script = ['/bin/check', 'a b'], interval = '3s', rise = 2, fall = 5, init_fail = true }]\n\
             notify = ['/bin/hook', 'x']",
        )
    );
    let vrrp = good(&text).vrrp;
    let seconds = Duration::from_secs;
    let name: std::sync::Arc<str> = "/bin/check \"a b\"".into();
    let script = TrackedScript {
        name: name.clone(),
        command: vec!["/bin/check".into(), "a b".into()],
        interval: seconds(3),
        timeout: seconds(3),
    };
    assert_eq!(vrrp.scripts, [script]);
    assert_eq!(vrrp.files, [TrackedFile { path: "/run/w".into(), interval: seconds(1) }]);
    let hook = Hook {
        subject: HookSubject::Instance("VI_1".into()),
        command: vec!["/bin/hook".into(), "x".into()],
        timeout: seconds(10),
    };
    assert_eq!(vrrp.hooks, [hook]);
    let rise_fall = RiseFall::new(2, 5).unwrap();
    let subject = Subject::Script { name, rise_fall, init_fail: true };
    assert_eq!(vrrp.routers.instances[0].trackers[0].subject, subject);
}

#[test]
fn instances_with_the_same_group_move_together() {
    let member = |name: &str, id: u8| {
        format!(
            "[vrrp.{name}]\ninterface = 'eth1'\nrouter_id = {id}\naddresses = ['10.0.0.{id}']\n"
        )
    };
    let text = format!(
        "{SERVICE}{}sync_group = 'g'\n{}{}sync_group = 'g'\n[vrrp_group.g]\nnotify = ['/bin/g']\n",
        member("a", 11),
        member("b", 12),
        member("c", 13),
    );
    let vrrp = good(&text).vrrp;
    let [hook] = &vrrp.hooks[..] else { panic!("{:?}", vrrp.hooks) };
    assert_eq!((&hook.subject, &*hook.command[0]), (&HookSubject::Group("g".into()), "/bin/g"));
    let groups = vrrp.routers.groups;
    let [group] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(&*group.name, "g");
    assert_eq!(group.members.iter().map(|member| &**member).collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn the_thread_of_the_virtual_ip_is_told_by_global() {
    let text = router(
        "addresses = ['10.0.0.100']\n[global]\nrealtime_priority = 50\nfreeze_limit = '100ms'",
    );
    let routers = good(&text).vrrp.routers;
    assert_eq!(routers.realtime, NonZeroU8::new(50));
    assert_eq!(routers.freeze_limit(), Duration::from_millis(100));
}

#[test]
fn the_same_id_twice_names_both_places_but_each_family_has_its_own() {
    let other = |address: &str| {
        format!(
            "{}[vrrp.VI_2]\ninterface = 'eth1'\nrouter_id = 7\naddresses = ['{address}']\n",
            router("addresses = ['10.0.0.100']")
        )
    };
    good(&other("fd00::100"));
    let said = said(&other("10.0.0.101"));
    assert!(said.contains("router_id 7 is taken on eth1 for IPv4"), "{said}");
    assert!(said.contains("first here") && said.contains("t.toml:13:"), "{said}");
}

#[test]
fn more_addresses_than_an_advert_holds_are_refused() {
    let addresses = |count: u32| {
        let list =
            (1..=count).map(|n| format!("'{}'", IpAddr::from((0x0a01_0000 + n).to_be_bytes())));
        router(&format!("addresses = [{}]", list.collect::<Vec<_>>().join(", ")))
    };
    good(&addresses(255));
    assert!(said(&addresses(256)).contains("256 addresses are more than an advert holds"));
}

#[test]
fn more_than_the_guard_can_give_up_is_refused() {
    let list = |net: &str, count: u32| {
        let hosts = (1..=count).map(|host| format!("'{net}.{host}'"));
        hosts.collect::<Vec<_>>().join(", ")
    };
    let text = |routers: u32| {
        let router = |n: u32| {
            let (addresses, peers) = (list(&format!("10.{n}.0"), 255), list("10.200.0", 32));
            format!(
                "[vrrp.r{n}]\ninterface = 'eth1'\nrouter_id = {n}\naddresses = [{addresses}]\n\
                 unicast_peers = [{peers}]\n"
            )
        };
        format!("{SERVICE}{}", (1..=routers).map(router).collect::<String>())
    };
    good(&text(8));
    let said = said(&text(100));
    assert!(said.contains("KiB of last words") && said.contains("t.toml:7:7: error"), "{said}");
}
