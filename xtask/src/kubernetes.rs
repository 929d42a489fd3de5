//! Chart, overlays, alerts and dashboard, as far as they can be tested without a cluster.

use std::process::Command;

use anyhow::Result;

use crate::step::{run as run_command, step};
use crate::workspace;

/// Renders and judges them; the program checks the configurations that they contain. What has to be skipped is said.
pub(crate) fn run() -> Result<()> {
    step("chart and overlays for Kubernetes", || {
        let root = workspace::root();
        let mut tests = Command::new("python3");
        tests.arg(root.join("tests/kubernetes/static"));
        run_command(tests.env("REGROW_BIN", workspace::program("regrow")?))
    })
}
