//! A server outside the cluster: what handlers send their `http` actions to.
//!
//! Promises: answers 200 unless told otherwise, in the order told; remembers every request; ends when it is dropped.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// See the module.
pub struct Webhook {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// The heads of answers to come, without the status line's version.
    answers: Mutex<VecDeque<String>>,
    posted: Mutex<Vec<Posted>>,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// `POST /path?query`.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

impl Posted {
    /// The value of a header, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|it| it.0 == name).map_or("", |it| &it.1)
    }
}

impl Webhook {
    /// Listens on loopback.
    pub async fn start() -> Webhook {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let server = tokio::spawn(async move {
            // One after the other, so that the order of requests is that of answers.
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in the midst is no request.
                let _ = serving.serve(stream).await;
            }
        });
        Webhook { address, shared, server }
    }

    /// The URL of a path that begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that is not spoken for yet is answered so: `500 Oh`, or `307 There\r\nLocation: …`.
    pub fn answer_next(&self, head: &str) {
        self.shared.answers.lock().unwrap().push_back(head.to_owned());
    }

    /// Every request so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().unwrap().clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    /// Reads one request with a length, and answers.
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let mut lines = lines.into_iter();
        let line = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
            .collect();
        let mut posted = Posted { line, headers, body: String::new() };
        let mut body = vec![0; posted.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        posted.body = String::from_utf8_lossy(&body).into_owned();
        self.posted.lock().unwrap().push(posted);
        let head = self.answers.lock().unwrap().pop_front().unwrap_or_else(|| "200 OK".to_owned());
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}
