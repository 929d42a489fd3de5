//! The lives of replicas: whoever stands still, by whoever's hand, is let go on when its lease is over; what happened, and
//! when, is written down.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::sleep;

use super::progress::count;
use super::scene::Scene;
use crate::history::{Harm, HarmKind};

/// The pause between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long a pause lasts, in leases: from the first to the second.
const BEYOND: (f64, f64) = (1.3, 2.0);

/// Watches the process of a replica, a child, for as long as it lives.
pub(crate) async fn watch(scene: Arc<Scene>, replica: usize, pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // The latest moment at which it lived, or ran.
    let mut seen = scene.model.elapsed();
    while let Some(stopped) = is_stopped(pid) {
        let from = std::mem::replace(&mut seen, scene.model.elapsed());
        if stopped {
            scene.pauses.fetch_add(1, Ordering::Relaxed);
            count(&scene.progress.pauses);
            let leases = BEYOND.0 + fastrand::f64() * (BEYOND.1 - BEYOND.0);
            sleep(scene.lease.mul_f64(leases)).await;
            // If it has ended meanwhile, it has not been reaped for long, and its id is nobody else's yet.
            if is_stopped(pid).is_some() {
                kill_process(pid, Signal::CONT).ok();
            }
            seen = scene.model.elapsed();
            scene.note(Harm { kind: HarmKind::Pause, replica: Some(replica), from, until: seen });
            scene.pauses.fetch_sub(1, Ordering::Relaxed);
        }
        sleep(LOOK_EVERY).await;
    }
    scene.note(Harm {
        kind: HarmKind::Kill,
        replica: Some(replica),
        from: seen,
        until: scene.model.elapsed(),
    });
}

/// Whether a child stands still; `None` if it has ended.
fn is_stopped(pid: Pid) -> Option<bool> {
    let options =
        WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    match waitid(WaitId::Pid(pid), options) {
        Ok(None) => Some(false),
        Ok(Some(status)) if status.stopped() => Some(true),
        Ok(Some(_)) | Err(_) => None,
    }
}
