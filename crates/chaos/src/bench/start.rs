//! From spawning the process until it serves, each time with a new and empty state directory.

use anyhow::Result;
use serde_json::json;

use super::report::millis;
use super::samples::Samples;
use super::stage::NOT_STARTED;
use super::{Options, Section, Target};
use crate::model_server::Server;

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let mut starts = Samples::default();
    if let Target::Started(started) = &options.target {
        let server = Server::start().await?;
        for _ in 0..options.scale.starts {
            let replicas = started.place.start(&started.binary, 1, &server, json!({})).await?;
            starts.push(millis(replicas.cluster.started_in(0)?));
        }
    }
    section.add_if("p50", "start to ready, median", "ms", starts.median(), NOT_STARTED);
    section.add_if("max", "start to ready, slowest", "ms", starts.max(), NOT_STARTED);
    Ok(())
}
