//! The short list of crash points, and a death at each boundary on PostgreSQL; the whole list is
//! `regrow-chaos crash-points`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use regrow_chaos::crash_points::{self, Case};
use regrow_testbed::postgres::{Address, shared};

async fn pass(server: Option<&Address>, cases: Vec<Case>) {
    let program = env!("CARGO_BIN_EXE_regrow-faulty");
    let mut broken = Vec::new();
    crash_points::run(program.as_ref(), server, cases, 4, |outcome| {
        if !outcome.wrong.is_empty() {
            eprintln!("{}", outcome.logs);
            broken.push(format!("{}: {:?}", outcome.case, outcome.wrong));
        }
    })
    .await
    .unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn every_boundary_may_be_the_last_on_sqlite() {
    pass(None, crash_points::short()).await;
}

#[tokio::test]
async fn every_boundary_may_be_the_last_on_postgres() {
    pass(Some(&shared().await.unwrap()), crash_points::deaths()).await;
}
