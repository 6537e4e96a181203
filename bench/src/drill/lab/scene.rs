//! A drill: the fault, what is done about it later, and the record of it.

use std::{
    thread,
    time::{Duration, Instant},
};

use halb_lab::net::Loss;

use super::{
    balancer::Error,
    stage::{Stage, VIP, until},
};
use crate::drill::{
    plan::{Fault, SERVER_DOWN_WATCHED, SERVERS_DOWN_FOR},
    record::{Connections, Record, Span, Streams},
};

/// A stage on which something is about to fail.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    stage: Stage<'a>,
    /// How long it may take until clients are served again.
    patience: Duration,
    began: Instant,
    holders: [bool; 2],
    fault: Instant,
    mended: Option<Instant>,
    notes: Vec<(Instant, String)>,
}

impl<'a> Scene<'a> {
    /// Begins the record.
    pub(super) fn begin(stage: Stage<'a>, patience: Duration) -> Result<Self, Error> {
        let began = Instant::now();
        let holders = stage.pair.holders()?;
        stage.streams.begin();
        thread::sleep(LEAD);
        let (mended, notes) = (None, Vec::new());
        Ok(Self { stage, patience, began, holders, fault: Instant::now(), mended, notes })
    }

    /// Plays the fault to its end.
    pub(super) fn play(mut self, fault: Fault) -> Result<Record, Error> {
        match fault {
            Fault::LinkCut => self.cut_link(),
            Fault::Kill => {
                self.fail("loadbalancer01: kill -9", |stage| stage.node(0)?.kill())?;
                self.other_takes_over()
            }
            Fault::Freeze => self.freeze(),
            Fault::Stop => {
                self.fail("loadbalancer01: stop", |stage| stage.node(0)?.stop())?;
                self.other_takes_over()
            }
            Fault::HostGone => {
                self.fail("loadbalancer01: power off", |stage| {
                    Ok(stage.pair.balancers[0].power_off()?)
                })?;
                self.other_takes_over()
            }
            Fault::ProxyHung => {
                self.fail("loadbalancer01: proxy hangs", |stage| stage.node(0)?.hang_proxy())?;
                self.other_takes_over()
            }
            Fault::ServerDown => {
                self.fail("kmaster1: down", |stage| {
                    stage.masters.kill(1);
                    Ok(())
                })?;
                thread::sleep(SERVER_DOWN_WATCHED);
                Ok(())
            }
            Fault::ServersDown => self.lose_all_servers(),
            Fault::Flapping => self.flap(),
            Fault::OneWay => self.lose_one_way(),
            Fault::PeerReturns => self.return_peer(),
            Fault::Yield => {
                self.fail("loadbalancer01: yields", |stage| stage.node(0)?.hand_over())?;
                self.other_takes_over()
            }
            Fault::ServerBetween => self.lose_server_between(),
        }?;
        thread::sleep(TAIL.max(self.stage.setting.interval().min(TAIL * 3)));
        // What TCP has yet to repeat is late, not lost.
        until(self.stage.setting.down_interval() * 2, || {
            Ok(self.stage.streams.port().is_none() || !self.stage.is_anybody_silent())
        })?;
        self.record()
    }

    fn cut_link(&mut self) -> Result<(), Error> {
        self.fail("loadbalancer01: link cut", |stage| Ok(stage.pair.balancers[0].link_down()?))?;
        self.other_takes_over()?;
        self.mend("link restored", |stage| Ok(stage.pair.balancers[0].link_up()?))?;
        self.first_takes_back()
    }

    fn freeze(&mut self) -> Result<(), Error> {
        self.fail("loadbalancer01: SIGSTOP", |stage| stage.node(0)?.freeze())?;
        self.other_takes_over()?;
        self.mend("SIGCONT", |stage| stage.node(0)?.thaw())?;
        self.first_takes_back()
    }

    fn lose_all_servers(&mut self) -> Result<(), Error> {
        self.fail("all API servers: down", |stage| {
            stage.masters.kill(usize::MAX);
            Ok(())
        })?;
        thread::sleep(SERVERS_DOWN_FOR);
        self.mend("API servers: up", |stage| Ok(stage.masters.restart()?))?;
        let since = Instant::now();
        // Whoever holds the address: what counts is that clients are served, and by one.
        until(self.patience, || Ok(self.stage.load.requests.is_answered_since(since)))?;
        Ok(())
    }

    fn flap(&mut self) -> Result<(), Error> {
        let half = self.stage.setting.down_interval() / 2;
        for number in 1..=FLAPS {
            let what = format!("loadbalancer01: link cut, {number} of {FLAPS}");
            let cut = |stage: &mut Stage<'_>| Ok(stage.pair.balancers[0].link_down()?);
            if number == 1 {
                self.fail(&what, cut)?
            } else {
                self.act(&what, cut)?
            }
            thread::sleep(half);
            self.act("link restored", |stage| Ok(stage.pair.balancers[0].link_up()?))?;
            if number < FLAPS {
                thread::sleep(half);
            }
        }
        self.mended = Some(Instant::now());
        self.first_takes_back()
    }

    fn lose_one_way(&mut self) -> Result<(), Error> {
        self.fail("loadbalancer01: what it sends is lost", |stage| {
            Ok(stage.pair.balancers[0].lose(Loss::Sent)?)
        })?;
        self.stage.serves(1, self.patience)?;
        self.mend("nothing is lost any more", |stage| {
            Ok(stage.pair.balancers[0].lose(Loss::Nothing)?)
        })?;
        self.first_takes_back()
    }

