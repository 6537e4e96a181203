//! What paths of the API mean.

/// A kind of objects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// `v1`, `apps/v1`.
    pub(super) group_version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
}

impl Resource {
    /// Everything before namespace and name.
    pub(super) fn prefix(&self) -> String {
        match self.group_version {
            "v1" => "/api/v1".to_owned(),
            group => format!("/apis/{group}"),
        }
    }
}

const fn resource(
    group_version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> Resource {
    Resource { group_version, plural, kind, namespaced }
}

/// The group of Calico's operator.
pub(super) const TIGERA: &str = "operator.tigera.io/v1";
const METALLB: &str = "metallb.io/v1beta1";

/// All kinds that there are.
pub(super) const RESOURCES: [Resource; 27] = [
    resource("v1", "configmaps", "ConfigMap", true),
    resource("v1", "endpoints", "Endpoints", true),
    resource("v1", "events", "Event", true),
    resource("v1", "namespaces", "Namespace", false),
    resource("v1", "nodes", "Node", false),
    resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim", true),
    resource("v1", "persistentvolumes", "PersistentVolume", false),
    resource("v1", "pods", "Pod", true),
    resource("v1", "secrets", "Secret", true),
    resource("v1", "serviceaccounts", "ServiceAccount", true),
    resource("v1", "services", "Service", true),
    resource("apps/v1", "daemonsets", "DaemonSet", true),
    resource("apps/v1", "deployments", "Deployment", true),
    resource("apps/v1", "statefulsets", "StatefulSet", true),
    resource(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
    ),
    resource(
        "certificates.k8s.io/v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        false,
    ),
    resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", true),
    resource("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", false),
    resource("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", false),
    resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", true),
    resource("rbac.authorization.k8s.io/v1", "roles", "Role", true),
    resource("storage.k8s.io/v1", "storageclasses", "StorageClass", false),
    resource(METALLB, "ipaddresspools", "IPAddressPool", true),
    resource(METALLB, "l2advertisements", "L2Advertisement", true),
    resource(TIGERA, "apiservers", "APIServer", false),
    resource(TIGERA, "installations", "Installation", false),
    resource(TIGERA, "tigerastatuses", "TigeraStatus", false),
];

/// Path of the definition that a kind needs; none for kinds that are always there.
pub(super) fn definition(resource: &Resource) -> Option<String> {
    let (group, _) = resource.group_version.split_once('/')?;
    let needs = [TIGERA, METALLB].contains(&resource.group_version);
    needs.then(|| {
        let plural = resource.plural;
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}")
    })
}

/// What of the tree of objects is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) resource: &'static Resource,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// What a path means, without what is below an object (`/status`).
    pub(super) fn of(path: &'a str) -> Option<Self> {
        RESOURCES.iter().find_map(|resource| {
            let rest = path.strip_prefix(&resource.prefix())?.strip_prefix('/')?;
            let parts: Vec<_> = rest.split('/').collect();
            let (namespace, rest) = match parts.as_slice() {
                ["namespaces", namespace, rest @ ..] if resource.namespaced => {
                    (Some(*namespace), rest)
                }
                rest => (None, rest),
            };
            let (plural, name) = match rest {
                [plural] => (*plural, None),
                [plural, name] => (*plural, Some(*name)),
                [plural, name, "status"] => (*plural, Some(*name)),
                _ => return None,
            };
            (plural == resource.plural).then_some(Self { resource, namespace, name })
        })
    }

    /// Where an object of this kind is kept.
    pub(super) fn path_of(&self, name: &str) -> String {
        let prefix = self.resource.prefix();
        let namespace = self.namespace.map(|namespace| format!("/namespaces/{namespace}"));
        format!("{prefix}{}/{}/{name}", namespace.unwrap_or_default(), self.resource.plural)
    }

    /// Whether an object that is kept at this path is meant, by a list.
    pub(super) fn lists(&self, path: &str) -> bool {
        Target::of(path).is_some_and(|other| {
            other.resource == self.resource
                && (self.namespace.is_none() || self.namespace == other.namespace)
        })
    }
}

/// The value of a parameter, its escapes undone.
pub(super) fn parameters(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescape(value)).collect()
}

/// Whether a parameter is set as Kubernetes sets booleans.
pub(super) fn flag(query: &str, name: &str) -> bool {
    parameters(query, name).iter().any(|value| value == "true" || value == "1")
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(b'?'),
                _ => b'?',
            },
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether an object carries these labels: `key`, `key=value`, `key!=value`, several with commas.
pub(super) fn labelled(object: &serde_json::Value, selector: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    selector.split(',').filter(|part| !part.is_empty()).all(|part| {
        if let Some((key, value)) = part.split_once("!=") {
            return labels[key] != value;
        }
        match part.split_once('=') {
            Some((key, value)) => labels[key] == value.trim_start_matches('='),
            None => !labels[part].is_null(),
        }
    })
}

/// Whether an object has these fields: `metadata.name=x`, several with commas.
pub(super) fn has_fields(object: &serde_json::Value, selector: &str) -> bool {
    selector.split(',').filter(|part| !part.is_empty()).all(|part| {
        let Some((field, value)) = part.split_once('=') else { return false };
        let there = object.pointer(&format!("/{}", field.replace('.', "/")));
        there.is_some_and(|there| there == value.trim_start_matches('='))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_name_objects_and_lists() {
        let of = |path| {
            let target = Target::of(path)?;
            Some((target.resource.kind, target.namespace, target.name))
        };
        assert_eq!(of("/api/v1/nodes"), Some(("Node", None, None)));
        assert_eq!(of("/api/v1/nodes/a/status"), Some(("Node", None, Some("a"))));
        let token = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef";
        let expected = ("Secret", Some("kube-system"), Some("bootstrap-token-abcdef"));
        assert_eq!(of(token), Some(expected));
        assert_eq!(
            of("/api/v1/namespaces/kube-system"),
            Some(("Namespace", None, Some("kube-system")))
        );
        assert_eq!(
            of("/apis/operator.tigera.io/v1/installations/default"),
            Some(("Installation", None, Some("default")))
        );
        assert_eq!(of("/api/v1/nodes/a/b/c"), None);
        assert_eq!(of("/apis/batch/v1/jobs"), None);
    }

    #[test]
    fn selectors_select() {
        let object = json!({ "metadata": { "name": "a", "labels": { "x/role": "", "k": "v" } } });
        for (selector, expected) in [
            ("x/role", true),
            ("x/role=", true),
            ("k=v", true),
            ("k==v,x/role", true),
            ("k=w", false),
            ("other", false),
            ("k!=w", true),
            ("k!=v", false),
        ] {
            assert_eq!(labelled(&object, selector), expected, "{selector}");
        }
        assert!(has_fields(&object, "metadata.name=a"));
        assert!(!has_fields(&object, "metadata.name=b"));
        assert_eq!(parameters("labelSelector=x%2Frole%3D&w", "labelSelector"), ["x/role="]);
        assert!(flag("w=1&watch=true", "watch"));
    }
}
