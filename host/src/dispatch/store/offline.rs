//! A state directory that no weir runs on: what `weir dead` and `weir forget` do then.
//!
//! Promises: while it is open no weir can start on the directory; what was ordered is on the disk once [`Offline::close`] returns; a letter that is to be tried
//! again is, as soon as weir runs.

use super::{OpenError, Store, StoreMetrics, StoreSettings};
use crate::dispatch::{book::Book, dead::Letter};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug)]
pub struct Offline {
    store: Store,
    books: BTreeMap<String, Book>,
}

impl Offline {
    /// Opens the directory. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], also if a weir runs on it.
    pub fn open(settings: StoreSettings) -> Result<Offline, OpenError> {
        let store = Store::open_now(settings, StoreMetrics::default())?;
        // The bounds are the handlers' own, and looked at when those run.
        let book = |handler: String| (handler.clone(), Book::new(&handler, Some(&store), usize::MAX, usize::MAX));
        let books = store.handlers().into_iter().map(book).collect();
        Ok(Offline { store, books })
    }

    /// The handlers that something is known of, by name.
    pub fn handlers(&self) -> Vec<String> {
        self.books.keys().cloned().collect()
    }

    /// A handler's dead letters with their numbers, oldest first.
    pub fn letters(&self, handler: &str) -> Vec<(u64, Letter)> {
        let book = self.books.get(handler);
        book.iter().flat_map(|book| book.dead.numbered()).map(|(number, letter)| (number, letter.clone())).collect()
    }

    /// The letter of this number, or all of the handler's, are tried again once weir runs. Returns how many were found.
    pub fn retry_letters(&mut self, handler: &str, one: Option<u64>) -> usize {
        self.books.get_mut(handler).map_or(0, |book| book.retry(one).len())
    }

    /// Drops the letter of this number, or all of the handler's. Returns how many were found.
    pub fn drop_letters(&mut self, handler: &str, one: Option<u64>) -> usize {
        let Some(book) = self.books.get_mut(handler) else { return 0 };
        book.dead.numbers(one).into_iter().filter_map(|number| book.dead.take(number)).count()
    }

    /// Forgets all that is known of a handler; whether anything was.
    pub fn forget(&mut self, handler: &str) -> bool {
        self.books.remove(handler).map(|mut book| book.clear()).is_some()
    }

    /// Forces what was ordered to the disk. Blocks.
    ///
    /// # Errors
    /// In words, if it cannot be written; then it is as it was before.
    pub fn close(self) -> Result<(), String> {
        self.store.close();
        self.store.status().trouble.map_or(Ok(()), |trouble| Err(trouble.error))
    }
}
