//! `funchost serve` as a process of a test: started, asked over HTTP, stopped, killed.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and waits for another process"
)]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A service that runs; it ends with the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
    /// Host and port; empty where it does not listen.
    pub(crate) address: String,
    /// Its stderr so far.
    pub(crate) said: Arc<Mutex<String>>,
    /// Who reads it.
    reader: Option<JoinHandle<()>>,
}

impl Serving {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, keep) = (BufReader::new(child.stderr.take().unwrap()).lines(), said.clone());
        let (found, address) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("funchost serves") {
                    // One without the role `web` listens nowhere.
                    let address = rest.strip_prefix(" at http://").unwrap_or_default();
                    let _ = found.send(address.split(": ").next().unwrap_or_default().to_owned());
                }
                keep.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let address = address.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{}", said.lock().unwrap()));
        Self { child, address, said, reader: Some(reader) }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// One request as bytes, so that nothing between changes it; the whole answer, head included.
    pub(crate) fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            request.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(stream, "{request}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The status and the body.
    pub(crate) fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let answer = self.exchange(method, path, headers, body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, body.to_owned())
    }

    /// The same where the body is JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.raw(method, path, &[], body);
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// The data of an answer that is a success.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {answer:#}");
        assert_eq!((&answer["ok"], &answer["error"]), (&json!(true), &json!(200)), "{answer:#}");
        answer["data"].clone()
    }

    /// Asks until the answer is as wanted.
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.ask("GET", path, "").1["data"].clone();
            if wanted(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{path}: {answer:#}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it has said this.
    pub(crate) fn until_said(&self, words: &str) {
        let began = Instant::now();
        while !self.said.lock().unwrap().contains(words) {
            assert!(began.elapsed() < PATIENCE, "{words}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let done =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for its end, and for the last that it says; its exit code.
    pub(crate) fn ended(&mut self) -> i32 {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.reader.take().unwrap().join().unwrap();
        code
    }

    /// Stops it in order; answers with its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.ended()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
