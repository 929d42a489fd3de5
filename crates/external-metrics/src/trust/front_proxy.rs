//! One state of the front proxy: whom its authority and its names let in.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::authority::Stated;
use super::common_name::common_name;
use crate::api::Refusal;

/// The front proxy. Two that were stated in the same words are equal.
#[derive(Debug)]
pub(super) struct FrontProxy {
    stated: Stated,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl PartialEq for FrontProxy {
    fn eq(&self, other: &Self) -> bool {
        self.stated == other.stated
    }
}

impl FrontProxy {
    pub(super) fn new(stated: &Stated) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&stated.authorities) {
            let certificate = certificate.map_err(|error| format!("the authority's certificate: {error}"))?;
            roots.add(certificate).map_err(|error| format!("the authority's certificate: {error}"))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate of an authority in PEM form".to_owned());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| format!("the authority's certificate: {error}"))?;
        Ok(Self { stated: stated.clone(), verifier })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.stated.names
    }

    pub(super) fn admit(&self, chain: &[CertificateDer<'_>]) -> Result<(), Refusal> {
        let Some((own, intermediates)) = chain.split_first() else {
            return Err(Refusal::unauthorized(
                "a client certificate is needed: only the API server's front proxy is answered; ask it, with kubectl \
                 get --raw",
            ));
        };
        self.verifier.verify_client_cert(own, intermediates, UnixTime::now()).map_err(|error| {
            Refusal::unauthorized(format!(
                "the client certificate is not by the front proxy's authority: {error}"
            ))
        })?;
        let name = common_name(own).unwrap_or_default();
        if !self.names().is_empty() && !self.names().contains(&name) {
            return Err(Refusal::forbidden(format!(
                "the client certificate is for `{name}`, which is none of the front proxy's names"
            )));
        }
        Ok(())
    }
}
