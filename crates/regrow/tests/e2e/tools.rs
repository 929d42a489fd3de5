//! Tools that change files, and deaths between and within their calls: each change is made once.

use regrow_chaos::client::Turn;

use crate::scene::{Scene, soon};

/// An edit that can be made again and again, so that one too many shows.
fn edit(file: &str) -> String {
    format!(r#"tool=edit args={{"path":"{file}","edits":[{{"oldText":"end","newText":"+end"}}]}}"#)
}

fn read(scene: &Scene, file: &str) -> String {
    std::fs::read_to_string(scene.file(file)).unwrap()
}

#[tokio::test]
async fn files_are_written_read_and_edited() {
    let scene = Scene::start(2).await;
    let write = r#"[[id=a tool=write args={"path":"dir/note","content":"the end"}]]"#;
    let edit = format!("[[id=b {}]]", edit("dir/note"));
    let show = r#"[[id=c tool=read args={"path":"dir/note"}]]"#;
    for (replica, text) in [(0, write), (1, &edit), (0, show)] {
        let reply = scene.ask(replica, &Turn::user(text).in_session("s")).await;
        assert!(reply.is_ok(), "{reply:?}");
        assert!(text != show || reply.text.contains("the +end"), "{reply:?}");
    }
    assert_eq!(read(&scene, "dir/note"), "the +end");
}

#[tokio::test]
async fn a_death_between_two_tool_rounds_repeats_none() {
    let mut scene = Scene::start(2).await;
    std::fs::write(scene.file("note"), "end").unwrap();
    let turn = Turn::user(format!("[[id=a rounds=2 first_ms=150 {}]]", edit("note"))).once("key");
    let lost = scene.ask_later(0, &turn);
    // The second call of the model carries the result of the first round.
    soon(scene.model.wait_until(|calls| calls.len() == 2)).await;
    scene.kill(0).await;
    assert!(soon(lost).await.unwrap().is_err());
    assert!(scene.ask(1, &turn).await.is_ok());
    assert_eq!(read(&scene, "note"), "++end");
    assert_eq!(scene.rounds("a"), [0, 1, 1, 2]);
}

#[tokio::test]
async fn a_death_between_an_edit_and_its_record_does_not_edit_again() {
    let mut scene = Scene::start(2).await;
    for n in 0..6 {
        let (file, owner) = (format!("note{n}"), n % 2);
        std::fs::write(scene.file(&file), "end").unwrap();
        let turn = Turn::user(format!("[[id=m{n} {}]]", edit(&file))).once(format!("k{n}"));
        let lost = scene.ask_later(owner, &turn);
        // The moment between the change of the file and the commit of the result lasts about as long as a commit.
        soon(async {
            while read(&scene, &file) == "end" {
                tokio::task::yield_now().await;
            }
        })
        .await;
        scene.kill(owner).await;
        soon(lost).await.unwrap().ok();
        let reply = scene.ask(1 - owner, &turn).await;
        assert!(reply.is_ok(), "{reply:?}");
        assert_eq!(read(&scene, &file), "+end", "{reply:?}");
        scene.cluster.restart(owner).await.unwrap();
    }
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_the_models_to_know() {
    let scene = Scene::start(1).await;
    let reply = scene.ask(0, &Turn::user("[[id=a tool=fly force]]")).await;
    assert!(reply.is_ok() && reply.text.contains("There is no tool `fly`"), "{reply:?}");
}
