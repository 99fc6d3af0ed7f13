//! The fields of a batch, to write what no writer would.

/// Where a batch's fields lie, and how many bytes they take.
pub(super) const FIELDS: [(usize, usize); 13] = [
    (0, 8),
    (8, 4),
    (12, 4),
    (16, 1),
    (17, 4),
    (21, 2),
    (23, 4),
    (27, 8),
    (35, 8),
    (43, 8),
    (51, 2),
    (53, 4),
    (57, 4),
];
const LENGTH: usize = 8;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
/// The bytes before what the length counts.
const LENGTH_END: usize = 12;

/// The field's value, as far as it is there.
pub(super) fn field(batch: &[u8], (at, width): (usize, usize)) -> u64 {
    let bytes = batch.get(at..at + width).unwrap_or_default();
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Writes a field, if it is there.
pub(super) fn set_field(batch: &mut [u8], (at, width): (usize, usize), value: u64) {
    if let Some(bytes) = batch.get_mut(at..at + width) {
        bytes.copy_from_slice(&value.to_be_bytes()[8 - width..]);
    }
}

/// Makes the magic that of a batch.
pub(super) fn fix_magic(batch: &mut [u8]) {
    set_field(batch, (MAGIC, 1), 2);
}

/// Makes the length that of all the bytes.
pub(super) fn fix_length(batch: &mut [u8]) {
    let length = batch.len().saturating_sub(LENGTH_END) as u64;
    set_field(batch, (LENGTH, 4), length);
}

/// Makes the checksum that of all the bytes.
pub(super) fn fix_crc(batch: &mut [u8]) {
    let crc = crc32c::crc32c(batch.get(ATTRIBUTES..).unwrap_or_default());
    set_field(batch, (CRC, 4), crc.into());
}

/// Whether the checksum is that of all the bytes: written here once more, so that what is checked
/// does not check itself.
pub(super) fn crc_is_right(batch: &[u8]) -> bool {
    let checked = batch.get(ATTRIBUTES..);
    checked.is_some_and(|checked| field(batch, (CRC, 4)) == u64::from(crc32c::crc32c(checked)))
}
