//! The oracle's judgement: what handlers were told, held against what happened.
//!
//! Promises, of each handler and object:
//!
//! - never two calls at once; no call for a state that was acknowledged, unless the handler asked for it; states never go back, over restarts either;
//! - nothing is told of an object whose end was acknowledged, nor of the next of its name before that;
//! - what is told is told of an object that there was, as `initial` or `added` first, a deletion with the final state unless it says that this is unknown;
//! - a handler is not woken by its own write; a previous state is the one it acknowledged last;
//! - failures are counted over restarts; what is given up is given up after as many calls as its limit allows, and not told again;
//! - and when all is quiet: the last state of each object, or its end, was told and answered, what the answer asked for was done, and the ledger agrees.
//!
//! The first group is judged line by line, as they come; what needs the API's side ([`Judge::agree`]) when that is complete.
//!
//! An end is taken for known only by weir's own line, which follows the write to disk. A call that a kill cut off after the guest had answered may have been
//! kept or not: it may come again, and need not. One that was cut off before its answer has to come again.

use crate::{
    log::{Answer, Call, Line, Place},
    quiet::Live,
};
use rules::{another_previous, at_odds, miscounted, out_of_order};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A handler, as far as the judge needs to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) name: &'static str,
    /// None: both.
    pub(crate) namespace: Option<&'static str>,
    /// Only objects labelled as chosen.
    pub(crate) selects: bool,
    /// It is called if `data.state` differs; else if anything does.
    pub(crate) state_only: bool,
    /// It is handed the previous state too.
    pub(crate) previous: bool,
    /// How often it is called again before that is given up; none: for ever.
    pub(crate) limit: Option<u64>,
}

/// What must not be.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// None: of weir as a whole.
    pub(crate) place: Option<Place>,
    pub(crate) what: String,
}

/// One call, and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    at: String,
    life: u32,
    pub(crate) call: Call,
    pub(crate) answer: Option<Answer>,
    pub(crate) marks: bool,
    pub(crate) end: End,
    /// When that was.
    ended_at: String,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    UnderWay,
    Acknowledged,
    Failed,
    GaveUp,
    /// It was given up, and an operator wants it to be tried again.
    Redriven,
    /// weir was killed.
    CutOff,
}

/// An object that there was, by its uid.
#[derive(Debug)]
struct Object {
    key: String,
    /// In which of weir's lives it was created.
    life: u32,
    /// When all that there was had been told.
    late: bool,
    /// In their order, what was not weir's doing.
    writes: Vec<Write>,
}

/// What somebody other than weir made of an object.
#[derive(Debug)]
struct Write {
    version: u64,
    state: String,
    chosen: bool,
}

/// What was counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    pub(crate) given_up: u64,
    pub(crate) cut_off: u64,
    pub(crate) endings: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) handlers: &'static [Handler],
    /// Every object there ever was.
    objects: BTreeMap<String, Object>,
    /// Every call there ever was, in order; the number says how many [`Judge::agree`] has seen.
    pub(crate) told: BTreeMap<Place, (Vec<Told>, usize)>,
    life: u32,
    /// All was quiet once, so that from then on nothing is `initial`.
    agreed: bool,
    pub(crate) counts: Counts,
    found: Vec<Violation>,
}

impl Counts {
    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.calls += other.calls;
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.given_up += other.given_up;
        self.cut_off += other.cut_off;
        self.endings += other.endings;
    }
}

impl Handler {
    /// What of a state the handler can tell from another, from [`Call::state`] and [`Call::seen`].
    pub(crate) fn view(&self, state: &str, seen: &str) -> String {
        if self.state_only { state.to_owned() } else { seen.to_owned() }
    }

    /// Whether the handler watches this namespace.
    pub(crate) fn watches(&self, key: &str) -> bool {
        self.namespace.is_none_or(|namespace| key.split('/').next() == Some(namespace))
    }
}

