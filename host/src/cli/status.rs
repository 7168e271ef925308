//! `weir status`: what a running weir tells at its admin port.

use super::{DEFAULT_LISTEN, Output, UsageError, ask::At};
use clap::Args;
use serde_json::Value;
use std::{error::Error, net::SocketAddr};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The admin port of the weir to ask
    #[arg(long, value_name = "ADDR:PORT", default_value = DEFAULT_LISTEN)]
    address: SocketAddr,
    /// How to print
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(arguments: StatusArgs) -> Result<(), Box<dyn Error>> {
    let address = arguments.address;
    let (code, body) = super::runtime()?.block_on(At::Tcp(address).ask("GET", "/status", None, Vec::new()))?;
    if !code.is_success() {
        return Err(format!("asking {address}: it answered {code}").into());
    }
    let status: Value = serde_json::from_slice(&body)
        .map_err(|error| UsageError(format!("{address} is not weir's admin port: its /status is no JSON ({error})")))?;
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&status)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&status)?),
        Output::Text => print!("{}", text(&status)),
    }
    Ok(())
}

/// The status for people: one block a handler, one line a fact, whatever the facts are.
fn text(status: &Value) -> String {
    let mut out = String::new();
    lines(&mut out, status, 0);
    out
}

fn lines(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match plain(value) {
                    Some(text) if text.is_empty() => {}
                    Some(text) => out.push_str(&format!("{:depth$}{name}: {text}\n", "")),
                    None => {
                        out.push_str(&format!("{:depth$}{name}:\n", ""));
                        lines(out, value, depth + 2);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match plain(item) {
                    Some(text) => out.push_str(&format!("{:depth$}- {text}\n", "")),
                    None => {
                        out.push_str(&format!("{:depth$}-\n", ""));
                        lines(out, item, depth + 2);
                    }
                }
            }
        }
        other => out.push_str(&format!("{:depth$}{other}\n", "")),
    }
}

/// A value that fits on its name's line; nothing for what is empty or null.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Object(map) if map.is_empty() => Some(String::new()),
        Value::Array(items) if items.is_empty() => Some(String::new()),
        Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_leaves_out_what_is_empty() {
        let status = serde_json::json!({ "cluster": "x", "error": null, "handlers": [{ "name": "a", "watches": [] }] });
        assert_eq!(text(&status), "cluster: x\nhandlers:\n  -\n    name: a\n");
    }

    #[tokio::test]
    async fn nobody_there_is_said_plainly() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = At::Tcp(address).ask("GET", "/status", None, Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("is weir running"), "{error}");
    }
}
