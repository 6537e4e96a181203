//! Plans carried out, and cut off on the way.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halb_k8s_bootstrap::apply::{Outcome, Phase};
use halb_k8s_bootstrap::driver::Shared;
use halb_k8s_bootstrap::driver::execute::{
    BeginError, Ended, Local, Report, Settings, Stop, execute,
};
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::plan::step::{Act, Command, Content, File, Step};
use halb_k8s_bootstrap::plan::{HostPlan, Pace, Plan, Stage, StageName};
use halb_k8s_bootstrap::progress::Event;
use halb_k8s_bootstrap::secret::Secret;
use tokio::sync::watch;

use crate::operator::Operator;
use crate::server::Server;

/// What stands for the halb program.
const PROGRAM: &[u8] = b"\x7fELF\0\xff";

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A step that notes that it was done, after some work.
fn noting(name: &str, work: &str) -> Step {
    let noted = || Command::script(format!("grep -qx {name} /srv/acts"));
    let act = Command::script(format!("{work}; echo {name} >>/srv/acts"));
    Step::new(name, format!("Do {name}"), Act::Run { command: act })
        .unless(noted())
        .verified_by(noted())
}

/// The same as a unit.
fn detached(name: &str, work: &str) -> Step {
    let mut step = noting(name, work);
    let Act::Run { command } = step.act else { unreachable!("it is made above") };
    let output = format!("/srv/{name}.out");
    step.act = Act::RunDetached { unit: format!("halb-{name}"), command, output };
    step
}

fn writing(name: &str, content: &str) -> Step {
    let path = format!("/srv/{name}.conf");
    let file = File {
        path: path.clone(),
        mode: 0o600,
        owner: "root:root".to_owned(),
        content: Content::Secret(Secret::new(content)),
        before: None,
    };
    Step::new(name, format!("Write {name}"), Act::Write { file })
        .unless(Command::new(["test", "-e", &path]))
}

fn stage(name: StageName, hosts: Vec<(&str, Vec<Step>)>) -> Stage {
    let hosts = hosts.into_iter().map(|(host, steps)| HostPlan { host: host.to_owned(), steps });
    Stage { name, pace: Pace::AtOnce, hosts: hosts.collect() }
}

fn plan(stages: Vec<Stage>) -> Arc<Plan> {
    Arc::new(Plan { cluster: "test".to_owned(), stages })
}

