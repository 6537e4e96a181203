//! The command line: one sentence and one example per command, exit codes in [`Exit`].

mod bench;
mod doctor;
mod failover;
mod import;
mod k8s;
mod log;
mod output;
mod pages;
mod server;
mod sessions;
mod socket;
mod status;
mod vip;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::run::Begin;
use crate::{config, demo, run, top};
use halb_config::defaults;
use output::Output;
pub(crate) use output::{chain, complain};

/// How a command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: not done.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: the configuration is bad.
    BadConfiguration,
    /// 4: nothing is wrong as far as it could be seen, and not all could be.
    Unproven,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::BadConfiguration => 3,
            Exit::Unproven => 4,
        })
    }
}

/// Balances TCP before a highly available Kubernetes control plane, or before anything else that
/// speaks TCP
#[derive(Debug, Parser)]
#[command(
    name = "halb",
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  halb demo                                  see it work, no set-up
  halb check examples/kubernetes.toml        all problems of a configuration
  halb run --config /etc/halb/halb.toml      the daemon
  halb status                                one look at it
  halb top                                   the same, live

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad configuration"
)]
struct Arguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = defaults::CONFIG_FILE)]
    config: PathBuf,

    /// The control socket [default: the configuration's, else /run/halb/admin.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon in the foreground
    ///
    /// SIGHUP reads the configuration again, SIGTERM and SIGINT let connections end within
    /// `drain_timeout`, a second one ends them at once.
    #[command(after_help = "Example: halb run --config /etc/halb/halb.toml")]
    Run {
        /// Take over from the daemon at the other end of the standard input, which starts it so
        #[arg(long, hide = true)]
        take_over: bool,
    },

    /// Shows all problems and lints of a configuration
    ///
    /// Needs no root and opens no socket; the daemon uses the same check at start and on reload.
    #[command(after_help = "Example: halb check /etc/halb/halb.toml\n\n\
        The files of both balancers at once, to see whether they agree on a virtual IP:\n  \
        halb check one.toml two.toml")]
    Check {
        /// The files to check, each by itself and all together [default: that of --config]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,

        /// Answer as JSON, an object for each file, and one if they don't fit together
        #[arg(long)]
        json: bool,
    },

    /// Shows the daemon's state, the unusual first
    #[command(after_help = "Example: halb status --watch")]
    Status {
        /// Answer as JSON (docs/status.md)
        #[arg(long)]
        json: bool,

        /// Look again every second
        #[arg(long)]
        watch: bool,
    },

    /// Shows the daemon live in the terminal; keys drain a server and bring it back
    ///
    /// The unusual first, virtual IPs node by node, servers sorted by any column, rates and checks as
    /// sparklines. An order is asked for once more before it is given (docs/top.md).
    #[command(after_help = "Example: halb top")]
    Top,

    /// Takes a server out of service and back, or changes its share
    #[command(after_help = "Example: halb server drain masters/kmaster1")]
    Server {
        #[command(subcommand)]
        order: server::Order,
    },

    /// Lists open connections, or ends them
    #[command(after_help = "Example: halb sessions list --server masters/kmaster1")]
    Sessions {
        #[command(subcommand)]
        order: sessions::Order,
    },

    /// Shows and explains who holds the virtual IPs, or gives them away
    #[command(after_help = "\
