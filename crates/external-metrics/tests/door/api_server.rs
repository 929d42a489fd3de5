//! Just enough of an API server: it publishes its front proxy to whoever has the token, by TLS.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, Pair};

const PATH: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

pub(crate) struct ApiServer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    token: String,
    data: Value,
}

impl ApiServer {
    /// One whose certificate is by `authority`. `account` gets what belongs to a service account.
    pub(crate) async fn start(authority: &Authority, account: &Path) -> Self {
        std::fs::write(account.join("ca.crt"), &authority.pem).unwrap();
        let acceptor = acceptor(&authority.server());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { token: "first".to_owned(), data: json!({}) }));
        let server = Self { url, state: Arc::clone(&state) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| {
                        let answer = answer(&state.lock().unwrap(), &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let builder = Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }

    /// From now on this is the front proxy.
    pub(crate) fn publish(&self, authority: &Authority, names: &[&str]) {
        self.state.lock().unwrap().data = json!({
            "client-ca-file": "of users, not of the front proxy",
            "requestheader-client-ca-file": authority.pem,
            "requestheader-allowed-names": json!(names).to_string(),
            "requestheader-username-headers": "[\"X-Remote-User\"]",
        });
    }

    /// From now on only this token is good.
    pub(crate) fn take_only(&self, token: &str) {
        self.state.lock().unwrap().token = token.to_owned();
    }
}

fn acceptor(pair: &Pair) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

fn answer(state: &State, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let token = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
    let (status, object) = if token != Some(format!("Bearer {}", state.token).into_bytes()) {
        (StatusCode::FORBIDDEN, json!({"kind": "Status", "code": 403}))
    } else if request.uri().path() == PATH {
        (StatusCode::OK, json!({"kind": "ConfigMap", "apiVersion": "v1", "data": state.data}))
    } else {
        (StatusCode::NOT_FOUND, json!({"kind": "Status", "code": 404}))
    };
    let mut response = Response::new(Full::new(object.to_string().into()));
    *response.status_mut() = status;
    response
}
