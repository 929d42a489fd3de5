//! Records of edits: for each call, a small durable file that tells the content before and after by its hash.
//!
//! A record is written before the file is replaced and read only by a rerun. It is needed until the call's result is
//! in the journal, which this crate cannot see; a day is ample for that, and older records are removed in passing.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::replace;

/// How long a record is kept.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// The most records looked at in one sweep.
const MAX_SWEEP: usize = 64;

/// The most bytes of a record; a path has at most 4 KiB.
const MAX_BYTES: u64 = 64 * 1024;

/// The records of one agent.
pub(super) struct Records {
    directory: PathBuf,
}

/// How a file stands to an earlier attempt of the same call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No attempt came as far as to change the file.
    Unrecorded,
    /// It is as it was before the edit.
    Before,
    /// It is what the edit made of it.
    After,
    /// It is neither: something else changed it.
    Changed,
}

#[derive(Serialize, Deserialize)]
struct Record {
    path: String,
    before: String,
    after: String,
}

impl Records {
    /// The records below an agent's state directory.
    pub(super) fn of(state_dir: &Path) -> Self {
        Self { directory: state_dir.join("edits") }
    }

    /// Makes durable that the call `key` turns the file `name` from `before` into `after`.
    pub(super) fn save(&self, key: &str, name: &str, before: &[u8], after: &[u8]) -> Result<(), Refusal> {
        let record =
            Record { path: name.to_owned(), before: replace::sha256(before), after: replace::sha256(after) };
        let failed = |error| Refusal(format!("cannot record the edit, so it was not made: {error}"));
        let json = serde_json::to_vec(&record).map_err(|error| failed(error.into()))?;
        replace::create_directory(&self.directory).map_err(failed)?;
        replace::replace(&self.path(key), &json, &replace::tag(key)).map_err(failed)
    }

    /// How the file `name` with the content `current` stands to the call `key`.
    pub(super) fn standing(&self, key: &str, name: &str, current: &[u8]) -> Result<Standing, Refusal> {
        let Some(record) = self.load(key)? else { return Ok(Standing::Unrecorded) };
        let current = replace::sha256(current);
        Ok(match () {
            () if record.path != name => Standing::Changed,
            () if record.after == current => Standing::After,
            () if record.before == current => Standing::Before,
            () => Standing::Changed,
        })
    }

    /// Removes some records that are no longer needed. Each call looks after those whose names begin as its own
    /// does, so that over many calls every record has its turn. Failing does no harm.
    pub(super) fn sweep(&self, key: &str) {
        let Some(old) = SystemTime::now().checked_sub(KEEP) else { return };
        let share = &replace::tag(key)[..2];
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let in_share = entries.flatten().filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.trim_start_matches(replace::PREFIX).starts_with(share))
        });
        for entry in in_share.take(MAX_SWEEP) {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|modified| modified < old) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn load(&self, key: &str) -> Result<Option<Record>, Refusal> {
        let failed = |error: std::io::Error| {
            Refusal(format!("the record of this edit cannot be read, so its outcome is unknown: {error}"))
        };
        let file = match File::open(self.path(key)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut json = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut json).map_err(failed)?;
        serde_json::from_slice(&json).map(Some).map_err(|error| failed(error.into()))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{}.json", replace::sha256(key.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_tell_how_far_an_attempt_came() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::of(dir.path());
        assert_eq!(records.standing("run:1", "f", b"old").unwrap(), Standing::Unrecorded);
        records.save("run:1", "f", b"old", b"new").unwrap();
        for (key, name, current, want) in [
            ("run:1", "f", "old", Standing::Before),
            ("run:1", "f", "new", Standing::After),
            ("run:1", "f", "other", Standing::Changed),
            ("run:1", "g", "new", Standing::Changed),
            ("run:2", "f", "old", Standing::Unrecorded),
        ] {
            assert_eq!(
                records.standing(key, name, current.as_bytes()).unwrap(),
                want,
                "{key} {name} {current}"
            );
        }
    }

    #[test]
    fn a_broken_record_is_an_unknown_outcome() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::of(dir.path());
        records.save("run:1", "f", b"old", b"new").unwrap();
        fs::write(records.path("run:1"), "{").unwrap();
        let Refusal(sentence) = records.standing("run:1", "f", b"old").unwrap_err();
        assert!(sentence.contains("outcome is unknown"), "{sentence}");
    }

    #[test]
    fn a_sweep_removes_old_records_of_its_share_only() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::of(dir.path());
        records.save("run:1", "f", b"old", b"new").unwrap();
        let share = &replace::tag("run:1")[..2];
        let foreign = if share == "ff" { "00" } else { "ff" };
        let two_days_ago = SystemTime::now() - 2 * KEEP;
        for name in
            [format!("{share}0.json"), format!("{}{share}0-1", replace::PREFIX), format!("{foreign}0.json")]
        {
            let file = File::create(records.directory.join(name)).unwrap();
            file.set_modified(two_days_ago).unwrap();
        }
        records.sweep("run:1");
        let mut left: Vec<_> =
            fs::read_dir(&records.directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        let mut want = vec![records.path("run:1"), records.directory.join(format!("{foreign}0.json"))];
        want.sort();
        assert_eq!(left, want);
    }
}
