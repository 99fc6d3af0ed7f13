//! A broker within a test: all of it but the sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use protocol::messages::ApiKey;
use protocol::model::{BrokerId, PartitionIndex, TopicId, TopicIdPartition, Uuid};
use protocol::wire::response::response_header_version;
use protocol::wire::{MessageBody, RequestBody, decode_body};
use storage::data_dir::{DataDir, Identity, RecoveryReport, Workers};
use storage::io::{EngineChoice, open_engine};
use storage::journal::JournalObserver;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::api::{APIS, Answer, Call, Head, Response};
use crate::broker::Broker;
use crate::config::{Config, FlagSetting, Sources};
use crate::data_dirs::DirectoryConfigs;
use crate::metrics::Metrics;
use crate::net::admission::Admission;
use crate::net::{Chunk, ConnectionContext};
use crate::partition::Partition;
use crate::run::{JournalObservation, begin, open};
use crate::together::Together;

const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 9092);

/// A configuration for a test: small files, in this directory.
fn small(path: &Path, settings: &[(&str, &str)]) -> Config {
    let path = path.to_str().expect("a path of text");
    let own = [
        ("log.dirs", path),
        ("io.engine", "threads"),
        ("journal.file.bytes", "1048576"),
        ("journal.initial.file.bytes", "1048576"),
        ("journal.files", "2"),
        ("journal.commit.bytes.max", "262144"),
        ("broker.rack", "r1"),
    ];
    let flags = own.iter().chain(settings).map(|(name, value)| FlagSetting {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        flag: format!("--set {name}={value}"),
    });
    let sources = Sources {
        flags: flags.collect(),
        ..Sources::default()
    };
    Config::load(&sources).expect("a good configuration")
}

/// An open data directory of its own, with its threads.
pub(crate) fn small_data_dir(path: &Path) -> (Arc<DataDir>, Workers) {
    let metrics = Metrics::new(&[]);
    let observer = Arc::new(JournalObservation(Arc::clone(&metrics.journal)));
    let (data_dir, _) = open_small(path, EngineChoice::Threads, observer);
    let workers = Workers::start(Arc::clone(&data_dir), Arc::new(|| 0)).expect("threads");
    (data_dir, workers)
}

/// The same without threads, and what its recovery found.
pub(crate) fn open_small(
    path: &Path,
    engine: EngineChoice,
    observer: Arc<dyn JournalObserver>,
) -> (Arc<DataDir>, RecoveryReport) {
    let config = small(path, &[]);
    let engine = open_engine(engine).expect("an engine of this machine");
    let configs = DirectoryConfigs::new(&config, engine.io.as_ref());
    let identity = Identity {
        cluster_id: None,
        node_id: BrokerId::new(1),
        new_directory_id: Uuid::new_v4(),
        new_cluster_id: Uuid::new_v4(),
    };
    let opened = DataDir::open(
        Arc::clone(&engine.io),
        path,
        &identity,
        configs.of(path),
        &|_| storage::log::LogConfig::default(),
        observer,
        0,
    );
    opened.expect("an empty directory, or one that can be recovered")
}

/// A broker and one connection to it.
pub(crate) struct TestBroker {
    pub(crate) broker: Arc<Broker>,
    pub(crate) connection: ConnectionContext,
    pub(crate) admission: Arc<Admission>,
    /// Of the journal, which goes on while a test does not.
    journal: Option<Runtime>,
    _directory: TempDir,
}

