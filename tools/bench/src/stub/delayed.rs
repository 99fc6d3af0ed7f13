//! Connections whose answers are due at a time: a thread receives, and another sends.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bytes::BytesMut;
use parking_lot::{Condvar, Mutex};
use protocol::wire::split_frame;

use super::{Failure, REQUEST_BYTES_MAX, Server};

const READ_BYTES: usize = 256 << 10;

/// Answers that are due later, in order.
#[derive(Default)]
struct Outgoing {
    answers: Mutex<(VecDeque<(Instant, BytesMut)>, bool)>,
    changed: Condvar,
}

/// Serves a connection until the client ends it.
pub(super) fn serve(server: &Server, stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut reading = stream.try_clone()?;
    let outgoing = Outgoing::default();
    std::thread::scope(|scope| {
        scope.spawn(|| outgoing.send(stream));
        let served = read(server, &mut reading, &outgoing);
        outgoing.answers.lock().1 = true;
        outgoing.changed.notify_all();
        served
    })
}

fn read(server: &Server, stream: &mut TcpStream, outgoing: &Outgoing) -> Result<(), Failure> {
    let mut received = BytesMut::new();
    loop {
        while let Some(frame) = split_frame(&mut received, REQUEST_BYTES_MAX)? {
            let (due, answer) = server.answer(frame)?;
            outgoing.answers.lock().0.push_back((due, answer));
            outgoing.changed.notify_all();
        }
        let at = received.len();
        received.resize(at + READ_BYTES, 0);
        let read = stream.read(&mut received[at..])?;
        received.truncate(at + read);
        if read == 0 {
            return Ok(());
        }
    }
}

impl Outgoing {
    fn send(&self, mut stream: TcpStream) {
        let mut answers = self.answers.lock();
        loop {
            let now = Instant::now();
            let (queue, is_over) = &mut *answers;
            match queue.front().map(|(due, _)| *due) {
                Some(due) if due <= now => {
                    let mut out = BytesMut::new();
                    while let Some((_, answer)) = queue.pop_front_if(|(due, _)| *due <= now) {
                        out.extend_from_slice(&answer);
                    }
                    let sent =
                        parking_lot::MutexGuard::unlocked(&mut answers, || stream.write_all(&out));
                    if sent.is_err() {
                        return;
                    }
                }
                Some(due) => {
                    self.changed.wait_until(&mut answers, due);
                }
                None if *is_over => return,
                None => self.changed.wait(&mut answers),
            }
        }
    }
}
