//! The output of a process on disk: bounded, and read by offset while it is written.
//!
//! Segments of a few megabytes, each named by the offset of its first byte. When there are too many, the oldest goes: a
//! service that logs every request for a year keeps its last lines, and no process fills the disk by talking.
//!
//! Of a stream nothing goes before it was read ([`release`]), and whoever writes asks first whether there is room.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::Chunk;

const SEGMENT_BYTES: u64 = 4 << 20;

/// Appends; used by the keeper.
pub(super) struct OutputWriter {
    folder: PathBuf,
    /// How many segments are kept.
    segments: usize,
    file: File,
    start: u64,
    length: u64,
}

impl OutputWriter {
    /// Goes on where an earlier run of the process stopped.
    pub(super) fn open(folder: &Path, segments: usize) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (start, length) = segments_of(folder).last().copied().unwrap_or((0, 0));
        let file = OpenOptions::new().create(true).append(true).open(segment(folder, start))?;
        Ok(Self { folder: folder.to_owned(), segments: segments.max(1), file, start, length })
    }

    /// Whether the next byte would begin a segment more than so many.
    pub(super) fn is_full(&self, segments: usize) -> bool {
        self.length >= SEGMENT_BYTES && segments_of(&self.folder).len() >= segments
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if self.length >= SEGMENT_BYTES {
            self.start += self.length;
            self.length = 0;
            self.file = OpenOptions::new().create(true).append(true).open(segment(&self.folder, self.start))?;
            let all = segments_of(&self.folder);
            for (start, _) in all.iter().take(all.len().saturating_sub(self.segments)) {
                std::fs::remove_file(segment(&self.folder, *start))?;
            }
        }
        self.file.write_all(data)?;
        self.length += data.len() as u64;
        Ok(())
    }
}

/// At most `max` bytes from `offset`; what is gone already is skipped.
pub(super) fn read(folder: &Path, offset: u64, max: usize) -> io::Result<Chunk> {
    let segments = segments_of(folder);
    let Some((start, length)) =
        segments.iter().copied().find(|(start, length)| offset < start + length).or(segments.last().copied())
    else {
        return Ok(Chunk { data: Vec::new(), next: offset });
    };
    let from = offset.clamp(start, start + length);
    let mut data = Vec::new();
    let opened = File::open(segment(folder, start)).and_then(|mut file| {
        file.seek(SeekFrom::Start(from - start))?;
        file.take(max as u64).read_to_end(&mut data)
    });
    match opened {
        Ok(_) => Ok(Chunk { next: from + data.len() as u64, data }),
        // It went between the look and the opening.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Chunk { data: Vec::new(), next: start + length }),
        Err(error) => Err(error),
    }
}

/// Whether whole segments are before `offset`.
pub(super) fn is_behind(folder: &Path, offset: u64) -> bool {
    matches!(segments_of(folder).as_slice(), [(start, length), _, ..] if start + length <= offset)
}

/// Deletes the segments before `offset`. The last one stays: it is being written.
pub(super) fn release(folder: &Path, offset: u64) -> io::Result<()> {
    let segments = segments_of(folder);
    let Some((_, finished)) = segments.split_last() else { return Ok(()) };
    for (start, length) in finished {
        if start + length <= offset {
            match std::fs::remove_file(segment(folder, *start)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The last lines, for texts about what went wrong.
pub(super) fn last_lines(folder: &Path, count: usize) -> String {
    /// More than enough for a few lines of a traceback.
    const TAIL: u64 = 8 << 10;
    let end = segments_of(folder).last().map_or(0, |(start, length)| start + length);
    let mut text = String::new();
    let mut offset = end.saturating_sub(TAIL);
    while offset < end {
        match read(folder, offset, TAIL as usize) {
            Ok(chunk) if chunk.next > offset => {
                text.push_str(&String::from_utf8_lossy(&chunk.data));
                offset = chunk.next;
            }
            _ => break,
        }
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

fn segment(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("{start:020}"))
}

/// First offset and length of each segment, in order.
fn segments_of(folder: &Path) -> Vec<(u64, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut segments: Vec<(u64, u64)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.metadata().ok()?.len())))
        .collect();
    segments.sort_unstable();
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_bounded_and_a_late_reader_gets_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = OutputWriter::open(folder.path(), 2).unwrap();
        let line = [b'x'; 1 << 16];
        for _ in 0..3 * SEGMENT_BYTES / line.len() as u64 {
            writer.write(&line).unwrap();
        }
        writer.write(b"the end\n").unwrap();
        assert_eq!(segments_of(folder.path()).len(), 2);

        let (mut offset, mut read_bytes, mut last) = (0, 0, Vec::new());
        loop {
            let chunk = read(folder.path(), offset, 1 << 20).unwrap();
            if chunk.data.is_empty() {
                break;
            }
            offset = chunk.next;
            read_bytes += chunk.data.len() as u64;
            last = chunk.data;
        }
        assert_eq!(offset, 3 * SEGMENT_BYTES + 8);
        assert_eq!(read_bytes, SEGMENT_BYTES + 8);
        assert!(last.ends_with(b"the end\n"));
        assert_eq!(last_lines(folder.path(), 1).len() as u64, (8 << 10) - 1);
    }

    #[test]
    fn what_was_read_of_a_stream_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = OutputWriter::open(folder.path(), usize::MAX).unwrap();
        let block = vec![b'x'; SEGMENT_BYTES as usize];
        writer.write(&block).unwrap();
        assert!(!writer.is_full(2));
        writer.write(&block).unwrap();
        assert!(writer.is_full(2));
        assert!(!is_behind(folder.path(), SEGMENT_BYTES - 1));
        assert!(is_behind(folder.path(), SEGMENT_BYTES));
        release(folder.path(), SEGMENT_BYTES).unwrap();
        assert!(!writer.is_full(2));
        writer.write(b"more").unwrap();
        let chunk = read(folder.path(), 2 * SEGMENT_BYTES, 100).unwrap();
        assert_eq!((chunk.data.as_slice(), chunk.next), (b"more".as_slice(), 2 * SEGMENT_BYTES + 4));
    }

    #[test]
    fn a_second_run_goes_on_where_the_first_stopped() {
        let folder = tempfile::tempdir().unwrap();
        OutputWriter::open(folder.path(), 2).unwrap().write(b"one\n").unwrap();
        OutputWriter::open(folder.path(), 2).unwrap().write(b"two\n").unwrap();
        let chunk = read(folder.path(), 4, 100).unwrap();
        assert_eq!((chunk.data.as_slice(), chunk.next), (b"two\n".as_slice(), 8));
        assert_eq!(last_lines(folder.path(), 5), "one\ntwo");
    }
}
