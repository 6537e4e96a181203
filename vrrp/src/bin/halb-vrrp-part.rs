//! One part of a test in a process of its own: the guard, a daemon (`holder`) as far as its guard
//! can tell the difference, or a daemon with nothing but virtual routers.
//!
//! Each says in lines what happens. The holder is told by signals: `SIGTERM` to stop in good order,
//! `SIGUSR1` to stay in its next act for [`LONG_ACT`], `SIGUSR2` to take the address up again.

use std::env;
use std::error::Error;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use halb_vrrp::config::{
    Behaviour, ChecksumChoice, Delivery, Preempt, Protocol as Version, RouterConfig,
};
use halb_vrrp::driver::guard::{self, Leash};
use halb_vrrp::driver::{Event, GuardCommand, Options, Stopped, Vrrp};
use halb_vrrp::packet::{Advert, Body, ChecksumForm, GROUP_V4, PROTOCOL, VirtualAddresses};
use halb_vrrp::plan::{Farewell, Held, Plan};
use halb_vrrp::settings::{Instance, Placement, Settings};
use halb_vrrp::values::{BasePriority, Centiseconds, Priority, VrId};
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use socket2::{Domain, Protocol, Socket, Type};

const USAGE: &str = "usage: halb-vrrp-part guard \
                     | holder INTERFACE SOURCE ADDRESS LIMIT_MS REALTIME SOCKETS BALLAST_MIB \
                     | router INTERFACE PRIORITY ADDRESS CENTISECONDS";

/// Longer than any freeze limit of a test.
const LONG_ACT: Duration = Duration::from_millis(1500);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["guard"] => Ok(guard::run()?),
        ["holder", interface, source, address, limit_millis, realtime, sockets, ballast_mib] => {
            let holder = Holder {
                index: if_nametoindex(*interface)?,
                interface: (*interface).to_owned(),
                source: source.parse()?,
                address: address.parse()?,
                limit: Duration::from_millis(limit_millis.parse()?),
                realtime: NonZeroU8::new(realtime.parse()?),
            };
            hold(holder, sockets.parse()?, ballast_mib.parse()?)
        }
        ["router", interface, priority, address, centiseconds] => {
            let interval = Centiseconds::new(centiseconds.parse()?)?;
            let settings = settings(interface, priority.parse()?, address.parse()?, interval)?;
            route(settings)
        }
        _ => Err(USAGE.into()),
    }
}

fn command() -> GuardCommand {
    GuardCommand { program: "/proc/self/exe".into(), arguments: vec!["guard".into()] }
}

/// Runs the whole driver until `SIGTERM`, and says what state its router is in.
fn route(settings: Settings) -> Outcome<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let events = |event| match event {
        Event::Transition { transition, .. } => println!("{:?}", transition.to),
        Event::Driver(notice) => println!("{notice}"),
        Event::Notice { .. } | Event::Word { .. } => {}
    };
    let options = Options {
        guard: Some(command()),
        events: Arc::new(events),
        run_dir: env::temp_dir(),
        inherits: false,
    };
    let vrrp = Vrrp::start(settings, options)?;
    signals.wait()?;
    match vrrp.stop(LONG_ACT) {
        Stopped::Done => Ok(()),
        Stopped::Stuck => Err("the thread is stuck".into()),
    }
}

/// One router that doesn't take the address from a worse one.
fn settings(
    interface: &str,
    priority: u8,
    address: IpAddr,
    interval: Centiseconds,
) -> Outcome<Settings> {
    let router = RouterConfig::new(
        VrId::new(51)?,
        Version::V3 { interval, checksum: ChecksumChoice::Auto },
        VirtualAddresses::new(vec![address])?,
        Delivery::Multicast,
        Behaviour { preempt: Preempt::Never, ..Behaviour::default() },
    )?;
    let instance = Instance {
        name: Arc::from("VI_1"),
        interface: Arc::from(interface),
        router,
        priority: BasePriority::new(priority)?,
        source: None,
        placements: vec![Placement { address, prefix_len: 32, interface: None, label: None }],
        trackers: Vec::new(),
    };
    let (groups, instances) = (Vec::new(), vec![instance]);
    Ok(Settings { instances, groups, realtime: None, freeze_limit: None })
}

/// What the daemon's one virtual router is.
struct Holder {
    interface: String,
    index: u32,
    source: Ipv4Addr,
    address: Ipv4Addr,
    limit: Duration,
    /// Priority that the guard is to ask for; the daemon itself has none here.
    realtime: Option<NonZeroU8>,
}

/// What it is told.
enum Order {
    StayInAct,
    TakeUp,
    Stop,
}

fn hold(holder: Holder, sockets: usize, ballast_mib: usize) -> Outcome<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2] {
        signals.add(signal);
    }
    signals.thread_block()?;
    let (order, orders) = channel();
    let (ready, is_ready) = channel();
    let thread = thread::spawn(move || {
        // As the VRRP thread: nothing of what the process opens from now on is its own.
        let outcome = unshare(CloneFlags::CLONE_FILES).map_err(Box::from);
        let outcome = outcome.and_then(|()| run(&holder, &orders, &ready));
        if let Err(error) = outcome {
            println!("failed: {error}");
            std::process::exit(1);
        }
    });
    is_ready.recv()?;
    let _held = connections(sockets)?;
    let ballast = vec![1_u8; ballast_mib << 20];
    println!("holding {} MiB and {sockets} sockets", ballast.len() >> 20);
    loop {
        let signal = signals.wait()?;
        if signal == Signal::SIGTERM {
            break;
        }
        order.send(if signal == Signal::SIGUSR1 { Order::StayInAct } else { Order::TakeUp })?;
    }
    order.send(Order::Stop)?;
    thread.join().map_err(|_| "the thread panicked".into())
}

