//! What is good and what is not about a store, its replicas and its clock, whichever back-end it has.

use std::collections::BTreeSet;
use std::time::Duration;

use regrow_store::{Error, Examination, Finding, Liveness, ReplicaView};

use super::latency::Times;
use crate::advertise;

/// Medians above which every message is felt to wait for the store.
pub(super) const SLOW_READ: Duration = Duration::from_millis(50);
pub(super) const SLOW_COMMIT: Duration = Duration::from_millis(200);

/// A session that has waited for this long waits for want of replicas.
const LONG: Duration = Duration::from_secs(30);

/// A difference between clocks that makes times hard to read.
const SKEW: i64 = 1_000;

pub(super) fn clock(skew: i64) -> Finding {
    if skew.abs() <= SKEW {
        return Finding::ok("clock", "the store's and this machine's agree");
    }
    let seconds = skew.unsigned_abs() as f64 / 1_000.0;
    let which = if skew > 0 { "ahead of" } else { "behind" };
    Finding::warning(
        "clock",
        format!("the store's is {seconds:.1} s {which} this machine's"),
        "run NTP on both: leases go by the store's clock alone, but the times that are shown are confusing",
    )
}

pub(super) fn speed(
    subject: &'static str,
    slow: Duration,
    measured: Result<Times, Error>,
    findings: &mut Vec<Finding>,
) -> Option<Times> {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    findings.push(match &measured {
        Err(error) => {
            Finding::problem(subject, error.to_string(), "make it work: no message is accepted without")
        }
        Ok(times) => {
            let what = format!("median {}, worst {}", ms(times.median), ms(times.worst));
            match times.median > slow {
                false => Finding::ok(subject, what),
                true => Finding::warning(
                    subject,
                    what,
                    "every message waits for this several times: use a faster disk or a nearer server",
                ),
            }
        }
    });
    measured.ok()
}

pub(super) fn replicas(alive: &[ReplicaView]) -> Vec<Finding> {
    let subject = "replicas";
    let mut findings = Vec::new();
    let versions: BTreeSet<&str> = alive.iter().map(|view| view.version.as_str()).collect();
    let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
    if versions.contains(',') {
        findings.push(Finding::warning(
            subject,
            format!("{} alive, with versions {versions}", alive.len()),
            "finish the upgrade; different versions side by side are meant for its duration",
        ));
    } else if alive.is_empty() {
        findings.push(Finding::ok(subject, "none alive"));
    } else {
        findings.push(Finding::ok(subject, format!("{} alive, version {versions}", alive.len())));
    }
    for view in alive.iter().filter(|view| view.expires_in.is_zero()) {
        findings.push(Finding::warning(
            subject,
            format!("{} at {} is silent for longer than its lease", view.id, view.address),
            "start a replica: one that lives takes its sessions over",
        ));
    }
    let late = alive.iter().filter(|view| view.liveness == Liveness::Heartbeat).count();
    if late > 0 {
        findings.push(Finding::warning(
            subject,
            format!("if {late} of them crash, it is noticed only when their leases run out"),
            "start them again; if that does not help, what holds their locks is gone or is not passed through",
        ));
    }
    findings
}

pub(super) fn backlog(seen: &Examination) -> Finding {
    let (load, subject) = (&seen.load, "backlog");
    let oldest = load.oldest_ready.as_secs();
    let what = format!("{} sessions run, {} wait for a replica", load.running, load.ready);
    if load.ready > 0 && seen.replicas.is_empty() {
        return Finding::warning(subject, what, "start a replica");
    }
    match load.oldest_ready > LONG {
        false => Finding::ok(subject, what),
        true => Finding::warning(
            subject,
            format!("{what}, one for {oldest} s"),
            "add replicas, or `regrow.slots`",
        ),
    }
}

