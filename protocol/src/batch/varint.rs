//! Zigzag varints, as records use them (Kafka's `ByteUtils.readVarint`).

use bytes::BufMut;

/// Reads a varint of up to 64 bits from the front. `None` if it is cut or too long.
pub(super) fn read_i64(bytes: &mut &[u8]) -> Option<i64> {
    let value = read_unsigned(bytes)?;
    Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
}

/// Reads a varint of up to 32 bits from the front. `None` if it is cut or too great.
pub(super) fn read_i32(bytes: &mut &[u8]) -> Option<i32> {
    i32::try_from(read_i64(bytes)?).ok()
}

fn read_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Appends a varint.
pub(super) fn put(buf: &mut impl BufMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        buf.put_u8(rest.to_be_bytes()[7] | 0x80);
        rest >>= 7;
    }
    buf.put_u8(rest.to_be_bytes()[7]);
}
