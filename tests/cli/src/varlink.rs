//! A varlink client of its own, so that the agent's socket is tested by something that shares no code with it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection.
#[derive(Debug)]
pub struct Varlink(BufReader<UnixStream>);

impl Varlink {
    /// Connects to a socket.
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the socket takes connections");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Self(BufReader::new(stream))
    }

    /// Calls a method and reads one reply.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.send(&json!({"method": method, "parameters": parameters}));
        self.next()
    }

    /// Calls a method with `more`; gives all replies, the last one last.
    pub fn call_more(&mut self, method: &str, parameters: Value) -> Vec<Value> {
        self.send(&json!({"method": method, "parameters": parameters, "more": true}));
        let mut replies = vec![self.next()];
        while replies.last().is_some_and(|reply| reply["continues"] == true) {
            replies.push(self.next());
        }
        replies
    }

    fn send(&mut self, call: &Value) {
        self.0.get_mut().write_all(format!("{call}\0").as_bytes()).expect("the daemon takes calls");
    }

    fn next(&mut self) -> Value {
        let mut message = Vec::new();
        self.0.read_until(0, &mut message).expect("the daemon answers");
        assert_eq!(message.pop(), Some(0), "an answer ends with a zero byte");
        serde_json::from_slice(&message).expect("an answer is JSON")
    }
}
