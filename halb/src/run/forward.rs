//! Kernel forwarding within the daemon: what the kernel is told follows from the configuration,
//! from verdicts and orders, and from which addresses this node holds.
//!
//! ```text
//!  verdicts, orders ──look──▶ ┌─────────┐ ──table──▶ ┌────────────────┐
//!  virtual IP's role ──hold─▶ │ Forward │ ──held───▶ │ thread forward │──▶ kernel
//!  reload ──────────apply───▶ └─────────┘ ◀─Status── └────────────────┘──▶ log
//!  peer link ◀────────────────────copies of connections───────▶
//! ```

mod memory;
mod told;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use halb_config::settings::Forwarded;
use halb_forward::driver::{self, Handle, StopHow};
use halb_forward::table::{Standing, Table};
use halb_healthcheck::health::Verdict;
use halb_lb::config::{Backend, Config};
use halb_lb::names::ServerRef;
use halb_lb::snapshot::{Admin, BackendSnapshot, ServerSnapshot, Snapshot};
use tracing::{error, info};

use self::memory::Memory;
use crate::status::forward::View;

/// Takes what is for the other balancer; returns at once.
pub(super) type Copy = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What the kernel forwards for this daemon; it may be nothing.
pub(super) struct Forward {
    copy: Copy,
    memory: Memory,
    running: Mutex<Option<Running>>,
    /// As in `running`, without a lock.
    is_on: AtomicBool,
    /// What was last said of servers.
    standings: Mutex<Standings>,
}

/// Whether a server takes connections, and its share; bounded by the configuration.
type Standings = HashMap<ServerRef, (Standing, u16)>;

struct Running {
    handle: Handle,
    forwarded: Vec<Forwarded>,
    backends: Vec<Backend>,
    /// What the thread was told last.
    table: Table,
    held: Vec<IpAddr>,
}

