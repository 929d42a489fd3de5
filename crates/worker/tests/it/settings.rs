//! Settings that change while runs are under way: each run keeps its agent, and asks the models that there are now.

use std::sync::Arc;

use regrow_chaos::model_server::Server;
use regrow_providers::Models;
use regrow_tools::{Class, Toolbox};
use regrow_worker::SubmitError;

use crate::probe::Probe;
use crate::scene::{Scene, answer, assert_done, main_agent, message, models_at, soon};

/// The answer after the tool has been called.
fn probed(ids: &[&str]) -> String {
    format!("{} result=probe-worked", answer(ids))
}

#[tokio::test]
async fn a_run_keeps_its_agent_and_asks_the_models_of_now() {
    let scene = Scene::start().await;
    let other = Server::start().await.unwrap();
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |_| {}).await;
    let ticket = replica.send("a", "[[id=a tool=probe]]").await;
    probe.called(1).await;

    let mut plan = scene.plan(&[]);
    plan.settings.models = models_at(&other.base_url());
    main_agent(&mut plan).tools = Toolbox::new(Vec::new());
    replica.change(plan.settings);
    probe.release(1);
    assert_done(&replica.ended(&ticket).await, &probed(&["a"]));
    assert_eq!(
        (scene.model.count("a"), other.count("a")),
        (1, 1),
        "one call before the change and one after"
    );
    let unasked = format!("{} not-offered=probe", answer(&["b"]));
    assert_done(&replica.ask("b", "[[id=b tool=probe]]").await, &unasked);
    assert_eq!(
        (probe.calls().len(), scene.model.count("b")),
        (1, 0),
        "the tool and the model are those of now"
    );
}

#[tokio::test]
async fn a_run_whose_model_was_taken_away_ends_with_it() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |_| {}).await;
    let ticket = replica.send("a", "[[id=a tool=probe]]").await;
    probe.called(1).await;
    let mut plan = scene.plan(&[]);
    plan.settings.models = Arc::new(Models::demo());
    replica.change(plan.settings);
    probe.release(1);
    assert_done(&replica.ended(&ticket).await, &probed(&["a"]));
    assert_eq!(scene.rounds("a"), [0, 1]);
}

#[tokio::test]
async fn agents_and_bounds_are_those_of_now() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |plan| plan.settings.max_queued = 1).await;
    let ticket = replica.send("a", "[[id=a tool=probe]]").await;
    probe.called(1).await;
    let refused = soon(replica.submit(message("a", "[[id=b]]"))).await;
    assert!(matches!(refused, Err(SubmitError::QueueFull { waiting: 1, .. })), "{refused:?}");

    replica.change(scene.plan(&[&probe]).settings);
    let queued = replica.send("a", "[[id=b]]").await;
    let mut plan = scene.plan(&[]);
    plan.settings.agents.clear();
    replica.change(plan.settings);
    let refused = soon(replica.submit(message("a", "[[id=c]]"))).await;
    assert!(matches!(refused, Err(SubmitError::UnknownAgent(_))), "{refused:?}");
    replica.change(scene.plan(&[]).settings);
    probe.release(1);
    assert_done(&replica.ended(&ticket).await, &probed(&["a"]));
    assert_done(&replica.ended(&queued).await, &answer(&["a", "b"]));
}
