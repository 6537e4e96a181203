//! Volumes on nodes' own disks: one folder of one node each, made there, and a class without a
//! provisioner.
//!
//! A volume that belongs to somebody in the inventory is reserved for his claim, so that no other
//! one takes it. Folders stay when a volume goes: they hold data.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::addon::apply::{self, script};
use crate::addon::manifest::{Set, Spec};
use crate::addon::objects::{STORAGE_CLASS, VOLUME};
use crate::addon::{Context, Name, Steps};
use crate::inventory::addons::{Addons, Volume};
use crate::plan::step::{Act, Command, Step};
use crate::shell;

/// The class of all volumes.
pub(super) const CLASS: &str = "halb-local";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StorageClass {
    provisioner: &'static str,
    reclaim_policy: &'static str,
    volume_binding_mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeSpec {
    access_modes: [&'static str; 1],
    capacity: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_ref: Option<ClaimRef>,
    local: Local,
    node_affinity: NodeAffinity,
    persistent_volume_reclaim_policy: &'static str,
    storage_class_name: &'static str,
    volume_mode: &'static str,
}

/// The claim that a volume is kept for.
#[derive(Serialize)]
pub(super) struct ClaimRef {
    pub(super) namespace: &'static str,
    pub(super) name: String,
}

#[derive(Serialize)]
struct Local {
    path: String,
}

#[derive(Serialize)]
struct NodeAffinity {
    required: NodeSelector,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeSelector {
    node_selector_terms: [NodeTerm; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeTerm {
    match_expressions: [Expression; 1],
}

#[derive(Serialize)]
struct Expression {
    key: &'static str,
    operator: &'static str,
    values: [String; 1],
}

pub(super) fn set(addons: &Addons) -> Set {
    let mut set = Set::of(Name::Storage);
    let class = StorageClass {
        provisioner: "kubernetes.io/no-provisioner",
        reclaim_policy: "Retain",
        volume_binding_mode: "WaitForFirstConsumer",
    };
    set.add(STORAGE_CLASS, (None, CLASS), class);
    for volume in &addons.storage.iter().flat_map(|storage| &storage.volumes).collect::<Vec<_>>() {
        let expression = Expression {
            key: "kubernetes.io/hostname",
            operator: "In",
            values: [volume.node.clone()],
        };
        let term = NodeTerm { match_expressions: [expression] };
        let spec = VolumeSpec {
            access_modes: ["ReadWriteOnce"],
            capacity: BTreeMap::from([("storage", volume.size.clone())]),
            claim_ref: super::claim_of(addons, volume),
            local: Local { path: volume.path.clone() },
            node_affinity: NodeAffinity { required: NodeSelector { node_selector_terms: [term] } },
            persistent_volume_reclaim_policy: "Retain",
            storage_class_name: CLASS,
            volume_mode: "Filesystem",
        };
        set.add(VOLUME, (None, &volume.name), Spec { spec });
    }
    set
}

pub(super) fn install(context: Context<'_>, steps: &mut Steps) {
    let addons = &context.inventory.addons;
    let Some(storage) = &addons.storage else { return };
    for volume in &storage.volumes {
        steps.on(&volume.node, folder(volume));
    }
    let title = "Make volumes of nodes' folders";
    steps.cluster.push(apply::apply("storage", title, &set(addons), &[]));
    steps.cluster.push(released());
}

fn folder(volume: &Volume) -> Step {
    let path = shell::quote(&volume.path);
    let make = Command::script(format!("mkdir -p -- {path}\nchmod 0750 -- {path}"));
    let title = format!("Make the folder of the volume {}", volume.name);
    let look = Command::script(format!("test -d {path}"));
    Step::new(format!("volume-{}", volume.name), title, Act::Run { command: make }).unless(look)
}

/// A volume whose claim was deleted waits for somebody to look at its data. It is kept for a claim of
/// the same name, which is its owner's own.
fn released() -> Step {
    const RELEASED: &str = "kubectl get persistentvolumes -l halb/addon=storage \
                            -o 'jsonpath={range .items[?(@.status.phase==\"Released\")]}\
                            {.metadata.name}{\"\\n\"}{end}'";
    let patch = r#"{"spec":{"claimRef":{"uid":null,"resourceVersion":null}}}"#;
    let lines = format!(
        "{RELEASED} | while read -r name; do\n    \
             kubectl patch persistentvolume \"$name\" --type=merge -p '{patch}'\n\
         done"
    );
    let command = script(&lines);
    let title = "Keep volumes without a claim for the next one of the same name";
    let look = script(&format!("[ -z \"$({RELEASED})\" ]"));
    Step::new("storage-released", title, Act::Run { command }).unless(look)
}

pub(super) fn remove(steps: &mut Steps) {
    let kinds = [VOLUME.resource, STORAGE_CLASS.resource];
    let title = "Remove volumes; the folders on nodes stay";
    steps.cluster.push(apply::remove(Name::Storage, title, &kinds));
}
