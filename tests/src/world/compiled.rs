//! Compiling large components once.
//!
//! A component in Python takes half a minute of a core in a debug build, and several tests of one process want the same. What compiles is kept between runs, and within
//! a run nobody compiles what another test is compiling. No scenario's patience is spent on it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use super::{component, guests};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};
use tokio::sync::OnceCell;
use weir::runtime::{Engine, EngineSettings};

/// More than any machine needs.
const PATIENT: Duration = Duration::from_secs(900);

/// One for each guest that was asked for; set once its code is in the cache.
static DONE: LazyLock<Mutex<HashMap<String, Arc<OnceCell<()>>>>> = LazyLock::new(Mutex::default);

/// Where compiled code is kept between runs: a component in Python takes a debug build the better part of a minute.
#[expect(clippy::disallowed_methods, reason = "xtask says so by the environment")]
pub fn compiled() -> Option<PathBuf> {
    std::env::var("WEIR_TEST_COMPILED").ok().map(PathBuf::from).or_else(|| Some(guests()?.join("../compiled")))
}

/// Sees to it that the guest's code is in [`compiled`], where weir and every other engine with that cache finds it.
pub async fn compile(guest: &str) {
    let done = Arc::clone(DONE.lock().unwrap().entry(guest.to_owned()).or_default());
    let work = async || {
        let settings = EngineSettings { cache_dir: compiled(), compile_time: PATIENT, ..EngineSettings::default() };
        Engine::new(settings).unwrap().load(guest, component(guest).into()).await.unwrap();
    };
    done.get_or_init(work).await;
}