impl Told {
    /// It is answered, or may be.
    pub(crate) fn is_answered(&self) -> bool {
        match self.end {
            End::Acknowledged => true,
            End::CutOff => matches!(self.answer, Some(Answer::Done | Answer::Again)),
            End::UnderWay | End::Failed | End::GaveUp | End::Redriven => false,
        }
    }

    /// For the handler the object is no more, or may be.
    pub(crate) fn has_ended(&self) -> bool {
        self.call.is_ending() && self.is_answered()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { uid, version, change, attempt, unknown, seen, .. } = &self.call;
        let unknown = if *unknown { " (final state unknown)" } else { "" };
        let answer = self.answer.map_or("no answer".to_owned(), |answer| format!("{answer:?}").to_lowercase());
        write!(
            f,
            "told {change}{unknown}, attempt {attempt}: {uid} at {version}: {seen}: {answer}, {:?} at {}, life {}",
            self.end, self.ended_at, self.life
        )
    }
}

impl Judge {
    pub(crate) fn new(handlers: &'static [Handler]) -> Judge {
        Judge {
            handlers,
            objects: BTreeMap::new(),
            told: BTreeMap::new(),
            life: 0,
            agreed: false,
            counts: Counts::default(),
            found: Vec::new(),
        }
    }

    /// An object was created, before anything can have been told of it, in this life of weir's.
    pub(crate) fn created(&mut self, uid: &str, key: &str, life: u32) {
        let object = Object { key: key.to_owned(), life, late: self.agreed, writes: Vec::new() };
        self.objects.insert(uid.to_owned(), object);
    }

    /// Somebody other than weir wrote to it.
    pub(crate) fn wrote(&mut self, uid: &str, version: u64, state: &str, chosen: bool) {
        if let Some(object) = self.objects.get_mut(uid) {
            object.writes.push(Write { version, state: state.to_owned(), chosen });
        }
    }

    /// weir has ended, and all it wrote has been read. What was stopped in order goes on as the same life; a kill begins another.
    pub(crate) fn ended(&mut self, killed: bool) {
        self.life += u32::from(killed);
        for (told, _) in self.told.values_mut() {
            if let Some(last) = told.last_mut().filter(|last| last.end == End::UnderWay) {
                last.end = End::CutOff;
                self.counts.cut_off += 1;
            }
        }
    }

    /// Takes one line of the log.
    pub(crate) fn take(&mut self, at: &str, line: Line) {
        match line {
            Line::Runs { .. } => {}
            Line::Trouble { text } => self.found.push(Violation { place: None, what: text }),
            Line::Begins { place, call } => self.begins(at, place, call),
            Line::Ends { place, uid, answer, marks } => {
                if let Some(told) = self.under_way(&place, &uid) {
                    (told.answer, told.marks) = (Some(answer), marks);
                }
            }
            Line::Acknowledged { place, uid } => {
                let Some(told) = self.under_way(&place, &uid) else {
                    return self.violated(&place, "a call was acknowledged that was not made".to_owned());
                };
                (told.end, told.ended_at) = (End::Acknowledged, at.to_owned());
                let (answer, ending) = (told.answer, told.call.is_ending());
                self.counts.acknowledged += 1;
                self.counts.endings += u64::from(ending);
                if !matches!(answer, Some(Answer::Done | Answer::Again)) {
                    self.violated(&place, "a call was acknowledged that the handler did not answer".to_owned());
                }
            }
            Line::Failed { place, error: _ } => {
                let told = self.told.get_mut(&place).and_then(|(told, _)| told.last_mut());
                if let Some(told) = told.filter(|told| told.end == End::UnderWay) {
                    (told.end, told.ended_at) = (End::Failed, at.to_owned());
                    self.counts.failed += 1;
                }
            }
            Line::GaveUp { place } => self.gave_up(at, &place),
        }
    }

