//! Contract 0.1: the one place where `wit/v0.1` meets the host.
//!
//! Promises: nothing generated leaves this file; every conversion is total, so that a new case in either vocabulary is a
//! compile error here and not a surprise at run time. Decides nothing: what a host function answers is `imports`' business.

use crate::{contract, runtime::state::State};
use wasmtime::{
    Store,
    component::{HasSelf, InstancePre, Linker},
};

mod generated {
    wasmtime::component::bindgen!({
        path: "../wit/v0.1",
        world: "plugin",
        imports: { default: trappable },
        exports: { default: async },
        // Events go in as borrowed text: no copy of the object per call.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

use generated::{
    Plugin, PluginPre,
    exports::weir::api::handler as guest,
    weir::api::{cluster, host, log, subject, types},
};

/// The interfaces a handler may import from the contract.
pub(in crate::runtime) const IMPORTS: &[&str] = &["cluster", "host", "log", "subject", "types"];

/// A checked component, ready to be instantiated.
pub(in crate::runtime) struct Ready(PluginPre<State>);

/// One live instance.
pub(in crate::runtime) struct Live(Plugin);

impl Ready {
    /// Checks the exports' types and resolves them once.
    pub(in crate::runtime) fn new(pre: InstancePre<State>) -> wasmtime::Result<Ready> {
        PluginPre::new(pre).map(Ready)
    }

    /// Runs the component's start code in this store.
    pub(in crate::runtime) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Live> {
        self.0.instantiate_async(store).await.map(Live)
    }
}

impl Live {
    /// `handler.describe`: the inner error is the guest's own.
    pub(in crate::runtime) async fn describe(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<String, String>> {
        self.0.weir_api_handler().call_describe(store).await
    }

    /// `handler.handle`: the inner error is the guest's own.
    pub(in crate::runtime) async fn handle(
        &self,
        store: &mut Store<State>,
        event: &contract::Event,
    ) -> wasmtime::Result<Result<Vec<contract::Action>, contract::Failure>> {
        let extra: Vec<(&str, &str)> = event.extra.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let event = guest::Event {
            change: change(event.change),
            watch: &event.watch,
            key: types::ObjectKeyParam {
                api_version: &event.key.api_version,
                kind: &event.key.kind,
                namespace: event.key.namespace.as_deref(),
                name: &event.key.name,
            },
            uid: &event.uid,
            resource_version: &event.resource_version,
            object: &event.object,
            previous: event.previous.as_deref(),
            final_state_unknown: event.final_state_unknown,
            attempt: event.attempt,
            extra: &extra,
        };
        let answer = self.0.weir_api_handler().call_handle(store, event).await?;
        Ok(answer.map(|actions| actions.into_iter().map(Into::into).collect()).map_err(Into::into))
    }
}

/// Links the contract's imports: always all of them, because some languages import the whole world, used or not.
pub(in crate::runtime) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Plugin::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {}

impl log::Host for State {
    fn trace(&mut self, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.output.line(contract::Level::Trace, &message, &fields);
        Ok(())
    }

    fn debug(&mut self, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.output.line(contract::Level::Debug, &message, &fields);
        Ok(())
    }

    fn info(&mut self, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.output.line(contract::Level::Info, &message, &fields);
        Ok(())
    }

    fn warn(&mut self, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.output.line(contract::Level::Warn, &message, &fields);
        Ok(())
    }

    fn error(&mut self, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.output.line(contract::Level::Error, &message, &fields);
        Ok(())
    }
}

impl subject::Host for State {
    fn get(&mut self, pointer: String) -> wasmtime::Result<Result<Option<String>, types::ReadError>> {
        Ok(self.subject_get(&pointer)?.map_err(Into::into))
    }

    fn get_many(&mut self, pointers: Vec<String>) -> wasmtime::Result<Result<Vec<Option<String>>, types::ReadError>> {
        Ok(self.subject_get_many(&pointers)?.map_err(Into::into))
    }
}

impl cluster::Host for State {
    fn get(&mut self, key: types::ObjectKeyResult) -> wasmtime::Result<Result<Option<String>, types::ReadError>> {
        Ok(self.cluster_get(&key.into())?.map_err(Into::into))
    }

    fn list_page(&mut self, query: cluster::Query) -> wasmtime::Result<Result<cluster::Page, types::ReadError>> {
        let query = contract::Query {
            api_version: query.api_version,
            kind: query.kind,
            namespace: query.namespace,
            label_selector: query.label_selector,
            field_selector: query.field_selector,
            limit: query.limit,
            continue_token: query.continue_token,
        };
        Ok(self
            .cluster_list(&query)?
            .map(|page| cluster::Page { items: page.items, continue_token: page.continue_token })
            .map_err(Into::into))
    }
}

impl host::Host for State {
    fn settings(&mut self) -> wasmtime::Result<String> {
        Ok(State::settings(self)?)
    }

    fn now_ms(&mut self) -> wasmtime::Result<f64> {
        Ok(State::now_ms(self)?)
    }

    fn features(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(State::features(self)?)
    }
}

fn change(change: contract::Change) -> types::Change {
    match change {
        contract::Change::Initial => types::Change::Initial,
        contract::Change::Added => types::Change::Added,
        contract::Change::Updated => types::Change::Updated,
        contract::Change::Related => types::Change::Related,
        contract::Change::Finalizing => types::Change::Finalizing,
        contract::Change::Left => types::Change::Left,
        contract::Change::Deleted => types::Change::Deleted,
        contract::Change::Resync => types::Change::Resync,
        contract::Change::Requeued => types::Change::Requeued,
    }
}

impl From<contract::ReadError> for types::ReadError {
    fn from(error: contract::ReadError) -> Self {
        match error {
            contract::ReadError::Denied(text) => types::ReadError::Denied(text),
            contract::ReadError::Invalid(text) => types::ReadError::Invalid(text),
            contract::ReadError::Unavailable(text) => types::ReadError::Unavailable(text),
        }
    }
}

impl From<types::ObjectKeyResult> for contract::ObjectRef {
    fn from(key: types::ObjectKeyResult) -> Self {
        contract::ObjectRef { api_version: key.api_version, kind: key.kind, namespace: key.namespace, name: key.name }
    }
}

impl From<types::Failure> for contract::Failure {
    fn from(failure: types::Failure) -> Self {
        match failure {
            types::Failure::Retry(reason) => contract::Failure::Retry(reason),
            types::Failure::RetryLater(later) => {
                contract::Failure::RetryLater { after_ms: later.after_ms, reason: later.reason }
            }
            types::Failure::Permanent(reason) => contract::Failure::Permanent(reason),
        }
    }
}

impl From<types::Level> for contract::Level {
    fn from(level: types::Level) -> Self {
        match level {
            types::Level::Trace => contract::Level::Trace,
            types::Level::Debug => contract::Level::Debug,
            types::Level::Info => contract::Level::Info,
            types::Level::Warn => contract::Level::Warn,
            types::Level::Error => contract::Level::Error,
        }
    }
}

impl From<types::Patch> for contract::Patch {
    fn from(patch: types::Patch) -> Self {
        contract::Patch {
            target: patch.target.map(Into::into),
            uid: patch.uid,
            subresource: patch.subresource,
            format: match patch.format {
                types::PatchFormat::JsonPatch => contract::PatchFormat::JsonPatch,
                types::PatchFormat::Merge => contract::PatchFormat::Merge,
                types::PatchFormat::Strategic => contract::PatchFormat::Strategic,
            },
            body: patch.body,
        }
    }
}

impl From<types::Apply> for contract::Apply {
    fn from(apply: types::Apply) -> Self {
        contract::Apply {
            manifest: apply.manifest,
            subresource: apply.subresource,
            manager: apply.manager,
            force: apply.force,
        }
    }
}

impl From<types::Deletion> for contract::Deletion {
    fn from(deletion: types::Deletion) -> Self {
        contract::Deletion {
            target: deletion.target.map(Into::into),
            uid: deletion.uid,
            grace_period_seconds: deletion.grace_period_seconds,
            propagation: deletion.propagation.map(|propagation| match propagation {
                types::Propagation::Background => contract::Propagation::Background,
                types::Propagation::Foreground => contract::Propagation::Foreground,
                types::Propagation::Orphan => contract::Propagation::Orphan,
            }),
        }
    }
}

impl From<types::Note> for contract::Note {
    fn from(note: types::Note) -> Self {
        contract::Note {
            regarding: note.regarding.map(Into::into),
            severity: match note.severity {
                types::Severity::Normal => contract::Severity::Normal,
                types::Severity::Warning => contract::Severity::Warning,
            },
            reason: note.reason,
            message: note.message,
        }
    }
}

impl From<types::HttpRequest> for contract::HttpRequest {
    fn from(request: types::HttpRequest) -> Self {
        contract::HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            idempotency_key: request.idempotency_key,
        }
    }
}

impl From<types::Action> for contract::Action {
    fn from(action: types::Action) -> Self {
        use contract::Action as To;
        use types::Action as From;
        match action {
            From::Annotate(entries) => To::Annotate(entries),
            From::Label(entries) => To::Label(entries),
            From::SetStatus(json) => To::SetStatus(json),
            From::Patch(patch) => To::Patch(patch.into()),
            From::Apply(apply) => To::Apply(apply.into()),
            From::Create(manifest) => To::Create(manifest),
            From::Delete(deletion) => To::Delete(deletion.into()),
            From::Emit(note) => To::Emit(note.into()),
            From::Log(line) => {
                To::Log(contract::LogLine { level: line.level.into(), message: line.message, fields: line.fields })
            }
            From::Http(request) => To::Http(request.into()),
            From::RequeueAfterMs(after) => To::RequeueAfter(after),
            From::Fail(failure) => To::Fail(failure.into()),
            From::Extension(extension) => To::Extension(extension.name, extension.payload),
        }
    }
}
