//! The certificate and the key of this side, from files that may be exchanged while it serves.
//!
//! A pair that cannot be used (written in halves, or of two different pairs) changes nothing: the one before stays in
//! force until the files are right.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A certificate and its key.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    files: Files,
    pair: Arc<CertifiedKey>,
}

/// What the files hold. The key does not print itself.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files")
    }
}

impl Identity {
    /// Reads a certificate, with those between it and its authority after it, and its key, both in PEM form.
    ///
    /// # Errors
    /// If a file cannot be read or used; the sentence names it.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, String> {
        let files = Files::read(&certificate, &key)?;
        let pair = Arc::new(files.pair().map_err(|why| format!("{}: {why}", certificate.display()))?);
        Ok(Self { certificate, key, current: RwLock::new(Current { files, pair }) })
    }

    /// Looks at the files again and again. They are small, and a mounted Secret changes at once as a whole.
    pub(crate) async fn watch(&self, every: Duration) {
        let mut before = None;
        loop {
            tokio::time::sleep(every).await;
            let error = self.look().err();
            if let Some(error) = error.as_ref().filter(|error| before.as_ref() != Some(*error)) {
                let certificate = self.certificate.display();
                tracing::warn!(%error, %certificate, "the certificate from before stays in force");
            }
            before = error;
        }
    }

    fn look(&self) -> Result<(), String> {
        let files = Files::read(&self.certificate, &self.key)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).files == files {
            return Ok(());
        }
        let pair = Arc::new(files.pair()?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { files, pair };
        tracing::info!(certificate = %self.certificate.display(), "another certificate is in force");
        Ok(())
    }
}

impl Files {
    fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Self, String> {
        let file = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        Ok(Self { certificate: file(certificate)?, key: file(key)? })
    }

    fn pair(&self) -> Result<CertifiedKey, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.map_err(|error| format!("no certificate in PEM form: {error}"))?;
        if chain.is_empty() {
            return Err("there is no certificate in PEM form".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| format!("the key is none in PEM form: {error}"))?;
        // Also finds out whether they belong together.
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| format!("certificate and key cannot be used: {error}"))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).pair))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A certificate and its key in PEM form, and in the form in which it is shown.
    fn pair() -> (String, String, CertificateDer<'static>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem(), certificate.der().clone())
    }

    fn open(directory: &Path, certificate: &str, key: &str) -> Result<Identity, String> {
        let paths = (directory.join("tls.crt"), directory.join("tls.key"));
        std::fs::write(&paths.0, certificate).unwrap();
        std::fs::write(&paths.1, key).unwrap();
        Identity::read(paths.0, paths.1)
    }

    fn shows(identity: &Identity) -> CertificateDer<'static> {
        identity.current.read().unwrap().pair.cert[0].clone()
    }

    #[test]
    fn a_pair_that_cannot_be_used_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let ((certificate, key, first), (next, next_key, second)) = (pair(), pair());
        let identity = open(directory.path(), &certificate, &key).unwrap();
        assert_eq!(shows(&identity), first);
        // Another pair comes in halves.
        std::fs::write(&identity.certificate, &next[..next.len() / 2]).unwrap();
        assert!(identity.look().is_err());
        std::fs::write(&identity.certificate, &next).unwrap();
        assert!(identity.look().unwrap_err().contains("cannot be used"));
        std::fs::remove_file(&identity.key).unwrap();
        assert!(identity.look().unwrap_err().contains("cannot be read"));
        assert_eq!(shows(&identity), first);
        std::fs::write(&identity.key, &next_key).unwrap();
        identity.look().unwrap();
        assert_eq!(shows(&identity), second);
    }

    #[test]
    fn a_start_needs_a_pair() {
        let directory = tempfile::tempdir().unwrap();
        let ((certificate, key, _), (_, other, _)) = (pair(), pair());
        for (certificate, key, says) in [
            ("", key.as_str(), "no certificate in PEM form"),
            (certificate.as_str(), "", "the key"),
            (certificate.as_str(), other.as_str(), "cannot be used"),
        ] {
            let why = open(directory.path(), certificate, key).unwrap_err();
            assert!(why.contains(says) && why.contains("tls.crt"), "{why}");
        }
    }
}
