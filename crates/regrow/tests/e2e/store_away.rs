//! A store that cannot commit: requests are refused with 503, readiness says why, and when there is room again
//! everything that was accepted goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use regrow_chaos::client::{Reply, Turn};
use regrow_chaos::cluster::Options;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::expected;
use crate::scene::{PROGRAM, Scene, soon, until};

/// Lets writes fail where they would otherwise be the end of the process.
fn program_that_outlives_failed_writes(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("regrow");
    fs::write(&path, format!("#!/bin/sh\ntrap '' XFSZ\nexec {PROGRAM} \"$@\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// From now on the replica can write nothing to any file, or everything again.
fn limit_files(scene: &Scene, current: Option<u64>) {
    let pid = Pid::from_raw(scene.cluster.pid(0).unwrap().try_into().unwrap());
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

async fn ready(scene: &Scene, wanted: bool) {
    let client = scene.client(0);
    until(async || ((client.get("/readyz").await.unwrap().0 == 200) == wanted).then_some(())).await;
}

fn unavailable(reply: &Reply) {
    expected::refused(reply, 503, "gateway_unavailable");
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(after > 0);
}

/// Makes the store fail in the middle of a run, looks at what is said, lets it work again, and looks at what is left.
async fn fail_and_recover(scene: &Scene, fail: impl FnOnce(), recover: impl FnOnce()) {
    let text = r#"[[id=a tokens=20 delay_ms=25 tool=write args={"path":"note","content":"x"}]]"#;
    let turn = Turn::user(text).streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    let waiting = scene.open(0, &Turn::user("[[id=b]]").streamed().in_session("s")).await;
    fail();
    unavailable(&scene.ask(0, &Turn::user("[[id=c]]").once("c")).await);
    ready(scene, false).await;
    unavailable(&scene.ask(0, &Turn::user("[[id=c]]").once("c")).await);
    assert_eq!(soon(scene.client(0).get("/healthz")).await.unwrap().0, 200, "a restart would not help");
    soon(scene.model.wait_until(|calls| calls[1].tokens == 20)).await;
    recover();
    ready(scene, true).await;
    let reply = soon(live.finish()).await;
    assert!(reply.is_ok() && reply.text.ends_with("w20"), "{reply:?}");
    assert!(soon(waiting.finish()).await.text.starts_with("reply to b: turns=2 seen=a,b"));
    let late = scene.ask(0, &Turn::user("[[id=c]]").once("c")).await;
    expected::whole(&late, &expected::text("c", &["c"], 0));
    assert_eq!((scene.rounds("a"), scene.rounds("c")), (vec![0, 1], vec![0]));
    assert_eq!(scene.ends(reply.run_id().unwrap()).await, 1);
}

#[tokio::test]
async fn files_that_cannot_grow_are_outlived() {
    let directory = tempfile::tempdir().unwrap();
    let binary = program_that_outlives_failed_writes(directory.path());
    let scene = Scene::of(|options| Options { binary, ..options }).await;
    fail_and_recover(&scene, || limit_files(&scene, Some(0)), || limit_files(&scene, None)).await;
}

/// A small file system in memory; it goes with this value.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=8m", "regrow-test"]).arg(directory.path());
        command.output().is_ok_and(|output| output.status.success()).then_some(Self { directory })
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.directory.path().join("ballast")
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let error = std::io::copy(&mut std::io::repeat(b'x'), &mut fs::File::create(self.ballast()).unwrap());
        assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted =
            std::process::Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[tokio::test]
async fn a_full_disk_is_outlived() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: a full disk needs a file system to fill, and mounting one needs root");
        return;
    };
    let store = Some(format!("sqlite:{}", disk.directory.path().join("regrow.sqlite").display()));
    let scene = Scene::of(|options| Options { store, ..options }).await;
    fail_and_recover(&scene, || disk.fill(), || fs::remove_file(disk.ballast()).unwrap()).await;
}
