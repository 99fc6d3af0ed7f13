//! The batches of a partition's directory, in order.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use protocol::batch::{BatchHeader, HEADER_BYTES};

/// The name of a segment is its base offset, in so many digits.
const NAME_DIGITS: usize = 20;
/// No batch is larger, whatever its header says.
const BATCH_BYTES_MAX: u64 = 256 << 20;

/// Goes through the segments of a partition.
pub(super) struct Walk {
    /// Those that come, the next one last.
    segments: Vec<PathBuf>,
    current: Option<Segment>,
}

struct Segment {
    path: PathBuf,
    file: BufReader<File>,
    position: u64,
    size: u64,
}

/// What the walk came to.
pub(super) enum Step {
    /// A batch.
    Batch(BatchHeader),
    /// Something that is none: the log ends here.
    Broken(String),
    /// The end.
    End,
}

impl Walk {
    pub fn begin(directory: &Path) -> io::Result<Walk> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let is_log = path.extension().is_some_and(|it| it == "log");
            let stem = path.file_stem().and_then(|it| it.to_str());
            let is_segment = stem.is_some_and(|it| {
                it.len() == NAME_DIGITS && it.bytes().all(|byte| byte.is_ascii_digit())
            });
            if is_log && is_segment {
                segments.push(path);
            }
        }
        segments.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Walk {
            segments,
            current: None,
        })
    }

    /// The next batch; its bytes are read into `bytes` if that is given, and left out otherwise.
    pub fn next(&mut self, bytes: Option<&mut Vec<u8>>) -> io::Result<Step> {
        let segment = loop {
            match &mut self.current {
                Some(segment) if segment.position < segment.size => break segment,
                _ => match self.segments.pop() {
                    Some(path) => self.current = Some(Segment::open(path)?),
                    None => return Ok(Step::End),
                },
            }
        };
        let step = segment.next(bytes)?;
        if matches!(step, Step::Broken(_) | Step::End) {
            self.segments.clear();
            segment.position = segment.size;
        }
        Ok(step)
    }
}

impl Segment {
    fn open(path: PathBuf) -> io::Result<Segment> {
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        Ok(Segment {
            path,
            file: BufReader::with_capacity(256 << 10, file),
            position: 0,
            size,
        })
    }

    fn next(&mut self, bytes: Option<&mut Vec<u8>>) -> io::Result<Step> {
        let left = self.size - self.position;
        let mut head = [0; HEADER_BYTES];
        if left < HEADER_BYTES as u64 {
            return Ok(self.broken(&format!("{left} bytes at its end are no batch")));
        }
        self.file.read_exact(&mut head)?;
        // A segment may be made longer than what is in it (Kafka's `preallocate`).
        if head == [0; HEADER_BYTES] {
            return Ok(Step::End);
        }
        let header = match BatchHeader::parse(&head) {
            Ok(header) => header,
            Err(error) => return Ok(self.broken(&error.to_string())),
        };
        let size = header.size_in_bytes as u64;
        if size > left || size > BATCH_BYTES_MAX {
            return Ok(self.broken(&format!("a batch of {size} bytes, and {left} are left")));
        }
        match bytes {
            Some(bytes) => {
                bytes.clear();
                bytes.extend_from_slice(&head);
                bytes.resize(header.size_in_bytes, 0);
                self.file.read_exact(&mut bytes[HEADER_BYTES..])?;
            }
            None => {
                let rest = i64::try_from(header.size_in_bytes - HEADER_BYTES);
                self.file.seek_relative(rest.map_err(io::Error::other)?)?;
            }
        }
        self.position += size;
        Ok(Step::Batch(header))
    }

    fn broken(&self, what: &str) -> Step {
        let (path, position) = (self.path.display(), self.position);
        Step::Broken(format!("{path} at byte {position}: {what}"))
    }
}
