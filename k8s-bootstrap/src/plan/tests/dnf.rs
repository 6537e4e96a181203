//! The packages of an EL node, by dnf itself, from signed repositories that the test makes: by dnf 4
//! of this machine, or by dnf 5 of a root that `HALB_DNF5_ROOT` names.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, thread};

use tempfile::TempDir;

use super::super::{Act, Step};
use super::world::World;
use crate::facts::{self, Clock, PackageManager};
use crate::inventory::example::HIGHLY_AVAILABLE;
use crate::shell;

/// The host that packages are installed on.
const HOST: &str = "kworker01";

/// Steps that bring packages.
const STEPS: [&str; 5] =
    ["kubernetes-key", "containerd-key", "kubernetes-source", "containerd-source", "packages"];

/// Versions in the repository of Kubernetes: an older one, the one that is wanted, a newer one.
const VERSIONS: [&str; 3] = ["1.36.3", "1.36.4", "1.36.5"];

/// The root of a system with dnf 5, if that is to be tried.
fn dnf5_root() -> Option<PathBuf> {
    std::env::var_os("HALB_DNF5_ROOT").map(PathBuf::from)
}

/// Which dnf is tried, and its word for taking excluded packages.
fn tried() -> (PackageManager, &'static str) {
    match dnf5_root() {
        Some(_) => (PackageManager::Dnf5, "--setopt=disable_excludes=halb-kubernetes"),
        None => (PackageManager::Dnf4, "--disableexcludes=halb-kubernetes"),
    }
}

/// Signed repositories, and who serves them.
struct Repositories {
    folder: TempDir,
    address: SocketAddr,
    fingerprint: String,
}

fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn said(output: &Output) -> String {
    let [out, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{}\n{out}{errors}", output.status)
}

impl Repositories {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        let machine = ok(Command::new("uname").arg("-m"));
        let containerd = format!("srv/centos/9/{}/stable", machine.trim());
        let (kubernetes, containerd) = (at("srv/v1.36/rpm"), at(&containerd));
        for version in VERSIONS {
            let along = [("cri-tools", "1.36.0"), ("kubernetes-cni", "1.8.0")];
            let own = ["kubectl", "kubelet"].map(|name| (name, version));
            build(folder.path(), &kubernetes, ("kubeadm", version), &[own, along].concat());
        }
        for version in ["1.7.30", "2.2.1"] {
            build(folder.path(), &containerd, ("containerd.io", version), &[]);
        }
        let (fingerprint, key) = make_key(&at("keys"), "packages");
        for repository in [&kubernetes, &containerd] {
            sign(&at("keys"), repository);
            ok(Command::new("createrepo_c").arg("--quiet").arg(repository));
        }
        fs::write(kubernetes.join("repodata/repomd.xml.key"), &key).expect("written");
        fs::write(at("srv/centos/gpg"), &key).expect("written");
        let address = serve(at("srv"));
        Self { folder, address, fingerprint }
    }

    /// Hosts whose packages come from here, signed with a key of this fingerprint.
    fn world(&self, fingerprint: &str) -> World {
        let at = format!("http://{}", self.address);
        let packages = format!(
            "packages: {{kubernetes: '{at}', containerd: '{at}', kubernetesKey: {fingerprint}, \
             containerdKey: {fingerprint}}}\n"
        );
        let mut world = World::bare(&format!("{HIGHLY_AVAILABLE}\n{packages}"), "el9");
        world.facts_of(HOST).package_manager = Some(tried().0);
        world
    }

    /// Runs a script where dnf, rpm and /etc are its own, and apt isn't there.
    fn run(&self, script: &str) -> Output {
        let place = self.folder.path().join("host");
        fs::create_dir_all(&place).expect("made");
        let script = format!(
            "mount --bind /dev/null /usr/bin/apt-get\nmkdir -p /etc/yum.repos.d\n\
             export LC_ALL=C\n{script}"
        );
        let around = match dnf5_root() {
            Some(root) => inside(&root, &script),
            None => beside(&script),
        };
        let outside = format!("set -eu\nplace={}\nmount -t tmpfs none $place\n", place.display());
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &(outside + &around)]);
        command.output().expect("unshare runs")
    }
}

