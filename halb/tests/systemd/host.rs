//! A Debian host with its own systemd: an overlay on a debootstrapped root, in namespaces and
//! control groups of its own, with nothing but loopback for a network unless it is given one. It goes when it is dropped,
//! and its mounts go with its processes, however this process ends.

use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A host boots in about two seconds; a machine under load may take long.
const BOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// A host shuts down in about a second.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two looks at something that is awaited.
const POLL: Duration = Duration::from_millis(20);

/// A file system for a host that has yet to boot, and what the host will be part of.
pub(crate) struct Disk {
    root: PathBuf,
    work: TempDir,
    hostname: Option<String>,
    /// A file that leads to the network namespace; none for one of the host's own.
    network: Option<String>,
    /// A folder out here, and where the host has it.
    shared: Option<(PathBuf, String)>,
}

impl Disk {
    /// An empty layer on a Debian root, which is made when it isn't there: of this name, and with
    /// these packages beside what every Debian has.
    pub(crate) fn new(root: &str, packages: &[&str]) -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap();
        let suite =
            release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap();
        let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let script = folders.find_map(|folder| {
            Some(folder.join(".ci/debian-root")).filter(|script| script.exists())
        });
        let script = script.unwrap();
        let made = Command::new("bash").arg(script).args([suite, root]).args(packages).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let root = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
        let work = TempDir::new().unwrap();
        let disk = Self { root, work, hostname: None, network: None, shared: None };
        for folder in ["upper", "work", "merged"] {
            fs::create_dir(disk.work.path().join(folder)).unwrap();
        }
        disk
    }

    /// Puts a file onto the disk; `path` is absolute on the host.
    pub(crate) fn install(&self, path: &str, content: &[u8], mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.work.path().join("upper").join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Names the host, which several on one machine need.
    pub(crate) fn named(mut self, hostname: &str) -> Self {
        self.hostname = Some(hostname.to_owned());
        self
    }

    /// Puts the host into a network namespace that there is already.
    pub(crate) fn in_namespace(mut self, path: String) -> Self {
        self.network = Some(path);
        self
    }

    /// Gives the host a folder of this machine.
    pub(crate) fn sharing(mut self, folder: &Path, there: &str) -> Self {
        self.shared = Some((folder.to_owned(), there.to_owned()));
        self
    }

    /// Starts the host and waits until its systemd has come up.
    pub(crate) fn boot(self) -> Host {
        let mut host = self.launch();
        host.await_boot();
        host
    }

    /// Starts the host. It ends with the thread that calls this.
    pub(crate) fn launch(self) -> Host {
        let unique = format!("halb-test-{}", std::process::id());
        let name = match &self.hostname {
            Some(hostname) => format!("{unique}-{hostname}"),
            None => unique,
        };
        let hostname = self.hostname.as_ref().unwrap_or(&name);
        self.install("/etc/hostname", format!("{hostname}\n").as_bytes(), 0o644);
        let mut host = Host {
            groups: control_groups(&name),
            machine: None,
            init: 0,
            console: File::create(self.work.path().join("console")).unwrap(),
            disk: self,
            name,
        };
        host.start();
        host
    }

    fn path(&self, folder: &str) -> String {
        self.work.path().join(folder).display().to_string()
    }
}

/// A host that runs.
pub(crate) struct Host {
    disk: Disk,
    console: File,
    groups: Vec<PathBuf>,
    machine: Option<Child>,
    init: i32,
    /// What systemd-nspawn calls it, unique on this machine.
    name: String,
}

impl Host {
    fn start(&mut self) {
        let enter: String = self
            .groups
            .iter()
            .map(|group| format!("echo $$ >{}/cgroup.procs\n", group.display()))
            .collect();
        let merged = self.disk.path("merged");
        let network = match &self.disk.network {
            Some(path) => format!("--network-namespace-path={path}"),
            None => "--private-network".to_owned(),
        };
        let shared = self
            .disk
            .shared
            .as_ref()
            .map(|(folder, there)| format!("--bind={}:{there}", folder.display()));
        let script = format!(
            "set -e\n{enter}\
             mount -t overlay overlay -o lowerdir={},upperdir={},workdir={} {merged}\n\
             exec systemd-nspawn -q -D {merged} --boot --register=no --keep-unit --machine={} \
             --console=pipe {network} {} --capability=CAP_NET_ADMIN,CAP_IPC_LOCK \
             --kill-signal=SIGRTMIN+3",
            self.disk.root.display(),
            self.disk.path("upper"),
            self.disk.path("work"),
            self.name,
            shared.unwrap_or_default(),
        );
        let machine = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"])
            .args(["bash", "-c", &script])
            .stdin(Stdio::null())
            .stdout(self.console.try_clone().unwrap())
            .stderr(self.console.try_clone().unwrap())
            .spawn();
        self.machine = Some(machine.unwrap());
    }

