//! One attack: what is put into the directory of handlers, and how that has to end.

use crate::guest::Guest;

/// What an attacker may do unless its line says more: mark the objects that it is called for.
const GRANTED: &str = "{ apiVersion: v1, kind: ConfigMap, actions: [annotate] }";

/// See the module.
pub(crate) struct Attack {
    /// The component's file.
    pub(crate) file: Vec<u8>,
    /// Where its name leads by a symbolic link, instead.
    pub(crate) link: Option<&'static str>,
    /// Whether the changes are made while it is still being looked at.
    pub(crate) meanwhile: bool,
    /// Zeros after it, which take no room on the disk.
    pub(crate) zeros: u64,
    pub(crate) ends: Ends,
    /// Parts of what has to be said of it.
    pub(crate) words: &'static [&'static str],
    /// The beginning of a line of the metrics, with `NAME` for the handler's, that has to count something.
    pub(crate) counter: Option<String>,
    /// How often it may be called, if not four times for each change.
    pub(crate) calls: Option<u64>,
    /// How many changes the neighbour has to see.
    pub(crate) changes: usize,
    grants: Vec<&'static str>,
    http: &'static str,
    limits: &'static str,
    /// Instead of the manifest made from the three above.
    manifest: Option<String>,
}

/// How an attack ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The file is never a handler.
    Refused,
    /// Each event is given up, and a dead letter.
    GivenUp,
    /// Its calls end well; there was less to it than it thought.
    Contained,
}

impl Attack {
    fn new(file: Vec<u8>, ends: Ends, words: &'static [&'static str]) -> Attack {
        Attack {
            file,
            link: None,
            meanwhile: false,
            zeros: 0,
            ends,
            words,
            counter: None,
            calls: None,
            changes: 3,
            grants: vec![GRANTED],
            http: "",
            limits: "",
            manifest: None,
        }
    }

    /// What this guest is called for is given up, with these words.
    pub(crate) fn given_up(guest: &Guest, words: &'static [&'static str]) -> Attack {
        Attack::new(guest.build().into(), Ends::GivenUp, words)
    }

    /// This guest's calls end well.
    pub(crate) fn contained(guest: &Guest) -> Attack {
        Attack::new(guest.build().into(), Ends::Contained, &[])
    }

    /// This file is refused, with these words.
    pub(crate) fn refused(file: impl Into<Vec<u8>>, words: &'static [&'static str]) -> Attack {
        Attack::new(file.into(), Ends::Refused, words)
    }

    /// A file that is a symbolic link to this is refused, with these words.
    pub(crate) fn linked(link: &'static str, words: &'static [&'static str]) -> Attack {
        Attack { link: Some(link), ..Attack::refused([], words) }
    }

    /// One more line of `grants.write`.
    pub(crate) fn granted(mut self, line: &'static str) -> Attack {
        self.grants.push(line);
        self
    }

    /// `grants.http`.
    pub(crate) fn http(self, http: &'static str) -> Attack {
        Attack { http, ..self }
    }

    /// Entries of `limits` beyond, or instead of, those of [`Attack::manifest`].
    pub(crate) fn limits(self, limits: &'static str) -> Attack {
        Attack { limits, ..self }
    }

    /// This bound is counted as met.
    pub(crate) fn hits(self, limit: &str) -> Attack {
        self.counts(&format!("weir_limit_hits_total{{handler=\"NAME\",limit=\"{limit}\"}}"))
    }

    /// This counter counts, whose lines have `NAME` for the handler's.
    pub(crate) fn counts(self, counter: &str) -> Attack {
        Attack { counter: Some(counter.to_owned()), ..self }
    }

    /// So many calls rather than four for each change.
    pub(crate) fn called(self, calls: u64) -> Attack {
        Attack { calls: Some(calls), ..self }
    }

    /// So many changes rather than three.
    pub(crate) fn changes(self, changes: usize) -> Attack {
        Attack { changes, ..self }
    }

    /// The neighbour has its changes while this file is compiled.
    pub(crate) fn meanwhile(self) -> Attack {
        Attack { meanwhile: true, ..self }
    }

    /// Another manifest.
    pub(crate) fn under(self, manifest: String) -> Attack {
        Attack { manifest: Some(manifest), ..self }
    }

    /// So many zeros after the file's bytes.
    pub(crate) fn followed_by(self, zeros: u64) -> Attack {
        Attack { zeros, ..self }
    }

    /// One retry and small limits, so that the attack is over soon. Time is the exception: what is not about time has enough on any machine.
    pub(crate) fn manifest(&self) -> String {
        let Attack { grants, http, limits, manifest, .. } = self;
        let mut of: Vec<&str> = vec!["memory: 16Mi", "logBytes: 4Ki", "requeueFloor: 24h", "time: 60s"];
        let key = |entry: &str| entry.split(':').next().unwrap_or_default().trim().to_owned();
        of.retain(|entry| !limits.split(',').any(|other| key(other) == key(entry)));
        of.extend((!limits.is_empty()).then_some(*limits));
        let spec = format!(
            "  watches: [{{ name: objects, apiVersion: v1, kind: ConfigMap, namespaces: [default] }}]
  grants: {{ write: [{}], http: [{http}] }}
  retry: {{ limit: 1 }}
  limits: {{ {} }}",
            grants.join(", "),
            of.join(", ")
        );
        manifest.clone().unwrap_or_else(|| weir_tests::world::manifest(&spec))
    }
}
