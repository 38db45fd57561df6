//! A proxy on loopback in front of a server, which fails as networks and servers fail.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// It answers every request with 500.
    Answer500,
    /// It takes the request and never answers.
    Stall,
    /// It ends after so many bytes of answers.
    CutAnswer(usize),
    /// It ends after so many bytes of requests.
    CutRequest(usize),
}

/// A proxy. Its thread ends with the process.
pub struct Proxy {
    pub address: String,
    state: Arc<State>,
}

struct State {
    upstream: String,
    /// The fault, and how many connections still have it.
    fault: Mutex<(Fault, usize)>,
    connections: AtomicUsize,
}

impl Proxy {
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let fault = Mutex::new((Fault::None, 0));
        let state = Arc::new(State { upstream: upstream.to_owned(), fault, connections: AtomicUsize::new(0) });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                thread::spawn(move || state.serve(client));
            }
        });
        Self { address, state }
    }

    /// The next so many connections have this fault, the others none.
    pub fn fail(&self, fault: Fault, connections: usize) {
        *self.state.fault.lock().unwrap() = (fault, connections);
    }

    /// How many connections had a fault so far.
    pub fn failed(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl State {
    fn next_fault(&self) -> Fault {
        let mut slot = self.fault.lock().unwrap();
        if slot.1 == 0 {
            return Fault::None;
        }
        slot.1 -= 1;
        self.connections.fetch_add(1, Ordering::Relaxed);
        slot.0
    }

    /// One request for each connection, so that each meets the fault of its time.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let fault = self.next_fault();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).ok()?;
            request.push(byte[0]);
        }
        let head = String::from_utf8(request).ok()?;
        let length = head
            .to_ascii_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse::<u64>().ok());
        let body = length.unwrap_or(0);
        match fault {
            Fault::Stall => io::copy(&mut client, &mut io::sink()).map(drop).ok(),
            Fault::Answer500 => {
                io::copy(&mut (&client).take(body), &mut io::sink()).ok()?;
                client.write_all(b"HTTP/1.1 500 Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
            }
            _ => {
                let mut server = TcpStream::connect(&self.upstream).ok()?;
                server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).ok()?;
                let sent = if let Fault::CutRequest(bytes) = fault { body.min(bytes as u64) } else { body };
                io::copy(&mut (&client).take(sent), &mut server).ok()?;
                if sent < body {
                    return client.shutdown(Shutdown::Both).ok();
                }
                let answered = if let Fault::CutAnswer(bytes) = fault { bytes as u64 } else { u64::MAX };
                io::copy(&mut server.take(answered), &mut client).ok()?;
                client.shutdown(Shutdown::Both).ok()
            }
        }
    }
}
