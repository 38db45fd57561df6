//! An OpenTelemetry collector that keeps what it is sent.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A collector. Its thread ends with the process.
pub struct Collector {
    pub endpoint: String,
    bodies: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bodies: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A worker that is killed says only a part.
                if let Ok(body) = receive(stream) {
                    kept.lock().unwrap().extend(body);
                }
            }
        });
        Self { endpoint, bodies }
    }

    /// Whether these bytes are in what was sent so far.
    pub fn has(&self, wanted: &[u8]) -> bool {
        self.bodies.lock().unwrap().windows(wanted.len()).any(|window| window == wanted)
    }
}

/// Takes one request for spans and agrees to it.
fn receive(stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line != "POST /v1/traces HTTP/1.1\r\n" {
        return Err(io::ErrorKind::InvalidData.into());
    }
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let agreed = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(agreed)?;
    Ok(body)
}
