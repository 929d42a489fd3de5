//! The list of values that an autoscaler reads.

use jiff::Timestamp;
use regrow_telemetry::Load;
use serde_json::{Value, json};

use super::metric::Metric;
use super::quantity::quantity;
use super::{GROUP_VERSION, Labels};

/// One value or none: all replicas together are one series.
pub(super) fn list(item: Option<Value>) -> Value {
    json!({
        "kind": "ExternalMetricValueList", "apiVersion": GROUP_VERSION, "metadata": {},
        "items": item.into_iter().collect::<Vec<_>>(),
    })
}

/// A metric now. The figures may be a second old, which is as exact as the time that is told.
pub(super) fn item(metric: Metric, load: &Load, labels: &Labels) -> Value {
    json!({
        "metricName": metric.name(), "metricLabels": labels, "timestamp": seconds(Timestamp::now()),
        "value": quantity(metric.of(load)),
    })
}

/// Kubernetes writes times without fractions.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
