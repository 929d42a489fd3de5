//! What the system knows about a process: memory and processor time, from `/proc`. Elsewhere than on Linux it is an
//! error that says so.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Processor time that a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) pid: u32,
    cpu: Duration,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Result<Self> {
        let stat = read(pid, "stat")?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("/proc/{pid}/stat has an unknown form"))?;
        Ok(Self {
            pid,
            cpu: Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
        })
    }

    /// What was used since an earlier look.
    pub(super) fn since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }
}

/// The resident memory of a process, in MiB.
pub(super) fn rss_mib(pid: u32) -> Result<f64> {
    let status = read(pid, "status")?;
    let kib = rss_kib(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))?;
    Ok(kib as f64 / 1024.0)
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path)
        .with_context(|| format!("cannot read {path}; this part of the measurement needs Linux"))
}

/// User and system time: the 14th and 15th field, counted behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1 1";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(rss_kib("Name:\tx\nVmRSS:\t   20480 kB\nThreads:\t4"), Some(20_480));
        assert_eq!((cpu_ticks("nonsense"), rss_kib("nonsense")), (None, None));
    }
}
