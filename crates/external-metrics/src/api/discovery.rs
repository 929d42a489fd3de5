//! What the API server, `kubectl` and clients look up before they ask for a value.

use serde_json::{Value, json};

use super::metric::Metric;
use super::{GROUP, GROUP_VERSION, VERSION};

/// `/apis`: the one group that is here.
pub(super) fn groups() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]})
}

/// The group's one version.
pub(super) fn group() -> Value {
    let version = json!({"groupVersion": GROUP_VERSION, "version": VERSION});
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version,
    })
}

/// Each metric is a resource.
pub(super) fn resources() -> Value {
    let resources = Metric::ALL.iter().map(|metric| {
        json!({
            "name": metric.name(), "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList",
            "verbs": ["get"],
        })
    });
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION,
        "resources": resources.collect::<Vec<_>>(),
    })
}
