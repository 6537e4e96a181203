//! The network of a drill with everybody on it, well and serving.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use halb_lab::{Masters, Pair, masters::PORT, pair::BALANCERS};

use super::{
    balancer::{Balancer, Error, Kind, Node},
    load::{Load, WATCH_INTERVAL, WATCHES},
    streams::{self, Streams},
};
use crate::drill::plan::{ACTIVE_PRIORITY, BACKUP_PRIORITY, Setting};

/// Two balancers, three servers, a client.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    // In the order in which they may go.
    pub(super) load: Load,
    pub(super) streams: Streams,
    pub(super) nodes: [Option<Box<dyn Balancer>>; 2],
    pub(super) masters: Masters,
    pub(super) pair: Pair,
    pub(super) setting: Setting,
    kind: &'a dyn Kind,
}

impl<'a> Stage<'a> {
    /// Makes it, and returns when loadbalancer01 serves.
    pub(super) fn new(kind: &'a dyn Kind, setting: Setting, streams: usize) -> Result<Self, Error> {
        let pair = Pair::new(VIP, PROBES)?;
        let [one, other] = pair.balancers.each_ref().map(halb_lab::Host::ip);
        let masters = Masters::start(pair.lab(), &[VIP, one, other], WATCH_INTERVAL)?;
        let load = Load::start(&pair.client, SocketAddr::new(VIP, PORT), masters.authority());
        let carried = SocketAddr::new(VIP, streams::PORT);
        let streams = Streams::start(&masters, carried, streams).map_err(Error::Streams)?;
        let nodes = [None, None];
        let mut stage = Self { load, streams, nodes, masters, pair, setting, kind };
        stage.start(0)?;
        stage.start(1)?;
        stage.wait_until_well()?;
        Ok(stage)
    }

    /// Starts the balancer of this number, in place of one that ran there before.
    pub(super) fn start(&mut self, number: usize) -> Result<(), Error> {
        self.nodes[number] = None;
        let started = self.kind.start(&Node {
            host: &self.pair.balancers[number],
            other: self.pair.balancers[1 - number].ip(),
            priority: if number == 0 { ACTIVE_PRIORITY } else { BACKUP_PRIORITY },
            setting: self.setting,
            vip: VIP,
            masters: &self.masters,
            streams: self.streams.port(),
        })?;
        self.nodes[number] = Some(started);
        Ok(())
    }

    /// The balancer of this number.
    pub(super) fn node(&mut self, number: usize) -> Result<&mut dyn Balancer, Error> {
        match &mut self.nodes[number] {
            Some(node) => Ok(node.as_mut()),
            None => Err(Error::NotWell { what: BALANCERS[number], patience: Duration::ZERO }),
        }
    }

    /// Waits until this node alone holds the address, and clients are served that ask from now on.
    pub(super) fn is_served_by(&self, number: usize, patience: Duration) -> Result<bool, Error> {
        let since = Instant::now();
        let wanted = [number == 0, number == 1];
        until(patience, || {
            let answers = self.pair.prober.answerer().as_deref() == Some(BALANCERS[number]);
            Ok(answers
                && self.load.requests.is_answered_since(since)
                && self.pair.holders()? == wanted)
        })
    }

    /// Waits until clients are served by this node that ask from now on, whoever else holds the
    /// address.
    pub(super) fn serves(&self, number: usize, patience: Duration) -> Result<bool, Error> {
        let since = Instant::now();
        until(patience, || {
            let answers = self.pair.prober.answerer().as_deref() == Some(BALANCERS[number]);
            Ok(answers && self.load.requests.is_answered_since(since))
        })
    }

    /// Opens watches and whatever carries bytes; says whether all are open.
    pub(super) fn open_connections(&self, patience: Duration) -> Result<bool, Error> {
        self.load.open_watches(&self.pair.client);
        self.streams.open(&self.pair.client);
        until(patience, || Ok(self.load.open() == WATCHES && self.streams.are_open()))
    }

    /// Whether a connection that is open tells nothing at the moment.
    pub(super) fn is_anybody_silent(&self) -> bool {
        self.load.connections().silent + self.streams.outcome().silent > 0
    }

    fn wait_until_well(&self) -> Result<(), Error> {
        let patience = STARTING + self.setting.down_interval();
        let expect = |what, well: bool| {
            if well { Ok(()) } else { Err(Error::NotWell { what, patience }) }
        };
        expect("loadbalancer01 serves", self.is_served_by(0, patience)?)?;
        for node in self.nodes.iter().flatten() {
            expect("the nodes hear each other", until(patience, || node.is_ready())?)?;
        }
        expect("watches are open", self.open_connections(patience)?)?;
        // What follows a take-over is done: second announcements are not, and they are harmless.
        thread::sleep((self.setting.interval() * 2).clamp(CALM, CALM * 3));
        expect("loadbalancer01 still serves", self.is_served_by(0, patience)?)
    }
}

/// Asks again and again until it is so, or patience ends.
pub(super) fn until(
    patience: Duration,
    is_so: impl Fn() -> Result<bool, Error>,
) -> Result<bool, Error> {
    let deadline = Instant::now() + patience;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The address of the guides.
pub(super) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 16, 100));

/// Between two questions of the client to the address.
const PROBES: Duration = Duration::from_millis(1);

/// How long programs may take to start and find each other, on a machine that is busy.
const STARTING: Duration = Duration::from_secs(30);

/// Nothing happens for so long before a fault.
const CALM: Duration = Duration::from_millis(500);

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
