//! What was seen in a drill. All times count from the beginning of the record.

use std::time::Duration;

/// Everything that the witnesses of a drill saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// When the fault came.
    pub fault: Duration,
    /// When it was mended, if it was.
    pub mended: Option<Duration>,
    /// How long the record is.
    pub length: Duration,
    /// Who held the address from when on, as the kernels said, loadbalancer01 first. The first
    /// entry is at zero.
    pub holders: Vec<(Duration, [bool; 2])>,
    /// When the address wasn't answered for, by probes a millisecond apart.
    pub outages: Vec<Span>,
    /// Requests over connections of their own, in the order in which they were sent.
    pub requests: Vec<Request>,
    /// Connections that were open at the fault.
    pub connections: Connections,
    /// Those of them whose bytes were all compared; none where none were opened.
    pub streams: Option<Streams>,
    /// When another node than the one before first announced the address, after the fault.
    pub announced: Option<Duration>,
    /// What was done, for the drawing.
    pub notes: Vec<(Duration, String)>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
}

/// A request and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was sent, or begun to be.
    pub sent: Duration,
    /// When that became clear.
    pub ended: Duration,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It ended with an error: refused, reset, closed.
    Failed,
    /// Nothing came for as long as the client waits.
    Hung,
}

/// Connections that were open at the fault, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// So many.
    pub open: usize,
    /// Closed or reset by the end, so that their clients know.
    pub ended: usize,
    /// Open and silent at the end: their clients wait in vain.
    pub silent: usize,
}

/// Connections that carried bytes all the while, and what became of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// The longest time that one of those which lasted waited for a byte.
    pub stall: Duration,
    /// Those that brought other bytes than were sent.
    pub wrong: usize,
}

impl Span {
    /// How long it is.
    #[must_use]
    pub fn length(self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

impl Connections {
    /// Those that were lost, known to the client or not.
    #[must_use]
    pub fn lost(self) -> usize {
        self.ended + self.silent
    }
}
