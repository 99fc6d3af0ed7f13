//! The header of a request.

use bytes::{Bytes, BytesMut};

use super::WireError;
use super::primitive::Cursor;
use crate::codec::StrBytes;
use crate::messages::ApiKey;

/// What every version of the header begins with, read without touching the rest. It can be read of
/// an API that is not known, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPrefix {
    /// The API, perhaps an unknown one.
    pub api_key: i16,
    /// The version of the API, perhaps an unknown one.
    pub api_version: i16,
    /// Repeated in the response.
    pub correlation_id: i32,
}

impl RequestPrefix {
    /// Reads the first eight bytes of a frame.
    pub fn peek(frame: &[u8]) -> Result<RequestPrefix, WireError> {
        RequestPrefix::read(&mut Cursor::new(frame))
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<RequestPrefix, WireError> {
        Ok(RequestPrefix {
            api_key: cursor.i16()?,
            api_version: cursor.i16()?,
            correlation_id: cursor.i32()?,
        })
    }
}

/// The header of a request of a known API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API.
    pub api_key: ApiKey,
    /// The version of the API, perhaps an unknown one.
    pub api_version: i16,
    /// Repeated in the response.
    pub correlation_id: i32,
    /// What the client calls itself. It shares the allocation of the frame.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// Takes the header off `frame`, which is left with the body.
    ///
    /// The version need not be one that is known. For ApiVersions in particular, whose answer to an
    /// unknown version tells the client the known ones (KIP-511), the header is read as far as it
    /// makes sense.
    pub fn decode(frame: &mut Bytes) -> Result<RequestHeader, WireError> {
        let layout = Layout::of(frame)?;
        let header = frame.split_to(layout.size);
        layout.header(&header)
    }

    /// The same, leaving a body that can still be written to, as [`produce`](super::produce) needs.
    pub fn decode_mut(frame: &mut BytesMut) -> Result<RequestHeader, WireError> {
        let layout = Layout::of(frame)?;
        let header = frame.split_to(layout.size).freeze();
        layout.header(&header)
    }
}

/// The version of the request header (1 or 2) at a version of an API.
pub fn request_header_version(api: ApiKey, version: i16) -> i16 {
    api.request_header_version(version)
}

struct Layout {
    prefix: RequestPrefix,
    api: ApiKey,
    client_id: Option<std::ops::Range<usize>>,
    size: usize,
}

impl Layout {
    fn of(frame: &[u8]) -> Result<Layout, WireError> {
        let mut cursor = Cursor::new(frame);
        let prefix = RequestPrefix::read(&mut cursor)?;
        let api =
            ApiKey::try_from(prefix.api_key).map_err(|()| WireError::UnknownApi(prefix.api_key))?;
        let known = super::versions::supported(api).contains(prefix.api_version);
        let (client_id, size) = if api == ApiKey::ApiVersions && !known {
            (
                cursor.nullable_string(false).ok().flatten(),
                cursor.position(),
            )
        } else {
            // The client id is not compact, even in header version 2.
            let client_id = cursor.nullable_string(false)?;
            if request_header_version(api, prefix.api_version) >= 2 {
                cursor.skip_tagged_fields()?;
            }
            (client_id, cursor.position())
        };
        Ok(Layout {
            prefix,
            api,
            client_id,
            size,
        })
    }

    fn header(self, header: &Bytes) -> Result<RequestHeader, WireError> {
        let client_id = match self.client_id {
            Some(range) => Some(
                StrBytes::from_utf8(header.slice(range))
                    .map_err(|_| WireError::Malformed("the client id is not UTF-8"))?,
            ),
            None => None,
        };
        Ok(RequestHeader {
            api_key: self.api,
            api_version: self.prefix.api_version,
            correlation_id: self.prefix.correlation_id,
            client_id,
        })
    }
}

#[cfg(test)]
mod tests;
