//! The primitive types of the protocol, for the messages that are decoded by hand.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::WireError;
use crate::codec::StrBytes;

/// Reads a message from front to back. Lengths are checked against what is there.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<Range<usize>, WireError> {
        if count > self.remaining() {
            return Err(WireError::Malformed("a field reaches beyond the end"));
        }
        let start = self.at;
        self.at += count;
        Ok(start..self.at)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let range = self.take(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[range]);
        Ok(array)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, WireError> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, WireError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, WireError> {
        self.array().map(|[byte]| byte != 0)
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, WireError> {
        self.array().map(Uuid::from_bytes)
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0b1111 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Malformed("a varint is too long"))
    }

    /// A length that may be null: compact ones are one too great, so that 0 is null.
    fn length(&mut self, compact: bool, short: bool) -> Result<Option<usize>, WireError> {
        let length = if compact {
            i64::from(self.unsigned_varint()?) - 1
        } else if short {
            i64::from(self.i16()?)
        } else {
            i64::from(self.i32()?)
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(WireError::Malformed("a length is negative")),
        }
    }

    /// Where a string that may be null lies, seen to be UTF-8.
    pub(crate) fn nullable_string(
        &mut self,
        compact: bool,
    ) -> Result<Option<Range<usize>>, WireError> {
        let Some(length) = self.length(compact, true)? else {
            return Ok(None);
        };
        if length > STRING_BYTES_MAX {
            return Err(WireError::Malformed("a string is too long"));
        }
        let range = self.take(length)?;
        match std::str::from_utf8(&self.bytes[range.clone()]) {
            Ok(_) => Ok(Some(range)),
            Err(_) => Err(WireError::Malformed("a string is not UTF-8")),
        }
    }

    /// A string that may be null.
    pub(crate) fn nullable_str(&mut self, compact: bool) -> Result<Option<&'a str>, WireError> {
        let Some(range) = self.nullable_string(compact)? else {
            return Ok(None);
        };
        let string = std::str::from_utf8(&self.bytes[range]);
        string
            .map(Some)
            .map_err(|_| WireError::Malformed("a string is not UTF-8"))
    }

    /// A string.
    pub(crate) fn string(&mut self, compact: bool) -> Result<&'a str, WireError> {
        self.nullable_str(compact)?
            .ok_or(WireError::Malformed("a string is null"))
    }

    /// Where bytes that may be null lie.
    pub(crate) fn nullable_bytes(
        &mut self,
        compact: bool,
    ) -> Result<Option<Range<usize>>, WireError> {
        match self.length(compact, false)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// The number of elements of an array, each of which has at least `element_bytes_min` bytes:
    /// more than fit the rest of the message are refused, so that the number may size a `Vec`.
    pub(crate) fn array_length(
        &mut self,
        compact: bool,
        element_bytes_min: usize,
    ) -> Result<usize, WireError> {
        self.nullable_array_length(compact, element_bytes_min)?
            .ok_or(WireError::Malformed("an array is null"))
    }

    /// The same for an array that may be null.
    pub(crate) fn nullable_array_length(
        &mut self,
        compact: bool,
        element_bytes_min: usize,
    ) -> Result<Option<usize>, WireError> {
        match self.length(compact, false)? {
            Some(length) if length > self.remaining() / element_bytes_min => {
                Err(WireError::Malformed("an array reaches beyond the end"))
            }
            length => Ok(length),
        }
    }

    /// Steps over tagged fields (KIP-482), none of which is known.
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), WireError> {
        self.tagged_fields(|_, _| Ok(()))
    }

    /// Reads tagged fields (KIP-482). `field` is given the tag and what is in the field, and passes over what it does not know.
    pub(crate) fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, Cursor<'a>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            let size = usize::try_from(size)
                .map_err(|_| WireError::Malformed("a tagged field is too long"))?;
            let range = self.take(size)?;
            field(tag, Cursor::new(&self.bytes[range]))?;
        }
        Ok(())
    }

    /// Bytes that may not be null.
    pub(crate) fn bytes(&mut self, compact: bool) -> Result<Bytes, WireError> {
        let range = self.nullable_bytes(compact)?;
        let range = range.ok_or(WireError::Malformed("bytes are null"))?;
        Ok(Bytes::copy_from_slice(&self.bytes[range]))
    }
}

