//! Where the front proxy's authority and names are stated.

use std::fmt;
use std::path::PathBuf;

use super::Cluster;

/// The source.
#[derive(Debug)]
pub enum Authority {
    /// A file with certificates in PEM form.
    File {
        /// The file.
        path: PathBuf,
        /// The names that a certificate may have; any if there are none.
        names: Vec<String>,
    },
    /// What the API server of this cluster publishes.
    Cluster {
        /// The API server.
        cluster: Cluster,
        /// Names instead of those that it states, if there are any.
        names: Vec<String>,
    },
}

/// What a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    /// Certificates of authorities, in PEM form.
    pub(super) authorities: Vec<u8>,
    /// The names that a certificate may have; any if there are none.
    pub(super) names: Vec<String>,
}

impl Authority {
    pub(super) async fn read(&self) -> Result<Stated, String> {
        match self {
            Self::File { path, names } => {
                let authorities =
                    tokio::fs::read(path).await.map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(Stated { authorities, names: names.clone() })
            }
            Self::Cluster { cluster, names } => {
                let stated = cluster.read().await?;
                Ok(if names.is_empty() { stated } else { Stated { names: names.clone(), ..stated } })
            }
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Cluster { .. } => f.write_str(Cluster::WHERE),
        }
    }
}
