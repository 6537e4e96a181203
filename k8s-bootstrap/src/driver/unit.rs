//! Long commands, as units of the host's systemd: they go on when the connection is lost or the
//! operator's machine dies, and whoever comes back finds them.

use std::time::Duration;

use crate::plan::step::Command;
use crate::shell;

use super::host::{Host, HostError};
use super::run::{Exit, Input, Job, Tap};

/// How a unit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It runs.
    Running,
    /// Its command ended.
    Ended(Exit),
    /// It doesn't run, and nothing says how it ended: the host was rebooted, or somebody killed it.
    Gone,
}

/// Time for asking systemd something.
const ASK_MAX: Duration = Duration::from_secs(60);

/// How long the host waits for news before it answers that there are none.
const NEWS_SECONDS: u32 = 10;

/// Bytes of output that are fetched at a time.
const CHUNK: usize = 64 * 1024;

/// Begins the unit unless it runs, or has ended since this run began it. Its exit code goes to a file
/// in /run, which a reboot empties.
const START: &str = r#"
mkdir -p -m 0700 /run/halb
if systemctl is-active -q "$unit.service"; then exit; fi
if [ -e "/run/halb/$unit.exit" ] && [ "$(cat "/run/halb/$unit.run")" = "$run" ]; then exit; fi
rm -f "/run/halb/$unit.exit"
echo "$run" >"/run/halb/$unit.run"
mkdir -p -- "$(dirname -- "$output")"
umask 077
: >"$output"
cat >"/run/halb/$unit.input"
systemctl reset-failed "$unit.service" 2>/dev/null || :
systemd-run -q --collect --unit="$unit" --setenv=LC_ALL=C --setenv=HOME=/root \
    sh -c 'unit=$1 output=$2 limit=$3; shift 3
        timeout -k 30 "$limit" "$@" <"/run/halb/$unit.input" >"$output" 2>&1
        echo $? >"/run/halb/$unit.new"
        rm -f "/run/halb/$unit.input"
        mv "/run/halb/$unit.new" "/run/halb/$unit.exit"' \
    sh "$unit" "$output" "$limit" "#;

/// Waits for news, and says them: a line with the state, then the output from the offset on.
const NEWS: &str = r#"
i=0
while :; do
    if systemctl is-active -q "$unit.service"; then state=running
    elif [ -e "/run/halb/$unit.exit" ]; then state=$(cat "/run/halb/$unit.exit")
    else state=gone; fi
    size=$(stat -c %s -- "$output" 2>/dev/null || echo 0)
    [ "$state" = running ] && [ "$size" -le "$offset" ] && [ "$i" -lt "$rounds" ] || break
    i=$((i + 1))
    sleep 0.5
done
echo "$state"
[ ! -e "$output" ] || tail -c "+$((offset + 1))" -- "$output" | head -c "$chunk"
"#;

/// Runs a command of a plan as a unit, or waits for the one that runs already. `run` tells what was
/// begun by this run from what an earlier one began.
///
/// # Errors
/// As [`Host::run`]; whatever came of the unit is found again by the next call.
pub(super) async fn run(
    host: &Host,
    run: &str,
    (unit, output): (&str, &str),
    command: &Command,
    tap: Tap<'_>,
) -> Result<State, HostError> {
    let input = command.stdin.as_ref().map_or("", |content| content.expose());
    let names = names(unit, output);
    let (limit, words) = (command.timeout.as_secs().max(1), shell::join(&command.argv));
    let start = format!("set -eu; {names} run={run} limit={limit}{START}{words}\n");
    let job = Job::root(start, ASK_MAX).reading(Input::from(input));
    host.must(&format!("starting the unit {unit}"), &job).await?;
    let mut offset = 0;
    loop {
        let rounds = NEWS_SECONDS * 2;
        let script = format!("{names}; offset={offset} rounds={rounds} chunk={CHUNK}{NEWS}");
        let said = host.must(&format!("asking for {unit}"), &Job::root(script, ASK_MAX)).await?;
        let (state, news) = read(&said.stdout);
        tap(news);
        offset += news.len();
        // An end counts when all that was said before it is here.
        if state != State::Running && news.len() < CHUNK {
            return Ok(state);
        }
    }
}

/// Whether a unit runs.
///
/// # Errors
/// As [`Host::run`].
pub(super) async fn is_running(host: &Host, unit: &str) -> Result<bool, HostError> {
    let script = format!("systemctl is-active -q {}.service", shell::quote(unit));
    let output = host.run(&Job::root(script, ASK_MAX), &mut |_| {}).await?;
    Ok(output.exit.success())
}

fn names(unit: &str, output: &str) -> String {
    format!("unit={} output={}", shell::quote(unit), shell::quote(output))
}

fn read(said: &[u8]) -> (State, &[u8]) {
    let end = said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len());
    let (first, rest) = said.split_at(end);
    let state = match String::from_utf8_lossy(first).trim() {
        "running" => State::Running,
        code => code.parse().map_or(State::Gone, |code| State::Ended(Exit::Code(code))),
    };
    (state, rest.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_a_state_and_what_was_said_since() {
        assert_eq!(read(b"running\n[init]\n"), (State::Running, &b"[init]\n"[..]));
        assert_eq!(read(b"1\n"), (State::Ended(Exit::Code(1)), &b""[..]));
        assert_eq!(read(b"gone\nrest"), (State::Gone, &b"rest"[..]));
        assert_eq!(read(b""), (State::Gone, &b""[..]));
    }
}
