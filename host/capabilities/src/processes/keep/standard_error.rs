//! Standard error of a process whose output is a stream: the newest of it, as two files among the process's own.
//!
//! What cannot be written is lost: the files are for texts about what went wrong, and the process goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

/// Then the file becomes the older one, and another is begun: a traceback has some kilobytes.
const LARGEST: u64 = 64 << 10;

pub(super) struct StandardError {
    pipe: File,
    path: PathBuf,
    /// None: it is not there yet, or could not be made.
    file: Option<File>,
    length: u64,
}

impl StandardError {
    pub(super) fn new(pipe: File, path: PathBuf) -> Self {
        Self { pipe, path, file: None, length: 0 }
    }

    pub(super) fn pipe(&self) -> &File {
        &self.pipe
    }

    /// Takes over what there is; false at its end.
    pub(super) fn copy(&mut self) -> bool {
        let mut data = [0; 16 << 10];
        match self.pipe.read(&mut data) {
            Ok(0) => false,
            Ok(read) => {
                self.add(data.get(..read).unwrap_or_default());
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }

    pub(super) fn add(&mut self, data: &[u8]) {
        if self.length >= LARGEST {
            let _ = std::fs::rename(&self.path, self.path.with_extension("before"));
            (self.file, self.length) = (None, 0);
        }
        if self.file.is_none() {
            let _ = self.path.parent().map(std::fs::create_dir_all);
            self.file = OpenOptions::new().create(true).append(true).open(&self.path).ok();
        }
        if let Some(file) = &mut self.file
            && file.write_all(data).is_ok()
        {
            self.length += data.len() as u64;
        }
    }
}
