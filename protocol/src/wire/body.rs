//! The bodies of requests and responses, wherever a version of them is implemented.
//!
//! Most come from the codec. Versions of Kafka 4.3 that it lacks are either the same bytes as its
//! newest (ListOffsets 11) or written in [`crate::messages`] (AddRaftVoter 1, DescribeLogDirs 5, OffsetCommit 10,
//! OffsetFetch 10).

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::protocol::buf::{ByteBuf, NotEnoughBytesError};
use kafka_protocol::protocol::{Decodable, Encodable, Message};

use super::WireError;
use crate::messages::{self, ApiKey};

/// The most elements an array may claim to have.
///
/// The codec refuses arrays of more elements than bytes are left, and then makes room for that many
/// at once: in a frame of 100 MiB, room for gigabytes. With this limit it is some tens of megabytes,
/// which the system only provides as they are filled.
pub const ARRAY_ELEMENTS_MAX: usize = 100_000;

/// The body of a request or a response.
pub trait MessageBody: Sized {
    /// The API it belongs to.
    const API_KEY: ApiKey;

    /// Decodes it from the front of `reader`.
    fn decode_from(reader: &mut BodyReader, version: i16) -> Result<Self, WireError>;

    /// Appends it to `buf`.
    fn encode_body(&self, buf: &mut BytesMut, version: i16) -> Result<(), WireError>;

    /// The number of bytes [`encode_body`](Self::encode_body) appends.
    fn body_size(&self, version: i16) -> Result<usize, WireError>;
}

/// The body of a request, which has a response.
pub trait RequestBody: MessageBody {
    /// Its response.
    type Response: MessageBody;
}

/// Decodes a body from all of `bytes`: bytes left over are an error. Strings
/// and byte fields share the allocation of `bytes`.
pub fn decode_body<T: MessageBody>(bytes: Bytes, version: i16) -> Result<T, WireError> {
    let mut reader = BodyReader(bytes);
    let body = T::decode_from(&mut reader, version)?;
    if reader.0.is_empty() {
        Ok(body)
    } else {
        Err(WireError::TrailingBytes(reader.0.len()))
    }
}

/// Decodes the body of a request, and passes over bytes behind it: Kafka does not look there, and librdkafka 2.0 sends three
/// bytes too many with Metadata.
pub fn decode_request_body<T: RequestBody>(bytes: Bytes, version: i16) -> Result<T, WireError> {
    T::decode_from(&mut BodyReader(bytes), version)
}

/// The bytes of a body, of which the codec sees no more than [`ARRAY_ELEMENTS_MAX`] at a time when
/// it asks how many remain.
#[derive(Debug)]
pub struct BodyReader(Bytes);

impl BodyReader {
    /// All that is left, for a body that is decoded by hand and then advances the reader.
    pub(crate) fn rest(&self) -> Bytes {
        self.0.clone()
    }

    /// Steps over what was decoded of it.
    pub(crate) fn advance_by(&mut self, count: usize) {
        self.0.advance(count);
    }
}

impl Buf for BodyReader {
    fn remaining(&self) -> usize {
        self.0.len().min(ARRAY_ELEMENTS_MAX)
    }

    fn chunk(&self) -> &[u8] {
        &self.0[..self.remaining()]
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

impl ByteBuf for BodyReader {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.0.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.0.split_to(size)
    }

    fn try_peek_bytes(
        &mut self,
        range: std::ops::Range<usize>,
    ) -> Result<Bytes, NotEnoughBytesError> {
        if range.end <= self.0.len() {
            Ok(self.peek_bytes(range))
        } else {
            Err(NotEnoughBytesError)
        }
    }

    /// The default would refuse what is larger than `remaining` says.
    fn try_get_bytes(&mut self, size: usize) -> Result<Bytes, NotEnoughBytesError> {
        if size <= self.0.len() {
            Ok(self.get_bytes(size))
        } else {
            Err(NotEnoughBytesError)
        }
    }
}

/// The version to ask the codec for. Where it ends before [`supported`](super::versions::supported)
/// does, the versions beyond are the same bytes as its last; the golden tests see to it.
fn codec_version<T: Message>(api: ApiKey, version: i16) -> Result<i16, WireError> {
    if !super::versions::supported(api).contains(version) {
        return Err(WireError::UnknownVersion { api, version });
    }
    Ok(version.min(T::VERSIONS.max))
}

/// Decodes a version that the codec has.
pub(crate) fn codec_decode<T: Message + Decodable>(
    api: ApiKey,
    reader: &mut BodyReader,
    version: i16,
) -> Result<T, WireError> {
    Ok(T::decode(reader, codec_version::<T>(api, version)?)?)
}

/// Encodes a version that the codec has.
pub(crate) fn codec_encode<T: Message + Encodable>(
    api: ApiKey,
    body: &T,
    buf: &mut BytesMut,
    version: i16,
) -> Result<(), WireError> {
    Ok(body.encode(buf, codec_version::<T>(api, version)?)?)
}

/// How many bytes [`codec_encode`] appends.
pub(crate) fn codec_size<T: Message + Encodable>(
    api: ApiKey,
    body: &T,
    version: i16,
) -> Result<usize, WireError> {
    Ok(body.compute_size(codec_version::<T>(api, version)?)?)
}

macro_rules! implement_bodies {
    ($(($api:ident, $request:ident, $response:ident, $min:literal, $max:literal),)*) => {
        $(
            implement_body!($api, $request);
            implement_body!($api, $response);
            impl RequestBody for messages::$request {
                type Response = messages::$response;
            }
        )*
    };
}

macro_rules! implement_body {
    // Written in `messages`.
    (AddRaftVoter, AddRaftVoterRequest) => {};
    (DescribeLogDirs, DescribeLogDirsResponse) => {};
    (OffsetCommit, OffsetCommitRequest) => {};
    (OffsetFetch, OffsetFetchRequest) => {};
    ($api:ident, $message:ident) => {
        impl MessageBody for messages::$message {
            const API_KEY: ApiKey = ApiKey::$api;

            fn decode_from(reader: &mut BodyReader, version: i16) -> Result<Self, WireError> {
                codec_decode(Self::API_KEY, reader, version)
            }

            fn encode_body(&self, buf: &mut BytesMut, version: i16) -> Result<(), WireError> {
                codec_encode(Self::API_KEY, self, buf, version)
            }

            fn body_size(&self, version: i16) -> Result<usize, WireError> {
                codec_size(Self::API_KEY, self, version)
            }
        }
    };
}
crate::for_each_api!(implement_bodies);

#[cfg(test)]
mod tests;
