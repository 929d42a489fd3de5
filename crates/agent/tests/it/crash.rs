//! Crash points: a conversation that is cut off anywhere and resumed from its log alone leaves the same log, shows
//! its models the same messages and gives its sender the same replies as one that was never cut off.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/process.rs"]
mod process;
#[path = "crash/script.rs"]
mod script;
#[path = "crash/sender.rs"]
mod sender;
#[path = "crash/world.rs"]
mod world;

use proptest::prelude::*;

use script::{Script, script};
use world::{Crashes, World};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn uncut(script: &Script) -> World {
    let world = World::play(script, Crashes::none());
    check::uncut(&world);
    world
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn every_single_crash_heals(script in script()) {
        let whole = uncut(&script);
        for event in 0..whole.events {
            let cut = World::play(&script, Crashes::after(vec![event]));
            check::healed(&cut, &whole);
        }
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn many_crashes_heal(script in script(), gaps in prop::collection::vec(0_usize..12, 1..10)) {
        let whole = uncut(&script);
        let cut = World::play(&script, Crashes::after(gaps));
        check::healed(&cut, &whole);
    }
}