/// Where peers would reach a replica with this configuration, and where those that live say that they are reached.
pub(super) fn peers(shared: bool, address: &str, alive: &[ReplicaView]) -> Finding {
    let subject = "peers";
    let hidden = alive.iter().filter(|view| advertise::is_loopback(&view.address)).count();
    if !shared || (hidden == 0 && !advertise::is_loopback(address)) {
        return Finding::ok(subject, format!("a replica that starts here is reached at {address}"));
    }
    let what = match hidden {
        0 => format!(
            "a replica that starts here says that it is reached at {address}, which is this machine only"
        ),
        _ => format!("{hidden} replicas say that they are reached at a loopback address"),
    };
    Finding::warning(
        subject,
        what,
        "if replicas run on several machines: --bind lan, or --advertise HOST; otherwise replies are seen late elsewhere",
    )
}

#[cfg(test)]
mod tests {
    use regrow_protocol::ReplicaId;
    use regrow_store::{Level, Load};

    use super::*;

    fn alive(version: &str, address: &str) -> ReplicaView {
        ReplicaView {
            id: ReplicaId::new(),
            address: address.to_owned(),
            version: version.to_owned(),
            joined_at: 0,
            lease: Duration::from_secs(5),
            expires_in: Duration::from_secs(4),
            liveness: Liveness::Lock,
            slots: 1,
            running: 0,
            draining: false,
        }
    }

    fn levels(findings: &[Finding]) -> Vec<Level> {
        findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn clocks_that_differ_by_more_than_a_second_are_named() {
        for (skew, want) in
            [(0, Level::Ok), (-1_000, Level::Ok), (1_001, Level::Warning), (-1_001, Level::Warning)]
        {
            assert_eq!(clock(skew).level, want, "{skew}");
        }
    }

    #[test]
    fn a_backlog_wants_replicas() {
        let seen = |ready, waited, replicas| Examination {
            back_end: "any",
            version: String::new(),
            schema: 1,
            clock: 0,
            size: 0,
            free: None,
            load: Load { ready, running: 0, oldest_ready: Duration::from_secs(waited) },
            replicas,
            findings: Vec::new(),
        };
        for (ready, waited, replicas, want) in [
            (0, 0, vec![], Level::Ok),
            (1, 0, vec![], Level::Warning),
            (1, 30, vec![alive("1", "a:1")], Level::Ok),
            (1, 31, vec![alive("1", "a:1")], Level::Warning),
        ] {
            assert_eq!(backlog(&seen(ready, waited, replicas)).level, want, "{ready} {waited}");
        }
    }

    #[test]
    fn replicas_that_differ_or_are_silent_are_named() {
        assert_eq!(levels(&replicas(&[])), [Level::Ok]);
        assert_eq!(levels(&replicas(&[alive("1", "a:1"), alive("1", "b:1")])), [Level::Ok]);
        let mixed = replicas(&[alive("1", "a:1"), alive("2", "b:1")]);
        assert!(mixed[0].level == Level::Warning && mixed[0].what.contains("1, 2"), "{mixed:?}");
        let silent = ReplicaView { expires_in: Duration::ZERO, ..alive("1", "a:1") };
        assert_eq!(levels(&replicas(&[silent])), [Level::Ok, Level::Warning]);
        let late = ReplicaView { liveness: Liveness::Heartbeat, ..alive("1", "a:1") };
        assert_eq!(levels(&replicas(&[late])), [Level::Ok, Level::Warning]);
    }

    #[test]
    fn a_loopback_address_is_wrong_only_across_machines() {
        let (far, near) = ("10.0.0.7:1", "127.0.0.1:1");
        for (shared, own, other, want) in [
            (false, near, near, Level::Ok),
            (true, far, far, Level::Ok),
            (true, near, far, Level::Warning),
            (true, far, near, Level::Warning),
        ] {
            assert_eq!(peers(shared, own, &[alive("1", other)]).level, want, "{shared} {own} {other}");
        }
    }

    #[test]
    fn what_is_slow_or_fails_is_said() {
        let times = |ms| Ok(Times { median: Duration::from_millis(ms), worst: Duration::from_secs(9) });
        let mut found = Vec::new();
        assert!(speed("reads", SLOW_READ, times(50), &mut found).is_some());
        assert!(speed("reads", SLOW_READ, times(51), &mut found).is_some());
        assert!(speed("reads", SLOW_READ, Err(Error::Unavailable("no".to_owned())), &mut found).is_none());
        assert_eq!(levels(&found), [Level::Ok, Level::Warning, Level::Problem]);
    }
}