    fn return_peer(&mut self) -> Result<(), Error> {
        self.stage.node(0)?.stop()?;
        self.other_takes_over()?;
        // Whoever was told to stop may still end connections.
        thread::sleep(DRAINED);
        self.stage.nodes[0] = None;
        self.begin_anew()?;
        self.fail("loadbalancer01: starts", |stage| stage.start(0))?;
        self.first_takes_back()
    }

    /// Its watches are closed by nobody, and can't be told from others.
    fn lose_server_between(&mut self) -> Result<(), Error> {
        self.fail("loadbalancer01: kill -9", |stage| stage.node(0)?.kill())?;
        self.other_takes_over()?;
        self.act("kmaster1: gone", |stage| {
            stage.load.forget_watches();
            stage.streams.give_up_server(0);
            let gone = stage.masters.hosts().next();
            Ok(gone.map_or(Ok(()), halb_lab::Host::power_off)?)
        })?;
        thread::sleep(SERVER_DOWN_WATCHED);
        Ok(())
    }

    /// What was before doesn't belong to the record.
    fn begin_anew(&mut self) -> Result<(), Error> {
        self.stage.load.forget_watches();
        self.stage.streams.forget();
        self.stage.open_connections(self.patience)?;
        self.stage.streams.begin();
        self.began = Instant::now();
        self.notes.clear();
        self.holders = self.stage.pair.holders()?;
        thread::sleep(LEAD);
        Ok(())
    }

    fn other_takes_over(&self) -> Result<(), Error> {
        self.stage.serves(1, self.patience)?;
        Ok(())
    }

    fn first_takes_back(&self) -> Result<(), Error> {
        self.stage.is_served_by(0, self.patience)?;
        Ok(())
    }

    /// Brings about the fault.
    fn fail(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Stage<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.fault = Instant::now();
        self.act(what, act)
    }

    /// Ends it.
    fn mend(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Stage<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // What has just begun shall be seen as it was.
        thread::sleep(TAIL);
        self.mended = Some(Instant::now());
        self.act(what, act)
    }

    fn act(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Stage<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.notes.push((Instant::now(), what.to_owned()));
        act(&mut self.stage)
    }

    fn record(self) -> Result<Record, Error> {
        let (began, pair) = (self.began, &self.stage.pair);
        let watches = self.stage.load.connections();
        let streams = self.stage.streams.outcome();
        let connections = Connections {
            open: watches.open + streams.open,
            ended: watches.ended + streams.ended,
            silent: watches.silent + streams.silent + self.stage.streams.untold(),
        };
        let streams = self
            .stage
            .streams
            .port()
            .map(|_| Streams { stall: streams.stall, wrong: streams.wrong });
        let end = Instant::now();
        let outages = pair.prober.outages_since(began);
        let since = |at: Instant| at.saturating_duration_since(began);
        let span = |outage: &halb_lab::probe::Outage| {
            let to = outage.to.unwrap_or(end).min(end);
            Span { from: since(outage.from), to: since(to) }
        };
        Ok(Record {
            fault: since(self.fault),
            mended: self.mended.map(since),
            length: since(end),
            holders: self.holder_changes(end),
            outages: outages.iter().map(span).collect(),
            requests: self.stage.load.requests.between(began, end),
            connections,
            streams,
            announced: self.announced().map(since),
            notes: self.notes.iter().map(|(at, what)| (since(*at), what.clone())).collect(),
        })
    }

    /// Who held the address from when on.
    fn holder_changes(&self, end: Instant) -> Vec<(Duration, [bool; 2])> {
        let watches = self.stage.pair.watches.iter().enumerate();
        let mut changes: Vec<(Instant, usize, bool)> = watches
            .flat_map(|(node, watch)| {
                let of_vip = watch.changes().into_iter().filter(|change| change.address == VIP);
                of_vip.map(move |change| (change.at, node, change.present))
            })
            .filter(|(at, ..)| (self.began..end).contains(at))
            .collect();
        changes.sort_by_key(|(at, ..)| *at);
        let mut holders = vec![(Duration::ZERO, self.holders)];
        let mut now = self.holders;
        for (at, node, present) in changes {
            if now[node] != present {
                now[node] = present;
                holders.push((at - self.began, now));
            }
        }
        holders
    }

    /// When somebody else than before the fault first announced the address.
    fn announced(&self) -> Option<Instant> {
        let claims = self.stage.pair.seen.claims_since(0);
        let of_vip = claims.iter().filter(|claim| claim.gratuitous && claim.address == VIP);
        let (before, after): (Vec<_>, Vec<_>) = of_vip.partition(|claim| claim.at < self.fault);
        let holder = before.last().map(|claim| claim.hardware);
        after.iter().find(|claim| Some(claim.hardware) != holder).map(|claim| claim.at)
    }
}

/// What is recorded before the fault.
const LEAD: Duration = Duration::from_millis(300);

/// What is recorded after clients are served again.
const TAIL: Duration = Duration::from_millis(500);

/// Times that a loose contact comes and goes.
const FLAPS: u32 = 5;

/// What halb gives connections to end, and more: after it nothing is left of one that was stopped.
const DRAINED: Duration = Duration::from_secs(6);