impl Forward {
    /// Forwards nothing before the first [`Forward::apply`]; copies of connections will go to `copy`,
    /// and what settings of the kernel were is kept in `state_dir`.
    pub(super) fn new(copy: Copy, state_dir: &Path) -> Self {
        Self {
            copy,
            memory: Memory::new(state_dir),
            running: Mutex::default(),
            is_on: AtomicBool::new(false),
            standings: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, running: Option<Running>) -> Option<Running> {
        let mut slot = self.running();
        self.is_on.store(running.is_some(), Ordering::Relaxed);
        std::mem::replace(&mut *slot, running)
    }

    /// Anything is forwarded.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// The kernel has the rules that it should have.
    pub(super) fn is_applied(&self) -> bool {
        self.running().as_ref().is_some_and(|running| running.handle.status().is_applied)
    }

    /// Tells the kernel which addresses this node holds, if that has changed.
    pub(super) fn hold(&self, addresses: &[(IpAddr, bool)]) {
        let mut running = self.running();
        let Some(running) = running.as_mut() else { return };
        let held = held(&running.table, addresses);
        if held != running.held {
            running.held.clone_from(&held);
            running.handle.set_held(held);
        }
    }

    /// Tells the kernel who serves, if that has changed. `verdict` is the checks' on a server.
    pub(super) fn look(
        &self,
        snapshot: &Snapshot,
        verdict: impl Fn(&BackendSnapshot, &ServerSnapshot) -> Verdict,
    ) {
        let of_backend = |backend: &BackendSnapshot| {
            let servers = backend.servers.iter().filter(|server| !server.removed);
            let said = servers.map(|server| {
                let name = ServerRef { backend: backend.name.clone(), server: server.name.clone() };
                (name, (standing(server.admin, verdict(backend, server)), server.weight))
            });
            said.collect::<Vec<_>>()
        };
        let standings: Standings = snapshot.backends.iter().flat_map(of_backend).collect();
        let mut running = self.running();
        if let Some(running) = running.as_mut() {
            running.tell(&standings);
        }
        drop(running);
        *self.standings.lock().unwrap_or_else(PoisonError::into_inner) = standings;
    }

    /// Puts settings into force, and says what changed in words: what the kernel holds of a daemon
    /// before is adopted where it fits. `lb` says where servers are by now; `addresses` are those of virtual routers, and whether this
    /// node holds them. Other verdicts follow with the next look. Waits for the kernel, for some
    /// milliseconds.
    ///
    /// # Errors
    /// The kernel can't forward; what it did before it goes on with.
    pub(super) fn apply(
        &self,
        forwarded: &[Forwarded],
        lb: &Config,
        addresses: &[(IpAddr, bool)],
    ) -> anyhow::Result<Vec<String>> {
        let mut running = self.running();
        match (running.as_mut(), forwarded.is_empty()) {
            (None, true) => {
                self.clear();
                Ok(Vec::new())
            }
            (None, false) => {
                drop(running);
                self.set(Some(self.begin(forwarded, lb, addresses)?));
                Ok(vec!["the kernel forwards from now on".to_owned()])
            }
            (Some(_), true) => {
                drop(running);
                self.stop();
                Ok(vec!["the kernel forwards nothing any more".to_owned()])
            }
            (Some(running), false) => {
                let mut changes = Vec::new();
                for one in forwarded.iter().filter(|one| !running.forwarded.contains(one)) {
                    changes.push(format!("the kernel forwards frontend {} anew", one.name));
                }
                let names: Vec<_> = forwarded.iter().map(|one| &one.name).collect();
                for one in running.forwarded.iter().filter(|one| !names.contains(&&one.name)) {
                    changes.push(format!("the kernel forwards frontend {} no more", one.name));
                }
                running.forwarded = forwarded.to_vec();
                running.backends = lb.backends().to_vec();
                Ok(changes)
            }
        }
    }

    fn begin(
        &self,
        forwarded: &[Forwarded],
        lb: &Config,
        addresses: &[(IpAddr, bool)],
    ) -> anyhow::Result<Running> {
        let (forwarded, backends) = (forwarded.to_vec(), lb.backends().to_vec());
        let standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let table = table(&forwarded, &backends, &standings)?;
        drop(standings);
        let changed = self.memory.recall().unwrap_or_default();
        // That there is something to clear up is known from now on.
        self.memory.keep(&changed);
        let settings = driver::Settings { table: table.clone(), epoch: epoch(), changed };
        let teller = told::teller(Arc::clone(&self.copy), self.memory.clone());
        let handle = driver::start(settings, teller)
            .context("can't let the kernel forward (without: forward = \"proxy\")")?;
        told::tell_settings(&handle.status().settings);
        let held = held(&table, addresses);
        handle.set_held(held.clone());
        Ok(Running { handle, forwarded, backends, table, held })
    }

    /// The other balancer copied connections to this one. Returns at once.
    pub(super) fn deliver(&self, flows: Vec<u8>) {
        if let Some(running) = self.running().as_ref() {
            running.handle.deliver(flows);
        }
    }

    /// What the status tells; none: nothing is forwarded.
    pub(super) fn view(&self) -> Option<View> {
        let running = self.running();
        let running = running.as_ref()?;
        Some(View {
            status: running.handle.status(),
            forwarded: running.forwarded.clone(),
            held: running.held.clone(),
        })
    }

    /// Lets another daemon go on with the rules as they are.
    pub(super) fn leave(&self) {
        if let Some(running) = self.set(None) {
            running.handle.stop(StopHow::LeaveTable);
        }
    }

    /// Takes the rules away, and puts the kernel's settings back.
    pub(super) fn stop(&self) {
        if let Some(running) = self.set(None) {
            running.handle.stop(StopHow::RemoveTable);
            self.memory.forget();
            info!("the kernel forwards nothing any more");
        }
    }

    /// Takes away what a daemon left that was killed, where the configuration has no more use for it.
    fn clear(&self) {
        let Some(changed) = self.memory.recall() else { return };
        match driver::clear(&changed) {
            Ok(()) => {
                self.memory.forget();
                info!("the rules of kernel forwarding that a daemon before this one left are gone");
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                error!("a daemon before this one left rules of kernel forwarding: {error:#}");
            }
        }
    }
}

impl Running {
    /// Tells the thread who serves, if that has changed.
    fn tell(&mut self, standings: &Standings) {
        match table(&self.forwarded, &self.backends, standings) {
            Ok(table) if table != self.table => {
                self.table = table.clone();
                self.handle.set_table(table);
            }
            Ok(_) => {}
            // A checked configuration fits, whoever is up.
            Err(error) => error!("the kernel is not told who serves: {error:#}"),
        }
    }
}

fn table(
    forwarded: &[Forwarded],
    backends: &[Backend],
    standings: &Standings,
) -> anyhow::Result<Table> {
    let is_reachable = |server: SocketAddr| {
        let leads_back = forwarded.iter().any(|one| one.binds.contains(&server));
        !leads_back && !server.ip().is_loopback()
    };
    let frontend = |one: &Forwarded| {
        let backend = backends.iter().find(|backend| backend.name == one.backend)?;
        let mut frontend = one.frontend(backend, |server| {
            let name = ServerRef { backend: backend.name.clone(), server: server.name.clone() };
            // As checks begin: who isn't known to be down serves.
            let unknown = (Standing::Serving, server.weight.get());
            standings.get(&name).copied().unwrap_or(unknown)
        });
        // Written addresses were checked, and what a name stands for may be anything.
        frontend.servers.retain(|server| is_reachable(server.address));
        Some(frontend)
    };
    Ok(Table::new(forwarded.iter().filter_map(frontend).collect())?)
}

fn standing(admin: Admin, verdict: Verdict) -> Standing {
    match (admin, verdict) {
        (Admin::Ready, Verdict::Up) => Standing::Serving,
        (Admin::Drain, Verdict::Up) => Standing::Draining,
        (Admin::Maint, Verdict::Up)
        | (Admin::Ready | Admin::Drain | Admin::Maint, Verdict::Down) => Standing::Down,
    }
}

/// Forwarded addresses whose packets come here: virtual ones that this node holds, and those that
/// no virtual router has, which are routed here.
fn held(table: &Table, addresses: &[(IpAddr, bool)]) -> Vec<IpAddr> {
    let is_held = |address: &IpAddr| {
        let mut virtual_ones = addresses.iter().filter(|(one, _)| one == address).peekable();
        virtual_ones.peek().is_none() || virtual_ones.any(|(_, is_held)| *is_held)
    };
    table.addresses().into_iter().filter(is_held).collect()
}

/// Tells this start from others of this node.
fn epoch() -> u32 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.unwrap_or_default().subsec_nanos() ^ std::process::id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::samples;

