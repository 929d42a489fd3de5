//! What the system lets a process of this user do.

use regrow_store::Finding;
use rustix::process::{Resource, getrlimit};

use crate::descriptors::FEW;

/// A replica raises its limit as far as it goes.
pub(super) fn descriptors() -> Finding {
    let subject = "open files";
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < FEW => Finding::warning(
            subject,
            format!("a process that is started from here may have {most} at once, and each client takes one"),
            "raise the hard limit of the replicas: ulimit -Hn, or LimitNOFILE= of their service",
        ),
        Some(most) => Finding::ok(subject, format!("up to {most} at once")),
        None => Finding::ok(subject, "no limit"),
    }
}
