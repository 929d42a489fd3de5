//! Processor time of a process and all that it has started, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;

/// How often the sum is tried, if children end meanwhile.
const ATTEMPTS: usize = 100;

/// What `/proc/PID/stat` tells, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    own: u64,
    /// Of children that have ended and been waited for.
    ended: u64,
}

/// The processor time of a process and of its children, also of those that have ended.
pub(super) fn of(parent: Pid) -> Result<Duration> {
    let parent = parent.as_raw_nonzero().get();
    for _ in 0..ATTEMPTS {
        let before = read(parent)?;
        let living: u64 = children(parent)?.map(|child| child.own + child.ended).sum();
        let after = read(parent)?;
        // A child that ended in between may be missing in the sum, or be in it twice.
        if before.ended == after.ended {
            let ticks = after.own + after.ended + living;
            return Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64));
        }
    }
    bail!("the children of process {parent} end too fast to be counted")
}

fn read(pid: i32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}; it takes Linux"))?;
    parse(&stat).with_context(|| format!("{path} has an unknown form"))
}

fn children(parent: i32) -> Result<impl Iterator<Item = Stat>> {
    let processes = fs::read_dir("/proc").context("cannot list processes; it takes Linux")?.flatten();
    let stats = processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        // It may have ended since it was listed.
        read(pid).ok()
    });
    Ok(stats.filter(move |stat| stat.parent == parent))
}

/// Fields are counted behind the name, which may hold anything.
fn parse(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let parent = fields.get(1)?.parse().ok()?;
    Some(Stat { parent, own: ticks(11)? + ticks(12)?, ended: ticks(13)? + ticks(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fields_behind_the_name() {
        let stat = "77 (a ) b) S 5 77 77 0 -1 4194304 1 2 3 4 100 20 7 3 20 0 1 0";
        assert_eq!(parse(stat), Some(Stat { parent: 5, own: 120, ended: 10 }));
        assert_eq!(parse("77 (a) S 5"), None);
    }
}
