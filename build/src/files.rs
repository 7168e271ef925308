//! Files and folders, with errors that name them.

use crate::{BuildError, Job};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder's own name, which is its handler's.
pub(crate) fn name(directory: &Path) -> Result<String, BuildError> {
    let whole = fs::canonicalize(directory).map_err(|source| BuildError::file("find", directory, source))?;
    Ok(whole.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// The entries of a directory, sorted; none if it does not exist.
///
/// # Errors
///
/// If it cannot be read.
pub fn entries(directory: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let fails = |source| BuildError::file("list", directory, source);
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fails(error)),
    };
    let mut found = listed.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(fails)?;
    found.sort();
    Ok(found)
}

/// Writes a whole file by rename, making its directory; a file that is so already is left alone, so that nobody who watches it
/// sees a change.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let fails = |source| BuildError::file("write", path, source);
    let half = path.with_extension(format!("half-{}", std::process::id()));
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(fails)?;
    fs::write(&half, bytes).and_then(|()| fs::rename(&half, path)).map_err(fails)
}

/// Makes a directory hold these files.
pub(crate) fn provide(directory: &Path, files: &[(String, Vec<u8>)]) -> Result<(), BuildError> {
    for (name, bytes) in files {
        write(&directory.join(name), bytes)?;
    }
    Ok(())
}

/// Of the directories to hide, those that the folder lies in, for tools that read nothing else of this machine. Their runtimes came
/// compiled and name directories of the machines where that was done, which may be called like one here.
pub(crate) fn around(job: &Job) -> Result<Vec<PathBuf>, BuildError> {
    let whole = fs::canonicalize(&job.directory).map_err(|source| BuildError::file("find", &job.directory, source))?;
    Ok(job.hidden.iter().filter(|hidden| whole.starts_with(hidden)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_so_already_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a/b");
        write(&file, b"one").expect("written");
        let before = fs::metadata(&file).and_then(|data| data.modified()).expect("it is there");
        write(&file, b"one").expect("nothing to do");
        assert_eq!(fs::metadata(&file).and_then(|data| data.modified()).expect("it is there"), before);
        write(&file, b"two").expect("written");
        assert_eq!(fs::read(&file).expect("it is there"), b"two");
        assert_eq!(entries(&dir.path().join("a")).expect("readable"), [file]);
    }
}