Examples:
  halb vip status                            one look
  halb vip explain VI_1                      why it is so, and what if something fails now
  halb vip yield VI_1                        to the other node, for maintenance here
  halb vip resume VI_1                       take part again")]
    Vip {
        #[command(subcommand)]
        order: vip::Order,
    },

    /// Changes what the daemon logs, without a reload
    #[command(after_help = "Example: halb log level debug --for 10m")]
    Log {
        #[command(subcommand)]
        order: log::Order,
    },

    /// Makes the daemon read its configuration again, dropping nothing
    ///
    /// A file with problems changes nothing: they are shown, and the exit code is 3. A good file that
    /// can't be put into force (a port in use) changes nothing either, with exit code 1.
    #[command(after_help = "Example: halb reload")]
    Reload {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// Replaces the running daemon by another binary, dropping nothing
    ///
    /// The new one takes over listeners, the checks' results, orders and counters, reads the
    /// configuration file as it is now, and accepts; the old one serves its connections until they
    /// end, or `upgrade_drain_timeout` has passed. If the new one doesn't get ready the old one goes
    /// on as it was, the reason is shown, and the exit code is 1.
    #[command(after_help = "\
Examples:
  halb upgrade                               to what a package has installed
  halb upgrade --binary /root/halb-test      to any other binary
  halb upgrade --if-changed                  reload, if the same binary is installed")]
    Upgrade {
        /// The binary [default: whatever the running one's path names now]
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,

        /// Only read the configuration again if the installed binary is the one that runs
        #[arg(long, conflicts_with = "binary")]
        if_changed: bool,
    },

    /// Measures halb, beside other programs if told so
    ///
    /// A backend and the programs are started on this machine, on addresses of loopback that nobody
    /// else has; nothing is installed or left behind. With --target it loads what runs already.
    #[command(after_help = "\
Examples:
  halb bench --compare haproxy,nginx,direct --quick     under three minutes
  halb bench --compare haproxy --report halb.html       longer, with plots
  halb bench --serve 172.16.16.101:6443                 a backend on another host …
  halb bench --target 172.16.16.100:6443                … loaded through the balancer")]
    Bench(Box<bench::Order>),

    /// Makes a halb.toml of what HAProxy was told
    ///
    /// Tells of each directive what becomes of it. Exit code 1: something that will be noticed can't
    /// be kept; 3: a file can't be read as what it is said to be. docs/guide/migrate.md leads
    /// through the whole change.
    #[command(after_help = "Example: halb import --haproxy /etc/haproxy/haproxy.cfg -o halb.toml")]
    Import(import::Order),

    /// Builds a highly available Kubernetes cluster out of one file
    #[command(after_help = "\
Examples:
  halb k8s init-inventory > cluster.yaml     begin with a file
  halb k8s plan                              what would be done, every step
  halb k8s apply                             do it; run again after any end
  halb k8s status                            one look
  halb k8s addon apply                       what comes on top of it")]
    K8s {
        #[command(subcommand)]
        order: k8s::Order,
    },

    /// Guards the virtual IPs of the daemon that starts it
    #[command(hide = true, after_help = "Example: none; the daemon starts it by itself")]
    Guard,

    /// Measures what clients feel when something fails: in a lab on this machine, or on the real pair
    ///
    /// The exit code is 1 if a drill cost more than its bound. Drills of HAProxy and keepalived are
    /// shown beside and decide nothing.
    #[command(after_help = "\
Examples:
  halb failover-test --lab                   this program, in a lab: 4 minutes
  halb failover-test --lab --compare         beside HAProxy and keepalived
  halb failover-test --lab --fault kill --settings 1s
  halb failover-test --vip 172.16.16.100:6443 --nodes loadbalancer01,loadbalancer02
                                             hands the real address over and back
  halb failover-test --vip 172.16.16.100:6443 --fault none
                                             while you pull a cable")]
    FailoverTest(Box<failover::Drills>),

    /// Runs a whole cluster on this machine, to look at and to break; no root, no set-up
    ///
    /// Two balancers with a virtual IP, three API servers and clients, each a network namespace of
    /// its own; keys kill, cut and hang them. Without a terminal it plays a few faults and ends.
    #[command(after_help = "\
Examples:
  halb demo                                  in a terminal: break it and look
  halb demo | cat                            a show of some faults, line by line
  halb demo --loopback                       one balancer alone")]
    Demo {
        /// End after so many seconds [default: on q or Ctrl-C, or when the show is over]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        seconds: Option<u32>,

        /// The plain form: one balancer before three servers on loopback, without a virtual IP;
        /// also where the system allows no network namespaces
        #[arg(long)]
        loopback: bool,
    },

    /// Says what on this host stands in the way, and what to change
    ///
    /// Looks at rights, limits, ports, links, firewall, settings of the kernel, and at who else
    /// advertises on the segment; changes nothing. Exit code 1: something that is configured can't
    /// work (docs/doctor.md).
    #[command(after_help = "\
Examples:
  halb doctor                                as root, it sees most
  halb doctor --verbose                      also what is as it should be")]
    Doctor(doctor::Order),

    /// Prints what a shell needs to complete halb's commands and flags
    #[command(after_help = "\
Examples:
  halb completions bash > /etc/bash_completion.d/halb
  halb completions zsh > ~/.zfunc/_halb
  halb completions fish > ~/.config/fish/completions/halb.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Writes the manual pages
    #[command(after_help = "\
Examples:
  halb man | man -l -                        the first page
  halb man --output /usr/local/share/man/man1")]
    Man(pages::Manual),
}

