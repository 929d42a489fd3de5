//! What can be wrong with the file, the directory and the file system under it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};
use rustix::fs::Access;

use super::file_system::{FileSystem, Place};
use super::liveness::{self, Liveness};
use super::reader::Readers;
use super::{Clock, views, writer};
use crate::{Error, Examination, Finding};

/// Free bytes, and the share of the file system, below which the disk counts as nearly full.
const LITTLE: u64 = 1 << 30;
const LITTLE_PERCENT: u64 = 5;

pub(super) async fn examine(
    readers: &Readers,
    path: &Path,
    liveness: &Liveness,
    clock: Clock,
    deep: bool,
) -> Result<Examination, Error> {
    let (path, liveness) = (path.to_owned(), liveness.clone());
    readers.read(move |connection| look(connection, &path, &liveness, &clock, deep)).await
}

/// Looks whether a store could be made at a path that has none; the error says why not.
pub fn can_be_made(path: &Path) -> Result<(), Error> {
    let here = Path::new(".");
    let above = path.ancestors().skip(1).map(|above| if above == Path::new("") { here } else { above });
    let nearest = above.into_iter().find(|above| above.exists()).unwrap_or(here);
    let error = |why: &str| {
        Error::Unavailable(format!("{} cannot be made: {} {why}", path.display(), nearest.display()))
    };
    if !nearest.is_dir() {
        return Err(error("is not a directory"));
    }
    let writable = rustix::fs::access(nearest, Access::WRITE_OK | Access::EXEC_OK);
    writable.map_err(|_| error("is not writable for this user"))
}

fn look(
    connection: &Connection,
    path: &Path,
    liveness: &Liveness,
    clock: &Clock,
    deep: bool,
) -> rusqlite::Result<Examination> {
    let (log, now) = (beside(path, "-wal"), clock());
    let disk = FileSystem::of(path);
    let mut findings = vec![journal(connection)?, write_ahead_log(size(&log))];
    findings.extend(space(&disk));
    findings.push(place(&disk));
    findings.push(permissions(path));
    if deep {
        findings.push(contents(connection)?);
    }
    Ok(Examination {
        back_end: "SQLite",
        version: rusqlite::version().to_owned(),
        schema: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
        size: size(path) + size(&log),
        free: disk.free,
        load: views::load(connection, now)?,
        replicas: views::list_replicas(connection, now, liveness)?,
        findings,
        clock: clock(),
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What is not there takes nothing.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn journal(connection: &Connection) -> rusqlite::Result<Finding> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(match mode.as_str() {
        "wal" => Finding::ok("journal", "write-ahead log"),
        _ => Finding::problem(
            "journal",
            format!("the journal mode is {mode}, so readers and writers wait for each other"),
            "move the store to a local file system that has shared memory",
        ),
    })
}

fn write_ahead_log(size: u64) -> Finding {
    let bound = u64::from(writer::LOG_BYTES);
    if size <= 2 * bound {
        return Finding::ok("write-ahead log", mebibytes(size));
    }
    Finding::warning(
        "write-ahead log",
        format!(
            "{}, where {} is the bound: something reads for very long",
            mebibytes(size),
            mebibytes(bound)
        ),
        "end the program that holds a transaction open on the store, such as a forgotten sqlite3 shell",
    )
}

fn mebibytes(size: u64) -> String {
    format!("{:.1} MiB", size as f64 / f64::from(1 << 20))
}

fn space(disk: &FileSystem) -> Option<Finding> {
    let (free, total) = (disk.free?, disk.total?);
    let percent = free.saturating_mul(100) / total.max(1);
    let what = format!("{} free, {percent} %", mebibytes(free));
    Some(match free < LITTLE || percent < LITTLE_PERCENT {
        false => Finding::ok("disk", what),
        true => Finding::warning(
            "disk",
            what,
            "make room: on a full disk nothing is accepted until there is some again",
        ),
    })
}

/// Replicas are told apart from dead ones, and writers from each other, by locks that must be honest.
fn place(disk: &FileSystem) -> Finding {
    let (subject, name) = ("file system", disk.name);
    match disk.place {
        Place::Local => Finding::ok(subject, name),
        Place::Passing => Finding::warning(
            subject,
            format!("{name}, so the store is gone with this machine's or container's end"),
            "keep the store on a disk or a volume",
        ),
        Place::Unknown => Finding::warning(
            subject,
            format!("{name} may or may not be on this machine"),
            "make sure that the store is on a local disk: over a network, locks cannot be relied on",
        ),
        Place::Remote => Finding::problem(
            subject,
            format!("{name} is a network file system, whose locks and shared memory cannot be relied on"),
            "move the store to a local disk, or use a store that is a server",
        ),
    }
}

fn permissions(path: &Path) -> Finding {
    let others = [path.to_owned(), beside(path, "-wal"), liveness::directory(path)];
    let open = others.iter().filter(|path| is_open(path)).map(|path| path.display().to_string());
    let open: Vec<String> = open.collect();
    if open.is_empty() {
        return Finding::ok("permissions", "only its owner reads the store");
    }
    let open = open.join(" ");
    Finding::warning(
        "permissions",
        format!("others can read {open}, which holds conversations"),
        format!("chmod go-rwx {open}"),
    )
}

fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

fn contents(connection: &Connection) -> rusqlite::Result<Finding> {
    let check = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA quick_check(5)")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let said = match check() {
        // It may be too damaged to be checked.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => error.to_string(),
        said => said?.join("; "),
    };
    Ok(match said.as_str() {
        "ok" => Finding::ok("contents", "read, and whole"),
        _ => Finding::problem(
            "contents",
            format!("the file is damaged: {said}"),
            "stop the replicas and restore the store from a backup",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn disk(free: u64, total: u64) -> FileSystem {
        FileSystem { name: "ext4", place: Place::Local, free: Some(free), total: Some(total) }
    }

    #[test]
    fn little_room_is_a_warning() {
        for (free, total, want) in [
            (10 << 30, 100 << 30, Level::Ok),
            (1 << 30, 2 << 30, Level::Ok),
            (LITTLE - 1, 2 << 30, Level::Warning),
            (4 << 30, 100 << 30, Level::Warning),
            (0, 0, Level::Warning),
        ] {
            assert_eq!(space(&disk(free, total)).unwrap().level, want, "{free} of {total}");
        }
        let unknown = FileSystem { free: None, ..disk(0, 0) };
        assert_eq!(space(&unknown), None);
    }

    #[test]
    fn only_a_local_file_system_is_good() {
        for (place, want) in [
            (Place::Local, Level::Ok),
            (Place::Passing, Level::Warning),
            (Place::Unknown, Level::Warning),
            (Place::Remote, Level::Problem),
        ] {
            assert_eq!(super::place(&FileSystem { place, ..disk(1, 1) }).level, want);
        }
    }

    #[test]
    fn a_log_far_above_its_bound_is_a_warning() {
        let bound = u64::from(writer::LOG_BYTES);
        assert_eq!(write_ahead_log(2 * bound).level, Level::Ok);
        assert_eq!(write_ahead_log(2 * bound + 1).level, Level::Warning);
    }
}
