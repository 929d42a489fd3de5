//! The logs of replicas: one file for each life, of which only the end is shown.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end of a log is shown, in bytes.
const SHOWN: u64 = 16 << 10;

/// The end of one log, under its name; a log that cannot be read says why.
pub fn end_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = read_end(path).unwrap_or_else(|error| format!("({error})"));
    format!("--- {name}\n{text}")
}

/// The ends of all logs in `directory`.
pub fn ends_in(directory: &Path) -> String {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_log = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_log).collect();
    paths.sort();
    paths.iter().map(|path| end_of(path)).collect()
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))?;
    let mut bytes = Vec::new();
    file.take(SHOWN).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