impl TestBroker {
    /// One with an empty data directory.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> TestBroker {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = small(directory.path(), settings);
        let metrics = Arc::new(Metrics::new(&[]));
        let journal = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let opened = open(&config, None, &metrics, journal.handle()).expect("an empty directory");
        let together = {
            let engine = open_engine(EngineChoice::Threads).expect("threads");
            let (id, alone) = (BrokerId::new(1), &config.broker.cluster);
            Together::start(id, alone, None, engine.io.as_ref(), directory.path())
                .await
                .expect("nobody listens")
        };
        let address = SocketAddr::from(ADDRESS);
        let admission = Admission::new(usize::MAX, usize::MAX, usize::MAX);
        let broker = begin(config, &metrics, opened, &[address], &admission, &together)
            .await
            .expect("a new cluster");
        let connection = ConnectionContext::new(1, "PLAINTEXT".into(), address, address, true);
        TestBroker {
            broker,
            connection,
            admission,
            journal: Some(journal),
            _directory: directory,
        }
    }

    /// What is answered to a request, and the error it is counted by.
    pub(crate) async fn ask<Q: RequestBody, R: MessageBody>(
        &mut self,
        version: i16,
        request: &Q,
    ) -> R {
        let answer = self.begin(version, request);
        decoded(&finished(answer).await, Q::API_KEY, version)
    }

    /// Takes the data directory offline.
    pub(crate) async fn fail_disk(&mut self) {
        let data_dir = self.data_dir();
        self.fail(&data_dir).await;
    }

    /// Takes a data directory offline, the first one: a checkpoint cannot be written.
    pub(crate) async fn fail(&mut self, data_dir: &DataDir) {
        let mut failures = self.broker.data_dirs.failures();
        let in_the_way = data_dir.path().join("checkpoint.tmp");
        // A checkpoint that is being written has it for a moment.
        while std::fs::create_dir(&in_the_way).is_err() {
            data_dir.checkpoint(None).expect("a good disk");
        }
        data_dir.checkpoint(None).expect_err("the name is taken");
        assert!(data_dir.fault().is_some());
        let offline = failures.wait_for(|failed| *failed > 0).await;
        offline.expect("the broker is there");
    }

    /// The one data directory.
    pub(crate) fn data_dir(&self) -> Arc<DataDir> {
        let directory = self.broker.data_dirs.metadata();
        directory.online().expect("it is online")
    }

    /// Hands a request to its handler.
    pub(crate) fn begin<Q: RequestBody>(&mut self, version: i16, request: &Q) -> Answer {
        let mut body = BytesMut::new();
        request
            .encode_body(&mut body, version)
            .expect("a request of this version");
        let api = APIS
            .iter()
            .find(|api| api.key == Q::API_KEY)
            .expect("a handler");
        let head = Head {
            api: api.key,
            version,
            correlation_id: 7,
            client_id: None,
        };
        let call = Call {
            broker: &self.broker,
            connection: &mut self.connection,
            head,
        };
        (api.handle)(call, body).expect("a well-formed request")
    }

    /// A partition led here.
    pub(crate) fn partition(&self, topic_id: Uuid, index: i32) -> Option<Arc<Partition>> {
        let topic_id = TopicId::new(topic_id)?;
        let partition = PartitionIndex::new(index);
        self.broker.partitions.get(TopicIdPartition {
            topic_id,
            partition,
        })
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        let stopped = self.broker.data_dirs.stop();
        if !std::thread::panicking() {
            stopped.expect("a last checkpoint");
        }
        if let Some(journal) = self.journal.take() {
            journal.shutdown_background();
        }
    }
}

/// Waits for an answer.
pub(crate) async fn finished(mut answer: Answer) -> Response {
    loop {
        answer = match answer {
            Answer::Now(response) => return response,
            Answer::Later(future) => return future.await,
            Answer::Pausing(future) => future.await,
            Answer::Silent => panic!("no answer"),
        }
    }
}

/// The body of an answer.
pub(crate) fn decoded<R: MessageBody>(response: &Response, api: ApiKey, version: i16) -> R {
    let mut bytes = BytesMut::new();
    for chunk in response.bytes.chunks() {
        match chunk {
            Chunk::Bytes(chunk) => bytes.extend_from_slice(chunk),
            Chunk::File { .. } => panic!("a file in an answer of metadata"),
        }
    }
    let mut bytes: Bytes = bytes.freeze();
    let header = if response_header_version(api, version) >= 1 {
        9
    } else {
        8
    };
    assert!(bytes.len() > header, "the connection is closed instead");
    bytes.advance(header);
    decode_body(bytes, version).expect("an answer of this version")
}
