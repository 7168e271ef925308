//! A weir that remembers: its state directory, and two ways to end on it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use super::World;
use std::{fs, path::Path};
use tempfile::TempDir;

impl World {
    /// From the next start on, weir has a state directory.
    pub fn keep_state(&mut self) {
        self.state = Some(TempDir::new().unwrap());
    }

    /// Runs the program `weir` with these words and this world's state directory, as an operator would beside the running one. What it printed; its exit code is
    /// as expected.
    pub async fn weir_says(&self, words: &[&str], code: i32) -> String {
        let dir = self.state.as_ref().expect("it keeps state").path();
        let mut command = tokio::process::Command::new(crate::program::program());
        let done = command.args(words).arg("--state-dir").arg(dir).output().await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "weir {words:?}: {out}{err}");
        format!("{out}{err}")
    }

    /// Ends weir as a crash does. What runs next begins with the files as they are now, which is what a killed process leaves: nothing of what the running one
    /// does from here on, its orderly end included, is in them. To be called when weir writes nothing, lest the copy be of several moments; `tests/oracle` kills
    /// processes at any.
    pub fn crash(&mut self) {
        let left = TempDir::new().unwrap();
        copy(self.state.as_ref().expect("it keeps state").path(), left.path());
        drop(self.weir.take().expect("weir runs"));
        self.state = Some(left);
    }
}

/// All files; a socket means nothing without its process.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, kind) = (entry.file_name(), entry.file_type().unwrap());
        if kind.is_dir() {
            fs::create_dir(to.join(&name)).unwrap();
            copy(&entry.path(), &to.join(&name));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}
