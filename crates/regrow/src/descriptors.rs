//! File descriptors: each streaming client takes one, and so does each model call.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// With fewer, a burst of clients meets the limit; a warning says so.
pub(crate) const FEW: u64 = 4_096;

/// Raises the limit of this process as far as the system allows. Many systems start programs with 1,024, because old
/// ones could not deal with more.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    if let Some(few) = getrlimit(Resource::Nofile).current.filter(|current| *current < FEW) {
        tracing::warn!(
            limit = few,
            "few files may be open at once; raise the hard limit (ulimit -Hn) for many clients"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
        raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
