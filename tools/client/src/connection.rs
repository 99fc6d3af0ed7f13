use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use protocol::{
    ApiKey,
    codec::StrBytes,
    messages::ApiVersionsRequest,
    wire::{
        FRAME_SIZE_BYTES, RequestBody, VersionRange, decode_body, encode_request_frame, frame_size,
        supported,
    },
};

use crate::{ClientError, error::check};

/// Larger than any answer to a fetch as this client asks for it.
const RESPONSE_BYTES_MAX: usize = 128 << 20;

/// A connection to one broker.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    client_id: String,
    versions: BTreeMap<i16, VersionRange>,
    next_correlation_id: i32,
    unanswered: VecDeque<Unanswered>,
}

#[derive(Clone, Copy, Debug)]
struct Unanswered {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Connection {
    /// Connects to `address` (`HOST:PORT`; of a name with several addresses the first that takes the connection) and
    /// asks for the broker's versions. No answer may take longer than `silence_max`.
    pub fn connect(
        address: &str,
        client_id: &str,
        silence_max: Duration,
    ) -> Result<Connection, ClientError> {
        let mut connection = Connection {
            stream: open(address, silence_max).map_err(ClientError::io("connect"))?,
            client_id: client_id.to_owned(),
            versions: BTreeMap::new(),
            next_correlation_id: 0,
            unanswered: VecDeque::new(),
        };
        connection.agree_on_versions()?;
        Ok(connection)
    }

    /// The newest version of an API that both sides know.
    pub fn version(&self, api: ApiKey) -> Result<i16, ClientError> {
        let theirs = self.versions.get(&(api as i16));
        let theirs = theirs.ok_or(ClientError::NoVersion(api))?;
        let ours = supported(api);
        let newest = ours.max.min(theirs.max);
        if newest < ours.min || newest < theirs.min {
            return Err(ClientError::NoVersion(api));
        }
        Ok(newest)
    }

    /// All APIs that the broker says it has, by key.
    pub fn versions(&self) -> &BTreeMap<i16, VersionRange> {
        &self.versions
    }

    /// Sends a request. "Done" means that the system has its bytes.
    pub fn send<T: RequestBody>(&mut self, body: &T) -> Result<(), ClientError> {
        let version = self.version(T::API_KEY)?;
        self.send_at(version, body)
    }

    /// Waits for the answer to the oldest request that has none yet, which must have been a
    /// `T`.
    pub fn receive<T: RequestBody>(&mut self) -> Result<T::Response, ClientError> {
        let asked = self.unanswered.pop_front();
        let asked = asked.filter(|asked| asked.api == T::API_KEY);
        let asked = asked.ok_or(ClientError::Unrelated(T::API_KEY))?;
        let mut frame = self
            .read_frame()
            .map_err(ClientError::io("read an answer"))?;
        let correlation_id = i32::from_be_bytes(take(&mut frame)?);
        if correlation_id != asked.correlation_id {
            return Err(ClientError::OutOfTurn {
                expected: asked.correlation_id,
                found: correlation_id,
            });
        }
        // No broker sends tagged fields in a header, so that their number is 0.
        if asked.api.response_header_version(asked.version) >= 1 && take(&mut frame)? != [0] {
            return Err(ClientError::Unrelated(asked.api));
        }
        Ok(decode_body::<T::Response>(frame, asked.version)?)
    }

    /// Sends a request and waits for its answer; nothing else may be in flight.
    pub fn call<T: RequestBody>(&mut self, body: &T) -> Result<T::Response, ClientError> {
        self.send(body)?;
        self.receive::<T>()
    }

    /// How many requests have no answer yet.
    pub fn in_flight(&self) -> usize {
        self.unanswered.len()
    }

    fn send_at<T: RequestBody>(&mut self, version: i16, body: &T) -> Result<(), ClientError> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1);
        let frame = encode_request_frame(version, correlation_id, Some(&self.client_id), body)?;
        self.stream
            .write_all(&frame)
            .map_err(ClientError::io("send a request"))?;
        self.unanswered.push_back(Unanswered {
            api: T::API_KEY,
            version,
            correlation_id,
        });
        Ok(())
    }

    fn agree_on_versions(&mut self) -> Result<(), ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("holdfast-client"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        // Version 3 is known to every broker since Kafka 2.4.
        self.send_at(3, &request)?;
        let answer = self.receive::<ApiVersionsRequest>()?;
        check("ask for the versions", answer.error_code)?;
        let ranges = answer.api_keys.iter().map(|api| {
            let range = VersionRange::new(api.min_version, api.max_version);
            (api.api_key, range)
        });
        self.versions = ranges.collect();
        Ok(())
    }

    fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut size = [0; FRAME_SIZE_BYTES];
        self.stream.read_exact(&mut size)?;
        let size = frame_size(&size, RESPONSE_BYTES_MAX).map_err(io::Error::other)?;
        let mut frame = BytesMut::zeroed(size.unwrap_or_default());
        self.stream.read_exact(&mut frame)?;
        Ok(frame.freeze())
    }
}

fn open(address: &str, silence_max: Duration) -> io::Result<TcpStream> {
    let stream = dial(address, silence_max)?;
    stream.set_read_timeout(Some(silence_max))?;
    stream.set_write_timeout(Some(silence_max))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn dial(address: &str, silence_max: Duration) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::other("the name has no address"));
    for address in address.to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, silence_max);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn take<const N: usize>(frame: &mut Bytes) -> Result<[u8; N], ClientError> {
    match frame.first_chunk::<N>().copied() {
        Some(bytes) => {
            *frame = frame.slice(N..);
            Ok(bytes)
        }
        None => Err(ClientError::Io {
            doing: "read an answer",
            source: io::ErrorKind::UnexpectedEof.into(),
        }),
    }
}
