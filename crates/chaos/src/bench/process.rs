//! What the system knows about a process: memory and processor time, from `/proc`. Elsewhere than on Linux it is an
//! error that says so.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Writing this to `clear_refs` makes the present memory the peak.
const FORGET_PEAK: &str = "5";

/// Processor time that a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage(Duration);

impl Usage {
    pub(super) fn of(pid: u32) -> Result<Self> {
        let stat = read(pid, "stat")?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("/proc/{pid}/stat has an unknown form"))?;
        Ok(Self(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)))
    }

    /// What was used since an earlier look.
    pub(super) fn since(&self, earlier: &Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The resident memory of a process, in MB.
pub(super) fn resident_mb(pid: u32) -> Result<f64> {
    status_mb(pid, "VmRSS:")
}

/// The most resident memory since the start or since [`forget_peak`], in MB.
pub(super) fn peak_mb(pid: u32) -> Result<f64> {
    status_mb(pid, "VmHWM:")
}

/// Begins a new peak. It takes the right to write to the process.
pub(super) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, FORGET_PEAK).with_context(|| format!("cannot write {path}"))
}

/// How many tasks of the whole machine wanted to run, on average over the last minute; none where it is not known.
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn status_mb(pid: u32, key: &str) -> Result<f64> {
    let status = read(pid, "status")?;
    let bytes = status_bytes(&status, key).with_context(|| format!("/proc/{pid}/status has no {key}"))?;
    Ok(bytes as f64 / 1e6)
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path)
        .with_context(|| format!("cannot read {path}; this part of the benchmark needs Linux"))
}

/// User and system time: the 14th and 15th field, counted behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The kernel says "kB" and means 1,024 bytes.
fn status_bytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1 1";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(status_bytes("Name:\tx\nVmRSS:\t   20480 kB\nThreads:\t4", "VmRSS:"), Some(20_971_520));
        assert_eq!((cpu_ticks("nonsense"), status_bytes("nonsense", "VmRSS:")), (None, None));
    }
}
