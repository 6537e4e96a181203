//! Pods that are asked to go: they do, unless that were against a budget.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::path::{Target, labelled};
use super::{Answer, Cluster, Refusal};
use crate::store::State;

/// Where budgets of a namespace are kept, their names behind it.
fn budgets(namespace: &str) -> String {
    format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/")
}

/// Evicts the pod at this path. Who it is asked by says nothing more in the body.
pub(super) fn evict(cluster: &Cluster, method: &Method, pod: &str) -> Answer {
    let target = Target::of(pod).filter(|target| target.resource.kind == "Pod");
    let (Some(Target { namespace: Some(namespace), name: Some(name), .. }), &Method::POST) =
        (target, method)
    else {
        return Err(Refusal::bad("only a pod is evicted, by POST"));
    };
    cluster.state(|state| {
        let object = state.objects.get(pod);
        let object =
            object.ok_or_else(|| Refusal::not_found(&format!("pods {name:?} not found")))?;
        if let Some(budget) = forbidding(state, namespace, object) {
            let message = format!(
                "Cannot evict pod as it would violate the pod's disruption budget. The disruption \
                 budget {budget} needs all of its pods"
            );
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(Refusal::new(status, "TooManyRequests", message));
        }
        state.objects.remove(pod);
        state.revision += 1;
        let done =
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201 });
        Ok((StatusCode::CREATED, done))
    })
}

/// The name of a budget that doesn't let a pod go: as many as it wants to have are there, or fewer.
fn forbidding(state: &State, namespace: &str, pod: &Value) -> Option<String> {
    let prefix = budgets(namespace);
    let budgets = state.objects.iter().filter(|(path, _)| path.starts_with(&prefix));
    let forbids = |budget: &Value| {
        let labels = budget["spec"]["selector"]["matchLabels"].as_object();
        let pairs = labels.into_iter().flatten();
        let selector: Vec<_> = pairs
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        let selector = selector.join(",");
        let pods = format!("/api/v1/namespaces/{namespace}/pods/");
        let is_meant =
            |(path, pod): &(&String, &Value)| path.starts_with(&pods) && labelled(pod, &selector);
        let there = state.objects.iter().filter(is_meant).count();
        let wanted = budget["spec"]["minAvailable"].as_u64().unwrap_or_default();
        labelled(pod, &selector) && there <= usize::try_from(wanted).unwrap_or(usize::MAX)
    };
    let (_, budget) = budgets.into_iter().find(|(_, budget)| forbids(budget))?;
    budget["metadata"]["name"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_lets_as_many_pods_go_as_it_doesnt_need() {
        let mut state = State::default();
        let pod = |app: &str| json!({ "metadata": { "labels": { "app": app } } });
        for (name, app) in [("a", "web"), ("b", "web"), ("c", "other")] {
            state.put(&format!("/api/v1/namespaces/n/pods/{name}"), pod(app));
        }
        let spec = json!({ "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } });
        let budget = json!({ "metadata": { "name": "web" }, "spec": spec });
        state.put(&format!("{}web", budgets("n")), budget);
        assert_eq!(forbidding(&state, "n", &pod("web")), None);
        state.objects.remove("/api/v1/namespaces/n/pods/a");
        assert_eq!(forbidding(&state, "n", &pod("web")), Some("web".to_owned()));
        assert_eq!(forbidding(&state, "n", &pod("other")), None);
        assert_eq!(forbidding(&state, "m", &pod("web")), None, "budgets are of a namespace");
    }
}
