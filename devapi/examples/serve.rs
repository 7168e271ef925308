//! Serves an empty API for kubectl: `cargo run -p weir-devapi --example serve -- /tmp/kubeconfig`.

use std::io;

use tokio::net::TcpListener;
use weir_devapi::{DevApi, Options};

#[tokio::main]
async fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "kubeconfig".to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    std::fs::write(&path, DevApi::kubeconfig(&url))?;
    println!("serving {url}; export KUBECONFIG={path}");
    DevApi::new(Options::default()).serve(listener).await
}
