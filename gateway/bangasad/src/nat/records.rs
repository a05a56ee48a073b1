//! Who had which block of ports, and when, on disk: one file a day (UTC), only ever appended to.
//!
//! A day's file begins with everything that is held when it begins, so that a question about a moment needs the file of
//! its day, or, if the daemon did not run then, the next one: nothing is freed while the daemon is away. A line that a
//! power failure cut short fails its checksum and is left out.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::line::{Holding, Kind, Line, Place};
use crate::state::sync_directory;

const DAY_MS: u64 = 86_400_000;
const SUFFIX: &str = ".blocks";

/// The records.
#[derive(Debug)]
pub struct Records {
    directory: PathBuf,
    days_kept: u64,
    open: BTreeMap<Place, Holding>,
    file: Option<(u64, File)>,
}

/// A holding with its end, if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub holding: Holding,
    pub until_ms: Option<u64>,
}

impl Records {
    /// Opens or makes the directory, and reads what was held when its last line was written.
    pub fn open(directory: &Path, days_kept: u64) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("cannot make `{}`", directory.display()))?;
        let mut records = Self { directory: directory.into(), days_kept, open: BTreeMap::new(), file: None };
        if let Some(&last) = records.days()?.last() {
            for line in records.read(last)?.lines().filter_map(Line::parse) {
                records.take(&line);
            }
        }
        Ok(records)
    }

    /// What is held, by place.
    pub fn held(&self) -> &BTreeMap<Place, Holding> {
        &self.open
    }

    /// Writes what happened, and waits until the disk has it.
    pub fn note(&mut self, now_ms: u64, lines: &[Line]) -> anyhow::Result<()> {
        let written = self.write(now_ms, lines);
        if written.is_err() {
            // Whatever got there may be half a line.
            self.file = None;
        } else {
            lines.iter().for_each(|line| self.take(line));
        }
        written
    }

    /// Begins the day's file if it has not begun: the first line of it says who holds what.
    pub fn begin_day(&mut self, now_ms: u64) -> anyhow::Result<()> {
        self.note(now_ms, &[])
    }

    /// Who held a public address and port at a moment.
    pub fn look_up(&self, address: Ipv4Addr, port: u16, at_ms: u64) -> anyhow::Result<Option<Held>> {
        let mut days = self.days()?.into_iter().filter(|&day| day >= at_ms / DAY_MS);
        let Some(day) = days.next() else { return Ok(None) };
        let mut found: Option<Held> = None;
        for line in self.lines_about(day, address, port)? {
            let until_ms = (line.kind == Kind::Released).then_some(line.at_ms);
            let is_then = line.holding.since_ms <= at_ms && until_ms.is_none_or(|until_ms| at_ms < until_ms);
            match &mut found {
                Some(found) if found.holding == line.holding => {
                    // It had ended by then.
                    found.until_ms = until_ms;
                }
                _ if is_then => found = Some(Held { holding: line.holding, until_ms }),
                _ => {}
            }
        }
        let mut found = found.filter(|held| held.until_ms.is_none_or(|until_ms| at_ms < until_ms));
        if let Some(held) = &mut found
            && held.until_ms.is_none()
            && self.open.get(&held.holding.place()) != Some(&held.holding)
        {
            for day in days {
                let end = |line: &Line| line.kind == Kind::Released && line.holding == held.holding;
                if let Some(line) = self.lines_about(day, address, port)?.iter().find(|line| end(line)) {
                    held.until_ms = Some(line.at_ms);
                    break;
                }
            }
        }
        Ok(found)
    }

    fn take(&mut self, line: &Line) {
        match line.kind {
            Kind::Assigned | Kind::Held => drop(self.open.insert(line.holding.place(), line.holding.clone())),
            Kind::Released if self.open.get(&line.holding.place()) == Some(&line.holding) => {
                self.open.remove(&line.holding.place());
            }
            Kind::Released => {}
        }
    }

    fn write(&mut self, now_ms: u64, lines: &[Line]) -> anyhow::Result<()> {
        // A clock that was set back does not begin an old day again.
        let day = (now_ms / DAY_MS).max(self.file.as_ref().map_or(0, |(day, _)| *day));
        let path = self.path(day);
        let cannot = || format!("cannot write `{}`", path.display());
        let mut text = String::new();
        let mut file = match self.file.take() {
            Some((of, file)) if of == day => file,
            _ => {
                let mut options = OpenOptions::new();
                let mut file =
                    options.read(true).append(true).create(true).mode(0o600).open(&path).with_context(cannot)?;
                if file.seek(SeekFrom::End(0)).with_context(cannot)? == 0 {
                    let held = self.open.values().cloned();
                    text.extend(held.map(|holding| format!("{}\n", Line { kind: Kind::Held, at_ms: now_ms, holding })));
                    self.prune(day)?;
                } else {
                    let mut last = [0];
                    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).with_context(cannot)?;
                    text.push_str(if last == *b"\n" { "" } else { "\n" });
                }
                file
            }
        };
        text.extend(lines.iter().map(|line| format!("{line}\n")));
        if !text.is_empty() {
            file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).with_context(cannot)?;
            sync_directory(&self.directory)?;
        }
        self.file = Some((day, file));
        Ok(())
    }

    fn prune(&self, today: u64) -> anyhow::Result<()> {
        for day in self.days()?.into_iter().filter(|day| day + self.days_kept < today) {
            let path = self.path(day);
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
        Ok(())
    }

    /// Lines of a day about a public port, in order. Most lines are about others, and are not parsed.
    fn lines_about(&self, day: u64, address: Ipv4Addr, port: u16) -> anyhow::Result<Vec<Line>> {
        let needle = format!(" {address} ");
        let text = self.read(day)?;
        let lines = text.lines().filter(|line| line.contains(&needle)).filter_map(Line::parse);
        Ok(lines.filter(|line| line.holding.covers(address, port)).collect())
    }

    fn read(&self, day: u64) -> anyhow::Result<String> {
        let path = self.path(day);
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Days that have a file, as days since 1970, ascending.
    fn days(&self) -> anyhow::Result<Vec<u64>> {
        let cannot = || format!("cannot read `{}`", self.directory.display());
        let mut days = Vec::new();
        for entry in fs::read_dir(&self.directory).with_context(cannot)? {
            let name = entry.with_context(cannot)?.file_name();
            let date = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            days.extend(date.and_then(telemetry::time::days_since_1970));
        }
        days.sort_unstable();
        Ok(days)
    }

    fn path(&self, day: u64) -> PathBuf {
        let moment = telemetry::time::rfc3339(std::time::Duration::from_secs(day * 86_400));
        self.directory.join(format!("{}{SUFFIX}", &moment[..10]))
    }
}

#[cfg(test)]
#[path = "records/tests.rs"]
mod tests;
