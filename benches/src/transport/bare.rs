//! What is beneath: rustls with frames of 16 bytes in full records and writes of 64 KiB, without
//! acknowledgements or classes; and TCP alone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use quorate_runtime::tls::{Phase, Sealed, Session};

use super::heard::{BULK_BYTES, Heard, Schedule, URGENT_BYTES};
use super::papers::Papers;
use super::{clock, pacing};

const HEADER: usize = 16;
const RECORD: usize = 16 * 1024;
const WRITE: usize = 64 * 1024;

struct Pipe {
    socket: TcpStream,
    tls: Session,
    out: Sealed,
    intake: Vec<u8>,
    len: usize,
}

impl Pipe {
    fn new(socket: TcpStream, tls: Session) -> Pipe {
        socket.set_nodelay(true).expect("a socket");
        let mut pipe = Pipe {
            socket,
            tls,
            out: Sealed::default(),
            intake: vec![0; 2 * 128 * 1024],
            len: 0,
        };
        loop {
            let bytes = &mut pipe.intake[..pipe.len];
            let (taken, phase) = pipe.tls.handshake(bytes, &mut pipe.out).expect("TLS");
            pipe.intake.copy_within(taken..pipe.len, 0);
            pipe.len -= taken;
            pipe.flush();
            if phase == Phase::Open {
                return pipe;
            }
            pipe.read();
        }
    }

    fn flush(&mut self) {
        self.socket.write_all(self.out.bytes()).expect("a socket");
        self.out.clear();
    }

    fn read(&mut self) -> usize {
        let count = self.socket.read(&mut self.intake[self.len..]);
        let count = count.expect("a socket");
        self.len += count;
        count
    }

    fn open(&mut self, deliver: impl FnMut(&[u8])) {
        let bytes = &mut self.intake[..self.len];
        let (taken, _) = self.tls.open(bytes, &mut self.out, deliver).expect("TLS");
        self.intake.copy_within(taken..self.len, 0);
        self.len -= taken;
    }
}

fn ends<T: Send>(
    papers: &Papers,
    rate: Option<u32>,
    one: impl FnOnce(Pipe) + Send,
    other: impl FnOnce(Pipe) -> T + Send,
) -> T {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = TcpStream::connect(address).expect("it listens");
            pacing::limit(&socket, rate);
            let tls = papers.nodes[0].settings().client().expect("a session");
            one(Pipe::new(socket, tls));
        });
        let (socket, _) = listener.accept().expect("a connection");
        let tls = papers.nodes[1].settings().server().expect("a session");
        other(Pipe::new(socket, tls))
    })
}

/// Puts a frame into a record; seals the record when it is full. A long body takes several.
fn push(pipe: &mut Pipe, record: &mut Vec<u8>, body: &[u8]) {
    for part in body.chunks(RECORD - HEADER) {
        if record.len() + HEADER + part.len() > RECORD {
            pipe.tls.seal(record, &mut pipe.out).expect("open");
            record.clear();
            if pipe.out.len() >= WRITE {
                pipe.flush();
            }
        }
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&(part.len() as u64).to_le_bytes());
        record.extend_from_slice(&header);
        record.extend_from_slice(part);
    }
}

fn finish(pipe: &mut Pipe, record: &[u8]) {
    pipe.tls.seal(record, &mut pipe.out).expect("open");
    pipe.flush();
}

/// The frames of a record.
fn frames(mut record: &[u8], mut each: impl FnMut(&[u8])) {
    while let Some((len, _)) = record.split_first_chunk() {
        let len = usize::try_from(u64::from_le_bytes(*len)).expect("short");
        each(&record[HEADER..HEADER + len]);
        record = &record[HEADER + len..];
    }
}

pub fn one_way(papers: &Papers, len: usize, count: u64) {
    let sending = |mut pipe: Pipe| {
        let (body, mut record) = (vec![7; len], Vec::with_capacity(RECORD));
        for _ in 0..count {
            push(&mut pipe, &mut record, &body);
        }
        finish(&mut pipe, &record);
        // Until the other end is done.
        assert_eq!(pipe.socket.read(&mut [0]).expect("a socket"), 0);
    };
    ends(papers, None, sending, |mut pipe| {
        let (mut bytes, total) = (0, len as u64 * count);
        while bytes < total {
            pipe.read();
            pipe.open(|record| frames(record, |body| bytes += body.len() as u64));
        }
    });
}

/// One queue in front of the socket, filled up to a mebibyte: bulk and urgent frames as they come.
pub fn urgent(papers: &Papers, span: Duration, rate: Option<u32>) -> (Vec<u64>, f64) {
    let sending = |mut pipe: Pipe| {
        let bulk = vec![7; BULK_BYTES];
        let mut schedule = Schedule::new(span);
        let mut queue = std::collections::VecDeque::new();
        let (mut bytes, mut record) = (0, Vec::with_capacity(RECORD));
        while schedule.goes_on() {
            if let Some(body) = schedule.due() {
                queue.push_back(body.to_vec());
            }
            while bytes < 1 << 20 {
                bytes += bulk.len();
                queue.push_back(bulk.clone());
            }
            for body in queue.drain(..4) {
                if body.len() != URGENT_BYTES {
                    bytes -= body.len();
                }
                push(&mut pipe, &mut record, &body);
            }
        }
        finish(&mut pipe, &record);
    };
    ends(papers, rate, sending, |mut pipe| {
        let mut heard = Heard::new();
        while pipe.read() > 0 {
            pipe.open(|record| frames(record, |body| heard.hear(body)));
        }
        heard.account()
    })
}

/// TCP alone, there and back.
pub fn ping_pong(len: usize, count: u64) -> Vec<u64> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut socket, _) = listener.accept().expect("a connection");
            socket.set_nodelay(true).expect("a socket");
            let mut body = vec![0; len];
            for _ in 0..count {
                socket.read_exact(&mut body).expect("a socket");
                socket.write_all(&body).expect("a socket");
            }
        });
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.set_nodelay(true).expect("a socket");
        let mut body = vec![7; len];
        let ping = |_| {
            let since = clock();
            socket.write_all(&body).expect("a socket");
            socket.read_exact(&mut body).expect("a socket");
            clock() - since
        };
        (0..count).map(ping).collect()
    })
}