/// Flags of all commands, each with those that have no use for it.
const WITHOUT: [(&str, &[&str]); 2] = [
    ("config", &["bench", "import", "k8s", "failover-test", "demo", "completions", "man"]),
    (
        "socket",
        &[
            "check",
            "bench",
            "import",
            "k8s",
            "failover-test",
            "demo",
            "doctor",
            "completions",
            "man",
        ],
    ),
];

/// The command line as it is parsed and shown: help names a flag only where it does something.
fn command_line() -> clap::Command {
    let whole = Arguments::command();
    let flags: Vec<_> = whole.get_arguments().cloned().collect();
    WITHOUT.iter().fold(whole, |whole, (flag, commands)| {
        let flag = flags.iter().find(|one| one.get_id() == flag).expect("it is one of Arguments");
        commands.iter().fold(whole, |whole, command| {
            whole.mut_subcommand(command, |command| command.arg(flag.clone().hide(true)))
        })
    })
}

/// Does what the command line says.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = command_line()
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too. Nobody may be left to read either.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let mut out = Output::new();
    let Arguments { config, socket, command } = arguments;
    let daemon = || socket::find(socket.as_deref(), &config);
    match command {
        Command::Run { take_over } => {
            let begin = if take_over { Begin::TakeOver } else { Begin::Anew };
            run::run(&config, socket.as_deref(), begin)
        }
        Command::Check { mut files, json } => {
            if files.is_empty() {
                files.push(config);
            }
            config::command::check_command(&files, json).into()
        }
        Command::Status { json, watch: false } => status::once(&daemon(), json, &mut out).into(),
        Command::Status { json, watch: true } => status::watch(&daemon(), json, &mut out).into(),
        Command::Top => match top::driver::run(&daemon(), out.colour()) {
            Ok(()) => Exit::Done.into(),
            Err(error) => output::failed(&error).into(),
        },
        Command::Server { order } => server::run(order, &daemon(), &mut out).into(),
        Command::Sessions { order } => sessions::run(order, &daemon(), &mut out).into(),
        Command::Vip { order } => vip::run(order, &config, &daemon(), &mut out).into(),
        Command::Upgrade { binary, if_changed } => {
            server::upgrade(binary, if_changed, &daemon(), &mut out).into()
        }
        Command::Log { order } => log::run(order, &daemon(), &mut out).into(),
        Command::Reload { json } => server::reload(&daemon(), json, &mut out).into(),
        Command::Bench(order) => bench::run(&order, &mut out).into(),
        Command::Import(order) => import::run(&order, &mut out).into(),
        Command::K8s { order } => k8s::run(order, &mut out).into(),
        Command::Guard => match halb_vrrp::driver::guard::run() {
            Ok(()) => Exit::Done.into(),
            Err(error) => output::failed(&error).into(),
        },
        Command::FailoverTest(arguments) => failover::run(&arguments, &mut out).into(),
        Command::Demo { seconds, loopback } => demo::run(seconds, loopback).into(),
        Command::Doctor(order) => doctor::run(&order, &config, &mut out).into(),
        Command::Completions { shell } => pages::completions(shell, &mut out).into(),
        Command::Man(order) => pages::manual(&order, &mut out).into(),
    }
}
