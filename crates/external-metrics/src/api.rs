//! What is answered to whom the front proxy vouches for: the paths of the API.

mod discovery;
mod metric;
mod quantity;
mod selector;
mod status;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

use self::metric::Metric;
use self::selector::Selector;
pub(crate) use self::status::Refusal;
use crate::Figures;

/// The group of the API.
const GROUP: &str = "external.metrics.k8s.io";

/// Its version.
const VERSION: &str = "v1beta1";

/// Group and version, as objects name them.
const GROUP_VERSION: &str = "external.metrics.k8s.io/v1beta1";

/// The labels by which selectors tell metrics apart.
pub type Labels = BTreeMap<String, String>;

/// The metrics of one namespace.
#[derive(Debug)]
pub struct Api {
    /// The only namespace that has these metrics.
    pub namespace: String,
    /// What every metric carries.
    pub labels: Labels,
    /// Where the figures come from.
    pub figures: Arc<Figures>,
}

impl Api {
    /// Answers a request, whoever made it.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let found = match *request.method() {
            Method::GET | Method::HEAD => self.find(request.uri().path(), request.uri().query()).await,
            _ => Err(Refusal::method_not_allowed()),
        };
        found.map_or_else(Refusal::into_response, |object| respond(StatusCode::OK, &object))
    }

    async fn find(&self, path: &str, query: Option<&str>) -> Result<Value, Refusal> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match *parts.as_slice() {
            ["apis"] => Ok(discovery::groups()),
            ["apis", GROUP] => Ok(discovery::group()),
            ["apis", GROUP, VERSION] => Ok(discovery::resources()),
            ["apis", GROUP, VERSION, "namespaces", namespace, name] => {
                self.values(namespace, name, query.unwrap_or_default()).await
            }
            _ => Err(Refusal::not_found(format!(
                "there is nothing at {path}; metrics are at /apis/{GROUP_VERSION}"
            ))),
        }
    }

    /// Another namespace, or a selector that selects something else, finds nothing, which is no error.
    async fn values(&self, namespace: &str, name: &str, query: &str) -> Result<Value, Refusal> {
        let Some(metric) = Metric::named(name) else {
            let known: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
            return Err(Refusal::not_found(format!(
                "there is no metric {name}; there are {}",
                known.join(", ")
            )));
        };
        let selector = Selector::of_query(query).map_err(Refusal::bad_request)?;
        if namespace != self.namespace || !selector.selects(&self.labels) {
            return Ok(values::list(None));
        }
        let load = self.figures.load().await.map_err(Refusal::unavailable)?;
        Ok(values::list(Some(values::item(metric, &load, &self.labels))))
    }
}

/// A response that is one object.
fn respond(status: StatusCode, object: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(object.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
