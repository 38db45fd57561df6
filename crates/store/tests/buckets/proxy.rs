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

/// The faults that come.
struct Coming {
    fault: Fault,
    /// How many connections still have it.
    connections: usize,
    /// Only those whose request's first line has this in it.
    only: &'static str,
}

/// A proxy. Its thread ends with the process.
pub struct Proxy {
    pub address: String,
    state: Arc<State>,
}

struct State {
    upstream: String,
    coming: Mutex<Coming>,
    failed: AtomicUsize,
    spared: AtomicUsize,
}

impl Proxy {
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let coming = Mutex::new(Coming { fault: Fault::None, connections: 0, only: "" });
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            coming,
            failed: AtomicUsize::new(0),
            spared: AtomicUsize::new(0),
        });
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
        self.fail_only("", fault, connections);
    }

    /// The same for those only whose request's first line has this in it.
    pub fn fail_only(&self, only: &'static str, fault: Fault, connections: usize) {
        *self.state.coming.lock().unwrap() = Coming { fault, connections, only };
    }

    /// How many connections had a fault so far.
    pub fn failed(&self) -> usize {
        self.state.failed.load(Ordering::Relaxed)
    }

    /// How many had none although they might have had one.
    #[allow(dead_code, reason = "only some tests ask")]
    pub fn spared(&self) -> usize {
        self.state.spared.load(Ordering::Relaxed)
    }
}

impl State {
    fn fault_of(&self, head: &str) -> Fault {
        let mut coming = self.coming.lock().unwrap();
        if !head.lines().next().is_some_and(|first| first.contains(coming.only)) {
            return Fault::None;
        }
        if coming.connections == 0 {
            self.spared.fetch_add(1, Ordering::Relaxed);
            return Fault::None;
        }
        coming.connections -= 1;
        self.failed.fetch_add(1, Ordering::Relaxed);
        coming.fault
    }

    /// One request for each connection, so that each meets the fault of its time.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).ok()?;
            request.push(byte[0]);
        }
        let head = String::from_utf8(request).ok()?;
        let fault = self.fault_of(&head);
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
