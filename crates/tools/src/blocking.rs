//! Runs file work away from the threads that drive sessions. A panic in it becomes an error for the model.

use crate::Output;
use crate::refusal::Refusal;

/// Runs `work` on a thread that may block. The work goes on to its end even if the caller stops waiting.
pub(crate) async fn run(work: impl FnOnce() -> Result<String, Refusal> + Send + 'static) -> Output {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.into(),
        Err(error) => {
            tracing::error!(%error, "a tool's file work did not end");
            Output::error("the tool failed inside; its effect is unknown")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_output() {
        let output = run(|| panic!("a bug")).await;
        assert!(output.is_error);
    }
}
