//! A model on loopback: it plays a worker line by line, through the tools of whatever agent asks it.
//!
//! It keeps nothing of a conversation: each request holds all of it, so where the worker stands is read there. So an agent
//! that goes on in the same conversation is given the next line, and one that begins another the first.

mod anthropic;
mod gemini;
mod responses;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

/// How often one line is played: more is an agent that does not go on.
const PLAYS_MAX: usize = 5;

/// A line of a worker's part.
#[derive(Debug, Clone)]
pub enum Line {
    /// Runs shell text, with the agent's own tool for it.
    Run(String),
    /// Calls another of the agent's tools, with this input. A call that the agent's program refuses counts as played, if the model was
    /// told why.
    Call(&'static str, Value),
    /// The same; when it is played first, the conversation is said to be nearly too long.
    Full(String),
    /// Says something, which ends the turn.
    Say(String),
    /// Refuses, as the provider does: the status, and the kind of error. It is no part of the conversation, and comes again for as long
    /// as it is asked.
    Refuse(u16, &'static str),
}

/// Asks with Claude Code's own tool for it, with two answers.
pub fn asks(question: &str) -> Line {
    let option = |label: &str, is: &str| json!({"label": label, "description": is});
    let options = [option("tabs", "one a level"), option("spaces", "four a level")];
    let question = json!({"question": question, "header": "Style", "multiSelect": false, "options": options});
    Line::Call("AskUserQuestion", json!({ "questions": [question] }))
}

/// The model, for as long as the test's process lives.
pub struct Model {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    lines: Vec<Line>,
    /// How often one line is played.
    plays_max: usize,
    /// The numbers of the lines that were played, in order.
    played: Mutex<Vec<usize>>,
    /// What was asked for: the path, and the body.
    asked: Mutex<Vec<(String, Value)>>,
    /// What is answered to whoever asks this, wherever the worker stands.
    answer: Option<(&'static str, &'static str)>,
}

/// The tokens of a conversation, as a model says.
const TOKENS: u64 = 100;
/// Those of one that is nearly too long, where the program was told to take so many.
const TOKENS_FULL: u64 = 190_000;
/// What that many are too many for.
pub const TOKENS_MAX: u64 = 100_000;

impl Model {
    /// A model that plays these lines to each agent that begins a conversation.
    pub fn plays(lines: Vec<Line>) -> Self {
        Self::of(PLAYS_MAX, lines, None)
    }

    /// The same, each line so often at most.
    pub fn plays_up_to(plays_max: usize, lines: Vec<Line>) -> Self {
        Self::of(plays_max, lines, None)
    }

    /// The same as the first; it has one answer to one question.
    pub fn answers(lines: Vec<Line>, answer: Option<(&'static str, &'static str)>) -> Self {
        Self::of(PLAYS_MAX, lines, answer)
    }

    fn of(plays_max: usize, lines: Vec<Line>, answer: Option<(&'static str, &'static str)>) -> Self {
        let shared = Arc::new(Shared { lines, plays_max, played: Mutex::default(), asked: Mutex::default(), answer });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new()
            .route("/v1/messages", post(anthropic::answer))
            .route("/v1/messages/count_tokens", post(async || json_text(&json!({"input_tokens": 100}))))
            .route("/v1/responses", post(responses::answer))
            .route("/v1beta/models/{asked}", post(gemini::answer))
            .fallback(async || json_text(&json!({})))
            .with_state(Arc::clone(&shared));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, routes).await.unwrap();
            });
        });
        Self { port, shared }
    }

    /// The numbers of the lines that were played, in order.
    pub fn played(&self) -> Vec<usize> {
        self.shared.played.lock().unwrap().clone()
    }

    /// What all requests held, as text.
    pub fn asked(&self) -> String {
        self.shared.asked.lock().unwrap().iter().map(|(_, body)| body.to_string()).collect()
    }

    /// What each request held, as text.
    pub fn requests(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().iter().map(|(_, body)| body.to_string()).collect()
    }

    /// What the first request of a conversation held, as text: what an agent's program tells its model before anything else.
    pub fn first_asked(&self) -> String {
        let asked = self.shared.asked.lock().unwrap();
        asked.first().map(|(_, body)| body.to_string()).unwrap_or_default()
    }
}

impl Shared {
    /// The line after those that the conversation has, with its number.
    fn next(&self, done: impl Iterator<Item = usize>) -> Option<(usize, Line)> {
        let number = done.map(|line| line + 1).max().unwrap_or(0);
        let mut played = self.played.lock().unwrap();
        let line = self.lines.get(number)?;
        let plays = played.iter().filter(|it| **it == number).count();
        if plays >= self.plays_max && !matches!(line, Line::Refuse(..)) {
            return None;
        }
        played.push(number);
        Some((number, line.clone()))
    }

    /// The answer to a question that a request holds.
    fn answer(&self, body: &Value) -> Option<&'static str> {
        let (question, answer) = self.answer?;
        body.to_string().contains(question).then_some(answer)
    }

    /// How long a conversation is said to be with which this line was played.
    fn tokens(&self, line: Option<&(usize, Line)>) -> u64 {
        let Some((number, Line::Full(_))) = line else { return TOKENS };
        let plays = self.played.lock().unwrap().iter().filter(|it| *it == number).count();
        if plays == 1 { TOKENS_FULL } else { TOKENS }
    }

    fn note(&self, path: &str, body: &Value) {
        self.asked.lock().unwrap().push((path.to_owned(), body.clone()));
    }
}

/// The mark of a line that was said.
fn mark(number: usize) -> String {
    format!("(line {number})")
}

/// The number of a line that was said, by its mark.
fn marked(text: &str) -> Option<usize> {
    text.strip_prefix("(line ")?.split_once(')')?.0.parse().ok()
}

/// A summary of a conversation in which these lines were played, where one is asked for: it goes on from there.
fn summary(asked: bool, done: impl Iterator<Item = usize>) -> Option<String> {
    asked.then(|| format!("{} was the last.", done.max().map_or_else(|| "(nothing)".to_owned(), mark)))
}

/// A body as JSON; some agents send none.
fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn json_text(value: &Value) -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string())
}

/// A refusal, in the form that all providers have; an agent is told to try again at once.
fn refusal(status: u16, kind: &str) -> Response {
    let error = json!({"type": "error", "error": {"type": kind, "code": kind, "message": format!("refused: {kind}")}});
    let head = [(header::CONTENT_TYPE, "application/json"), (header::RETRY_AFTER, "0")];
    (StatusCode::from_u16(status).unwrap(), head, error.to_string()).into_response()
}

/// Events, as a stream of them has them; each has its name in `type`.
fn events(events: &[Value]) -> Response {
    let event = |it: &Value| format!("event: {}\ndata: {it}\n\n", it["type"].as_str().unwrap());
    let text = events.iter().map(event).collect::<Vec<_>>().concat();
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
}
