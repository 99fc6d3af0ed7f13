//! A connection that sends what it is told to, sensible or not.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, Bytes};
use protocol::ApiKey;
use protocol::wire::response::response_header_version;
use protocol::wire::{RequestBody, decode_body, encode_request_frame};

/// Longer than any answer takes on a slow machine.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const CLIENT_ID: &str = "node-tests";

/// A connection to a broker.
pub(crate) struct Client {
    stream: TcpStream,
    next_correlation_id: i32,
    unanswered: VecDeque<Unanswered>,
}

struct Unanswered {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
}

/// What came after bytes that are no request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer, without its size.
    Answer(Bytes),
    /// The broker closed.
    Closed,
    /// Neither, in the time given.
    Nothing,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the broker accepts");
        stream.set_nodelay(true).expect("a socket");
        stream
            .set_read_timeout(Some(SILENCE_MAX))
            .expect("a socket");
        stream
            .set_write_timeout(Some(SILENCE_MAX))
            .expect("a socket");
        Client {
            stream,
            next_correlation_id: 1,
            unanswered: VecDeque::new(),
        }
    }

    /// Sends a request, of which an answer is awaited.
    #[track_caller]
    pub(crate) fn send<T: RequestBody>(&mut self, version: i16, body: &T) {
        let correlation_id = self.send_silent(version, body);
        self.unanswered.push_back(Unanswered {
            api: T::API_KEY,
            version,
            correlation_id,
        });
    }

    /// Sends a request that gets no answer (`acks=0`).
    #[track_caller]
    pub(crate) fn send_silent<T: RequestBody>(&mut self, version: i16, body: &T) -> i32 {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let frame = encode_request_frame(version, correlation_id, Some(CLIENT_ID), body);
        self.stream
            .write_all(&frame.expect("it can be encoded"))
            .expect("the broker reads");
        correlation_id
    }

    /// The answer to the oldest request without one, which must be a `T`.
    #[track_caller]
    pub(crate) fn receive<T: RequestBody>(&mut self) -> T::Response {
        self.try_receive::<T>().expect("an answer")
    }

    /// The same, where the connection may end.
    pub(crate) fn try_receive<T: RequestBody>(&mut self) -> io::Result<T::Response> {
        let asked = self.unanswered.pop_front().expect("something was asked");
        assert_eq!(asked.api, T::API_KEY);
        let mut frame = self.read_frame()?;
        assert_eq!(
            frame.get_i32(),
            asked.correlation_id,
            "answers are out of order"
        );
        if response_header_version(asked.api, asked.version) >= 1 {
            assert_eq!(frame.get_u8(), 0, "tagged fields in a header");
        }
        Ok(decode_body::<T::Response>(frame, asked.version).expect("a body of that version"))
    }

    #[track_caller]
    pub(crate) fn call<T: RequestBody>(&mut self, version: i16, body: &T) -> T::Response {
        self.send(version, body);
        self.receive::<T>()
    }

    /// The same, where the connection may end.
    pub(crate) fn try_call<T: RequestBody>(
        &mut self,
        version: i16,
        body: &T,
    ) -> io::Result<T::Response> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let frame = encode_request_frame(version, correlation_id, Some(CLIENT_ID), body);
        self.stream.write_all(&frame.expect("it can be encoded"))?;
        self.unanswered.push_back(Unanswered {
            api: T::API_KEY,
            version,
            correlation_id,
        });
        self.try_receive::<T>()
    }

    /// Sends bytes as they are. The broker may have closed already.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if !is_end(&error) => panic!("{error}"),
            _ => {}
        }
    }

    /// Says that nothing more will come.
    pub(crate) fn finish_sending(&mut self) {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != ErrorKind::NotConnected => panic!("{error}"),
            _ => {}
        }
    }

    /// What the broker makes of what was sent.
    #[track_caller]
    pub(crate) fn outcome(&mut self) -> Outcome {
        match self.outcome_within(SILENCE_MAX) {
            Outcome::Nothing => panic!("neither an answer nor an end"),
            outcome => outcome,
        }
    }

    pub(crate) fn outcome_within(&mut self, patience: Duration) -> Outcome {
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a socket");
        let frame = self.read_frame();
        self.stream
            .set_read_timeout(Some(SILENCE_MAX))
            .expect("a socket");
        match frame {
            Ok(frame) => Outcome::Answer(frame),
            Err(error) if is_end(&error) => Outcome::Closed,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Outcome::Nothing
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size)).expect("sizes are positive");
        assert!(size <= 256 << 20, "an answer of {size} bytes");
        let mut frame = vec![0; size];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
