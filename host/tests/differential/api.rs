//! A small Kubernetes API in memory with real history, and faults to order.
//!
//! It serves pods (`v1`), and `Foo` in `example.org/v1` once that is defined; lists in pages, watches with bookmarks, streaming lists, label
//! selectors of one equality and field selectors by name. Both kinds are views of one history; every object is in namespace `n`.
//! Time is tokio's.

use answer::{HANG, answer, as_of, line, lines, selected, status, status_body, unescape, want};
use axum::body::Body as Answer;
use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

mod answer;
mod stream;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// The first page of a list, or all of it.
    List,
    /// A further page.
    Page,
    Watch,
    /// A streaming list.
    Stream,
    Get,
    Discovery,
    Definition,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// An HTTP answer with a Status.
    Status { code: u16, reason: &'static str, retry_after: Option<u32> },
    /// No answer at all.
    Hang,
    /// 200, and then an ERROR event.
    InStream { code: u16, reason: &'static str },
    /// 200, and closed.
    Close,
    /// 200, and never a word.
    Silence,
    /// The next event is cut in the middle and the connection with it.
    CutMidLine,
    /// Every event comes twice.
    Twice,
    /// Bookmarks and nothing else, one a second, for so many seconds; then closed.
    Bookmarks(u32),
    /// The parameter is unknown to the server: an ordinary watch from the most recent state.
    IgnoreStreaming,
    /// A list that is older than it should be: the API as it was at this version.
    Stale(u64),
}

/// A request that was received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) want: Want,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) accept: String,
}

/// One change of one name.
#[derive(Clone)]
struct Past {
    version: u64,
    before: Option<Value>,
    now: Option<Value>,
}

struct State {
    version: u64,
    objects: BTreeMap<String, Value>,
    past: Vec<Past>,
    /// Versions below this cannot be watched from.
    oldest: u64,
    /// Continue tokens: the rest of a list and its version.
    tokens: HashMap<String, (Vec<Value>, u64)>,
    faults: Vec<(Want, u32, Fault)>,
    seen: Vec<Seen>,
    served: bool,
    defined: bool,
}

/// The API. Clones are the same.
#[derive(Clone)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
    /// Ticks to end all watches.
    cut: watch::Sender<()>,
    /// Ticks to send all watches a bookmark.
    bookmark: watch::Sender<()>,
    defined: watch::Sender<()>,
    began: Instant,
}

