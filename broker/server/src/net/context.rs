//! What is known of a connection.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use super::MemoryPermit;

/// One connection as its requests see it.
#[derive(Debug)]
pub struct ConnectionContext {
    id: u64,
    listener_name: Arc<str>,
    peer: SocketAddr,
    local: SocketAddr,
    authenticated: bool,
    /// `client_software_name` of ApiVersions (KIP-511).
    pub client_software_name: Option<String>,
    /// `client_software_version` of ApiVersions (KIP-511).
    pub client_software_version: Option<String>,
    /// The client id of the latest request that had one.
    pub client_id: Option<String>,
    pub(super) permit: Option<MemoryPermit>,
    states: Vec<Box<dyn Any + Send>>,
}

impl ConnectionContext {
    /// A connection that has just been accepted; also for tests of a service.
    pub fn new(
        id: u64,
        listener_name: Arc<str>,
        peer: SocketAddr,
        local: SocketAddr,
        authenticated: bool,
    ) -> ConnectionContext {
        ConnectionContext {
            id,
            listener_name,
            peer,
            local,
            authenticated,
            client_software_name: None,
            client_software_version: None,
            client_id: None,
            permit: None,
            states: Vec::new(),
        }
    }

    /// Unlike that of any other connection of this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The listener it came in through.
    pub fn listener_name(&self) -> &Arc<str> {
        &self.listener_name
    }

    /// The client's end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether the client has proven who it is, or its listener does not ask.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Lifts the low cap on frames from the next frame on.
    pub fn set_authenticated(&mut self) {
        self.authenticated = true;
    }

    /// Takes the memory of the request being called, to hold it beyond the answer: whoever keeps
    /// the frame's bytes keeps this with them. Left alone, it is released when the answer has been
    /// written. `None` outside of a call, and when taken before.
    pub fn take_permit(&mut self) -> Option<MemoryPermit> {
        self.permit.take()
    }

    /// The connection's own `T`, made on first use: a place for what an API remembers of a
    /// connection.
    pub fn state<T: Default + Send + 'static>(&mut self) -> &mut T {
        let at = self
            .states
            .iter()
            .position(|state| state.is::<T>())
            .unwrap_or_else(|| {
                self.states.push(Box::new(T::default()));
                self.states.len() - 1
            });
        self.states[at]
            .downcast_mut()
            .expect("found or made with this type")
    }
}