    /// Pulls the plug.
    pub(crate) fn power_off(&mut self) {
        let _already_gone = kill(Pid::from_raw(self.init), Signal::SIGKILL);
        if let Some(mut machine) = self.machine.take() {
            let _reaped = machine.wait();
        }
    }

    /// Starts it again. What was on its disk is there.
    pub(crate) fn power_on(&mut self) {
        self.start();
        self.await_boot();
    }

    /// Pulls the plug, and starts it again.
    pub(crate) fn power_cycle(&mut self) {
        self.power_off();
        self.power_on();
    }

    /// Whether it runs; not if it was told to halt or reboot, which systemd-nspawn ends with.
    pub(crate) fn is_up(&self) -> bool {
        Path::new(&format!("/proc/{}", self.init)).exists()
    }

    /// Waits until its systemd has come up.
    pub(crate) fn await_boot(&mut self) {
        let machine = self.machine.as_ref().unwrap().id();
        let children = format!("/proc/{machine}/task/{machine}/children");
        self.await_true("the host to boot", BOOT_TIMEOUT, |host| {
            let born = fs::read_to_string(&children).unwrap_or_default();
            let Some(init) = born.split_whitespace().last() else { return false };
            host.init = init.parse().unwrap();
            let state = host.command(["systemctl", "is-system-running"]).output().unwrap();
            matches!(state.stdout.trim_ascii(), b"running" | b"degraded")
        });
        if self.disk.network.is_some() {
            // systemd-nspawn lets a host change settings only of a network that it made itself.
            let settings = "/proc/sys/net";
            self.ok(&["mount", "--bind", settings, settings]);
            self.ok(&["mount", "-o", "remount,bind,rw", settings]);
        }
    }

    /// Looks until `condition` holds; panics with the console when it takes too long.
    pub(crate) fn await_true(
        &mut self,
        what: &str,
        timeout: Duration,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) {
        let deadline = Instant::now() + timeout;
        while !condition(self) {
            let console = || fs::read_to_string(self.disk.path("console")).unwrap_or_default();
            assert!(Instant::now() < deadline, "waited {timeout:?} for {what}\n{}", console());
            thread::sleep(POLL);
        }
    }

    /// Its first process, by which others may enter it.
    pub(crate) fn process(&self) -> i32 {
        self.init
    }

    /// A command on the host, as its root.
    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--all", "--"]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command on the host to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), &output.stderr);
        let errors = String::from_utf8_lossy(errors);
        assert!(output.status.success(), "{arguments:?}: {}\n{text}{errors}", output.status);
        text.into_owned()
    }

    /// Writes a file on the running host; `path` is absolute there.
    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        fs::write(format!("/proc/{}/root{path}", self.init), content).unwrap();
    }

    /// The value of a unit's property.
    pub(crate) fn property(&self, unit: &str, property: &str) -> String {
        self.ok(&["systemctl", "show", unit, "--value", "-p", property]).trim().to_owned()
    }

    /// Makes sockets in the host's network; they stay there wherever they are used.
    pub(crate) fn in_network<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.init)).unwrap();
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                make()
            });
            thread.join().unwrap()
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Some(mut machine) = self.machine.take() else { return };
        let pid = Pid::from_raw(i32::try_from(machine.id()).unwrap());
        let _already_gone = kill(pid, Signal::SIGTERM);
        let deadline = Instant::now() + SHUTDOWN_TIMEOUT;
        while matches!(machine.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        let _already_gone = machine.kill();
        let _reaped = machine.wait();
        for group in self.groups.iter().rev() {
            remove_group(group);
        }
    }
}

/// Control groups of the host's own, in each hierarchy that systemd uses: without them it would
/// share those of whoever runs the test, and kill by them.
fn control_groups(name: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hybrid = ["systemd", "unified"].map(|hierarchy| top.join(hierarchy));
    let hierarchies: Vec<_> = hybrid.into_iter().filter(|path| path.is_dir()).collect();
    let hierarchies = if hierarchies.is_empty() { vec![top.to_owned()] } else { hierarchies };
    let groups: Vec<_> = hierarchies.into_iter().map(|path| path.join(name)).collect();
    for group in &groups {
        fs::create_dir(group).unwrap();
    }
    groups
}

/// Removes a control group and those below it; the kernel may take a moment to find them empty.
fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    while fs::remove_dir(group).is_err() && group.exists() && Instant::now() < deadline {
        thread::sleep(POLL);
    }
}
