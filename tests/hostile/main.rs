//! The hostile corpus: one small component or file per attack, each let loose in a whole host beside a neighbour that goes about its work.
//!
//! Promises, for each attack and without a clock: the neighbour is called for every change and fails at none; the attacker is called no more often than
//! its retry limit allows; what is said of it says what happened; nothing is in the cluster that was not granted; the host goes on, within
//! [`MEMORY`](arena::MEMORY), and what it logs of the attacker within [`LOG`](arena::LOG).
//!
//! An attack is a line of a table: its name, what is put into the directory, and how that ends. Most components are WebAssembly text around bytes laid out
//! by hand, since no SDK would let them lie.

#![expect(clippy::unwrap_used, reason = "what fails here fails the attack's test, where it stands")]

#[path = "../../host/src/runtime/tests/guest.rs"]
mod guest;

/// A table of attacks; a test for each.
macro_rules! corpus {
    ($($name:ident => $attack:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            crate::arena::run(&stringify!($name).replace('_', "-"), $attack).await;
        }
    )*};
}

mod arena;
mod attack;
mod calls;
mod files;
mod grants;
mod http;
mod log;
mod replies;
mod reply;
