//! The program `regrow-faulty`: `regrow` with fail-points, a broken protocol, and tools that tell a witness what they do.
//!
//! It is the program that ships, linked a second time: what goes wrong lies in the seams of a replica, and none of it is
//! in the other program. Without the variables below it behaves like that one.

pub(crate) mod tools;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use regrow::Seams;
use regrow_faults::{FailPoints, Mutant};
use regrow_store::Store;

/// Names the fail-points of the process, such as `append.after#2=kill`, with commas between them.
pub const FAIL_POINTS: &str = "REGROW_FAIL_POINTS";

/// Names the [`Mutant`] that the process is.
pub const MUTANT: &str = "REGROW_MUTANT";

/// The URL to which the tools `probe_pure`, `probe_keyed` and `probe_unsafe` tell what they do. Without it, they are not
/// there.
pub const WITNESS: &str = "REGROW_WITNESS";

/// Runs the program with the faults that the environment asks for.
pub fn run() -> ExitCode {
    match fail_points().and_then(|_| mutant()) {
        Ok(_) => regrow::run_with(&Seams { store, tools: tools::probes }),
        // A sound process in its place would be a trial of something else.
        Err(error) => {
            eprintln!("regrow-faulty: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The fail-points of this process; the store and the tools count them together.
fn fail_points() -> Result<&'static FailPoints, String> {
    static POINTS: OnceLock<Result<FailPoints, String>> = OnceLock::new();
    let read = || FailPoints::parse(&std::env::var(FAIL_POINTS).unwrap_or_default());
    POINTS.get_or_init(read).as_ref().map_err(Clone::clone)
}

/// The broken protocol that this process is to follow.
fn mutant() -> Result<Option<Mutant>, String> {
    std::env::var(MUTANT).ok().map(|name| name.parse()).transpose()
}

/// The fail-points lie over the broken protocol: a call that is cut off is cut off whatever the store makes of it.
fn store(sound: Arc<dyn Store>) -> Arc<dyn Store> {
    let broken = match mutant() {
        Ok(Some(mutant)) => mutant.over(sound),
        // What cannot be read ended the process before.
        Ok(None) | Err(_) => sound,
    };
    match fail_points() {
        Ok(points) => points.over(broken),
        Err(_) => broken,
    }
}
