//! weir's informer beside kube-runtime's `watcher` (with `default_backoff`) on the same faults, over a small API with real history.
//!
//! For every script both must end with the same objects and, unless the table says otherwise, must have seen every object go through the
//! same states. Where kube-runtime 5.0 differs, the difference itself is asserted, so that an upgrade which mends it is noticed.
//!
//! | script | kube-runtime 5.0 | weir |
//! |---|---|---|
//! | the list fails again and again | asks about once a second for ever | waits grow to 30 s |
//! | HTTP 410 on the watch | asks for the same version for ever; never hears of anything again | lists anew |
//! | the watch closes at once | asks again without any wait | waits grow |
//! | a streaming list is refused with 422 | asks for it for ever; never synced | falls back to pages |
//! | a streaming list answers with an ERROR event | about once a second for ever; never synced | falls back to pages |
//! | `sendInitialEvents` is ignored | never synced | falls back to pages after 30 s |
//! | a page fails in the middle of a list | lists again from the first page | asks for that page again |
//! | events come twice | hands both on | drops what it has |
//! | 429 with Retry-After | the watcher does not know it (a client with retries does) | waits as told |
//! | 403 until granted | within seconds, again and again | every 30 to 45 s, and names the rule |
//! | all others | the same | the same |
//!
//! The rest of this test binary is weir's informer alone: sharing and catching up, kinds that come and go, and random faults on the
//! embedded API.

#![expect(clippy::unwrap_used, reason = "the lint's exception for tests does not reach what tests share")]

#[path = "differential/api.rs"]
mod api;
#[path = "differential/embedded.rs"]
mod embedded;
#[path = "differential/kinds.rs"]
mod kinds;
#[path = "differential/oracle.rs"]
mod oracle;
#[path = "differential/scripts.rs"]
mod scripts;
#[path = "differential/sharing.rs"]
mod sharing;
