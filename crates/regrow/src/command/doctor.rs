//! `regrow doctor`: examines the configuration, the store and the process, and says of each what was found and what to do.
//!
//! It changes nothing that lasts. A check that fails is a finding like any other, so that one that cannot be made hides none
//! of the others.

mod configuration;
mod latency;
mod model;
mod process;
mod report;
mod store;
mod verdict;

use std::process::ExitCode;

use regrow_store::{Finding, Level};

use crate::cli::{Common, Doctor};
use crate::outcome::UNUSABLE;
use crate::state::State;

pub(super) async fn run(common: &Common, options: &Doctor) -> anyhow::Result<ExitCode> {
    let (mut findings, mut seen) = (Vec::new(), None);
    match State::open(common) {
        Ok(state) => {
            findings.extend(configuration::check(&state));
            findings.push(model::check(&state, options.deep).await);
            seen = store::check(&state, options.deep, &mut findings).await;
        }
        Err(error) => findings.push(Finding::problem(
            "configuration",
            format!("{error:#}"),
            "correct it; without a configuration, nothing else can be examined",
        )),
    }
    findings.push(process::descriptors());
    if options.json {
        println!("{:#}", report::json(&findings, seen.as_ref()));
    } else {
        report::print(&findings);
    }
    let worst = findings.iter().map(|finding| finding.level).max();
    Ok(if worst == Some(Level::Problem) { ExitCode::from(UNUSABLE) } else { ExitCode::SUCCESS })
}
