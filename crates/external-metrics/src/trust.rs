//! Who is the API server: whoever has a certificate by the authority of its front proxy, and a name that is allowed.
//!
//! Both are read again and again, because authorities are exchanged. What was read last stays in force while it cannot
//! be read; before it was read for the first time, nobody is let in.

mod authority;
mod cluster;
mod common_name;
mod front_proxy;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;

pub use self::authority::Authority;
pub use self::cluster::Cluster;
use self::front_proxy::FrontProxy;
use crate::api::Refusal;

/// How soon it is read again before it was read for the first time.
const SOON: Duration = Duration::from_secs(2);

/// The front proxy, as far as it is known.
#[derive(Debug)]
pub struct Trust {
    authority: Authority,
    known: RwLock<Result<Arc<FrontProxy>, String>>,
}

impl Trust {
    /// Nobody is trusted yet.
    pub fn new(authority: Authority) -> Self {
        Self { authority, known: RwLock::new(Err("it was not read yet".to_owned())) }
    }

    /// Reads it again and again.
    pub(crate) async fn watch(&self, every: Duration) {
        loop {
            self.read().await;
            tokio::time::sleep(if self.is_known() { every } else { SOON.min(every) }).await;
        }
    }

    async fn read(&self) {
        let read = self.authority.read().await.and_then(|stated| FrontProxy::new(&stated));
        let before = self.known();
        match (read, before) {
            (Ok(now), Ok(before)) if *before == now => {}
            (Ok(now), _) => {
                tracing::info!(names = now.names().join(", "), authority = %self.authority, "the front proxy is known");
                self.set(Ok(Arc::new(now)));
            }
            (Err(error), Ok(_)) => {
                tracing::warn!(%error, authority = %self.authority, "the front proxy cannot be read again");
            }
            (Err(error), Err(before)) => {
                if error != before {
                    tracing::warn!(%error, authority = %self.authority, "the front proxy is not known");
                }
                self.set(Err(error));
            }
        }
    }

    fn known(&self) -> Result<Arc<FrontProxy>, String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, known: Result<Arc<FrontProxy>, String>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Somebody can be let in.
    pub(crate) fn is_known(&self) -> bool {
        self.known().is_ok()
    }

    /// Lets in whoever has such a chain of certificates, its own first. That it has the key, TLS has checked.
    pub(crate) fn admit(&self, chain: &[CertificateDer<'_>]) -> Result<(), Refusal> {
        let front_proxy = self.known().map_err(|why| {
            Refusal::unavailable(format!("the authority of the API server's front proxy is not known: {why}"))
        })?;
        front_proxy.admit(chain)
    }
}
