//! How much the host logs of each attacker.
//!
//! Promises: every line of the process is looked at, as it would be written; one that names an attacker in any way is counted as its own.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{LazyLock, Mutex, PoisonError},
};

/// Bytes by attacker; one entry for each that [`listen`] was called for.
static WRITTEN: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Counter).finish();
    // Only the first of a process can be set, and this is it.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    Mutex::default()
});

/// From now on, lines about `name` are counted.
pub(crate) fn listen(name: &str) {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), 0);
}

/// How many bytes of lines there were.
pub(crate) fn written(name: &str) -> usize {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
}

/// Is given one line at a time.
struct Counter;

impl Write for Counter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        for (name, bytes) in WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if text.contains(name.as_str()) {
                *bytes += line.len();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
