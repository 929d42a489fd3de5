//! Whether the machine itself stands still: where no process runs and no write reaches the disk for as long as a good part
//! of a lease, replicas lose leases that nobody took from them. That is no broken promise, and it is written down.

use std::io::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::scene::Scene;
use crate::history::{Harm, HarmKind};

/// The pause between two pulses.
const EVERY: Duration = Duration::from_millis(20);

/// A pulse that takes longer is a stall.
const STALLED: Duration = Duration::from_millis(300);

/// Watches the machine for as long as the scene is there. The error is a temporary file that cannot be written.
pub(crate) fn watch(scene: &Arc<Scene>) -> std::io::Result<()> {
    let mut file = tempfile::tempfile()?;
    let scene = Arc::downgrade(scene);
    std::thread::Builder::new()
        .name("machine".to_owned())
        .spawn(move || while beat(&scene, &mut file) {})
        .map(drop)
}

/// One pulse: a moment of rest and a write to the disk; `false` if nobody needs it any more.
fn beat(scene: &Weak<Scene>, file: &mut std::fs::File) -> bool {
    let Some(from) = scene.upgrade().map(|scene| scene.model.elapsed()) else { return false };
    std::thread::park_timeout(EVERY);
    let written = file.write_all(b".").and_then(|()| file.sync_data());
    let Some(scene) = scene.upgrade() else { return false };
    let until = scene.model.elapsed();
    if until.saturating_sub(from) > EVERY + STALLED {
        // What could not be renewed meanwhile runs out later.
        scene.note(Harm { kind: HarmKind::Stall, replica: None, from, until: until + scene.lease });
    }
    written.is_ok()
}
