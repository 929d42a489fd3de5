//! The short list of crash points; the whole list is `regrow-chaos crash-points`.

use regrow_chaos::crash_points;

#[tokio::test]
async fn every_boundary_may_be_the_last() {
    let program = env!("CARGO_BIN_EXE_regrow-faulty");
    let mut broken = Vec::new();
    crash_points::run(program.as_ref(), crash_points::short(), 4, |outcome| {
        if !outcome.wrong.is_empty() {
            eprintln!("{}", outcome.logs);
            broken.push(format!("{}: {:?}", outcome.case, outcome.wrong));
        }
    })
    .await
    .unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}
