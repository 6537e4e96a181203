//! The ways to choose one server out of several: arithmetic over seats, without names, time or
//! health. The [pool](crate::pool) decides who sits in the rotation and who is a candidate for a
//! given connection; here one of the candidates is picked.

pub(crate) mod least_conn;
pub(crate) mod random;
pub(crate) mod rendezvous;
pub(crate) mod round_robin;

/// A weight counts in steps of 1/256, so that a server of weight 1 can start slowly too.
pub(crate) const WEIGHT_SCALE: u32 = 256;

/// A server's place in the rotation. The order of seats is the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Share of new connections in 1/[`WEIGHT_SCALE`]; 1 to 65,536.
    pub(crate) weight: u32,
    /// What [`rendezvous`] knows the server by: a hash of its name.
    pub(crate) seed: u64,
    /// What [`round_robin`] owes the server (below zero: what it had ahead of its turn), in
    /// 1/(sum of all weights) of a connection.
    pub(crate) credit: i64,
    /// Open connections. Read once per pick, since other threads change them meanwhile.
    pub(crate) load: u32,
    /// May be picked for the connection at hand.
    pub(crate) candidate: bool,
}

impl Seat {
    pub(crate) fn new(weight: u32, seed: u64) -> Self {
        Self { weight, seed, credit: 0, load: 0, candidate: false }
    }

    /// Carries less for its weight than `other`. Cross-multiplied, so that no quotient is rounded.
    fn less_busy_than(&self, other: &Self) -> bool {
        u64::from(self.load) * u64::from(other.weight)
            < u64::from(other.load) * u64::from(self.weight)
    }
}

/// Indices of the candidates among `seats`.
fn candidates(seats: &[Seat]) -> impl Iterator<Item = usize> {
    seats.iter().enumerate().filter(|(_, seat)| seat.candidate).map(|(index, _)| index)
}

#[cfg(test)]
pub(crate) fn seats_with_weights(weights: &[u32]) -> Vec<Seat> {
    let seat = |(index, weight): (usize, &u32)| {
        let mut seat = Seat::new(*weight, rendezvous::seed_of(&format!("server{index}")));
        seat.candidate = true;
        seat
    };
    weights.iter().enumerate().map(seat).collect()
}
