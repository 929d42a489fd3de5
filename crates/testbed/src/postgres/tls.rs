//! Servers that speak TLS.

use std::fs;

use anyhow::{Context, Result};

use super::server::Server;

impl Server {
    /// Gives the server a certificate with its key, both as PEM, and restarts it: from now on it offers TLS.
    pub async fn offer_tls(&mut self, certificate: &str, key: &str) -> Result<()> {
        let directory = self.data().path();
        // These names need no setting.
        for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
            let path = directory.join(name);
            fs::write(&path, pem).with_context(|| format!("cannot write {name}"))?;
            self.installation().own_private(&path)?;
        }
        self.data().configure(self.port(), &[("ssl".to_owned(), "on".to_owned())])?;
        self.restart().await
    }
}
