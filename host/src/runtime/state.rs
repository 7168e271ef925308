//! What one instance carries: its limits, its output, and the call it is in.
//!
//! Promises: the sum of everything a guest makes grow (linear memories and tables) stays within `limits.memory`, whatever it
//! is split into; a growth that was refused is remembered, so that the trap it leads to is told as what it is.

use super::{
    imports::Call,
    logs::{LogSink, Output},
    wasi,
};
use crate::{
    handler::manifest::{Limits, Manifest, limit::Limit},
    runtime::Reads,
};
use std::{sync::Arc, time::Duration};
use wasmtime::{
    ResourceLimiter,
    component::{HasData, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Core instances in one instance of a component; componentize-py makes 38.
pub(super) const CORE_INSTANCES: usize = 128;
/// Linear memories in one instance of a component.
pub(super) const MEMORIES: usize = 8;
/// Tables in one instance of a component.
pub(super) const TABLES: usize = 64;
/// Elements of one table; large JavaScript and Python components start with 8,000.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Resource handles a guest may hold, and host objects (streams, pollables) behind them.
pub(super) const HANDLES: usize = 1_000;

/// What all instances of one handler share.
pub(super) struct Setup {
    pub(super) name: String,
    pub(super) limits: Limits,
    /// `host.settings`, as JSON.
    pub(super) settings: String,
    pub(super) reads: Reads,
    pub(super) sink: LogSink,
}

impl Setup {
    pub(super) fn new(name: &str, manifest: &Manifest, reads: Reads, sink: LogSink) -> Setup {
        Setup {
            name: name.to_owned(),
            limits: manifest.limits.clone(),
            settings: manifest.settings.to_string(),
            reads,
            sink,
        }
    }
}

/// The store's data.
pub(super) struct State {
    pub(super) setup: Arc<Setup>,
    pub(super) call: Call,
    pub(super) memory: Memory,
    pub(super) output: Output,
    /// Epochs the call may still run for.
    pub(super) ticks: u64,
    random: wasi::Random,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl State {
    pub(super) fn new(setup: Arc<Setup>) -> State {
        let output = Output::new(Arc::clone(&setup.sink), setup.limits.log_bytes);
        let random = wasi::Random::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        State {
            call: Call::without_event(&setup.limits),
            memory: Memory { limit: setup.limits.memory, used: 0, refused: None },
            wasi: wasi::context(&output, &random),
            ticks: 0,
            setup,
            output,
            random,
            table,
        }
    }

    /// A call begins: fresh budgets, and nothing of the last call.
    pub(super) fn begin(&mut self, call: Call, time: Duration, tick: Duration) {
        self.call = call;
        self.memory.refused = None;
        self.ticks = u64::try_from(time.as_nanos().div_ceil(tick.as_nanos())).unwrap_or(u64::MAX);
        self.output.begin();
        self.random.begin();
    }
}

impl HasData for State {
    type Data<'a> = &'a mut State;
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Counts what an instance holds. (wasmtime's own limiter bounds each memory, not their sum.)
pub(super) struct Memory {
    /// Bytes.
    limit: u64,
    /// Bytes of all memories, and of all tables at a pointer an element.
    pub(super) used: u64,
    /// Why a growth was refused in this call, if one was; the last of several.
    pub(super) refused: Option<Refused>,
}

/// Why a growth was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// This bound.
    Bound(Limit),
    /// The component's own, for one memory or table.
    Declared,
    /// The system has no more.
    System,
}

impl Memory {
    fn grow(&mut self, by: usize, declared: bool) -> bool {
        let wanted = self.used.saturating_add(by as u64);
        if wanted > self.limit {
            return self.refuse(Refused::Bound(Limit::Memory));
        }
        if !declared {
            return self.refuse(Refused::Declared);
        }
        // Should the system refuse what is allowed here, the sum is too high by that much until the instance goes, which
        // errs on the safe side.
        self.used = wanted;
        true
    }

    fn refuse(&mut self, why: Refused) -> bool {
        self.refused = Some(why);
        false
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current), maximum.is_none_or(|maximum| desired <= maximum)))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refuse(Refused::System);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Ok(self.refuse(Refused::Bound(Limit::TableElements)));
        }
        let by = desired.saturating_sub(current).saturating_mul(size_of::<usize>());
        Ok(self.grow(by, maximum.is_none_or(|maximum| desired <= maximum)))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_for_the_sum_of_memories_and_tables() {
        let mut memory = Memory { limit: 1000, used: 0, refused: None };
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.table_growing(0, 25, None).unwrap());
        assert_eq!(memory.refused, None);
        assert!(!memory.table_growing(0, 1, None).unwrap());
        assert_eq!(memory.refused, Some(Refused::Bound(Limit::Memory)));
        assert_eq!(memory.used, 1000);
    }

    #[test]
    fn growth_beyond_what_the_guest_itself_declared_is_refused_and_not_counted() {
        let mut memory = Memory { limit: 1000, used: 0, refused: None };
        assert!(!memory.memory_growing(100, 200, Some(150)).unwrap());
        assert_eq!((memory.used, memory.refused), (0, Some(Refused::Declared)));
    }
}