/// The length of a string is a signed 16-bit integer, also where it is written as a varint.
pub(crate) const STRING_BYTES_MAX: usize = 0x7fff;

pub(crate) fn put_unsigned_varint(buf: &mut BytesMut, value: usize) -> Result<(), WireError> {
    let mut rest = u32::try_from(value).map_err(|_| WireError::TooLarge(value))?;
    while rest >= 0x80 {
        buf.put_u8(rest.to_be_bytes()[3] | 0x80);
        rest >>= 7;
    }
    buf.put_u8(rest.to_be_bytes()[3]);
    Ok(())
}

/// The length of an array or of bytes.
pub(crate) fn put_length(
    buf: &mut BytesMut,
    compact: bool,
    length: usize,
) -> Result<(), WireError> {
    if compact {
        return put_unsigned_varint(buf, length + 1);
    }
    buf.put_i32(i32::try_from(length).map_err(|_| WireError::TooLarge(length))?);
    Ok(())
}

pub(crate) fn put_string(buf: &mut BytesMut, compact: bool, string: &str) -> Result<(), WireError> {
    let length = string.len();
    let short = i16::try_from(length).map_err(|_| WireError::TooLarge(length))?;
    if compact {
        put_unsigned_varint(buf, length + 1)?;
    } else {
        buf.put_i16(short);
    }
    buf.put_slice(string.as_bytes());
    Ok(())
}

/// A string that may be null.
pub(crate) fn put_nullable_string(
    buf: &mut BytesMut,
    compact: bool,
    string: Option<&str>,
) -> Result<(), WireError> {
    match string {
        Some(string) => put_string(buf, compact, string),
        None if compact => put_unsigned_varint(buf, 0),
        None => {
            buf.put_i16(-1);
            Ok(())
        }
    }
}

pub(crate) fn put_bytes(buf: &mut BytesMut, compact: bool, bytes: &[u8]) -> Result<(), WireError> {
    put_length(buf, compact, bytes.len())?;
    buf.put_slice(bytes);
    Ok(())
}

/// One tagged field, and no others (KIP-482).
pub(crate) fn put_tagged_field(
    buf: &mut BytesMut,
    tag: usize,
    field: &[u8],
) -> Result<(), WireError> {
    put_unsigned_varint(buf, 1)?;
    put_unsigned_varint(buf, tag)?;
    put_unsigned_varint(buf, field.len())?;
    buf.put_slice(field);
    Ok(())
}

/// That there are no tagged fields (KIP-482).
pub(crate) fn put_no_tagged_fields(buf: &mut BytesMut) -> Result<(), WireError> {
    put_unsigned_varint(buf, 0)
}

/// A string that shares the allocation of `bytes`, which the cursor reads.
pub(crate) fn take_text(
    cursor: &mut Cursor<'_>,
    bytes: &Bytes,
    compact: bool,
) -> Result<StrBytes, WireError> {
    take_nullable_text(cursor, bytes, compact)?.ok_or(WireError::Malformed("a string is null"))
}

/// The same for one that may be null.
pub(crate) fn take_nullable_text(
    cursor: &mut Cursor<'_>,
    bytes: &Bytes,
    compact: bool,
) -> Result<Option<StrBytes>, WireError> {
    let Some(range) = cursor.nullable_string(compact)? else {
        return Ok(None);
    };
    let text = StrBytes::from_utf8(bytes.slice(range));
    text.map(Some)
        .map_err(|_| WireError::Malformed("a string is not UTF-8"))
}
