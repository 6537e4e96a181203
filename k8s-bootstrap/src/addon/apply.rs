//! Steps that put a set of objects into the cluster, or take one out of it.

use std::time::Duration;

use crate::addon::manifest::{LABEL_ADDON, LABEL_SET, Set};
use crate::addon::{FIELD_MANAGER, Name};
use crate::paths;
use crate::plan::step::{Act, Command, Step};

/// How long a set may take to be applied, an admission webhook that only just starts included.
pub(super) const APPLY_MAX: Duration = Duration::from_secs(300);

/// How long what was applied may take to run, its images included.
pub(super) const READY_MAX: Duration = Duration::from_secs(900);

/// How long a look waits until what is there says that it is ready, in seconds: a server that is busy
/// takes a while to answer, and isn't taken for one on which something is missing.
pub(super) const LOOK_SECONDS: u32 = 5;

/// How long objects may take to go: a pod ends in an orderly way, and a namespace after its pods.
pub(super) const REMOVE_MAX: Duration = Duration::from_secs(300);

/// A script for a master, where kubectl has the rights of an administrator.
pub(super) fn script(lines: &str) -> Command {
    Command::script(format!("export KUBECONFIG={}\n{}", paths::ADMIN_CONF, lines.trim_end()))
}

/// Something to wait for: which object, and what of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready {
    /// A condition of an object: namespace, condition, `kind/name`.
    Condition(&'static str, &'static str, &'static str),
    /// All pods of a DaemonSet, Deployment or StatefulSet run the newest template: namespace,
    /// `kind/name`.
    Rollout(&'static str, &'static str),
}

impl Ready {
    /// A line that ends well if it is so within this time.
    fn line(&self, seconds: u32) -> String {
        match self {
            Self::Condition(namespace, condition, object) => format!(
                "kubectl -n {namespace} wait --for=condition={condition} --timeout={seconds}s {object}"
            ),
            Self::Rollout(namespace, object) => {
                format!("kubectl -n {namespace} rollout status --timeout={seconds}s {object}")
            }
        }
    }
}

/// Lines that end well if all of it is so now.
pub(super) fn is_ready(ready: &[Ready]) -> String {
    ready.iter().map(|ready| format!("{}\n", ready.line(LOOK_SECONDS))).collect()
}

/// The same with some patience; asked again until its time is over.
pub(super) fn becomes_ready(ready: &[Ready]) -> Command {
    let lines: String = ready.iter().map(|ready| format!("{}\n", ready.line(20))).collect();
    script(&lines).within(READY_MAX)
}

/// Words of refusals that pass: a webhook that isn't listening yet, a definition that is only just
/// being established.
const REFUSALS_THAT_PASS: &str = "*'failed calling webhook'* | *'no matches for kind'* | \
                                  *'could not find the requested resource'*";

/// The word of a refusal because somebody else set fields that a set decides on. Who it was and which
/// fields is told before they are taken back, and so stays in the host's log.
const CONFLICT: &str = "*'Apply failed with'*conflict*";

/// Applies a set, and removes what an earlier one of the add-on had and this one hasn't.
pub(super) fn apply(id: &str, title: impl Into<String>, set: &Set, ready: &[Ready]) -> Step {
    let kinds = set.kinds().join(",");
    let owned = format!("--server-side --field-manager={FIELD_MANAGER} -f -");
    let stale = format!("-l '{LABEL_ADDON}={},{LABEL_SET}!={}'", set.name(), set.hash());
    let lines = format!(
        "manifests=$(cat)\n\
         force=false\n\
         until said=$(printf '%s\\n' \"$manifests\" | kubectl apply --force-conflicts=$force {owned} 2>&1); do\n    \
             echo \"$said\"\n    \
             case $force$said in\n    \
             false{CONFLICT}) force=true ;;\n    \
             {REFUSALS_THAT_PASS}) sleep 2 ;;\n    \
             *) exit 1 ;;\n    \
             esac\n\
         done\n\
         echo \"$said\"\n\
         kubectl delete {kinds} --all-namespaces --wait=false {stale}"
    );
    let look = format!(
        "kubectl diff --force-conflicts {owned} >/dev/null\n\
         [ -z \"$(kubectl get {kinds} --all-namespaces --ignore-not-found -o name {stale})\" ]\n{}",
        is_ready(ready)
    );
    let command = script(&lines).within(APPLY_MAX).reading(set.content());
    let look = script(&look).reading(set.content());
    let step = Step::new(id, title, Act::Run { command }).unless(look);
    if ready.is_empty() { step } else { step.verified_by(becomes_ready(ready)) }
}

/// Removes every object of an add-on of these kinds, and waits until they are gone. A kind that the
/// cluster doesn't know has none.
pub(super) fn remove(name: Name, title: impl Into<String>, kinds: &[&str]) -> Step {
    let known = format!(
        "known=$(kubectl api-resources --cached=false -o name)\n\
         for kind in {}; do\n    \
             echo \"$known\" | grep -qxF \"$kind\" || continue\n",
        kinds.join(" ")
    );
    let selected = format!("\"$kind\" --all-namespaces -l {LABEL_ADDON}={name}");
    let lines =
        format!("{known}    kubectl delete {selected} --timeout={}s\ndone", REMOVE_MAX.as_secs());
    let look = format!("{known}    [ -z \"$(kubectl get {selected} -o name)\" ]\ndone");
    let command = script(&lines).within(REMOVE_MAX * 2);
    Step::new(format!("remove-{name}"), title, Act::Run { command }).unless(script(&look))
}
