//! A chat's webhook, as far as the demo needs one: it takes what is posted and remembers it.
//!
//! Listens on loopback, one request per connection, each bounded by [`LARGEST`]; what is not such a request is dropped.

use crate::stage::{Done, Failed};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// The largest message taken, head and body each, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Runs until the process ends.
#[derive(Clone)]
pub(super) struct Chat {
    address: SocketAddr,
    /// Bodies, in the order they came; as many as the demo causes.
    posted: Arc<Mutex<Vec<String>>>,
}

impl Chat {
    pub(super) fn open() -> Done<Chat> {
        let failed = |error: std::io::Error| Failed(format!("opening a chat to post to: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let chat = Chat { address: listener.local_addr().map_err(failed)?, posted: Arc::default() };
        let posted = chat.posted.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Ok(body) = take(stream)
                    && let Ok(mut posted) = posted.lock()
                {
                    posted.push(body);
                }
            }
        });
        Ok(chat)
    }

    /// The address that handlers post to.
    pub(super) fn url(&self) -> String {
        format!("http://{}/chat", self.address)
    }

    /// The first message that contains `words`.
    pub(super) fn message(&self, words: &str) -> Option<String> {
        self.posted.lock().ok()?.iter().find(|body| body.contains(words)).cloned()
    }
}

/// Reads one request and thanks for it.
fn take(mut stream: TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?).take(LARGEST);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; usize::try_from(u64::min(length, LARGEST)).unwrap_or(0)];
    reader.set_limit(LARGEST);
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
