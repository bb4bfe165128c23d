//! A private repository over HTTP, as the large hosts serve them: git's own `http-backend` behind a name and a password.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use gastown::world::exec::Exec;

use super::harness::WAIT_MAX;

/// A server that lives as long as the test's process; each connection has one request.
pub struct Private {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    /// What is asked for, as `name:password`.
    password: Mutex<String>,
    /// What was given, each once for a request.
    given: Mutex<Vec<String>>,
    /// The port of another server, which everybody is sent to.
    elsewhere: Mutex<Option<u16>>,
}

impl Private {
    /// Serves the bare repositories in a folder.
    pub fn of(root: &Path, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let password = Mutex::new(password.to_owned());
        let shared =
            Arc::new(Shared { root: root.to_owned(), password, given: Mutex::default(), elsewhere: Mutex::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // Who goes away in the middle of an answer is no concern of a server.
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { port, shared }
    }

    /// Another password from now on.
    pub fn asks_for(&self, password: &str) {
        password.clone_into(&mut self.shared.password.lock().unwrap());
    }

    /// Sends everybody to the same path of another server, or to none.
    pub fn sends_to(&self, port: Option<u16>) {
        *self.shared.elsewhere.lock().unwrap() = port;
    }

    /// The names and passwords that were given.
    pub fn given(&self) -> Vec<String> {
        self.shared.given.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut headers) = (String::new(), Vec::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().unwrap_or_default(), 0);
        reader.read_exact(&mut body)?;
    } else if header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let mut piece = vec![0; usize::from_str_radix(size.trim(), 16).unwrap_or_default() + 2];
            reader.read_exact(&mut piece)?;
            if piece.len() == 2 {
                break;
            }
            body.extend_from_slice(&piece[..piece.len() - 2]);
        }
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if let Some(port) = *shared.elsewhere.lock().unwrap() {
        return answer(stream, "302 Found", &format!("Location: http://127.0.0.1:{port}{target}\r\n"), b"");
    }
    let authorization = header("authorization").unwrap_or_default();
    let given = authorization.strip_prefix("Basic ").and_then(|it| BASE64.decode(it.as_bytes()).ok());
    let given = given.map(|it| String::from_utf8_lossy(&it).into_owned());
    shared.given.lock().unwrap().extend(given.clone());
    if given.as_ref() != Some(&*shared.password.lock().unwrap()) {
        // It says again what it was told, as no server should.
        let said = format!("denied: {authorization} {}\n", given.unwrap_or_default());
        let head = "WWW-Authenticate: Basic realm=\"town\"\r\nContent-Type: text/plain\r\n";
        return answer(stream, "401 Unauthorized", head, said.as_bytes());
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let exec = Exec::new("git").arg("http-backend").cwd(&shared.root).limit(WAIT_MAX).stdin(body.clone());
    let exec = exec.env("GIT_PROJECT_ROOT", &shared.root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "kim");
    let exec = exec.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    let exec = exec.env("CONTENT_TYPE", header("content-type").unwrap_or_default());
    let exec = exec.env("CONTENT_LENGTH", body.len().to_string());
    let exec = exec.env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default());
    let out = exec.env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default()).run().unwrap().stdout;
    let end = out.windows(4).position(|it| it == b"\r\n\r\n").expect("an answer begins with headers");
    let head = String::from_utf8_lossy(&out[..end + 2]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    answer(stream, status, &head, &out[end + 4..])
}

fn answer(mut stream: &TcpStream, status: &str, head: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(body)
}
