//! Packages as Kubernetes and the makers of containerd have them: of these names, with stand-ins or,
//! where there is one to be had, the real program inside.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use halb_stand_in::machine;

/// The version of Kubernetes that clusters begin with.
pub(crate) const KUBERNETES: &str = "1.36.4";

/// One of the next minor version.
pub(crate) const NEXT: &str = "1.37.2";

/// The version of the package with Debian's containerd in it.
pub(crate) const CONTAINERD: &str = "1.6.20";

/// One package, as a folder that becomes one.
struct Draft<'a> {
    name: &'a str,
    version: String,
    depends: &'a str,
    folder: PathBuf,
}

impl<'a> Draft<'a> {
    fn new(work: &Path, name: &'a str, version: &str, depends: &'a str) -> Self {
        let folder = work.join(name);
        fs::create_dir_all(folder.join("DEBIAN")).unwrap();
        Self { name, version: format!("{version}-1.1"), depends, folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn text(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn program(&self, path: &str, from: &Path) {
        let path = self.path(path);
        fs::copy(from, &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A script as a program; one of that name which is there makes room.
    fn script(&self, path: &str, text: &str) {
        self.text(path, text);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The package's file and its entry in a list of packages.
    fn build(self, pool: &Path) -> String {
        let Self { name, version, depends, folder } = self;
        let mut control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {}\nMaintainer: halb's tests\n",
            architecture()
        );
        if !depends.is_empty() {
            control.push_str(&format!("Depends: {depends}\n"));
        }
        control.push_str("Description: for tests\n");
        fs::write(folder.join("DEBIAN/control"), &control).unwrap();
        let file = format!("{name}_{version}_{}.deb", architecture());
        let path = pool.join(&file);
        let mut build = Command::new("dpkg-deb");
        build.args(["-Znone", "--root-owner-group", "--build"]).arg(&folder).arg(&path);
        run(&mut build);
        format!(
            "{control}Filename: ./{file}\nSize: {}\nSHA256: {}\n\n",
            fs::metadata(&path).unwrap().len(),
            sha256(&path)
        )
    }
}

/// Debian's word for this machine.
pub(crate) fn architecture() -> String {
    run(Command::new("dpkg").arg("--print-architecture")).trim().to_owned()
}

/// Runs something that must succeed; what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn sha256(path: &Path) -> String {
    let said = run(Command::new("sha256sum").arg(path));
    said.split(' ').next().unwrap().to_owned()
}

/// Kubernetes' packages of a version below a folder, and the list of them.
pub(crate) fn kubernetes(work: &Path, pool: &Path, version: &str) -> String {
    let own = work.join("stand-in");
    run(Command::new("strip").arg("-o").arg(&own).arg(std::env::current_exe().unwrap()));
    let kubelet = Draft::new(work, "kubelet", version, "kubernetes-cni (>= 1.2)");
    kubelet.program("usr/bin/kubelet", &own);
    kubelet.text(machine::KUBELET_VERSION, version);
    kubelet.text("usr/lib/systemd/system/kubelet.service", KUBELET_UNIT);
    let kubeadm = Draft::new(work, "kubeadm", version, "kubelet, kubectl, cri-tools");
    kubeadm.text(machine::VERSION, version);
    symlink("kubelet", kubeadm.path("usr/bin/kubeadm")).unwrap();
    // What is in etcd's image, for the client of containerd below.
    symlink("/usr/bin/kubelet", kubeadm.path("usr/share/stand-in/etcdutl")).unwrap();
    let kubectl = Draft::new(work, "kubectl", version, "");
    kubectl.program("usr/bin/kubectl", &real_kubectl());
    let tools = Draft::new(work, "cri-tools", version, "");
    let plugins = Draft::new(work, "kubernetes-cni", "1.7.1", "");
    [kubelet, kubeadm, kubectl, tools, plugins].map(|draft| draft.build(pool)).concat()
}

/// As in Kubernetes' own package.
const KUBELET_UNIT: &str = "[Unit]
Description=kubelet: The Kubernetes Node Agent
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
";

/// kubectl as it is installed here, for tests.
fn real_kubectl() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let peers = top.join("target/peers/bin/kubectl");
    let found = if peers.exists() {
        peers
    } else {
        PathBuf::from(run(Command::new("sh").args(["-c", "command -v kubectl"])).trim())
    };
    let path = fs::canonicalize(found).unwrap();
    let head = fs::read(&path).unwrap();
    assert!(head.starts_with(b"\x7fELF"), "{} is no program of its own", path.display());
    path
}

/// The package of containerd: Debian's own program, and its runc, as the vendor has them together.
pub(crate) fn containerd(work: &Path, pool: &Path) -> String {
    let draft = Draft::new(work, "containerd.io", CONTAINERD, "libseccomp2");
    let debian = debian_packages();
    for package in fs::read_dir(debian).unwrap() {
        let path = package.unwrap().path();
        let mut extract = Command::new("dpkg-deb");
        run(extract.arg("--extract").arg(path).arg(&draft.folder));
    }
    draft.script("usr/bin/ctr", CTR);
    // The vendor's package comes with its interface for kubelet switched off.
    draft.text("etc/containerd/config.toml", "disabled_plugins = [\"cri\"]\n");
    draft.text("DEBIAN/conffiles", "/etc/containerd/config.toml\n");
    draft.build(pool)
}

/// Instead of containerd's client, as kubeadm's stand-in: it looks for the runtime and asks the
/// registry whether it is one. There are no images to be pulled, and of what is in them etcdutl runs.
const CTR: &str = r#"#!/bin/sh
case $* in
"--namespace=k8s.io images ls -q") exit ;;
"--namespace=k8s.io run --rm --mount type=bind,src=/var/lib/etcd,dst=/var/lib/etcd,options=rbind:rw "*" etcdutl "*)
    [ -S /run/containerd/containerd.sock ] || { echo "ctr: no containerd" >&2; exit 1; }
    while [ "$1" != etcdutl ]; do shift; done
    shift
    exec /usr/share/stand-in/etcdutl "$@"
    ;;
esac
[ "$#" = 5 ] && [ "$1 $2 $3 $4" = "--namespace=k8s.io images pull --hosts-dir=/etc/containerd/certs.d" ] ||
    { echo "ctr: what is $*" >&2; exit 1; }
[ -S /run/containerd/containerd.sock ] || { echo "ctr: no containerd" >&2; exit 1; }
curl -fsS -o /dev/null "http://${5%%/*}/v2/" && echo "unpacking $5" && echo "done"
"#;

/// A folder with Debian's packages of containerd and runc, fetched once.
fn debian_packages() -> PathBuf {
    let cache =
        std::env::var_os("HALB_CACHE").map_or_else(|| "/var/cache/halb".into(), PathBuf::from);
    let folder = cache.join("containerd-bookworm");
    let has = |name: &str| {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(name))
    };
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(cache.join("containerd-bookworm.lock")).unwrap();
    lock.lock().unwrap();
    if !has("containerd_") || !has("runc_") {
        // apt's own user may not write here; as root it says so and goes on.
        let mut fetch = Command::new("apt-get");
        fetch.args(["-qq", "-o", "APT::Sandbox::User=root", "download", "containerd", "runc"]);
        run(fetch.current_dir(&folder));
    }
    folder
}