/// A script on a layer over what of this machine dnf changes.
fn beside(script: &str) -> String {
    format!(
        "for top in etc var; do\n\
         mkdir -p $place/$top/new $place/$top/work\n\
         mount -t overlay -o lowerdir=/$top,upperdir=$place/$top/new,workdir=$place/$top/work \
         none /$top\n\
         done\n\
         mkdir -p $place/home\nexport HOME=$place/home\n{script}"
    )
}

/// A script on a layer over another system, whose dnf is called as it is where there is no other.
fn inside(root: &Path, script: &str) -> String {
    let script = format!("set -eu\nln -sf dnf5 /usr/bin/dnf\nexport HOME=/root\n{script}");
    format!(
        "mkdir $place/new $place/work $place/root\n\
         mount -t overlay -o lowerdir={},upperdir=$place/new,workdir=$place/work none $place/root\n\
         mount -t proc none $place/root/proc\nmount --bind /dev $place/root/dev\n\
         exec chroot $place/root sh -c {}",
        root.display(),
        shell::quote(&script),
    )
}

/// Packages without content, of one source: a main one and others, by name and version.
fn build(top: &Path, into: &Path, (name, version): (&str, &str), others: &[(&str, &str)]) {
    let words = "Summary: A stand-in\n";
    let mut spec = format!(
        "Name: {name}\nVersion: {version}\nRelease: 150500.1.1\nLicense: Apache-2.0\n\
         BuildArch: noarch\n{words}%description\nA stand-in.\n%files\n"
    );
    for (name, version) in others {
        let _ = write!(
            spec,
            "%package -n {name}\nVersion: {version}\n{words}%description -n {name}\nA stand-in.\n\
             %files -n {name}\n"
        );
    }
    fs::create_dir_all(into).expect("made");
    let path = top.join("package.spec");
    fs::write(&path, spec).expect("written");
    let define = |name: &str, value: &Path| format!("{name} {}", value.display());
    ok(Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--define", &define("_topdir", &top.join("build"))])
        .args([
            "--define",
            &define("_rpmdir", into),
            "--define",
            "_rpmfilename %%{NAME}-%%{VERSION}.rpm",
        ])
        .arg(&path));
}

/// A key of its own: its fingerprint, and the public half as a file holds it.
fn make_key(home: &Path, name: &str) -> (String, String) {
    fs::create_dir_all(home).expect("made");
    ok(Command::new("chmod").arg("700").arg(home));
    let gpg = |arguments: &[&str]| {
        ok(Command::new("gpg")
            .arg("--homedir")
            .arg(home)
            .args(["--batch", "--quiet"])
            .args(arguments))
    };
    gpg(&["--passphrase", "", "--quick-generate-key", name, "rsa2048", "sign", "never"]);
    let listed = gpg(&["--with-colons", "--fingerprint", name]);
    let line = listed.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
    let fingerprint = line.split(':').nth(9).expect("its tenth field").to_owned();
    (fingerprint, gpg(&["--armor", "--export", name]))
}

fn sign(keys: &Path, repository: &Path) {
    let packages = fs::read_dir(repository).expect("readable");
    let packages = packages.map(|entry| entry.expect("readable").path());
    ok(Command::new("rpmsign")
        .args(["--define", "_gpg_name packages", "--define", "__gpg /usr/bin/gpg", "--define"])
        .arg(format!("_gpg_path {}", keys.display()))
        .arg("--addsign")
        .args(packages)
        .env("GNUPGHOME", keys));
}

/// Serves files for as long as the test lives.
fn serve(folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let folder = folder.clone();
            thread::spawn(move || answer(&folder, stream));
        }
    });
    address
}

