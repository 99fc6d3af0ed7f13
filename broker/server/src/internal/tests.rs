use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use protocol::model::BrokerId;
use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};

use super::wire::{
    BrokerIdentity, FRAME_BYTES_MAX, HELLO_BYTES_MAX, Hello, NodeStatus, Purpose, Reply, Request,
    VERSION, frame, read_frame,
};
use super::{Caller, Handler, Internal, Peer, PeerError, Whereabouts};

const PATIENCE: Duration = Duration::from_secs(10);

fn broker(id: i32, cluster: Option<&str>) -> BrokerIdentity {
    BrokerIdentity {
        broker_id: BrokerId::new(id),
        cluster_id: cluster.map(str::to_owned),
    }
}

/// Broker 1, as one that says to be this one reaches it.
fn peer(address: &str, identity: BrokerIdentity) -> Peer {
    peer_that_moves(address, identity, Arc::default())
}

fn peer_that_moves(address: &str, identity: BrokerIdentity, whereabouts: Arc<Whereabouts>) -> Peer {
    let caller = Caller::new(move || identity.clone(), whereabouts);
    Peer::new(BrokerId::new(1), address.to_owned(), caller)
}

/// Says who it is; the first question waits for the second.
#[derive(Default)]
struct Slow {
    second: Notify,
}

impl Handler for Slow {
    fn identity(&self) -> BrokerIdentity {
        broker(1, Some("c"))
    }

    fn on_call(&self, _: BrokerId, _: IpAddr) {}

    fn adopt(&self, _: &BrokerIdentity, _: TcpStream) {}

    async fn handle(&self, from: &BrokerIdentity, _: Request) -> Reply {
        match from.broker_id.get() {
            2 => self.second.notified().await,
            _ => self.second.notify_one(),
        }
        Reply::Status(NodeStatus {
            identity: from.clone(),
            voter: None,
            is_empty: true,
            peers: Vec::new(),
        })
    }
}

/// A listener that runs until what is returned is dropped.
async fn listening() -> (String, watch::Sender<bool>) {
    let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
    let address = internal.address().expect("it is bound").to_string();
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(internal.serve(Arc::new(Slow::default()), stopping));
    (address, stop)
}

#[tokio::test]
async fn each_is_answered_when_its_answer_is_there() {
    let (address, _stop) = listening().await;
    let (first, second) = (
        peer(&address, broker(2, Some("c"))),
        peer(&address, broker(3, None)),
    );
    let (waited, at_once) = tokio::join!(
        first.ask(&Request::Status, PATIENCE),
        second.ask(&Request::Status, PATIENCE)
    );
    let who = |reply: Result<Reply, PeerError>| match reply {
        Ok(Reply::Status(status)) => status.identity.broker_id.get(),
        other => panic!("{other:?}"),
    };
    assert_eq!((who(waited), who(at_once)), (2, 3));
}

