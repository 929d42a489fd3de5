//! The command line of `regrow external-metrics`.

use std::path::PathBuf;

use clap::Args;

/// How to serve external metrics.
#[derive(Debug, Args)]
pub(crate) struct ExternalMetrics {
    /// Port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 8443, value_name = "PORT")]
    pub(crate) port: u16,
    /// Where to listen: loopback, lan (every interface) or an IP address.
    #[arg(long, default_value = "loopback", value_name = "WHERE")]
    pub(crate) bind: String,
    /// The certificate of this side in PEM form, with those between it and its authority after it. The API server asks
    /// for the name SERVICE.NAMESPACE.svc. Read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: PathBuf,
    /// The key of the certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: PathBuf,
    /// The authority of the API server's front proxy [default: what the API server of this cluster publishes in
    /// ConfigMap kube-system/extension-apiserver-authentication, read with the pod's service account].
    #[arg(long, value_name = "FILE")]
    pub(crate) requestheader_client_ca: Option<PathBuf>,
    /// A common name that the front proxy's certificate may have; may be given several times [default: what the API
    /// server publishes; with --requestheader-client-ca: any].
    #[arg(long, value_name = "NAME")]
    pub(crate) requestheader_allowed_name: Vec<String>,
    /// The namespace that has the metrics; others have none [default: that of the pod].
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// A label of every metric, for selectors; may be given several times, such as release=blue.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub(crate) label: Vec<(String, String)>,
    /// How long it goes on, but is not ready, when it is asked to stop [default: regrow.noticeSeconds, else 0].
    #[arg(long, value_name = "S")]
    pub(crate) notice_seconds: Option<u32>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("say NAME=VALUE, such as release=blue")?;
    Ok((name.to_owned(), value.to_owned()))
}