/// One request. Who asks may have gone.
fn answer(folder: &Path, mut stream: TcpStream) {
    let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let lines: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let (status, body) = match fs::read(folder.join(path.trim_start_matches('/'))) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// Steps as a script that carries them out, in order.
fn script(steps: &[Step]) -> String {
    let mut script = String::new();
    for step in steps {
        let line = match &step.act {
            Act::Run { command } | Act::RunDetached { command, .. } => shell::join(&command.argv),
            Act::Write { file } => format!(
                "mkdir -p \"$(dirname {path})\"\nprintf %s {text} >{path}",
                path = shell::quote(&file.path),
                text = shell::quote(file.content.expose()),
            ),
            Act::Remove { .. }
            | Act::InstallHalb { .. }
            | Act::Remember { .. }
            | Act::Upload { .. }
            | Act::FetchKubeconfig { .. } => {
                panic!("{} brings no packages", step.id)
            }
        };
        script += &format!("{line}\n");
    }
    script
}

fn steps(world: &World, ids: &[&str]) -> Vec<Step> {
    let plan = world.plan();
    let hosts = plan.stages.iter().flat_map(|stage| &stage.hosts);
    let steps = hosts.filter(|host| host.host == HOST).flat_map(|host| &host.steps);
    steps.filter(|step| ids.contains(&step.id.as_str())).cloned().collect()
}

/// What rpm has, as `name version`.
const LIST: &str = "rpm -qa --qf '%{NAME} %{VERSION}\\n' | grep -v gpg-pubkey | sort\n";

const WANTED: &str = "\
containerd.io 2.2.1
kubeadm 1.36.4
kubectl 1.36.4
kubelet 1.36.4
";

#[test]
#[ignore = "needs dnf"]
fn dnf_installs_one_version_and_leaves_it_alone_until_told() {
    let repositories = Repositories::new();
    let mut world = repositories.world(&repositories.fingerprint);
    let all = steps(&world, &STEPS);
    assert_eq!(all.len(), STEPS.len(), "{all:?}");
    let packages = steps(&world, &["packages"]);
    let host = world.inventory.hosts.iter().find(|host| host.name == HOST).expect("a host");
    let output = repositories.run(&format!(
        "exec 3>&1 >&2\n{all}\
         echo '== installed' >&3; {LIST} >&3\n\
         dnf -y upgrade\n\
         echo '== upgraded' >&3; {LIST} >&3\n\
         if dnf -y install kubelet-1.36.5; then echo 'an excluded version' >&3; fi\n\
         dnf -y install {all_versions} kubelet-1.36.5 kubeadm-1.36.3\n\
         echo '== another' >&3; {LIST} >&3\n\
         {packages}\
         echo '== again' >&3; {LIST} >&3\n\
         echo '== facts' >&3; sh -s >&3 <<'HALB'\n{facts}HALB\n",
        all = script(&all),
        all_versions = tried().1,
        packages = script(&packages),
        facts = facts::script(host),
        LIST = LIST.trim_end(),
    ));
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let parts: Vec<&str> = text.split("== ").collect();
    let part = |name: &str| {
        let found = parts.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('\n'));
        found.unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    for name in ["installed", "upgraded", "again"] {
        assert_eq!(part(name), WANTED, "{name}: {text}");
    }
    assert!(part("another").contains("kubelet 1.36.5"), "{text}");
    let clock = Clock { asked_ms: 0, answered_ms: i64::MAX };
    let (told, _) = part("facts").split_once("halb:end").expect("whole facts");
    let told = facts::parse(&format!("{told}halb:end\n"), clock).expect("facts");
    assert_eq!(told.package_manager, Some(tried().0));
    let known = world.facts_of(HOST);
    (known.packages, known.files) = (told.packages, told.files);
    let rest = steps(&world, &STEPS);
    assert!(rest.is_empty(), "there is more to do: {rest:#?}");
}

#[test]
#[ignore = "needs dnf"]
fn a_key_of_another_fingerprint_is_not_trusted_and_packages_of_another_key_not_installed() {
    let repositories = Repositories::new();
    let other = repositories.world(&"AB".repeat(20));
    let fetch = script(&steps(&other, &["kubernetes-key"]));
    let output = repositories.run(&fetch);
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    let words = format!("is {}, not {}", repositories.fingerprint, "AB".repeat(20));
    assert!(text.contains(&words) && text.contains("it is not trusted"), "{text}");

    let world = repositories.world(&repositories.fingerprint);
    let (_, foreign) = make_key(&repositories.folder.path().join("foreign"), "foreign");
    let sources = script(&steps(&world, &STEPS[..4]));
    let packages = script(&steps(&world, &["packages"]));
    let foreign = shell::quote(&foreign);
    let output = repositories.run(&format!(
        "{sources}for key in kubernetes containerd; do\n\
         printf %s {foreign} >/etc/pki/rpm-gpg/halb-$key.asc\ndone\n{packages}"
    ));
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    let words = ["GPG check FAILED", "is not signed", "Signature verification failed"];
    assert!(words.iter().any(|words| text.contains(words)), "{text}");
}
