//! Every statement of this back-end by its name, for the tests that prepare all of them on a server and look at their plans.
//! A test finds those that are missing here.

use super::{
    abort, accept, append, claim, examine, finish, heartbeat, history, leases, links, presence, prune, reap,
    release, schedules, schema, trial, views, wake,
};

macro_rules! statements {
    ($($module:ident { $($name:ident)* })*) => {
        &[$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name),)*)*]
    };
}

/// Statements by their names.
#[doc(hidden)]
pub const STATEMENTS: &[(&str, &str)] = statements! {
    abort { FLAG RESET }
    accept { ACCEPT WAITING }
    append { APPEND BEHIND HELD }
    claim { CLAIM MESSAGE REST RETURN }
    examine { FACTS CLOCK }
    finish { FINISH RECORDED KEPT }
    heartbeat { JOIN LOCKED_AGAIN BEAT DRAIN }
    history { LOG SESSION SESSIONS }
    leases { HOLD LET_GO }
    presence { LOCK UNLOCK }
    prune { NOW PAGE RUNS HISTORY WHOLE PRUNABLE }
    reap { LOOK ORPHANS EXPEL }
    release { RELEASE }
    schedules { PUT REMOVE LIST DUE PLANNED RECORD }
    schema { LOCK PRESENT META }
    trial { WRITE TAKE_BACK }
    views { RUN RUNS RUNS_OF RUNNING REPLICAS LOAD }
    wake { NOTIFY }
};

/// What every connection is set to.
#[doc(hidden)]
pub const CONNECTION_SETTINGS: &str = links::SETTINGS;