#[tokio::test]
async fn one_that_does_not_answer_is_told_from_one_that_is_gone() {
    let (address, stop) = listening().await;
    let first = peer(&address, broker(2, Some("c")));
    let silent = first.ask(&Request::Status, Duration::from_millis(50)).await;
    assert!(
        matches!(silent, Err(PeerError::Silent { .. })),
        "{silent:?}"
    );
    stop.send_replace(true);
    // The connection ends, and then there is nobody to connect to.
    let gone = async {
        loop {
            match first.ask(&Request::Status, PATIENCE).await {
                Err(PeerError::Refused { .. }) => return,
                Err(PeerError::Io { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("it is refused");
}

#[tokio::test]
async fn another_cluster_is_refused_with_both_named() {
    let (address, _stop) = listening().await;
    let other = peer(&address, broker(2, Some("d")));
    let refused = other.ask(&Request::Status, PATIENCE).await;
    let refused = refused.expect_err("another cluster").to_string();
    assert!(
        refused.contains("cluster c") && refused.contains("cluster d"),
        "{refused}"
    );
}

/// What is answered to these bytes before the connection ends.
async fn answer_to(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes).await.expect("it is read");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // Reset, where bytes were left unread.
    let _ = read.expect("the connection ends");
    answer
}

#[tokio::test]
async fn what_is_no_hello_ends_the_connection() {
    let (address, _stop) = listening().await;
    let too_long = u32::try_from(HELLO_BYTES_MAX + 1)
        .expect("small")
        .to_be_bytes();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &too_long,
        b"\0\0\0\x08\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(answer_to(&address, bytes).await, b"", "{bytes:?}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_refused_with_what_to_do() {
    let (address, _stop) = listening().await;
    let mut hello = Hello::new(broker(2, None), Purpose::Requests);
    (hello.version_min, hello.version_max) = (VERSION + 1, VERSION + 2);
    let frame = frame(0, &hello).expect("small");
    let answer = answer_to(&address, &frame).await;
    let read = read_frame::<Hello>(&mut &*answer, HELLO_BYTES_MAX).await;
    let (_, answer) = read.expect("well-formed").expect("an answer");
    let refusal = answer.refusal.expect("it is refused");
    assert!(refusal.contains("upgrade the older"), "{refusal}");
}

#[tokio::test]
async fn a_frame_is_bounded_before_it_is_read() {
    let length = u32::try_from(FRAME_BYTES_MAX + 1)
        .expect("small")
        .to_be_bytes();
    let read = read_frame::<Reply>(&mut &length[..], FRAME_BYTES_MAX).await;
    read.expect_err("it is too long");
    // As much is allocated as has come.
    let announced = u32::try_from(FRAME_BYTES_MAX).expect("small").to_be_bytes();
    let cut_off = [&announced[..], &[0; 100]].concat();
    let read = read_frame::<Reply>(&mut &*cut_off, FRAME_BYTES_MAX).await;
    read.expect_err("it is cut off");
}

struct Adopting(mpsc::UnboundedSender<TcpStream>);

impl Handler for Adopting {
    fn identity(&self) -> BrokerIdentity {
        broker(1, Some("c"))
    }

    fn on_call(&self, _: BrokerId, _: IpAddr) {}

    fn adopt(&self, _: &BrokerIdentity, stream: TcpStream) {
        self.0.send(stream).expect("the test waits for it");
    }

    async fn handle(&self, _: &BrokerIdentity, _: Request) -> Reply {
        Reply::NotReady
    }
}

/// That it does needs a network that can be cut; here, that both ends ask the system for it.
#[tokio::test]
async fn a_connection_ends_when_the_other_machine_is_out_of_reach() {
    let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
    let address = internal.address().expect("it is bound").to_string();
    let (_stop, stopping) = watch::channel(false);
    let (adopted, mut streams) = mpsc::unbounded_channel();
    tokio::spawn(internal.serve(Arc::new(Adopting(adopted)), stopping));
    let caller = peer(&address, broker(2, None));
    let called = caller.connect_kafka().await.expect("it is answered");
    let answered = streams.recv().await.expect("it is adopted");
    for stream in [called, answered] {
        assert_eq!(sockopt::tcp_user_timeout(&stream), Ok(2_000));
        assert_eq!(sockopt::socket_keepalive(&stream), Ok(true));
        let idle = sockopt::tcp_keepidle(&stream);
        assert_eq!(idle, Ok(Duration::from_secs(1)));
    }
}

/// Says where it is, and from where it was called.
struct At(Ipv4Addr, BrokerId, Arc<Whereabouts>);

impl Handler for At {
    fn identity(&self) -> BrokerIdentity {
        BrokerIdentity {
            broker_id: self.1,
            cluster_id: Some("c".to_owned()),
        }
    }

    fn on_call(&self, from: BrokerId, ip: IpAddr) {
        self.2.on_call(from, ip);
    }

    fn adopt(&self, _: &BrokerIdentity, _: TcpStream) {}

    async fn handle(&self, _: &BrokerIdentity, request: Request) -> Reply {
        match request {
            Request::Status => Reply::Status(NodeStatus {
                identity: self.identity(),
                voter: None,
                is_empty: true,
                peers: vec![BrokerId::new(i32::from(self.0.octets()[3]))],
            }),
            _ => std::future::pending().await,
        }
    }
}

/// Addresses of this machine that `localhost` does not stand for, and whom each of `brokers` answers at, at a port of all of them.
async fn at_addresses(brokers: [i32; 2]) -> ([Ipv4Addr; 2], u16, watch::Sender<bool>) {
    let ips = [2, 3].map(|last| Ipv4Addr::new(127, 0, 0, last));
    let (stop, _) = watch::channel(false);
    let mut port = 0;
    for (ip, id) in ips.into_iter().zip(brokers) {
        let internal = Internal::bind(&format!("{ip}:{port}")).await;
        let internal = internal.expect("nobody else uses these addresses");
        port = internal.address().expect("it is bound").port();
        let handler = At(ip, BrokerId::new(id), Arc::default());
        tokio::spawn(internal.serve(Arc::new(handler), stop.subscribe()));
    }
    (ips, port, stop)
}

/// The last byte of the address at which it was answered.
async fn answered_at(peer: &Peer) -> Result<i32, PeerError> {
    match peer.ask(&Request::Status, PATIENCE).await? {
        Reply::Status(status) => Ok(status.peers[0].get()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_broker_is_looked_for_where_it_has_called_from_when_its_name_is_of_another_place() {
    let ([first, second], port, _stop) = at_addresses([1, 1]).await;
    let whereabouts = Arc::<Whereabouts>::default();
    let name = format!("localhost:{port}");
    let peer = peer_that_moves(&name, broker(2, None), Arc::clone(&whereabouts));
    let refused = answered_at(&peer).await;
    assert!(
        matches!(refused, Err(PeerError::Refused { .. })),
        "{refused:?}"
    );
    whereabouts.on_call(BrokerId::new(1), first.into());
    assert_eq!(answered_at(&peer).await.expect("it is there"), 2);
    // Its pod is gone with its address, of which nobody is told: the connection seems to be well.
    let asked = peer.ask(&Request::Watch, PATIENCE);
    let moved = async { whereabouts.on_call(BrokerId::new(1), second.into()) };
    let (asked, ()) = tokio::join!(asked, moved);
    assert!(matches!(asked, Err(PeerError::Io { .. })), "{asked:?}");
    assert_eq!(answered_at(&peer).await.expect("it is there"), 3);
}

#[tokio::test]
async fn an_address_that_is_no_name_stays_what_it_is() {
    let ([first, second], port, _stop) = at_addresses([1, 1]).await;
    let whereabouts = Arc::<Whereabouts>::default();
    let address = format!("{first}:{port}");
    let peer = peer_that_moves(&address, broker(2, None), Arc::clone(&whereabouts));
    assert_eq!(answered_at(&peer).await.expect("it is there"), 2);
    whereabouts.on_call(BrokerId::new(1), second.into());
    assert_eq!(answered_at(&peer).await.expect("it is there"), 2);
}

#[tokio::test]
async fn whoever_has_the_address_now_is_not_taken_for_the_broker() {
    let ([other, own], port, _stop) = at_addresses([7, 1]).await;
    let whereabouts = Arc::<Whereabouts>::default();
    let address = format!("{other}:{port}");
    let refused = answered_at(&peer(&address, broker(2, None))).await;
    let refused = refused.expect_err("another broker").to_string();
    assert!(refused.ends_with("broker 7 answers there"), "{refused}");
    // Nor does it keep from where the broker is, while its name leads to somebody who says nothing.
    let _silent = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    whereabouts.on_call(BrokerId::new(1), other.into());
    let name = format!("localhost:{port}");
    let peer = peer_that_moves(&name, broker(2, None), Arc::clone(&whereabouts));
    let asked = answered_at(&peer);
    let moved = async { whereabouts.on_call(BrokerId::new(1), own.into()) };
    let (asked, ()) = tokio::join!(asked, moved);
    assert_eq!(asked.expect("it is there"), 3);
}

#[tokio::test]
async fn who_calls_is_seen_where_it_is() {
    let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
    let address = internal.address().expect("it is bound").to_string();
    let (_stop, stopping) = watch::channel(false);
    let whereabouts = Arc::<Whereabouts>::default();
    let handler = At(
        Ipv4Addr::LOCALHOST,
        BrokerId::new(1),
        Arc::clone(&whereabouts),
    );
    tokio::spawn(internal.serve(Arc::new(handler), stopping));
    // One of another cluster is no broker of this one.
    let stranger = peer(&address, broker(3, Some("d")));
    answered_at(&stranger).await.expect_err("another cluster");
    let known = peer(&address, broker(2, Some("c")));
    answered_at(&known).await.expect("it is answered");
    let seen = |id| *whereabouts.of(BrokerId::new(id)).borrow();
    assert_eq!(seen(2), Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(seen(3), None);
}