/// So many ends of connections, all in this process.
fn connections(sockets: usize) -> Outcome<Vec<TcpStream>> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    let mut held = Vec::with_capacity(sockets);
    while held.len() < sockets {
        held.push(TcpStream::connect(address)?);
        held.push(listener.accept()?.0);
    }
    Ok(held)
}

/// The thread: holds, beats, sends adverts with leave, and tells what happens.
fn run(holder: &Holder, orders: &Receiver<Order>, ready: &Sender<()>) -> Outcome<()> {
    let lock = nix::libc::MCL_CURRENT | nix::libc::MCL_FUTURE | nix::libc::MCL_ONFAULT;
    mlockall(MlockAllFlags::from_bits_retain(lock))?;
    let socket = socket(holder)?;
    let mut leash = Leash::new(Some(command()), holder.limit, holder.realtime)?;
    leash.publish(&holder.plan()?)?;
    ready.send(())?;
    let mut tending = Tending::default();
    let (mut holds, mut act_time) = (true, Duration::ZERO);
    loop {
        leash.beat();
        tending.tend(&mut leash);
        match orders.try_recv() {
            Ok(Order::StayInAct) => act_time = LONG_ACT,
            Ok(Order::TakeUp) => {
                leash.publish(&holder.plan()?)?;
                holds = true;
                println!("took up");
            }
            Ok(Order::Stop) => {
                println!("longest tend: {} us", tending.longest.as_micros());
                // With the plan in force, so that a guard that acted would be seen.
                leash.close();
                return Ok(());
            }
            Err(_) => {}
        }
        if holds && !act(holder, &leash, &socket, mem::take(&mut act_time))? {
            println!("revoked");
            holds = false;
            leash.publish(&Plan::default())?;
        }
        if leash.is_revoked() && !holds && leash.acknowledge(Instant::now()) {
            println!("acknowledged; {:?}", leash.report());
        }
        let mut fds: Vec<_> =
            leash.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
        poll(&mut fds, PollTimeout::try_from(leash.pace() / 2)?)?;
    }
}

/// Sends an advert, with leave, if there is leave.
fn act(holder: &Holder, leash: &Leash, socket: &Socket, takes: Duration) -> Outcome<bool> {
    let advert = holder.advert(Priority::new(100))?;
    let acted = leash.act(|| {
        if !takes.is_zero() {
            println!("in an act");
            thread::sleep(takes);
        }
        send(socket, &advert)
    });
    acted.map_or(Ok(false), |sent| sent.map(|()| true))
}

/// What becomes of the guard, and how long the thread is kept by it.
#[derive(Default)]
struct Tending {
    guard: Option<u32>,
    longest: Duration,
}

impl Tending {
    fn tend(&mut self, leash: &mut Leash) {
        let begun = Instant::now();
        let notice = leash.tend(begun);
        self.longest = self.longest.max(begun.elapsed());
        if let Some(notice) = notice {
            println!("{notice:?}");
        }
        let guard = leash.report().ready;
        if guard != self.guard {
            self.guard = guard;
            println!("guard {}", guard.unwrap_or_default());
        }
    }
}

fn socket(holder: &Holder) -> Outcome<Socket> {
    let protocol = Protocol::from(i32::from(PROTOCOL));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    socket.bind_device(Some(holder.interface.as_bytes()))?;
    socket.set_multicast_ttl_v4(255)?;
    socket.set_multicast_loop_v4(false)?;
    socket.bind(&SocketAddr::from((holder.source, 0)).into())?;
    Ok(socket)
}

fn send(socket: &Socket, message: &[u8]) -> Outcome<()> {
    // What comes in is not for this part, and is not to fill its socket.
    while socket.recv_with_flags(&mut [MaybeUninit::uninit(); 1], nix::libc::MSG_DONTWAIT).is_ok() {
    }
    socket.send_to(message, &SocketAddr::from((GROUP_V4, 0)).into())?;
    Ok(())
}

impl Holder {
    fn plan(&self) -> Outcome<Plan> {
        let farewell = Farewell {
            interface: self.index,
            source: self.source.into(),
            destination: GROUP_V4.into(),
            message: self.advert(Priority::RELEASE)?,
        };
        let address = IpAddr::from(self.address);
        let held = Held { interface: self.index, address, prefix_len: 32 };
        Ok(Plan { farewells: vec![farewell], addresses: vec![held] })
    }

    fn advert(&self, priority: Priority) -> Outcome<Vec<u8>> {
        let advert = Advert {
            vrid: VrId::new(51)?,
            priority,
            addresses: VirtualAddresses::new(vec![self.address.into()])?,
            body: Body::V3 {
                interval: Centiseconds::new(100)?,
                checksum: ChecksumForm::PseudoHeader,
            },
        };
        Ok(advert.message(self.source.into(), GROUP_V4.into()))
    }
}
