//! What hosts fetch from outside: package repositories, signed; Calico's manifests; a registry of
//! images. All of it on one host of the test's own network.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::packages::{self, architecture, run, sha256};

/// The version of Calico that is served.
pub(crate) const CALICO: &str = "3.32.1";

/// The version of MetalLB that is served.
pub(crate) const METALLB: &str = "0.16.1";

/// Longest time that a client may take for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that is served over HTTP.
pub(crate) struct Repository {
    folder: TempDir,
    key: Key,
}

impl Repository {
    /// Makes everything.
    pub(crate) fn make() -> Self {
        let (folder, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let key = Key::make();
        let vendor = folder.path().join("docker/debian");
        let suite = vendor.join(format!("dists/{}", codename()));
        let index = format!("stable/binary-{}/Packages", architecture());
        fs::create_dir_all(suite.join(&index).parent().unwrap()).unwrap();
        let list = packages::containerd(work.path(), &vendor);
        fs::write(suite.join(&index), list).unwrap();
        let head = format!(
            "Suite: {0}\nCodename: {0}\nComponents: stable\nArchitectures: {1}\n",
            codename(),
            architecture()
        );
        key.sign(&suite, &[&index], &head);
        key.export(&vendor.join("gpg"));

        let manifests = folder.path().join(format!("calico/v{CALICO}/manifests"));
        fs::create_dir_all(&manifests).unwrap();
        fs::write(manifests.join("v1_crd_projectcalico_org.yaml"), definitions()).unwrap();
        fs::write(manifests.join("tigera-operator.yaml"), operator()).unwrap();
        let manifests = folder.path().join(format!("metallb/v{METALLB}/config/manifests"));
        fs::create_dir_all(&manifests).unwrap();
        fs::write(manifests.join("metallb-native.yaml"), metallb()).unwrap();
        fs::create_dir_all(folder.path().join("v2")).unwrap();
        fs::write(folder.path().join("v2/index"), "{}").unwrap();
        let repository = Self { folder, key };
        repository.offer(packages::KUBERNETES);
        repository
    }

    /// Adds Kubernetes' packages of a version, in a repository of its minor version.
    pub(crate) fn offer(&self, version: &str) {
        let work = TempDir::new().unwrap();
        let (minor, _patch) = version.rsplit_once('.').unwrap();
        let flat = self.folder.path().join(format!("kubernetes/v{minor}/deb"));
        fs::create_dir_all(&flat).unwrap();
        let list = packages::kubernetes(work.path(), &flat, version);
        fs::write(flat.join("Packages"), list).unwrap();
        self.key.sign(&flat, &["Packages"], "Suite: stable\n");
        self.key.export(&flat.join("Release.key"));
    }

    /// Serves it, for as long as this process lives.
    pub(crate) fn serve(&self, listener: TcpListener) {
        let folder = self.folder.path().to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                thread::spawn(move || {
                    // A client that goes away has its reasons.
                    let _ = answer(&folder, stream);
                });
            }
        });
    }
}

/// Answers requests of one connection. apt sends several.
fn answer(folder: &Path, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
        let mut path =
            folder.join(path.replace("..", "").trim_end_matches('/').trim_start_matches("./"));
        if path.is_dir() {
            path = path.join("index");
        }
        let mut stream = &stream;
        match fs::read(path) {
            Ok(body) => {
                let length = body.len();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
                if !request.starts_with("HEAD") {
                    stream.write_all(&body)?;
                }
            }
            Err(_) => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
}

/// The name of this Debian, which hosts are, too.
fn codename() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let line = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.unwrap().to_owned()
}

/// A key of its own.
struct Key {
    home: TempDir,
}

impl Key {
    fn make() -> Self {
        let key = Self { home: TempDir::new().unwrap() };
        let words =
            ["--passphrase", "", "--quick-gen-key", "halb's tests", "ed25519", "sign", "never"];
        run(key.gpg().args(words));
        key
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.home.path()).args(["--batch", "--quiet", "--yes"]);
        gpg
    }

    fn export(&self, path: &Path) {
        run(self.gpg().args(["--armor", "--output"]).arg(path).arg("--export"));
    }

    /// Writes and signs the Release file of a suite.
    fn sign(&self, suite: &Path, indexes: &[&str], head: &str) {
        let now = humantime_rfc2822();
        let mut release = format!("Origin: halb's tests\n{head}Date: {now}\nSHA256:\n");
        for index in indexes {
            let path = suite.join(index);
            let size = fs::metadata(&path).unwrap().len();
            release.push_str(&format!(" {} {size} {index}\n", sha256(&path)));
        }
        let path: PathBuf = suite.join("Release");
        fs::write(&path, release).unwrap();
        let signed = suite.join("InRelease");
        run(self.gpg().args(["--clearsign", "--output"]).arg(signed).arg(path));
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // gpg leaves an agent behind.
        let mut end = Command::new("gpgconf");
        let _already_gone =
            end.arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).output();
    }
}

/// Now, as Release files have it; a little in the past.
fn humantime_rfc2822() -> String {
    let past = SystemTime::now() - Duration::from_secs(60);
    let seconds = past.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args([
        "-u",
        "-d",
        &format!("@{seconds}"),
        "+%a, %d %b %Y %H:%M:%S UTC",
    ]);
    run(&mut date).trim().to_owned()
}

/// A kind of somebody's own.
fn definition((group, version, scope): (&str, &str, &str), (plural, kind): (&str, &str)) -> String {
    format!(
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  \
         name: {plural}.{group}\nspec:\n  group: {group}\n  \
         scope: {scope}\n  names: {{kind: {kind}, plural: {plural}}}\n  \
         versions: [{{name: {version}, served: true, storage: true}}]\n"
    )
}

fn definitions() -> String {
    let kinds = [
        ("apiservers", "APIServer"),
        ("installations", "Installation"),
        ("tigerastatuses", "TigeraStatus"),
    ];
    kinds.map(|kind| definition(("operator.tigera.io", "v1", "Cluster"), kind)).concat()
}

/// What of MetalLB's manifest halb looks at: namespace, kinds and what runs.
fn metallb() -> String {
    let kinds = [("ipaddresspools", "IPAddressPool"), ("l2advertisements", "L2Advertisement")];
    let definitions =
        kinds.map(|kind| definition(("metallb.io", "v1beta1", "Namespaced"), kind)).concat();
    let workload = |kind: &str, name: &str, more: &str| {
        format!(
            "---\napiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  \
             namespace: metallb-system\nspec:\n  selector: {{matchLabels: {{component: {name}}}}}\n{more}  \
             template:\n    metadata: {{labels: {{component: {name}}}}}\n    spec:\n      \
             containers: [{{name: {name}, image: \"metallb/{name}:v{METALLB}\"}}]\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: metallb-system\n{definitions}{}{}",
        workload("Deployment", "controller", ""),
        workload("DaemonSet", "speaker", "  updateStrategy: {type: RollingUpdate}\n"),
    )
}

fn operator() -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: tigera-operator\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: tigera-operator\n  \
         namespace: tigera-operator\n  annotations: {{stand-in/calico: v{CALICO}}}\nspec: {{}}\n"
    )
}
