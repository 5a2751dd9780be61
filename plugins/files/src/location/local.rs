//! Folders of the host's machine, through WASI: only granted ones are there, and no path leads out of them.

use std::fs;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use asgard_sdk::{Error, Result, folders};
use bytes::Bytes;

use super::{Entry, Pattern, Source, changed};

/// Deeper folders are links that go in a circle.
const DEEPEST: usize = 64;

pub(super) fn find(folder: &str, patterns: &[String]) -> Result<Vec<Entry>> {
    let root = folders::locate(folder).map_err(|error| match error {
        Error::InvalidInput(wrong) => Error::invalid("config.location.folder", wrong.message),
        Error::NotFound(message) => Error::invalid("config.location.folder", message),
        other => other,
    })?;
    found_in(Path::new(&root), patterns)
}

/// The files below `root` that fit.
fn found_in(root: &Path, patterns: &[String]) -> Result<Vec<Entry>> {
    let patterns = patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>>>()?;
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let message = format!("`{}` is a file: name its folder here, and the file in `files`", root.display());
            return Err(Error::invalid("config.location.folder", message));
        }
        Err(error) => {
            let message = format!("`{}` cannot be read on the host's machine: {error}", root.display());
            return Err(Error::invalid("config.location.folder", message));
        }
    }
    let deepest = patterns.iter().map(|pattern| pattern.depth().unwrap_or(DEEPEST)).max().unwrap_or(0).min(DEEPEST);
    let mut walk = Walk { root, patterns, deepest, found: Vec::new() };
    walk.folder("", 1)?;
    Ok(walk.found)
}

struct Walk<'a> {
    root: &'a Path,
    patterns: Vec<Pattern>,
    deepest: usize,
    found: Vec<Entry>,
}

impl Walk<'_> {
    fn folder(&mut self, below: &str, depth: usize) -> Result<()> {
        let folder = self.root.join(below);
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            // Names that are no text cannot be configured either.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            let fits = self.patterns.iter().any(|pattern| pattern.fits(&below));
            if !fits && !self.leads_on(&below, depth) {
                continue;
            }
            let path = self.root.join(&below);
            // Through links, as long as they stay in the granted folder.
            let found = match fs::metadata(&path) {
                Ok(found) => found,
                Err(_) if !fits => continue,
                Err(error) => return Err(unreadable(&path, &error)),
            };
            if found.is_dir() && depth < self.deepest {
                // A link may lead in a circle, and `**` would go round.
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if !(is_link && self.patterns.iter().any(|pattern| pattern.depth().is_none())) {
                    self.folder(&below, depth + 1)?;
                }
            } else if found.is_file() && fits {
                self.found.push(described(&path, &found));
            }
        }
        Ok(())
    }

    /// Whether something that fits may be in a folder of this name.
    fn leads_on(&self, below: &str, depth: usize) -> bool {
        self.patterns.iter().any(|pattern| {
            let deep_enough = pattern.depth().is_none_or(|deepest| depth < deepest);
            let prefix = pattern.prefix();
            deep_enough && (prefix.starts_with(below) || below.starts_with(prefix))
        })
    }
}

fn described(path: &Path, found: &fs::Metadata) -> Entry {
    let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let path = path.to_string_lossy().into_owned();
    Entry {
        address: path.clone(),
        path,
        size: found.len(),
        version: Some(format!("{}-{}", found.len(), modified.as_nanos())),
        modified: i64::try_from(modified.as_millis()).ok(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => Error::unavailable(format!("`{path}` went away while it was looked at")),
        ErrorKind::PermissionDenied => Error::Forbidden(format!(
            "`{path}` may not be read: the host's user may not, or it is a link that leads out of the granted folder"
        )),
        _ => Error::Forbidden(format!("`{path}` cannot be read: {error}")),
    }
}

/// An open file.
pub(super) struct File {
    file: Mutex<fs::File>,
    entry: Entry,
}

impl File {
    pub(super) fn open(entry: &Entry) -> Result<Self> {
        let path = Path::new(&entry.address);
        let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        let opened = Self { file: Mutex::new(file), entry: entry.clone() };
        opened.prove_unchanged()?;
        Ok(opened)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, fs::File> {
        self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        self.entry.size
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let wanted = self.entry.size.saturating_sub(offset).min(length as u64);
        let mut part = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        let mut file = self.locked();
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| (&mut *file).take(wanted).read_to_end(&mut part));
        drop(file);
        read.map_err(|error| unreadable(Path::new(&self.entry.address), &error))?;
        // It became shorter.
        if part.len() as u64 != wanted {
            return Err(changed(&self.entry.path));
        }
        Ok(part.into())
    }

    fn prove_unchanged(&self) -> Result<()> {
        let path = Path::new(&self.entry.address);
        // By its name: it may have been replaced by another file.
        let now = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if described(path, &now).version == self.entry.version { Ok(()) } else { Err(changed(&self.entry.path)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        let mut found: Vec<String> = found_in(root, &patterns)
            .unwrap()
            .into_iter()
            .map(|entry| Path::new(&entry.path).strip_prefix(root).unwrap().display().to_string())
            .collect();
        found.sort();
        found
    }

    #[test]
    fn files_are_found_by_patterns_at_their_depth() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["a.csv", "b.txt", "x/c.csv", "x/y/d.csv", "größe/ü.csv", "a.csv.d/e.csv"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), path).unwrap();
        }
        assert_eq!(names(root, &["*.csv"]), ["a.csv"]);
        assert_eq!(names(root, &["x/*.csv", "größe/*"]), ["größe/ü.csv", "x/c.csv"]);
        assert_eq!(names(root, &["**/*.csv"]), ["a.csv", "a.csv.d/e.csv", "größe/ü.csv", "x/c.csv", "x/y/d.csv"]);
        assert_eq!(names(root, &["*/?.csv"]), ["a.csv.d/e.csv", "größe/ü.csv", "x/c.csv"]);
        assert!(names(root, &["none-*.csv"]).is_empty());
    }

    #[test]
    fn a_link_that_leads_in_a_circle_is_not_followed_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("x")).unwrap();
        fs::write(folder.path().join("x/a.csv"), "").unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("x/up")).unwrap();
        assert_eq!(names(folder.path(), &["**/*.csv"]), ["x/a.csv"]);
        assert_eq!(names(folder.path(), &["x/up/x/*.csv"]), ["x/up/x/a.csv"]);
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "0123456789").unwrap();
        let entry = found_in(folder.path(), &["a.csv".to_owned()]).unwrap().remove(0);
        let file = File::open(&entry).unwrap();
        assert_eq!(file.read(8, 100).unwrap(), "89");
        file.prove_unchanged().unwrap();
        fs::write(&path, "01234").unwrap();
        assert!(matches!(file.read(0, 10), Err(Error::Unavailable(_))));
        assert!(matches!(file.prove_unchanged(), Err(Error::Unavailable(_))));
    }
}
