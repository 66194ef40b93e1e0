//! An HTTP server of a few lines, which can also do what no real one should.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, as it came. Headers in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// How many for the same path came before.
    pub(crate) number: usize,
    pub(crate) headers: HashMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What it does about one.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Promises all of a body, and sends so much of it.
    Cut {
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        sent: usize,
    },
    /// A body without a length, until the connection ends.
    Unmeasured(Vec<u8>),
    /// One byte each time.
    Trickle {
        body: Vec<u8>,
        every: Duration,
    },
    /// Never says anything.
    Silence,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        match &mut self {
            Self::Answer { headers, .. } | Self::Cut { headers, .. } => headers.push((name, value.into())),
            _ => panic!("this reply has no headers"),
        }
        self
    }
}

/// The server; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, reply) = (Arc::clone(&seen), Arc::new(reply));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&reply), Arc::clone(&log)));
            }
        });
        Self { port, seen, task }
    }

    /// One that has these files and no others.
    pub(crate) async fn with_files<const N: usize>(files: [(String, Vec<u8>); N]) -> Self {
        let files = HashMap::from(files);
        Self::start(move |request| {
            files.get(&request.path).map_or(Reply::status(404), |file| Reply::ok(file.clone()))
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.paths().iter().filter(|seen| *seen == path).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    reply: Arc<impl Fn(&Request) -> Reply + Send + Sync>,
    log: Arc<Mutex<Vec<Request>>>,
) {
    let mut stream = BufReader::new(stream);
    let mut request = Request::default();
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
        match line.trim_end().split_once(": ") {
            Some((name, value)) => {
                request.headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            None => request.path = line.split(' ').nth(1).unwrap_or_default().to_owned(),
        }
        line.clear();
    }
    if request.path.is_empty() {
        return;
    }
    {
        let mut log = log.lock().unwrap();
        request.number = log.iter().filter(|earlier| earlier.path == request.path).count();
        log.push(request.clone());
    }
    let mut stream = stream.into_inner();
    // The client may have gone; what it makes of that is what the test looks at.
    drop(answer(&mut stream, reply(&request)).await);
    drop(stream.shutdown().await);
}

async fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    let head = |status: u16, headers: Vec<(&'static str, String)>| {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n{lines}")
    };
    match reply {
        Reply::Answer { status, headers, body } => {
            let head = format!("{}Content-Length: {}\r\n\r\n", head(status, headers), body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Reply::Cut { headers, body, sent } => {
            let head = format!("{}Content-Length: {}\r\n\r\n", head(200, headers), body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body[..sent]).await
        }
        Reply::Unmeasured(body) => {
            stream.write_all(format!("{}\r\n", head(200, Vec::new())).as_bytes()).await?;
            stream.write_all(&body).await
        }
        Reply::Trickle { body, every } => {
            let head = format!("{}Content-Length: {}\r\n\r\n", head(200, Vec::new()), body.len());
            stream.write_all(head.as_bytes()).await?;
            for byte in body {
                tokio::time::sleep(every).await;
                stream.write_all(&[byte]).await?;
            }
            Ok(())
        }
        Reply::Silence => std::future::pending().await,
    }
}
