//! Responses, and the requests that brokers and tests send: frame, header and body in one buffer.

use bytes::{BufMut, BytesMut};

use super::frame::FRAME_SIZE_BYTES;
use super::primitive::put_unsigned_varint;
use super::{MessageBody, RequestBody, WireError};
use crate::messages::ApiKey;

/// The version of the response header (0 or 1) at a version of an API. That of ApiVersions is
/// always 0, so that a client whose version the broker does not know can read it (KIP-511).
pub fn response_header_version(api: ApiKey, version: i16) -> i16 {
    api.response_header_version(version)
}

/// A response as it goes to the socket. The buffer is allocated once, at its final size.
pub fn encode_frame<T: MessageBody>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &T,
) -> Result<BytesMut, WireError> {
    let mut frame = frame_for(body, version, 5)?;
    put_response_header(&mut frame, api, version, correlation_id)?;
    body.encode_body(&mut frame, version)?;
    let size = frame.len();
    finish(&mut frame, size)?;
    Ok(frame)
}

/// A request as it goes to the socket.
pub fn encode_request_frame<T: RequestBody>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &T,
) -> Result<BytesMut, WireError> {
    let client_id_bytes = client_id.map_or(0, str::len);
    let mut frame = frame_for(body, version, 11 + client_id_bytes)?;
    frame.put_i16(T::API_KEY as i16);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    match client_id {
        Some(client_id) => super::primitive::put_string(&mut frame, false, client_id)?,
        None => frame.put_i16(-1),
    }
    if super::request::request_header_version(T::API_KEY, version) >= 2 {
        put_unsigned_varint(&mut frame, 0)?;
    }
    body.encode_body(&mut frame, version)?;
    let size = frame.len();
    finish(&mut frame, size)?;
    Ok(frame)
}

pub(super) fn put_response_header(
    frame: &mut BytesMut,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
) -> Result<(), WireError> {
    frame.put_i32(correlation_id);
    if response_header_version(api, version) >= 1 {
        put_unsigned_varint(frame, 0)?;
    }
    Ok(())
}

fn frame_for<T: MessageBody>(
    body: &T,
    version: i16,
    header_bytes: usize,
) -> Result<BytesMut, WireError> {
    let body_bytes = body.body_size(version)?;
    let mut frame = BytesMut::with_capacity(FRAME_SIZE_BYTES + header_bytes + body_bytes);
    frame.put_bytes(0, FRAME_SIZE_BYTES);
    Ok(frame)
}

/// Writes the size before a frame of which `size` bytes follow in all, the size included.
pub(super) fn finish(frame: &mut BytesMut, size: usize) -> Result<(), WireError> {
    let counted = size - FRAME_SIZE_BYTES;
    let prefix = i32::try_from(counted).map_err(|_| WireError::TooLarge(counted))?;
    frame[..FRAME_SIZE_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(())
}
