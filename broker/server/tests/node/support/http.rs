//! The admin port.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Status and body of a GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    status
        .zip(body)
        .ok_or_else(|| io::Error::other(format!("no HTTP: {answer:?}")))
}

/// All samples of `/metrics`, by name and labels as they stand.
#[derive(Debug)]
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    #[track_caller]
    pub(crate) fn of(address: SocketAddr) -> Scrape {
        let (status, text) = get(address, "/metrics").expect("metrics");
        assert_eq!(status, 200);
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').expect("name and value");
                (name.to_owned(), value.parse().expect("a number"))
            });
        Scrape(samples.collect())
    }

    /// A sample that must be there.
    #[track_caller]
    pub(crate) fn value(&self, sample: &str) -> f64 {
        match self.0.get(sample) {
            Some(value) => *value,
            None => panic!("{sample} is not in {:#?}", self.0.keys()),
        }
    }

    /// A counter, which is not shown before it counts.
    pub(crate) fn count(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or_default()
    }

    /// The sum over all labels of a metric that must be there.
    #[track_caller]
    pub(crate) fn sum(&self, metric: &str) -> f64 {
        let labelled = format!("{metric}{{");
        assert!(
            self.has(&labelled),
            "{metric} is not in {:#?}",
            self.0.keys()
        );
        let samples = self
            .0
            .iter()
            .filter(|(name, _)| name.starts_with(&labelled));
        samples.map(|(_, value)| value).sum()
    }

    /// Whether a sample starts like this.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.0.keys().any(|name| name.starts_with(prefix))
    }
}
