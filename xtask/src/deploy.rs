//! What is deployed: chart, overlays, alerts and dashboard without a cluster; the chart on a cluster, image and Compose in
//! Docker if they are asked for. What is skipped is said.

use std::process::Command;

use anyhow::Result;

use crate::step::{run as run_command, step};
use crate::workspace;

/// Renders and judges them; the program checks the configurations that they contain. What has to be skipped is said.
pub(crate) fn manifests() -> Result<()> {
    step("chart and overlays for Kubernetes", || {
        let root = workspace::root();
        let mut tests = Command::new("python3");
        tests.arg(root.join("tests/kubernetes/static"));
        run_command(tests.env("REGROW_BIN", workspace::program("regrow")?))
    })
}

/// Plays the scenes on the cluster of `KUBECONFIG`, with the image of `REGROW_IMAGE`; without them it says loudly that
/// nothing of it was tested.
pub(crate) fn cluster() -> Result<()> {
    step("the chart on a cluster", || {
        run_command(&mut Command::new(workspace::root().join("tests/kubernetes/run")))
    })
}

/// The image and the Compose files, which takes ten minutes: with `REGROW_DOCKER=1`.
pub(crate) fn docker() -> Result<()> {
    step("the image and Compose", || {
        if std::env::var_os("REGROW_DOCKER").is_none_or(|wanted| wanted != "1") {
            println!(
                "SKIP  everything: REGROW_DOCKER=1 builds and runs it, which takes Docker and ten minutes"
            );
            return Ok(());
        }
        run_command(&mut Command::new(workspace::root().join("tests/docker/run")))
    })
}
