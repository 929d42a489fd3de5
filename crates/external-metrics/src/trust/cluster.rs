//! The ConfigMap in which the API server publishes its front proxy, read with the pod's service account.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Certificate, StatusCode, redirect};
use serde::Deserialize;

use super::authority::Stated;

/// Where the ConfigMap is.
const PATH: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// The way to the API server from inside a pod.
#[derive(Debug)]
pub struct Cluster {
    /// Its address, such as https://10.96.0.1:443.
    pub url: String,
    /// The service account: a directory with `token` and `ca.crt`. Tokens are exchanged, so it is read each time.
    pub account: PathBuf,
}

/// A ConfigMap, as far as it matters here.
#[derive(Debug, Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Data {
    requestheader_client_ca_file: Option<String>,
    requestheader_allowed_names: Option<String>,
}

impl Cluster {
    pub(super) const WHERE: &str = "ConfigMap kube-system/extension-apiserver-authentication";

    pub(super) async fn read(&self) -> Result<Stated, String> {
        let at_server = |error: reqwest::Error| format!("{}: {}", self.url, whole(&error));
        let token = self.file("token").await?;
        let roots = Certificate::from_pem_bundle(&self.file("ca.crt").await?).map_err(at_server)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .https_only(true)
            .redirect(redirect::Policy::none())
            .tls_certs_only(roots)
            .timeout(WITHIN)
            .build()
            .map_err(at_server)?;
        let token = String::from_utf8_lossy(&token);
        let request = http.get(format!("{}{PATH}", self.url.trim_end_matches('/')));
        let request = request.bearer_auth(token.trim()).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(at_server)?;
        match response.status() {
            StatusCode::OK => state(&response.bytes().await.map_err(at_server)?),
            StatusCode::FORBIDDEN => Err(format!(
                "this service account may not read {}; bind it to the Role extension-apiserver-authentication-reader in \
                 kube-system",
                Self::WHERE
            )),
            status => Err(format!("{} answers {status} for {}", self.url, Self::WHERE)),
        }
    }

    async fn file(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.account.join(name);
        let read = tokio::fs::read(&path).await;
        read.map_err(|error| {
            format!("{}: {error}; mount the token of a service account, or name a file", path.display())
        })
    }
}

/// What the ConfigMap states. No list of names, like an empty one, means any.
fn state(object: &[u8]) -> Result<Stated, String> {
    let broken = |what: &str, error: serde_json::Error| format!("{}: {what}: {error}", Cluster::WHERE);
    let object: ConfigMap = serde_json::from_slice(object).map_err(|error| broken("the answer", error))?;
    let Data { requestheader_client_ca_file, requestheader_allowed_names } = object.data;
    let authorities = requestheader_client_ca_file.filter(|pem| !pem.trim().is_empty()).ok_or_else(|| {
        format!(
            "{} names no authority (requestheader-client-ca-file): this cluster's API server has no aggregation layer",
            Cluster::WHERE
        )
    })?;
    let names = requestheader_allowed_names.unwrap_or_default();
    let names = match names.trim() {
        "" => Vec::new(),
        list => serde_json::from_str(list).map_err(|error| broken("requestheader-allowed-names", error))?,
    };
    Ok(Stated { authorities: authorities.into_bytes(), names })
}

/// An error with its causes; the last one is the one that helps.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_map_states_authorities_and_names() {
        let names = |list: &str| {
            let object = serde_json::json!({"data": {
                "client-ca-file": "other", "requestheader-client-ca-file": "pem", "requestheader-allowed-names": list,
            }});
            state(object.to_string().as_bytes()).map(|stated| stated.names)
        };
        assert_eq!(names(r#"["front-proxy-client","b"]"#).unwrap(), ["front-proxy-client", "b"]);
        assert!(names("[]").unwrap().is_empty());
        assert!(names("").unwrap().is_empty());
        assert!(names("front-proxy-client").unwrap_err().contains("requestheader-allowed-names"));
        let without_names = state(br#"{"data": {"requestheader-client-ca-file": "pem"}}"#).unwrap();
        assert_eq!(without_names, Stated { authorities: b"pem".to_vec(), names: Vec::new() });
    }

    #[test]
    fn a_cluster_without_an_aggregation_layer_is_named_as_such() {
        for object in ["{}", r#"{"data": {"requestheader-client-ca-file": " "}}"#] {
            assert!(state(object.as_bytes()).unwrap_err().contains("no aggregation layer"), "{object}");
        }
        assert!(state(b"<html>").unwrap_err().contains("the answer"));
    }
}
