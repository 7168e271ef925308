//! Objects and lists as the bytes of an answer, in the form that was asked for.
//!
//! Lists are put together from the rendered objects, without a copy of their values. A `Table` has the two columns that
//! kubectl needs, name and age, and each row's metadata; printer columns are not there yet.

use std::{borrow::Borrow, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    object::{Stored, partial, text},
    request::Form,
    resource::Resource,
};

/// One object.
pub(crate) fn object(form: Form, resource: &Resource, stored: &Stored) -> Bytes {
    match form {
        Form::Object | Form::Discovery => stored.to_json(resource),
        Form::Partial => stored.to_partial(),
        Form::Table => to_bytes(&table(&[stored], json!({ "resourceVersion": stored.version() }))),
    }
}

/// A list; `metadata` is its own.
pub(crate) fn list(form: Form, resource: &Resource, items: &[Arc<Stored>], metadata: Value) -> Bytes {
    let (kind, api_version) = match form {
        Form::Table => return to_bytes(&table(items, metadata)),
        Form::Partial => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        Form::Object | Form::Discovery => (format!("{}List", resource.kind), resource.api_version()),
    };
    let head = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata }).to_string();
    let mut whole = head.trim_end_matches('}').to_owned().into_bytes();
    // The metadata's own brace went with the head's.
    whole.extend_from_slice(b"},\"items\":[");
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            whole.push(b',');
        }
        whole.extend_from_slice(&match form {
            Form::Partial => item.to_partial(),
            _ => item.to_list_item(resource),
        });
    }
    whole.extend_from_slice(b"]}");
    whole.into()
}

/// A value as JSON text.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    value.to_string().into()
}

/// A Table of these objects.
pub(crate) fn table<S: Borrow<Stored>>(items: &[S], metadata: Value) -> Value {
    let rows: Vec<Value> = items.iter().map(|item| row(item.borrow())).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": [
            { "name": "Name", "type": "string", "format": "name", "priority": 0,
              "description": "Name must be unique within a namespace." },
            { "name": "Age", "type": "string", "format": "", "priority": 0,
              "description": "How long ago the object was created." },
        ],
        "rows": rows,
    })
}

fn row(stored: &Stored) -> Value {
    let created = text(&stored.fields, "creationTimestamp").parse::<jiff::Timestamp>();
    let age = created.map_or("<unknown>".to_owned(), |created| {
        age(jiff::Timestamp::now().as_second().saturating_sub(created.as_second()))
    });
    json!({ "cells": [text(&stored.fields, "name"), age], "object": partial(&stored.fields) })
}

/// Seconds as kubectl writes ages (apimachinery `pkg/util/duration`), in its largest unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{}s", seconds.max(0)),
        120..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
