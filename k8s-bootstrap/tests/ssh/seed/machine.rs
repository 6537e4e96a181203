//! A Debian host as a root of its own: a few of this machine's programs, scripts in the place of
//! those that would change a kernel, a system or a cluster, and files for what they change.
//!
//! The scripts take just those words that plans use, and refuse what the real programs would refuse
//! at that moment. What isn't there isn't found: `kubeadm` before it is installed, for instance.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// This machine's programs that such a host has.
const REAL: &[&str] = &[
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cksum",
    "cmp",
    "cp",
    "cut",
    "date",
    "dirname",
    "env",
    "find",
    "flock",
    "grep",
    "head",
    "install",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "od",
    "paste",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "wc",
];

/// Scripts that a host begins with.
const BEGINS_WITH: &[&str] = &[
    "apt-get",
    "apt-mark",
    "df",
    "dpkg-query",
    "ip",
    "modprobe",
    "ss",
    "swapoff",
    "swapon",
    "sysctl",
    "systemctl",
    "systemd-run",
    "systemd-sysusers",
    "uname",
    "userdel",
];

/// Where the scripts are.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ssh/seed/tools");

/// What stands for the halb program.
pub(crate) fn program() -> Vec<u8> {
    fs::read(Path::new(TOOLS).join("halb")).unwrap()
}

/// Files of a bare host; its name and address are filled in.
const FILES: &[(&str, &str)] = &[
    (
        ".addresses",
        "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.2.15/24 scope global eth0\n3: eth1    inet @ADDRESS@/24 scope global eth1\n",
    ),
    ("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n"),
    ("etc/group", "root:x:0:\n"),
    ("etc/hostname", "@NAME@\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/machine-id", "@NAME@\n"),
    (
        "etc/os-release",
        "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\nPRETTY_NAME='Debian 12'\n",
    ),
    ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
    ("proc/cpuinfo", "processor : 0\nprocessor : 1\n"),
    ("proc/filesystems", "nodev\toverlay\n"),
    ("proc/meminfo", "MemTotal: 2048000 kB\n"),
    ("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"),
    ("proc/sys/net/ipv4/ip_forward", "0\n"),
    ("var/lib/dpkg/status", ""),
];

/// Folders of a bare host beside those of its files.
const FOLDERS: &[&str] = &[
    ".tools",
    ".usr",
    "cluster",
    "dev",
    "etc/systemd/enabled",
    "etc/systemd/masked",
    "run/active",
    "sys/fs/cgroup",
    "tmp",
    "usr/bin",
    "usr/lib",
];

/// Makes a host's root.
pub(crate) fn install(root: &Path, name: &str, address: &str) {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (path, text) in FILES {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("@NAME@", name).replace("@ADDRESS@", address)).unwrap();
    }
    // Programs find their libraries below /lib; /usr/lib is the host's own.
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink(".usr/lib", root.join("lib")).unwrap();
    symlink(".usr/lib64", root.join("lib64")).unwrap();
    for program in REAL {
        let here = fs::canonicalize(Path::new("/usr/bin").join(program)).unwrap();
        let there = Path::new("/.usr").join(here.strip_prefix("/usr").unwrap());
        symlink(there, root.join("usr/bin").join(program)).unwrap();
    }
    for tool in fs::read_dir(TOOLS).unwrap() {
        let tool = tool.unwrap();
        let path = root.join(".tools").join(tool.file_name());
        fs::copy(tool.path(), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for tool in BEGINS_WITH {
        symlink(Path::new("/.tools").join(tool), root.join("usr/bin").join(tool)).unwrap();
    }
    // containerd's socket, of which a shell can make none.
    drop(UnixListener::bind(root.join(".socket")).unwrap());
}

/// A host that runs: namespaces that its commands enter, and that end with all of them.
pub(crate) struct Machine {
    holder: Child,
}

/// Holds the namespaces, and collects what is left of ended commands, until whoever booted it is gone.
const HOLD: &str = r#"
mount --rbind /usr "$1/.usr" && mount --rbind /dev "$1/dev" && mount --bind "$2" "$1/cluster" || exit
echo ready
cat"#;

impl Machine {
    /// Boots it; `cluster` is what all API servers of its cluster serve.
    pub(crate) async fn boot(root: &Path, cluster: &Path) -> Self {
        let mut holder = Command::new("unshare")
            .args([
                "--map-root-user",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                HOLD,
                "sh",
            ])
            .args([root, cluster])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("ready"), "no host");
        Self { holder }
    }

    /// What runs a command on it.
    pub(crate) fn command(&self, root: &Path, line: &str) -> Command {
        let id = self.holder.id().expect("it runs");
        let mut command = Command::new("nsenter");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin")
            .args([&format!("--target={id}"), "--user", "--preserve-credentials", "--mount"])
            .arg(format!("--pid=/proc/{id}/ns/pid_for_children"))
            .arg("chroot")
            .arg(root)
            .args(["sh", "-c", line]);
        command
    }

    /// Takes its power away: whatever runs is gone, and so is what lasts until a reboot only.
    pub(crate) async fn end(mut self, root: &Path) {
        self.holder.kill().await.unwrap();
        fs::remove_dir_all(root.join("run")).unwrap();
        fs::create_dir_all(root.join("run/active")).unwrap();
    }
}
