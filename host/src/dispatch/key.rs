//! What a lane queues and what its ledger is kept by.
//!
//! Promises: one key for one object of one watch of one handler, whatever its uid: an object that was deleted and created anew under
//! its name is still one key, so that the end of the old one and the beginning of the new one are never told at once.

use crate::watch::ObjectKey;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// One object of one watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "StoredKey", into = "StoredKey")]
pub struct LaneKey {
    /// The watch's name in the manifest.
    pub watch: Arc<str>,
    /// Which object.
    pub object: ObjectKey,
}

/// How a key is stored: plain text, independent of how it is shared in memory.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    watch: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Arc<str>>,
    name: Arc<str>,
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.watch, self.object)
    }
}

impl From<StoredKey> for LaneKey {
    fn from(stored: StoredKey) -> Self {
        LaneKey { watch: stored.watch, object: ObjectKey { namespace: stored.namespace, name: stored.name } }
    }
}

impl From<LaneKey> for StoredKey {
    fn from(key: LaneKey) -> Self {
        StoredKey { watch: key.watch, namespace: key.object.namespace, name: key.object.name }
    }
}
