//! Kubernetes' External Metrics API (`external.metrics.k8s.io/v1beta1`), served by Regrow itself: a
//! HorizontalPodAutoscaler reads the load of all replicas without an adapter in between.
//!
//! Kubernetes' API server passes requests for this API on to whoever is registered for it: here. It has authenticated
//! and authorised the caller by then, and shows that it is the API server by the certificate of its front proxy.
//! Whoever has such a certificate may read every figure: a second question whether the caller may (a
//! SubjectAccessReview) would go to the same server about the same rules, and the figures are harmless.
//!
//! | room | owns |
//! |---|---|
//! | `server` | connections, TLS, the certificate of this side |
//! | `trust` | who is the API server: the front proxy's authority and names, kept up to date |
//! | `api` | what is answered: discovery, values, refusals as Kubernetes' `Status` |
//! | `figures` | the load, from a store that may be away |
//!
//! Nothing here writes to the store. While the store is away, discovery goes on and values are refused with 503, at
//! which an autoscaler keeps the number of replicas.

mod api;
mod figures;
mod server;
mod trust;

pub use api::{Api, Labels};
pub use figures::Figures;
pub use server::{Ending, Identity, Options, serve};
pub use trust::{Authority, Cluster, Trust};
