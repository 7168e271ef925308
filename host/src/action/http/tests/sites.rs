//! A server that answers what it was told to, in order, and then not at all.

use super::*;

pub(super) struct Site {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Scripted>>,
    seen: Mutex<Vec<Seen>>,
    /// Now, and the most there ever were.
    open: Mutex<(usize, usize)>,
}

#[derive(Clone)]
pub(super) struct Scripted {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// The body goes on for ever.
    pub(super) endless: bool,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) line: String,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) fn answer(status: u16, body: &str) -> Scripted {
    Scripted { status, headers: Vec::new(), body: body.into(), endless: false }
}

pub(super) fn redirect(status: u16, location: &str) -> Scripted {
    Scripted { headers: vec![("location".into(), location.into())], ..answer(status, "") }
}

impl Site {
    pub(super) async fn start(answers: impl IntoIterator<Item = Scripted>) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.answers.lock().unwrap().extend(answers);
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move {
                    shared.opened();
                    let service = service_fn(|request| shared.serve(request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .max_buf_size(1 << 20)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Site { address, shared }
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The most requests that were being answered at once.
    pub(super) fn at_once(&self) -> usize {
        self.shared.open.lock().unwrap().1
    }
}

impl Shared {
    fn opened(&self) {
        let mut open = self.open.lock().unwrap();
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let line = format!("{} {}", head.method, head.uri);
        self.seen.lock().unwrap().push(Seen {
            line,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into(),
        });
        let scripted = self.answers.lock().unwrap().pop_front();
        let Some(Scripted { status, headers, body, endless }) = scripted else { std::future::pending().await };
        // So that requests which may overlap do.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.open.lock().unwrap().0 -= 1;
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        let body = if endless {
            let more = || (Ok(Frame::data(Bytes::from(vec![b'x'; 1024]))), ());
            BodyExt::boxed(StreamBody::new(futures::stream::unfold((), move |()| async move { Some(more()) })))
        } else {
            Full::new(Bytes::from(body)).boxed()
        };
        Ok(response.body(body).unwrap())
    }
}
