//! Answers that are partly in files.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use storage::io::IoFile;

use super::*;

/// A file in memory, of which any part may be out of the page cache.
#[derive(Debug)]
struct FakeFile {
    bytes: Vec<u8>,
    /// Of this many bytes at the beginning, `try_read_at` knows.
    cached: usize,
    /// A descriptor, behind which lies something else, so that the client sees what was sent from there.
    sendable: Option<File>,
}

impl IoFile for FakeFile {
    fn path(&self) -> &Path {
        Path::new("fake.log")
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.bytes.get(offset as usize..).unwrap_or_default();
        let bytes = rest.len().min(buf.len());
        buf[..bytes].copy_from_slice(&rest[..bytes]);
        Ok(bytes)
    }
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        match self.cached.checked_sub(offset as usize) {
            None | Some(0) => Ok(None),
            Some(cached) => {
                let bytes = cached.min(buf.len());
                self.read_at(&mut buf[..bytes], offset).map(Some)
            }
        }
    }
    fn is_cached(&self, offset: u64, len: u64) -> bool {
        offset + len <= self.cached as u64
    }
    fn write_all_at(&self, _: &[&[u8]], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn start_writeback(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn try_lock(&self) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn is_direct(&self) -> bool {
        false
    }
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.sendable.as_ref().map(File::as_fd)
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn contents() -> Vec<u8> {
    (0..1_500_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn answer_with(file: &Arc<FakeFile>, promised: u64) -> ResponseBytes {
    let piece = |offset, len| Chunk::File {
        file: file.clone(),
        offset,
        len,
    };
    let bytes = |bytes: &'static [u8]| Chunk::Bytes(Bytes::from_static(bytes));
    let mut size = BytesMut::new();
    size.put_u32(8 + 10 + u32::try_from(promised).unwrap());
    vec![
        Chunk::Bytes(size.freeze()),
        bytes(b"head"),
        piece(7, 10),
        bytes(b""),
        piece(0, 0),
        piece(100_000, promised),
        bytes(b"tail"),
    ]
    .into()
}

#[tokio::test]
async fn file_chunks_come_from_the_cache_or_from_a_blocking_read() {
    let bytes = contents();
    let expected = [b"head", &bytes[7..17], &bytes[100_000..1_300_000], b"tail"].concat();
    for cached in [0, 5, 12, 100_000, 400_000, 1_299_999, bytes.len()] {
        let file = Arc::new(FakeFile {
            bytes: bytes.clone(),
            cached,
            sendable: None,
        });
        let server = Running::start(NetConfig::default(), move |_, frame| match frame[0] {
            0 => Reply::Now(answer_with(&file, 1_200_000)),
            _ => Reply::Now(response(&frame)),
        })
        .await;
        let mut client = server.connect().await;
        client
            .send_raw(&[framed(&[0]), framed(&[1]), framed(&[0]), framed(&[2])].concat())
            .await;
        for tail in [1, 2] {
            assert!(client.receive().await == expected, "{cached} bytes cached");
            assert_eq!(client.receive().await, [tail]);
        }
        server.finish().await;
    }
}

#[tokio::test]
async fn a_file_shorter_than_promised_closes_the_connection() {
    for cached in [0, 1_500_000] {
        let file = Arc::new(FakeFile {
            bytes: contents(),
            cached,
            sendable: None,
        });
        let server = Running::start(NetConfig::default(), move |_, _| {
            answer_with(&file, 1_400_001).into()
        })
        .await;
        let mut client = server.connect().await;
        client.send(b"too much").await;
        let received = client.rest().await;
        assert!(
            received.len() <= 4 + 4 + 10 + 1_400_000,
            "{}",
            received.len()
        );
        let counts = server.finish().await;
        assert_eq!(counts.closed, [CloseReason::FileRead]);
    }
}

/// The contents of [`contents`], other way round.
fn sendable() -> File {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = contents().into_iter().map(|byte| !byte).collect();
    file.write_all(&bytes).unwrap();
    file
}

#[tokio::test]
async fn what_is_in_the_page_cache_is_sent_from_there_and_the_rest_is_read() {
    let bytes = contents();
    let sent: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    // The first piece is in the cache or not; of the second, what is sent at once is.
    for (cached, first, second) in [
        (0, &bytes, &bytes),
        (17, &sent, &bytes),
        (1_500_000, &sent, &sent),
    ] {
        let file = Arc::new(FakeFile {
            bytes: bytes.clone(),
            cached,
            sendable: Some(sendable()),
        });
        let server = Running::start(NetConfig::default(), move |_, _| {
            answer_with(&file, 1_200_000).into()
        })
        .await;
        let expected = [b"head", &first[7..17], &second[100_000..1_300_000], b"tail"].concat();
        let mut client = server.connect().await;
        client
            .send_raw(&[framed(&[0]), framed(&[0]), framed(&[0])].concat())
            .await;
        for _ in 0..3 {
            assert!(client.receive().await == expected, "{cached} bytes cached");
        }
        server.finish().await;
    }
}

#[tokio::test]
async fn a_sent_file_that_is_shorter_than_promised_closes_the_connection() {
    let file = Arc::new(FakeFile {
        bytes: contents(),
        cached: usize::MAX,
        sendable: Some(sendable()),
    });
    let server = Running::start(NetConfig::default(), move |_, _| {
        answer_with(&file, 1_400_001).into()
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"too much").await;
    let received = client.rest().await;
    assert_eq!(received.len(), 4 + 4 + 10 + 1_400_000);
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::FileRead]);
}