    fn begins(&mut self, at: &str, place: Place, call: Call) {
        self.counts.calls += 1;
        let Some(handler) = self.handlers.iter().find(|handler| handler.name == place.handler) else {
            return self.violated(&place, "a handler was called that there is not".to_owned());
        };
        let told = &mut self.told.entry(place.clone()).or_default().0;
        let wrong = told.last().and_then(|last| out_of_order(handler, last, &call, last.life < self.life));
        let wrong = wrong.or_else(|| another_previous(handler, told, &call)).or_else(|| miscounted(told.last(), &call));
        told.push(Told {
            at: at.to_owned(),
            life: self.life,
            call,
            answer: None,
            marks: false,
            end: End::UnderWay,
            ended_at: String::new(),
        });
        if let Some(wrong) = wrong {
            self.violated(&place, wrong);
        }
    }

    fn gave_up(&mut self, at: &str, place: &Place) {
        let limit = self.handlers.iter().find(|handler| handler.name == place.handler).and_then(|it| it.limit);
        let last = self.told.get_mut(place).and_then(|(told, _)| told.last_mut());
        let Some(last) = last.filter(|last| matches!(last.end, End::UnderWay | End::Failed)) else {
            return self.violated(place, "a call was given up that was not made, or had ended".to_owned());
        };
        (last.end, last.ended_at) = (End::GaveUp, at.to_owned());
        self.counts.given_up += 1;
        let calls = last.call.attempt;
        if limit.is_none_or(|limit| calls != limit + 1) {
            self.violated(
                place,
                format!("it was given up after {calls} calls, and may be called again {limit:?} times"),
            );
        }
    }

    fn under_way(&mut self, place: &Place, uid: &str) -> Option<&mut Told> {
        let last = self.told.get_mut(place)?.0.last_mut()?;
        (last.end == End::UnderWay && last.call.uid == uid).then_some(last)
    }

    fn violated(&mut self, place: &Place, what: String) {
        self.found.push(Violation { place: Some(place.clone()), what });
    }

    /// The uids that a handler's dead letters are about.
    pub(crate) fn given_up(&self, handler: &str) -> BTreeSet<String> {
        let its = self.told.iter().filter(|(place, _)| place.handler == handler);
        let last = its.filter_map(|(_, (told, _))| told.last()).filter(|last| last.end == End::GaveUp);
        last.map(|last| last.call.uid.clone()).collect()
    }

    /// An operator wants a handler's dead letters to be tried again.
    pub(crate) fn redriven(&mut self, handler: &str) {
        let its = self.told.iter_mut().filter(|(place, _)| place.handler == handler);
        for last in its.filter_map(|(_, (told, _))| told.last_mut()).filter(|last| last.end == End::GaveUp) {
            last.end = End::Redriven;
        }
    }

    /// What is still missing for all to be quiet: `live` is what the API has, `status` what weir says of itself. None: nothing is.
    pub(crate) fn missing(&self, live: &[Live], status: &serde_json::Value) -> Option<Violation> {
        crate::quiet::missing(self, live, status)
    }

    /// All is quiet, and the history is complete so far: judges what needs to know it.
    pub(crate) fn agree(&mut self) {
        let mut found = Vec::new();
        for (place, (told, seen)) in &mut self.told {
            let handler = self.handlers.iter().find(|handler| handler.name == place.handler);
            for at in *seen..told.len() {
                let before = &told[..at];
                let wrong = match (handler, self.objects.get(&told[at].call.uid)) {
                    (Some(handler), Some(object)) => at_odds(handler, object, place, before, &told[at]),
                    _ => Some("it was told of an object that there never was".to_owned()),
                };
                found.extend(wrong.map(|what| Violation { place: Some(place.clone()), what }));
            }
            *seen = told.len();
        }
        self.found.append(&mut found);
        self.agreed = true;
    }

    /// What was found since last asked.
    pub(crate) fn found(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.found)
    }

    /// Everything a handler was told of an object, each with its time.
    pub(crate) fn history(&self, place: &Place) -> Vec<(String, String)> {
        let told = self.told.get(place).into_iter().flat_map(|(told, _)| told);
        told.map(|told| (told.at.clone(), format!("{}: {told}", place.handler))).collect()
    }
}

mod rules;
#[cfg(test)]
mod tests;
