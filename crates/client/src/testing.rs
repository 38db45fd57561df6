//! A server for tests: says what it is told to say, one answer per connection, and keeps what it was asked.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{Client, ClientConfig};

/// How long a request may take to come.
const REQUEST_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    url: String,
    requests: mpsc::Receiver<String>,
    expected: usize,
}

impl Server {
    /// Gives these answers: status, one header, body. The length is announced unless the header does it.
    pub fn answering(answers: &[(&str, &str, &str)]) -> Self {
        let answer = |(status, header, body): &(&str, &str, &str)| {
            let length = match header.starts_with("Content-Length") {
                true => String::new(),
                false => format!("Content-Length: {}\r\n", body.len()),
            };
            format!("HTTP/1.1 {status}\r\nConnection: close\r\n{length}{header}\r\n\r\n{body}")
        };
        let answers: Vec<String> = answers.iter().map(answer).collect();
        let expected = answers.len();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (send, requests) = mpsc::channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    request.push(byte[0]);
                }
                send.send(String::from_utf8(request).unwrap()).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, requests, expected }
    }

    pub fn client(&self, token: Option<&str>) -> Client {
        let token = token.map(str::to_owned);
        Client::new(&ClientConfig { token, ..ClientConfig::new(&self.url) }).unwrap()
    }

    /// The heads of all requests that were expected.
    pub fn requests(&self) -> Vec<String> {
        (0..self.expected).map(|_| self.requests.recv_timeout(REQUEST_MAX).unwrap()).collect()
    }
}
