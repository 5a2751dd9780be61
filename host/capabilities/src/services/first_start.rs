//! A service's data until it was ready once.
//!
//! A program that is ended while it lays out its data (a database whose first migration is half done) may never start on them
//! again. Until a service was ready for the first time nothing of anybody's is in its folder, so a start that came to nothing is
//! not built upon: the next one begins with an empty folder. What is moved out of its way stays beside it, until the next such move.
//!
//! That a folder is still without a life is written down, in the service's own place, before the first process is started on it, and
//! only if it is empty then. So a folder that was there before, and one that was ready once, are never touched.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Says that a service was never ready on its data.
#[derive(Debug, Clone)]
pub(super) struct FirstStart {
    mark: PathBuf,
}

impl FirstStart {
    pub(super) fn new(place: &Path) -> Self {
        Self { mark: place.join("first-start") }
    }

    /// Before each start. Where remains of one that came to nothing were in the way: where they are now.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn prepare(&self, data: &Path) -> io::Result<Option<PathBuf>> {
        let empty = is_empty(data)?;
        if !empty && !self.mark.try_exists()? {
            return Ok(None);
        }
        let aside = if empty { None } else { Some(moved_aside(data)?) };
        File::create(&self.mark)?.sync_all()?;
        fs::create_dir_all(data)?;
        Ok(aside)
    }

    /// The service answers, and nobody has been told yet.
    ///
    /// # Errors
    /// Those of the disk: the data must not be used then.
    pub(super) fn succeeded(&self) -> io::Result<()> {
        match fs::remove_file(&self.mark) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        match self.mark.parent() {
            // The name is gone for good once the folder is written.
            Some(place) => File::open(place)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().transpose()?.is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn moved_aside(data: &Path) -> io::Result<PathBuf> {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(".never-ready");
    let aside = data.with_file_name(name);
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::rename(data, &aside)?,
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_start_that_came_to_nothing_leaves_nothing_and_data_that_were_used_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (place, data) = (folder.path().join("place"), folder.path().join("data"));
        fs::create_dir_all(&place).unwrap();
        let first = FirstStart::new(&place);
        assert_eq!(first.prepare(&data).unwrap(), None);
        fs::write(data.join("half"), "done").unwrap();
        let aside = first.prepare(&data).unwrap().unwrap();
        assert_eq!((files(&data), files(&aside)), (vec![], vec!["half".to_owned()]));
        fs::write(data.join("other half"), "done").unwrap();
        assert_eq!(first.prepare(&data).unwrap().as_deref(), Some(aside.as_path()));
        assert_eq!(files(&aside), ["other half"]);

        fs::write(data.join("whole"), "done").unwrap();
        first.succeeded().unwrap();
        first.succeeded().unwrap();
        assert_eq!(first.prepare(&data).unwrap(), None);
        assert_eq!(files(&data), ["whole"]);
    }

    #[test]
    fn a_folder_that_was_there_before_is_never_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (place, data) = (folder.path().join("place"), folder.path().join("data"));
        fs::create_dir_all(&place).unwrap();
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("of an earlier version"), "").unwrap();
        for _ in 0..2 {
            assert_eq!(FirstStart::new(&place).prepare(&data).unwrap(), None);
        }
        assert_eq!(files(&data), ["of an earlier version"]);
    }
}
