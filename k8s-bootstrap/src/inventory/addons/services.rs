//! Add-ons that keep data: volumes, a registry, a database.

use std::net::Ipv4Addr;

use crate::inventory::addons::{AddonsDraft, bounded, image, label, text_of};
use crate::inventory::problem::Problem;
use crate::inventory::reader::{Key, Placed, Table};

/// Volumes on nodes' own disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// Each one folder of one node.
    pub volumes: Vec<Volume>,
}

/// A folder of a node as a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The node that has it.
    pub node: String,
    /// The folder, an absolute path.
    pub path: String,
    /// What the cluster takes for its size, as Kubernetes writes quantities; nothing enforces it.
    pub size: String,
}

/// A private registry of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its image.
    pub image: String,
    /// Where it is reached: an address of one of MetalLB's pools.
    pub address: Ipv4Addr,
    /// The volume with its images.
    pub volume: String,
    /// How it is spoken to.
    pub transport: Transport,
}

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over TLS, with an authority of its own.
    Tls,
    /// Without: passwords and images can be read on the way.
    PlainHttp,
}

/// A database: PostgreSQL by Patroni.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patroni {
    /// Its image, by its hash: there is no official one.
    pub image: String,
    /// A volume for each member.
    pub volumes: Vec<String>,
}

const STORAGE: &[Key] =
    &[("volumes", "[{name: registry, node: kworker01, path: /srv/halb/registry, size: 20Gi}]")];
const VOLUME: &[Key] = &[
    ("name", "registry"),
    ("node", "kworker01"),
    ("path", "/srv/halb/registry"),
    ("size", "20Gi"),
];
const REGISTRY: &[Key] = &[
    ("address", "172.16.16.151"),
    ("volume", "registry"),
    ("image", "docker.io/library/registry:3"),
    ("transport", "tls"),
];
const PATRONI: &[Key] = &[
    ("image", "registry.example/patroni@sha256:…"),
    ("volumes", "[database-0, database-1, database-2]"),
];

/// The image that is taken where the file names none.
const REGISTRY_IMAGE: &str = "docker.io/library/registry:3";

/// Most volumes: people write them.
const VOLUMES_MAX: usize = 100;

/// Members of a database: two wouldn't know which of them leads when they don't see each other's
/// writes, and each further one delays them.
const MEMBERS: std::ops::RangeInclusive<usize> = 3..=7;

/// Reads these sections.
pub(super) fn read(table: &Table<'_>, draft: &mut AddonsDraft) {
    if let Some(table) = table.section("storage", STORAGE) {
        table.require("volumes", "there would be none");
        let volumes = read_volumes(&table, draft);
        draft.addons.storage = Some(Storage { volumes });
    }
    if let Some(table) = table.section("registry", REGISTRY) {
        draft.addons.registry = read_registry(&table, draft);
    }
    if let Some(table) = table.section("patroni", PATRONI) {
        draft.addons.patroni = read_patroni(&table, draft);
    }
}

fn read_volumes(table: &Table<'_>, draft: &mut AddonsDraft) -> Vec<Volume> {
    let mut volumes = Vec::new();
    for (index, node) in
        bounded(table, "volumes", VOLUMES_MAX).unwrap_or_default().iter().enumerate()
    {
        let path = format!("addons.storage.volumes[{index}]");
        let Some(table) = Table::open(table.problems, node, &path, VOLUME) else { continue };
        table.require("name", "claims name a volume by it");
        table.require("node", "the folder is on one host's disk");
        table.require("path", "the folder has to be somewhere");
        table.require("size", "claims ask for it");
        let (name, node) = (label(&table, "name"), table.dns_name("node"));
        let (path, size) = (read_path(&table), read_size(&table));
        let (Some(name), Some(node), Some(path), Some(size)) = (name, node, path, size) else {
            continue;
        };
        volumes.push(Volume { name: name.value, node: node.value, path, size });
        draft.volumes.push(name.span);
    }
    volumes
}

/// A folder that can be given away as a whole.
fn read_path(table: &Table<'_>) -> Option<String> {
    const SYSTEMS: [&str; 12] = [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys",
        "/tmp", "/usr",
    ];
    let Placed { value: text, span } = table.text("path")?;
    let parts: Vec<&str> = text.trim_start_matches('/').trim_end_matches('/').split('/').collect();
    let plain = |part: &&str| {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(good)
    };
    let first = format!("/{}", parts.first().copied().unwrap_or_default());
    let is_own = parts.len() >= 2 && !SYSTEMS.contains(&first.as_str());
    if text.starts_with('/') && parts.iter().all(plain) && is_own {
        return Some(format!("/{}", parts.join("/")));
    }
    table.problems.report(
        Problem::error(span, format!("'{text}' can't be a volume's folder"))
            .consequence("its rights change, and whoever has the volume writes into it")
            .remedy("write a folder of its own, such as /srv/halb/registry"),
    );
    None
}

fn read_size(table: &Table<'_>) -> Option<String> {
    let Placed { value: text, span } = table.text("size")?;
    let number = ["Mi", "Gi", "Ti"].iter().find_map(|unit| text.strip_suffix(unit));
    let good = |digits: &str| {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        plain && !digits.starts_with('0') && (1..=6).contains(&digits.len())
    };
    if number.is_some_and(good) {
        return Some(text.to_owned());
    }
    let what = format!("'{text}' is no size");
    table.problems.report(Problem::error(span, what).remedy("write 500Mi, 20Gi or 1Ti"));
    None
}

fn read_registry(table: &Table<'_>, draft: &mut AddonsDraft) -> Option<Registry> {
    table.require("address", "images are called after it");
    table.require("volume", "images would be lost with the pod");
    let image = image(table).unwrap_or_else(|| REGISTRY_IMAGE.to_owned());
    let transport = table
        .choice("transport", &[("tls", Transport::Tls), ("plain-http", Transport::PlainHttp)])
        .unwrap_or(Transport::Tls);
    let (address, volume) = (table.address("address"), label(table, "volume"));
    let (address, volume) = (address?, volume?);
    let registry =
        Registry { image, address: address.value, volume: volume.value.clone(), transport };
    draft.fixed.push(("the registry", address));
    draft.owned.push(("the registry", volume));
    Some(registry)
}

fn read_patroni(table: &Table<'_>, draft: &mut AddonsDraft) -> Option<Patroni> {
    table.require("image", "there is no official image of Patroni: it is built, or somebody's");
    table.require("volumes", "each member has data of its own");
    let image = image(table);
    if let Some(name) = image.as_ref().filter(|name| !is_pinned(name)) {
        table.problems.report(
            Problem::error(table.place("image"), format!("'{name}' isn't pinned by its hash"))
                .consequence("members could run different programs on the same data")
                .remedy("write NAME@sha256:… with 64 digits, as the registry tells it"),
        );
    }
    let mut volumes = Vec::new();
    let nodes = bounded(table, "volumes", VOLUMES_MAX)?;
    for node in nodes {
        let name = text_of(node).unwrap_or_default().to_owned();
        volumes.push(name.clone());
        draft.owned.push(("the database", Placed { value: name, span: node.span.clone() }));
    }
    if !MEMBERS.contains(&volumes.len()) {
        let what = format!("a database of {} members", volumes.len());
        table.problems.report(
            Problem::error(table.place("volumes"), what)
                .consequence("one that fails over has three, and no more than seven")
                .remedy("name three volumes, on as many nodes as there are"),
        );
    }
    Some(Patroni { image: image?, volumes })
}

fn is_pinned(image: &str) -> bool {
    let hash = image.split_once("@sha256:").map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
