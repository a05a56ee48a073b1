//! One output and its thread. Lines are whole: one that a full disk cut short is counted as lost, and ended before the
//! next.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::{Counts, Entry, Output};

/// Bytes that are written in one go while more events wait.
const BATCH_BYTES: usize = 64 << 10;

/// An output, open.
pub struct Writer {
    output: Output,
    sink: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    is_torn: bool,
}

impl Writer {
    /// Opens an output.
    pub fn open(output: &Output) -> io::Result<Self> {
        Ok(Self { output: output.clone(), sink: sink(output)?, buffer: Vec::new(), is_torn: false })
    }

    /// Writes until the journal is gone; at the latest when nothing more waits.
    pub fn run(mut self, receiver: &Receiver<Arc<Entry>>, counts: &Counts) {
        let mut reopened = counts.reopened.load(Ordering::Relaxed);
        loop {
            let entry = match receiver.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Empty) => {
                    self.flush(counts);
                    let Ok(entry) = receiver.recv() else { return };
                    entry
                }
                Err(TryRecvError::Disconnected) => return self.flush(counts),
            };
            let asked = counts.reopened.load(Ordering::Relaxed);
            if asked != reopened {
                reopened = asked;
                self.flush(counts);
                // As long as the new file cannot be made, the old one is better than none.
                if let Ok(sink) = sink(&self.output) {
                    (self.sink, self.is_torn) = (sink, false);
                }
            }
            self.buffer.extend_from_slice(entry.text.as_bytes());
            self.buffer.push(b'\n');
            if self.buffer.len() >= BATCH_BYTES {
                self.flush(counts);
            }
        }
    }

    fn flush(&mut self, counts: &Counts) {
        if self.buffer.is_empty() {
            return;
        }
        if self.is_torn && self.write(b"\n") == 1 {
            self.is_torn = false;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let written = if self.is_torn { 0 } else { self.write(&buffer) };
        let (done, lost) = buffer.split_at(written);
        let lines = lost.iter().filter(|byte| **byte == b'\n').count();
        counts.lost_output.fetch_add(lines as u64, Ordering::Relaxed);
        self.is_torn |= done.last().is_some_and(|byte| *byte != b'\n');
        self.buffer = buffer;
        self.buffer.clear();
    }

    /// Writes as much as goes, and returns how much went.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.sink.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Standard output keeps nothing back: every batch ends a line.
        let _ = self.sink.flush();
        written
    }
}

fn sink(output: &Output) -> io::Result<Box<dyn Write + Send>> {
    Ok(match output {
        Output::Stdout => Box::new(io::stdout()),
        // Who spoke with whom is not for everyone to read.
        Output::File(path) => Box::new(OpenOptions::new().create(true).append(true).mode(0o640).open(path)?),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// A disk with room for so many bytes.
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (room, contents) = &mut *self.0.lock().unwrap();
            let count = bytes.len().min(*room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= count;
            contents.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(writer: &mut Writer, counts: &Counts, lines: &str) {
        writer.buffer.extend_from_slice(lines.as_bytes());
        writer.flush(counts);
    }

    #[test]
    fn a_full_disk_costs_a_counted_number_of_lines_and_tears_none_after_them() {
        let disk = Arc::new(Mutex::new((6, Vec::new())));
        let sink = Box::new(Disk(Arc::clone(&disk)));
        let mut writer = Writer { output: Output::Stdout, sink, buffer: Vec::new(), is_torn: false };
        let counts = Counts::default();
        write(&mut writer, &counts, "one\ntwo\nthree\n");
        write(&mut writer, &counts, "four\n");
        assert_eq!(counts.lost_output.load(Ordering::Relaxed), 3);
        disk.lock().unwrap().0 = 100;
        write(&mut writer, &counts, "five\n");
        assert_eq!(counts.lost_output.load(Ordering::Relaxed), 3);
        assert_eq!(String::from_utf8_lossy(&disk.lock().unwrap().1), "one\ntw\nfive\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again() {
        let directory = std::env::temp_dir().join(format!("bangasa-journal-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, moved) = (directory.join("events"), directory.join("events.1"));
        let writer = Writer::open(&Output::File(path.clone())).unwrap();
        let counts = Arc::new(Counts::default());
        let (sender, receiver) = sync_channel(0);
        let theirs = Arc::clone(&counts);
        let thread = std::thread::spawn(move || writer.run(&receiver, &theirs));
        let send = |text: &str| sender.send(Arc::new(Entry { municipality: None, text: text.into() })).unwrap();
        send("before");
        while std::fs::read(&path).unwrap() != b"before\n" {
            std::thread::yield_now();
        }
        std::fs::rename(&path, &moved).unwrap();
        counts.reopened.fetch_add(1, Ordering::Relaxed);
        send("after");
        drop(sender);
        thread.join().unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "before\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
