//! The thread within its process.

use std::fs::{self, File};
use std::net::TcpListener;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::{Lab, eventually};
use halb_vrrp::driver::{DriverNotice, Event, GuardSnapshot, Scheduling};
use halb_vrrp::settings::Settings;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{Node, PATIENCE, instance, paced, pair, settings, settle_on};

/// Descriptors that the process has open when it starts the thread.
const DESCRIPTORS: usize = 10_000;

/// What the thread opens itself: a few sockets per interface.
const OWN_MAX: usize = 40;

fn threads() -> Vec<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    tasks
        .filter(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "halb-vrrp\n")
        })
        .collect()
}

#[test]
#[ignore = "needs root"]
fn the_thread_holds_none_of_the_descriptors_of_the_process() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let open: Vec<_> = (0..DESCRIPTORS).map(|_| File::open("/dev/null").unwrap()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap();
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(settings(instance(200)));
    settle_on(&one, &[]);
    let threads = threads();
    assert!(!threads.is_empty());
    for thread in threads {
        let count = fs::read_dir(thread.join("fd")).unwrap().count();
        assert!(count < OWN_MAX, "{count}");
    }
    drop(listener);
    TcpListener::bind(port).expect("the thread doesn't keep the port");
    drop(open);
}

#[test]
#[ignore = "needs root"]
fn a_guard_that_dies_is_replaced_and_the_address_stays() {
    let (_lab, one, two) = pair();
    one.transitions();
    let guard = || match one.vrrp().handle().snapshot().thread.guard {
        GuardSnapshot::Alive { pid, replaced } => Some((pid, replaced)),
        GuardSnapshot::None | GuardSnapshot::Dead { .. } => None,
    };
    let (pid, _) = eventually("there is a guard", PATIENCE, guard);
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
    eventually("there is another one", PATIENCE, || {
        guard().filter(|(other, replaced)| *other != pid.as_raw().unsigned_abs() && *replaced == 1)
    });
    one.event(|event| match event {
        Event::Driver(DriverNotice::GuardReplaced) => Some(()),
        Event::Driver(_) | Event::Transition { .. } | Event::Notice { .. } | Event::Word { .. } => {
            None
        }
    });
    settle_on(&one, &[&two]);
    assert!(one.transitions().is_empty());
}

#[test]
#[ignore = "needs root"]
fn adverts_are_on_time_while_all_cores_are_busy() {
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut two = Node::new(&lab, "two", "172.16.16.52/24");
    one.start(paced(5, instance(200)));
    two.start(paced(5, instance(100)));
    settle_on(&one, &[&two]);
    one.transitions();
    two.transitions();
    let until = Instant::now() + Duration::from_secs(5);
    let cores = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for _ in 0..2 * cores {
            scope.spawn(|| while Instant::now() < until {});
        }
    });
    let (one_moved, two_moved) = (one.transitions(), two.transitions());
    assert!(one_moved.is_empty() && two_moved.is_empty(), "{one_moved:?} {two_moved:?}");
    let lateness = one.view().lateness;
    let in_time = lateness.buckets().filter(|(bound, _)| bound.as_millis() <= 1);
    let in_time: u64 = in_time.map(|(_, count)| count).sum();
    assert!(lateness.count() >= 90 && in_time * 10 >= lateness.count() * 9, "{lateness:?}");
}

/// Policy and priority of the thread as the kernel has them; proc(5), fields 41 and 40.
fn kernel_schedules() -> (u8, u8) {
    let threads = threads();
    assert_eq!(threads.len(), 1, "{threads:?}");
    let stat = fs::read_to_string(threads[0].join("stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let number = |index| rest.split(' ').nth(index).unwrap().parse().unwrap();
    (number(38), number(37))
}

const USUAL: (u8, u8) = (0, 0);
const FIFO: u8 = 1;

/// In a cgroup without a budget the kernel refuses it to root, too.
fn kernel_grants(priority: u8) -> bool {
    let chrt = Command::new("chrt").args(["--fifo", &priority.to_string(), "true"]).output();
    chrt.expect("chrt is there").status.success()
}

#[test]
#[ignore = "needs root"]
fn real_time_scheduling_is_had_where_the_kernel_grants_it_and_else_the_interval_is_told() {
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut wanted = settings(instance(200));
    wanted.realtime = NonZeroU8::new(20);
    one.start(wanted);
    settle_on(&one, &[]);
    let scheduling = one.vrrp().handle().snapshot().thread.scheduling.clone();
    if kernel_grants(20) {
        assert_eq!((scheduling, kernel_schedules()), (Scheduling::Fifo(20), (FIFO, 20)));
    } else {
        let told = one.event(|event| match event {
            Event::Driver(DriverNotice::RealtimeRefused { why, interval }) => Some((why, interval)),
            Event::Driver(_)
            | Event::Transition { .. }
            | Event::Notice { .. }
            | Event::Word { .. } => None,
        });
        assert_eq!((&scheduling, kernel_schedules()), (&Scheduling::Refused(told.0), USUAL));
        assert_eq!(told.1, Duration::from_millis(100));
    }
    let changes = one.apply(Settings { realtime: None, ..settings(instance(200)) });
    assert_eq!(changes, ["realtime priority 20 -> none"]);
    assert_eq!(one.vrrp().handle().snapshot().thread.scheduling, Scheduling::Normal);
    assert_eq!(kernel_schedules(), USUAL);
}