    const FILE: &str = "[frontend.kubernetes]\nforward = \"kernel\"\n\
                        bind = [\"10.0.0.100:6443\", \"10.0.0.50:6443\"]\nbackend = \"masters\"\n\
                        [backend.masters]\ncheck = false\n[backend.masters.server]\n\
                        kmaster1 = \"10.0.0.1:6443\"\nkmaster2 = \"10.0.0.2:6443\"\n";

    fn all_serving() -> Table {
        let settings = halb_config::parse(FILE, "test.toml").unwrap().settings;
        table(&settings.forwarded, settings.lb.backends(), &Standings::new()).unwrap()
    }

    #[test]
    fn orders_and_verdicts_say_who_takes_connections() {
        use {Admin::*, Verdict::*};
        for (admin, verdict, expected) in [
            (Ready, Up, Standing::Serving),
            (Ready, Down, Standing::Down),
            (Drain, Up, Standing::Draining),
            (Drain, Down, Standing::Down),
            (Maint, Up, Standing::Down),
        ] {
            assert_eq!(standing(admin, verdict), expected, "{admin:?} {verdict:?}");
        }
    }

    #[test]
    fn an_address_is_held_with_its_virtual_router_or_always() {
        let [own, virtual_one]: [IpAddr; 2] =
            ["10.0.0.50", "10.0.0.100"].map(|a| a.parse().unwrap());
        let held = |addresses: &[(IpAddr, bool)]| held(&all_serving(), addresses);
        assert_eq!(held(&[]), [own, virtual_one]);
        assert_eq!(held(&[(virtual_one, false)]), [own]);
        assert_eq!(held(&[(virtual_one, false), (virtual_one, true)]), [own, virtual_one]);
    }

    #[test]
    fn a_daemon_that_forwards_nothing_asks_the_kernel_for_nothing() {
        let settings = halb_config::parse(&FILE.replace("kernel", "proxy"), "test.toml").unwrap();
        let copy = Arc::new(|_: &[u8]| panic!("there is nothing to copy"));
        let forward = Forward::new(copy, Path::new("/nonexistent"));
        let settings = settings.settings;
        let applied = forward.apply(&settings.forwarded, &settings.lb, &[]);
        assert_eq!(applied.unwrap(), Vec::<String>::new());
        forward.look(&samples::all_fine().snapshot, |_, _| Verdict::Up);
        forward.hold(&[]);
        forward.deliver(Vec::new());
        forward.leave();
        forward.stop();
        assert!(!forward.is_on() && !forward.is_applied() && forward.view().is_none());
    }

    #[test]
    fn a_name_gets_connections_once_it_stands_for_another_host() {
        let file = FILE.replace("\"10.0.0.2:6443\"", "\"two.example:6443\"");
        let settings = halb_config::parse(&file, "test.toml").unwrap().settings;
        let servers = |address: Option<&str>| {
            let (lb, _) = settings.with_addresses(|_| address.map(|one| one.parse().unwrap()));
            let table = table(&settings.forwarded, lb.backends(), &Standings::new()).unwrap();
            let servers = &table.frontends()[0].servers;
            servers.iter().map(|server| server.address.to_string()).collect::<Vec<_>>()
        };
        let first = "10.0.0.1:6443";
        assert_eq!(servers(None), [first]);
        assert_eq!(servers(Some("10.0.0.2")), [first, "10.0.0.2:6443"]);
        assert_eq!(servers(Some("10.0.0.100")), [first], "clients would come back here");
        assert_eq!(servers(Some("127.0.0.1")), [first], "nobody else's packets get there");
    }

    #[test]
    fn what_was_said_of_servers_is_what_the_kernel_begins_with() {
        let forward = Forward::new(Arc::new(|_: &[u8]| {}), Path::new("/nonexistent"));
        let mut sample = samples::all_fine();
        sample.server(1).admin = Admin::Drain;
        forward.look(&sample.snapshot, |_, server| match server.name.as_str() {
            "kmaster1" => Verdict::Down,
            _ => Verdict::Up,
        });
        let settings = halb_config::parse(FILE, "test.toml").unwrap().settings;
        let standings = forward.standings.lock().unwrap();
        let table = table(&settings.forwarded, settings.lb.backends(), &standings).unwrap();
        let servers = &table.frontends()[0].servers;
        let standings: Vec<_> = servers.iter().map(|server| server.standing).collect();
        assert_eq!(standings, [Standing::Down, Standing::Draining]);
    }
}