impl Api {
    pub(crate) fn new() -> Api {
        let state = State {
            version: 10,
            objects: BTreeMap::new(),
            past: Vec::new(),
            oldest: 0,
            tokens: HashMap::new(),
            faults: Vec::new(),
            seen: Vec::new(),
            served: false,
            defined: false,
        };
        let tick = || watch::channel(()).0;
        Api {
            state: Arc::new(Mutex::new(state)),
            changed: tick(),
            cut: tick(),
            bookmark: tick(),
            defined: tick(),
            began: Instant::now(),
        }
    }

    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let answer = api.answer(&request);
                if answer.status() == HANG {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(answer)
            }
        });
        Client::new(service, "default")
    }

    /// Creates or changes an object; its version.
    pub(crate) fn put(&self, name: &str, uid: &str, labels: Value) -> u64 {
        self.write(name, |version| {
            Some(
                json!({"metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": version.to_string(),
                "labels": labels, "managedFields": [{"manager": "test"}]}, "spec": {"of": version}}),
            )
        })
    }

    pub(crate) fn delete(&self, name: &str) -> u64 {
        self.write(name, |_| None)
    }

    /// Forgets everything before now: versions cannot be watched from, and tokens expire.
    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        state.oldest = state.version;
        state.tokens.clear();
    }

    /// Sets the API back to an earlier version, as a restored backup does.
    pub(crate) fn restore(&self, version: u64) {
        let mut state = self.lock();
        state.objects = as_of(&state, version);
        state.past.retain(|past| past.version <= version);
        state.version = version;
        state.oldest = version;
        drop(state);
        self.cut_watches();
    }

    /// The next `times` requests that want this go wrong.
    pub(crate) fn fault(&self, want: Want, times: u32, fault: Fault) {
        self.lock().faults.push((want, times, fault));
    }

    pub(crate) fn heal(&self) {
        self.lock().faults.clear();
    }

    pub(crate) fn cut_watches(&self) {
        self.cut.send_replace(());
    }

    pub(crate) fn bookmark(&self) {
        self.bookmark.send_replace(());
    }

    /// Whether the definition of Foo is there, and whether discovery says so.
    pub(crate) fn define_foo(&self, defined: bool, served: bool) {
        let mut state = self.lock();
        (state.defined, state.served) = (defined, served);
        drop(state);
        self.defined.send_replace(());
    }

    pub(crate) fn version(&self) -> u64 {
        self.lock().version
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    pub(crate) fn count(&self, want: Want) -> usize {
        self.lock().seen.iter().filter(|seen| seen.want == want).count()
    }

    /// Whether a version can be watched from: one of the past that is kept, or now, but not one that is yet to come.
    fn serves(&self, version: u64) -> bool {
        let state = self.lock();
        (state.oldest..=state.version).contains(&version)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn write(&self, name: &str, make: impl FnOnce(u64) -> Option<Value>) -> u64 {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let now = make(version);
        let before = match &now {
            Some(now) => state.objects.insert(name.to_owned(), now.clone()),
            None => state.objects.remove(name),
        };
        state.past.push(Past { version, before, now });
        drop(state);
        self.changed.send_replace(());
        version
    }

    fn answer(&self, request: &Request<Body>) -> Response<Answer> {
        let path = request.uri().path().to_owned();
        let query: HashMap<String, String> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), unescape(value)))
            .collect();
        let want = want(&path, &query);
        let fault = {
            let mut state = self.lock();
            state.seen.push(Seen {
                at: self.began.elapsed(),
                want,
                query: request.uri().query().unwrap_or_default().to_owned(),
                accept: request
                    .headers()
                    .get("accept")
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned(),
                path: path.clone(),
            });
            let fault = state.faults.iter_mut().find(|(of, times, _)| *of == want && *times > 0);
            fault.map(|(_, times, fault)| {
                *times -= 1;
                fault.clone()
            })
        };
        if let Some(Fault::Hang) = fault {
            return status(HANG, "", None, None);
        }
        if let Some(Fault::Status { code, reason, retry_after }) = fault {
            return status(code, reason, retry_after, None);
        }
        let custom = path.starts_with("/apis/example.org/v1");
        if custom && !self.lock().served {
            return status(404, "NotFound", None, None);
        }
        match want {
            Want::Discovery if custom => {
                answer(json!({"resources": [{"name": "foos", "kind": "Foo", "namespaced": true}]}))
            }
            Want::Discovery => answer(json!({"resources": [{"name": "pods", "kind": "Pod", "namespaced": true},
                {"name": "nodes", "kind": "Node", "namespaced": false}]})),
            Want::Definition => self.definition(&path, &query),
            Want::Get => {
                let object = self.lock().objects.get(path.rsplit('/').next().unwrap_or_default()).cloned();
                object.map_or_else(|| status(404, "NotFound", None, None), answer)
            }
            Want::List | Want::Page => self.list(&query, fault.as_ref()),
            Want::Watch | Want::Stream => self.watch(&query, want == Want::Stream, fault),
        }
    }

    fn definition(&self, path: &str, query: &HashMap<String, String>) -> Response<Answer> {
        const NAME: &str = "foos.example.org";
        let defined = self.lock().defined;
        if path.ends_with(NAME) {
            return if defined {
                answer(json!({"metadata": {"name": NAME}}))
            } else {
                status(404, "NotFound", None, Some(NAME))
            };
        }
        if !query.contains_key("watch") {
            return answer(json!({"metadata": {"resourceVersion": "1"}, "items": []}));
        }
        let (lines, answer) = lines();
        let mut defined = self.defined.subscribe();
        tokio::spawn(async move {
            while defined.changed().await.is_ok() {
                let event = json!({"type": "MODIFIED", "object": {"apiVersion": "meta.k8s.io/v1",
                    "kind": "PartialObjectMetadata", "metadata": {"name": NAME, "resourceVersion": "2"}}});
                if lines.send(line(&event)).await.is_err() {
                    return;
                }
            }
        });
        answer
    }

    fn list(&self, query: &HashMap<String, String>, fault: Option<&Fault>) -> Response<Answer> {
        let mut state = self.lock();
        let (mut items, version) = match query.get("continue") {
            Some(token) => match state.tokens.get(token) {
                Some(rest) => rest.clone(),
                None => return status(410, "Expired", None, None),
            },
            None => {
                let at = if let Some(Fault::Stale(at)) = fault { *at } else { state.version };
                (as_of(&state, at).into_values().filter(|object| selected(object, query)).collect(), at)
            }
        };
        let mut token = String::new();
        if let Some(limit) = query.get("limit").and_then(|limit| limit.parse().ok())
            && items.len() > limit
        {
            let rest = items.split_off(limit);
            token = format!("token-{}", state.seen.len());
            state.tokens.insert(token.clone(), (rest, version));
        }
        answer(json!({"metadata": {"resourceVersion": version.to_string(), "continue": token},
            // As a genuine server writes an empty list of partial metadata.
            "items": if items.is_empty() { Value::Null } else { items.into() }}))
    }

    fn watch(&self, query: &HashMap<String, String>, streaming: bool, fault: Option<Fault>) -> Response<Answer> {
        let streaming = streaming && !matches!(fault, Some(Fault::IgnoreStreaming));
        let (lines, answer) = lines();
        let from: u64 = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or_default();
        let mut watch = stream::Watch { api: self.clone(), query: query.clone(), lines, from, fault };
        // Subscribed before anything else can happen, or a change could fall between.
        let ticks = (self.changed.subscribe(), self.cut.subscribe(), self.bookmark.subscribe());
        let initial = from == 0;
        tokio::spawn(async move { watch.run(initial, streaming, ticks).await });
        answer
    }
}