/// An operator with some hosts, which outlast his runs.
struct World {
    operator: Operator,
    servers: Vec<(&'static str, Server)>,
    merged: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn new(names: &[&'static str]) -> Self {
        let operator = Operator::new();
        let mut servers = Vec::new();
        for name in names {
            servers.push((*name, Server::start(operator.key.public_key()).await));
        }
        Self { operator, servers, merged: Arc::default() }
    }

    fn server(&self) -> &Server {
        &self.servers[0].1
    }

    fn logs(&self) -> PathBuf {
        self.operator.folder.path().join("logs")
    }

    fn log(&self, host: &str) -> String {
        fs::read_to_string(self.logs().join(format!("{host}.log"))).unwrap()
    }

    fn settings(&self, who: &str) -> Settings {
        let merged = Arc::clone(&self.merged);
        let program = self.operator.folder.path().join("halb");
        fs::write(&program, PROGRAM).unwrap();
        let kubeconfig: halb_k8s_bootstrap::driver::execute::Merge = Arc::new(move |config| {
            let text = format!("{} {} {}", config.context, config.server, config.text);
            merged.lock().unwrap().push(text);
            Ok(())
        });
        Settings { who: who.to_owned(), logs: self.logs(), local: Local { program, kubeconfig } }
    }

    /// A run with connections of its own, as a process has.
    async fn run(
        &self,
        plan: &Arc<Plan>,
        stop: watch::Receiver<Stop>,
        tell: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Report, BeginError> {
        let shared: Arc<Shared> = self.operator.shared();
        let hosts: Vec<_> = self
            .servers
            .iter()
            .map(|(name, server)| {
                let target = self.operator.target(name, server.address);
                Arc::new(Host::new(target, Arc::clone(&shared)))
            })
            .collect();
        execute(Arc::clone(plan), &hosts, self.settings("alice"), stop, tell).await
    }

    /// A run that nobody interferes with.
    async fn finish(&self, plan: &Arc<Plan>) -> Report {
        let (_operator, stop) = watch::channel(Stop::No);
        self.run(plan, stop, &mut |_| {}).await.unwrap()
    }
}

#[tokio::test]
async fn a_plan_is_carried_out_and_a_second_run_changes_nothing() {
    let world = World::new(&["lb01", "lb02"]).await;
    let binary = Act::InstallHalb { path: "/srv/bin/halb".to_owned(), sha256: sha256(PROGRAM) };
    let fetch = Act::FetchKubeconfig {
        path: "/srv/b.conf".to_owned(),
        context: "admin@test".to_owned(),
        server: "https://api:6443".to_owned(),
    };
    let there = Command::new(["test", "-x", "/srv/bin/halb"]);
    let steps = || vec![noting("a", ":"), writing("b", "text"), detached("c", "cat /srv/b.conf")];
    let plan = plan(vec![
        stage(StageName::Balancers, vec![("lb01", steps()), ("lb02", steps())]),
        stage(
            StageName::Access,
            vec![(
                "lb01",
                vec![
                    Step::new("binary", "Install halb", binary).unless(there),
                    Step::new("fetch", "Fetch access", fetch).unless(Command::new([
                        "test",
                        "-e",
                        "/srv/fetched",
                    ])),
                    Step::new("gone", "Remove b", Act::Remove { path: "/srv/b.conf".to_owned() })
                        .unless(Command::new(["test", "-e", "/srv/fetched"])),
                    noting("d", "touch /srv/fetched"),
                ],
            )],
        ),
    ]);
    let report = world.finish(&plan).await;
    assert_eq!(report.ended, Ended::Steps(Outcome::Done), "{report:?}");
    assert_eq!((report.changed, report.unchanged), (10, 0));
    assert_eq!(world.server().read("/srv/acts"), "a\nc\nd\n");
    assert_eq!(world.server().read("/srv/c.out"), "text");
    assert_eq!(*world.merged.lock().unwrap(), ["admin@test https://api:6443 text"]);
    assert_eq!(fs::read(world.server().path("/srv/bin/halb")).unwrap(), PROGRAM);
    let log = world.log("lb02");
    assert!(log.contains("Do c (c), act: echo") || log.contains("Do c (c), act: cat"), "{log}");
    fs::write(world.server().path("/srv/b.conf"), "text").unwrap();
    let report = world.finish(&plan).await;
    assert_eq!((report.changed, report.unchanged), (0, 10), "{report:?}");
}

/// The operator's process dies right after its host was told to do the next thing, for each thing.
#[tokio::test]
async fn a_run_that_is_killed_anywhere_is_finished_by_the_next() {
    let plan = plan(vec![
        stage(StageName::Nodes, vec![("lb01", vec![noting("a", ":"), writing("b", "text")])]),
        stage(StageName::Init, vec![("lb01", vec![detached("c", "sleep 0.2"), noting("d", ":")])]),
    ]);
    let mut kills = 0;
    for commands in 1.. {
        let world = World::new(&["lb01"]).await;
        world.server().cut_after(commands);
        tokio::select! {
            report = world.finish(&plan) => {
                assert_eq!(report.changed, 4);
                break;
            }
            () = world.server().was_cut() => kills += 1,
        }
        let report = world.finish(&plan).await;
        assert_eq!(report.ended, Ended::Steps(Outcome::Done), "after {commands}: {report:?}");
        let acts = world.server().read("/srv/acts");
        let mut acts: Vec<_> = acts.lines().collect();
        // What was told to the host and not answered may have been done, and is done again.
        acts.dedup();
        assert_eq!(acts, ["a", "c", "d"], "after {commands}");
        assert_eq!(world.server().read("/srv/b.conf"), "text");
    }
    // The lock, and each step's probe, act and verification.
    assert!(kills >= 12, "only {kills}");
}

/// What a unit without a probe comes to when the connection is lost while it runs.
async fn lost_while_a_unit_runs(work: &str) -> World {
    let world = World::new(&["lb01"]).await;
    let mut step = detached("c", work);
    step.probe = None;
    let plan = plan(vec![stage(StageName::Init, vec![("lb01", vec![step])])]);
    // The lock, its start; and then its news are waited for.
    world.server().cut_after(3);
    let (_operator, stop) = watch::channel(Stop::No);
    let mut away = 0;
    let mut tell = |event| away += usize::from(matches!(event, Event::Away(..)));
    let report = world.run(&plan, stop, &mut tell).await.unwrap();
    assert_eq!(report.ended, Ended::Steps(Outcome::Done), "{report:?}");
    assert!(away >= 1, "the connection was never lost");
    assert_eq!(world.server().read("/srv/acts"), "c\n");
    world
}

#[tokio::test]
async fn a_unit_goes_on_without_its_connection_and_is_found_again() {
    let world = lost_while_a_unit_runs("echo one; sleep 4; echo two").await;
    assert_eq!(world.server().read("/srv/c.out"), "one\ntwo\n");
    assert!(world.log("lb01").contains("    two\n"));
}

#[tokio::test]
async fn a_unit_that_ends_while_nobody_is_connected_is_not_begun_anew() {
    let world = lost_while_a_unit_runs("echo one; sleep 0.1").await;
    assert_eq!(world.server().read("/srv/c.out"), "one\n");
}

#[tokio::test]
async fn a_lost_connection_in_the_middle_of_an_act_is_no_failure() {
    let world = World::new(&["lb01"]).await;
    let plan = plan(vec![stage(StageName::Nodes, vec![("lb01", vec![noting("a", "sleep 1")])])]);
    world.server().cut_after(3);
    let report = world.finish(&plan).await;
    assert_eq!(report.ended, Ended::Steps(Outcome::Done), "{report:?}");
    assert_eq!(world.server().read("/srv/acts"), "a\n");
}

#[tokio::test]
async fn a_failure_says_where_what_why_and_what_to_do() {
    let world = World::new(&["lb01", "lb02"]).await;
    // One stream: what comes on two may be told in either order.
    let work = "cat >&2; echo 'cp: error writing: No space left on device' >&2; exit 3";
    let mut failing = noting("a", work);
    let Act::Run { command } = &mut failing.act else { unreachable!("it is made above") };
    command.stdin = Some(Content::Secret(Secret::new("hunter2hunter2")));
    let plan = plan(vec![
        stage(StageName::Nodes, vec![("lb01", vec![failing]), ("lb02", vec![noting("a", ":")])]),
        stage(StageName::Init, vec![("lb02", vec![noting("b", ":")])]),
    ]);
    let report = world.finish(&plan).await;
    assert_eq!(report.ended, Ended::Steps(Outcome::Failed));
    let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
    assert_eq!((failure.host.as_str(), failure.step.as_str()), ("lb01", "Do a"));
    assert_eq!(failure.what, "it ended with exit code 3");
    assert_eq!(failure.said, ["(secret)cp: error writing: No space left on device"]);
    assert!(failure.hint.is_some_and(|hint| hint.contains("disk is full")), "{failure:?}");
    assert!(failure.command.starts_with("cat >&2; echo"), "{failure:?}");
    let log = fs::read_to_string(&failure.log).unwrap();
    assert!(log.contains("No space left") && log.contains("(secret)"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    let other = &world.servers[1].1;
    assert_eq!(other.read("/srv/acts"), "a\n", "the other host's stage was not finished");
}

#[tokio::test]
async fn the_first_stop_finishes_the_act_and_begins_nothing_else() {
    let world = World::new(&["lb01"]).await;
    let steps = vec![noting("a", "sleep 1"), noting("b", ":")];
    let plan = plan(vec![stage(StageName::Nodes, vec![("lb01", steps)])]);
    let (operator, stop) = watch::channel(Stop::No);
    let mut tell = move |event| {
        if matches!(event, Event::Began(_, Phase::Act)) {
            operator.send_replace(Stop::AfterSteps);
        }
    };
    let report = world.run(&plan, stop, &mut tell).await.unwrap();
    assert_eq!(report.ended, Ended::Steps(Outcome::Cancelled), "{report:?}");
    assert_eq!(world.server().read("/srv/acts"), "a\n");
    let report = world.finish(&plan).await;
    assert_eq!((report.changed, report.unchanged), (1, 1));
}

#[tokio::test]
async fn the_second_stop_drops_everything_and_a_unit_goes_on() {
    let world = World::new(&["lb01"]).await;
    let plan = plan(vec![stage(StageName::Init, vec![("lb01", vec![detached("c", "sleep 2")])])]);
    let (operator, stop) = watch::channel(Stop::No);
    let mut tell = |_| {};
    let run = world.run(&plan, stop, &mut tell);
    let dropping = async {
        // Its news are waited for: it runs.
        while world.server().commands() < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        operator.send_replace(Stop::Now);
    };
    let (report, ()) = tokio::join!(run, dropping);
    assert_eq!(report.unwrap().ended, Ended::Dropped);
    assert_eq!(world.server().read("/srv/acts"), "");
    let report = world.finish(&plan).await;
    assert_eq!(report.ended, Ended::Steps(Outcome::Done));
    assert_eq!(world.server().read("/srv/acts"), "c\n");
}

#[tokio::test]
async fn a_second_run_learns_who_is_at_work_and_does_nothing() {
    let world = World::new(&["lb01"]).await;
    let first = plan(vec![stage(StageName::Nodes, vec![("lb01", vec![noting("a", "sleep 20")])])]);
    let second = plan(vec![stage(StageName::Nodes, vec![("lb01", vec![noting("b", ":")])])]);
    let (_operator, stop) = watch::channel(Stop::No);
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let mut began = Some(began);
    let mut tell = move |_| {
        let _ = began.take().map(|began| began.send(()));
    };
    let refused = async {
        has_begun.await.unwrap();
        let (_operator, stop) = watch::channel(Stop::No);
        world.run(&second, stop, &mut |_| {}).await.unwrap_err()
    };
    tokio::select! {
        report = world.run(&first, stop, &mut tell) => panic!("{report:?}"),
        error = refused => {
            let text = error.to_string();
            assert!(text.contains("lb01 is being worked on by alice"), "{text}");
        }
    }
    assert_eq!(world.server().read("/srv/acts"), "");
}
