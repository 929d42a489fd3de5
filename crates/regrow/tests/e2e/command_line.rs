//! Commands that look at a cluster while its replicas run.

use regrow_chaos::client::Turn;
use regrow_chaos::faulty;

use crate::expected;
use crate::scene::{Scene, soon};

#[tokio::test]
async fn a_cluster_is_seen_from_the_command_line_while_it_works() {
    let mut scene = Scene::start(2).await;
    for replica in [0, 1] {
        let url = scene.cluster.base_url(replica).unwrap().replace("/v1", "");
        let health = scene.command(&["health", "--url", &url]).await;
        assert!(health.code == Some(0) && health.out.starts_with("ready: "), "{health:?}");
    }
    assert!(scene.ask(0, &Turn::user("[[id=a]]").in_session("s")).await.is_ok());
    let turn = Turn::user("[[id=b tokens=400 delay_ms=25]]").streamed().in_session("s").once("key");
    let mut live = scene.open(1, &turn).await;
    let waiting = scene.open(0, &Turn::user("[[id=c]]").streamed().in_session("s")).await;
    assert!(soon(live.read_text(12)).await);

    let runs = scene.command(&["runs", "list", "--json"]).await.json();
    let states: Vec<&str> = runs.iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["queued", "running", "done"], "the latest first");
    assert!(runs[1]["detail"].as_str().unwrap().contains(scene.cluster.replica_id(1).unwrap()));
    let sessions = scene.command(&["sessions", "list", "--json"]).await.json();
    assert_eq!(sessions.len(), 1);
    assert_eq!((&sessions[0]["key"], &sessions[0]["messages"]), (&"agent:main:s".into(), &3.into()));
    for command in [&["runs", "list"], &["sessions", "list"]] {
        let listed = scene.command(command).await;
        assert!(listed.code == Some(0) && listed.out.contains("agent:main:s"), "{listed:?}");
    }

    let run = live.so_far().run_id().unwrap().to_owned();
    assert_eq!(scene.command(&["runs", "abort", &run]).await.code, Some(0));
    assert!(soon(waiting.finish()).await.is_ok());
    let url = scene.cluster.base_url(0).unwrap().replace("/v1", "");
    scene.kill(0).await;
    assert_eq!(scene.command(&["health", "--url", &url]).await.code, Some(1));
}

#[tokio::test]
async fn a_message_from_the_command_line_outlives_the_replica_that_took_it() {
    let mut scene = Scene::start(2).await;
    let urls = [0, 1].map(|n| scene.cluster.base_url(n).unwrap().replace("/v1", ""));
    let text = "[[id=a tokens=40 delay_ms=25]]";
    let (killed, answer) = soon(async {
        let arguments = [
            "agent",
            "--message",
            text,
            "--url",
            &urls[0],
            "--url",
            &urls[1],
            "--token",
            "regrow-chaos-token",
        ];
        let (model, root) = (&scene.model, scene.cluster.directory().to_owned());
        let state = root.join("state");
        let own = ["--state-dir".as_ref(), state.as_os_str()];
        let asking = crate::scene::run(arguments.iter().map(std::ffi::OsStr::new).chain(own));
        let killing = async {
            model.wait_for("a", 10).await;
            scene.cluster.kill(0).await
        };
        tokio::join!(killing, asking)
    })
    .await;
    killed.unwrap();
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.out.trim_end(), expected::text("a", &["a"], 40));
}

#[test]
fn nothing_of_the_faults_is_in_the_program_that_ships() {
    let program = std::fs::read(crate::scene::PROGRAM).unwrap();
    let contains = |text: &str| program.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(contains("REGROW_READY_FILE"), "variables can be found in it");
    for variable in [faulty::FAIL_POINTS, faulty::MUTANT, faulty::WITNESS] {
        assert!(!contains(variable), "{variable}");
    }
}

#[tokio::test]
async fn replicas_are_seen_with_what_they_run() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a tokens=400 delay_ms=25]]").streamed().in_session("s").once("key");
    let mut live = scene.open(1, &turn).await;
    assert!(soon(live.read_text(12)).await);
    let run = live.so_far().run_id().unwrap().to_owned();

    let replicas = scene.command(&["replicas", "--runs", "--json"]).await.json();
    assert_eq!(replicas.len(), 2);
    for index in [0, 1] {
        let id = scene.cluster.replica_id(index).unwrap();
        let seen = replicas.iter().find(|replica| replica["replicaId"] == id).unwrap();
        let url = scene.cluster.base_url(index).unwrap();
        assert!(url.contains(seen["address"].as_str().unwrap()), "{seen}");
        assert_eq!(
            (&seen["version"], &seen["liveness"]),
            (&env!("CARGO_PKG_VERSION").into(), &"lock".into())
        );
        let left = seen["expiresInMs"].as_u64().unwrap();
        assert!(left > 0 && left <= seen["leaseMs"].as_u64().unwrap(), "{seen}");
        assert_eq!((&seen["running"], &seen["draining"]), (&index.into(), &false.into()));
        let runs = seen["runs"].as_array().unwrap();
        assert_eq!(runs.len(), index);
        for seen in runs {
            assert_eq!((&seen["runId"], &seen["sessionKey"]), (&run.as_str().into(), &"agent:main:s".into()));
            assert!(seen["epoch"].as_i64().unwrap() > 0 && seen["since"].as_i64().unwrap() > 0);
        }
    }
    let table = scene.command(&["replicas", "--runs"]).await;
    assert!(table.code == Some(0) && table.out.contains(&run) && table.out.contains("(lock)"), "{table:?}");

    scene.kill(1).await;
    let heir = scene.cluster.replica_id(0).unwrap().to_owned();
    crate::scene::until(async || {
        let replicas = scene.command(&["replicas", "--runs", "--json"]).await.json();
        let runs = &replicas[0]["runs"];
        (replicas.len() == 1 && replicas[0]["replicaId"] == heir && runs[0]["runId"] == run).then_some(())
    })
    .await;
}
