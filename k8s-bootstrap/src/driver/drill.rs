//! The drill on the database: rounds of a witness go into [`Watch`], and what it orders is done.
//!
//! Whoever drops it stops watching. There is nothing to put back: a pod that was deleted is made anew
//! by its StatefulSet.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time;

use crate::drill::Entry;
use crate::drill::patroni::{Next, Round, Rounds, Watch, act_script, look_script, watch_script};

use super::host::{Host, HostError};
use super::lines::Lines;
use super::run::Job;

/// Longest watch in one piece.
const WATCH_MAX: Duration = Duration::from_secs(900);

/// Between two looks at the time, and before a witness that was lost is asked again.
const POLL: Duration = Duration::from_millis(200);

/// How long one round may take, and the order to delete a pod.
const LOOK_MAX: Duration = Duration::from_secs(20);
const ACT_MAX: Duration = Duration::from_secs(30);

/// Rounds that wait: some seconds of them. Whatever comes when it is full is seen again.
const ROUNDS_MAX: usize = 64;

/// One round of all members, asked from this master.
///
/// # Errors
/// [`HostError`]: it can't be asked, or its API server doesn't tell of pods.
pub async fn look(witness: &Host) -> Result<Round, HostError> {
    let output = witness.must("look at the database", &Job::root(look_script(), LOOK_MAX)).await?;
    let mut rounds = Rounds::default();
    Ok(output.text().lines().find_map(|line| rounds.take(line)).unwrap_or_default())
}

/// Watches and acts until the drill is over; each line of the timeline is told as it comes.
pub async fn carry_out(
    witness: &Arc<Host>,
    watch: &mut Watch,
    tell: &mut (dyn FnMut(&Entry) + Send),
) {
    let (sender, mut rounds) = mpsc::channel(ROUNDS_MAX);
    let (mut watcher, mut acting) = (JoinSet::new(), JoinSet::<Option<String>>::new());
    watcher.spawn(listen(Arc::clone(witness), sender));
    let begun = Instant::now();
    let (mut told, mut clock) = (0, time::interval(POLL));
    loop {
        tokio::select! {
            Some(round) = rounds.recv() => watch.take(begun.elapsed(), round),
            Some(Ok(Some(why))) = acting.join_next() => watch.refused(begun.elapsed(), &why),
            _ = clock.tick() => {}
        }
        let next = watch.poll(begun.elapsed());
        watch.timeline()[told..].iter().for_each(&mut *tell);
        told = watch.timeline().len();
        match next {
            Next::Watch => {}
            Next::Act => {
                let job = Job::root(act_script(watch.drill()), ACT_MAX);
                acting.spawn(act(Arc::clone(witness), job));
            }
            Next::Over => break,
        }
    }
    // A witness that is away hears of nothing: its script ends by itself.
    watcher.shutdown().await;
}

/// Why a pod couldn't be deleted, if the cluster says so.
async fn act(witness: Arc<Host>, job: Job) -> Option<String> {
    match witness.run(&job, &mut |_| {}).await {
        Ok(output) if output.exit.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        // The order may have arrived all the same: what becomes of the pod will be seen.
        Err(_) => None,
    }
}

/// Runs the witness' script, again after each loss, until nobody listens.
async fn listen(witness: Arc<Host>, sender: mpsc::Sender<Round>) {
    while !sender.is_closed() {
        let (mut lines, mut rounds) = (Lines::default(), Rounds::default());
        let mut tap = |bytes: &[u8]| {
            let Ok(()) = lines.take::<Infallible>(bytes, |line| {
                if let Some(round) = rounds.take(line) {
                    // When it is full, the next one says it, too.
                    let _ = sender.try_send(round);
                }
                Ok(())
            });
        };
        let _ended = witness.run(&Job::root(watch_script(), WATCH_MAX), &mut tap).await;
        time::sleep(POLL).await;
    }
}
