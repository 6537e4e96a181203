use std::sync::Arc;
use std::time::Duration;

use halb_vrrp::config::{Behaviour, Delivery, Protocol, RouterConfig};
use halb_vrrp::packet::VirtualAddresses;
use halb_vrrp::router::{self, Cause, FaultReason};
use halb_vrrp::settings::Settings;
use halb_vrrp::track::Standing;
use halb_vrrp::values::{BasePriority, Seconds, VrId};

use super::*;
use halb_config::settings::{Hook, HookSubject};

fn settings(name: &str) -> Vrrp {
    let protocol = Protocol::V2 { interval: Seconds::new(1).unwrap(), auth: None };
    let addresses = VirtualAddresses::new(vec!["172.16.16.100".parse().unwrap()]).unwrap();
    let vrid = VrId::new(1).unwrap();
    let behaviour = Behaviour::default();
    let instance = Instance {
        name: name.into(),
        interface: "eth1".into(),
        router: RouterConfig::new(vrid, protocol, addresses, Delivery::Multicast, behaviour)
            .unwrap(),
        priority: BasePriority::new(100).unwrap(),
        source: None,
        placements: Vec::new(),
        trackers: Vec::new(),
    };
    let routers = Settings {
        instances: vec![instance],
        groups: Vec::new(),
        realtime: None,
        freeze_limit: None,
    };
    let hook = Hook {
        subject: HookSubject::Instance(name.into()),
        command: vec!["/bin/true".to_owned()],
        timeout: Duration::from_secs(1),
    };
    Vrrp { routers, scripts: Vec::new(), files: Vec::new(), hooks: vec![hook], fifo: None }
}

fn told(name: &str) -> (Told, Hooks) {
    let hooks = Hooks::default();
    (Told::new(settings(name), Journal::default(), hooks.clone(), Arc::new(|_| {})), hooks)
}

fn transition(from: router::State, to: router::State, cause: Cause) -> Event {
    let standing = Arc::new(Standing::untracked(BasePriority::new(100).unwrap()));
    let at = Instant::now();
    let transition = Transition { at, from, to, cause, standing, source: None };
    Event::Transition { instance: "VI_1".into(), transition }
}

#[test]
fn a_transition_goes_to_journal_counters_and_hooks() {
    let (told, hooks) = told("VI_1");
    let (initialize, backup, active) =
        (router::State::Initialize, router::State::Backup, router::State::Active);
    told.tell(transition(initialize, backup, Cause::Started));
    let silence = Cause::Silence { last: None, waited: Duration::from_millis(3609) };
    told.tell(transition(backup, active, silence));
    let down = Cause::Fault(FaultReason::LinkDown);
    told.tell(transition(active, router::State::Fault, down));
    let history = told.history(SystemTime::now());
    let story: Vec<_> = history["VI_1"].iter().map(|one| (one.to, one.why.as_str())).collect();
    assert_eq!(
        story,
        [
            (State::Backup, "it was started"),
            (State::Active, "nobody was heard for 3.61 s"),
            (State::Fault, "the interface is down"),
        ]
    );
    assert!(history["VI_1"].iter().all(|one| one.ago_seconds < 60.0 && !one.earlier_process));
    let counts = &told.counts()["VI_1"];
    assert!(counts.iter().any(|c| (c.to, &*c.reason, c.count) == (State::Fault, "link_down", 1)));
    assert_eq!(hooks.told().waiting, 3);
    assert!(told.journal_text().lines().count() == 3);
}

#[test]
fn an_instance_that_a_reload_removes_takes_its_counters_along() {
    let (told, hooks) = told("VI_1");
    told.tell(transition(router::State::Initialize, router::State::Backup, Cause::Started));
    let waiting = hooks.told().waiting;
    told.configure(settings("other"));
    assert!(told.counts().is_empty());
    told.tell(transition(router::State::Backup, router::State::Initialize, Cause::Stopped));
    assert_eq!(hooks.told().waiting, waiting + 1, "its hook still hears of its end");
    assert!(told.journal_text().contains("VI_1"), "what was is not forgotten");
}

#[test]
fn a_group_s_hook_hears_of_the_group_alone() {
    let mut settings = settings("VI_1");
    settings.routers.groups = vec![Group { name: "g".into(), members: vec!["VI_1".into()] }];
    settings.hooks[0].subject = HookSubject::Group("g".into());
    let hooks = Hooks::default();
    let told = Told::new(settings, Journal::default(), hooks.clone(), Arc::new(|_| {}));
    let (initialize, backup) = (router::State::Initialize, router::State::Backup);
    told.tell(transition(initialize, backup, Cause::Started));
    assert_eq!(hooks.told().waiting, 1);
    told.tell(transition(backup, backup, Cause::Group));
    assert_eq!(hooks.told().waiting, 1, "the group is what it was");
    told.configure(self::settings("other"));
    told.tell(transition(backup, initialize, Cause::Stopped));
    assert_eq!(hooks.told().waiting, 2, "one that a reload removed hears of its end");
}

#[test]
fn notices_are_kept_and_bounded() {
    let (told, _) = told("VI_1");
    for count in 0..100 {
        told.tell(Event::Driver(DriverNotice::EventsDropped { count }));
    }
    let notices = told.notices(Instant::now(), SystemTime::now());
    assert_eq!(notices.len(), NOTICES_MAX);
    assert_eq!(notices.last().unwrap().text, "99 events were dropped");
}
