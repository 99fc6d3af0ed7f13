//! What goes into a coordinator, and what comes out.

/// The time, as far as a coordinator knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since any moment, and never back: for timeouts, in milliseconds.
    pub monotonic_ms: i64,
    /// Since the epoch, by a clock that may jump: for timestamps in records, in milliseconds.
    pub wall_ms: i64,
    /// Whether that clock is where it should be, so that what it calls old may be deleted.
    pub wall_is_trusted: bool,
}

/// The number of a request that waits for its reply. Unique as long as a coordinator is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a call asks of the caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Effects<R, A> {
    /// To be appended in this order, with nothing between them. The coordinator has applied them.
    pub records: Vec<R>,
    /// To be given once all that was appended so far, the records above included, is committed. Not more than one for a ticket.
    pub replies: Vec<(Ticket, A)>,
}

impl<R, A> Default for Effects<R, A> {
    fn default() -> Effects<R, A> {
        Effects {
            records: Vec::new(),
            replies: Vec::new(),
        }
    }
}

impl<R, A> Effects<R, A> {
    /// Asks for a reply.
    pub fn reply(&mut self, ticket: Ticket, reply: impl Into<A>) {
        self.replies.push((ticket, reply.into()));
    }
}

/// The coordinator of one partition.
pub trait Coordinator {
    /// What it is asked.
    type Request;
    /// What it answers.
    type Reply;
    /// What it writes.
    type Record;

    /// Takes up a record of the log. Loading is this in a loop, in the order of offsets.
    fn load(&mut self, record: Self::Record);

    /// The log has been read to its end: what is volatile begins.
    fn on_loaded(&mut self, now: Now, effects: &mut Effects<Self::Record, Self::Reply>);

    /// Whether a request wants something recorded, and so is of no use while nothing can be committed. What only looks, or says that a
    /// member is alive, is not.
    fn is_to_record(request: &Self::Request) -> bool;

    /// A request. It is answered in this call or in a later one.
    fn on_request(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: Self::Request,
        effects: &mut Effects<Self::Record, Self::Reply>,
    );

    /// When [`on_timer`](Self::on_timer) is due, in [`Now::monotonic_ms`].
    fn next_deadline_ms(&self) -> Option<i64>;

    /// Does what is due, or a part of it: then the next deadline is now.
    fn on_timer(&mut self, now: Now, effects: &mut Effects<Self::Record, Self::Reply>);
}
