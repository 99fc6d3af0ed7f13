use bytes::{BufMut, BytesMut};

use super::*;

#[test]
fn a_size_is_checked_before_its_frame_is_there() {
    for size in [-1, i32::MIN, 101, i32::MAX] {
        let error = frame_size(&size.to_be_bytes(), 100).expect_err("it is not allowed");
        assert!(matches!(error, WireError::FrameSize { size: got, max: 100 } if got == size));
    }
    assert_eq!(frame_size(&[0, 0, 0], 100).expect("incomplete"), None);
    assert_eq!(
        frame_size(&100i32.to_be_bytes(), 100).expect("allowed"),
        Some(100)
    );
}

#[test]
fn frames_are_taken_off_one_by_one() {
    let mut received = BytesMut::from(&[0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1][..]);
    let mut next = || split_frame(&mut received, 10).expect("allowed");
    assert_eq!(next().as_deref(), Some(&[1, 2][..]));
    assert_eq!(next().as_deref(), Some(&[][..]));
    assert_eq!(next(), None);
    received.put_u8(3);
    assert_eq!(
        split_frame(&mut received, 10).expect("allowed").as_deref(),
        Some(&[3][..])
    );
    assert!(received.is_empty());
}
