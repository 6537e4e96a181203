//! The stand-in API server as a process of its own, to be killed, stopped and started again.

use std::{env, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use halb_lab::apiserver::{ApiServer, Ca, Options};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: halb-lab-apiserver --listen ADDRESS [--name NAME] [--ca-dir DIRECTORY]
                          [--also-for NAME]... [--shutdown-delay SECONDS]

--listen          address and port; port 0 lets the kernel choose
--name            X-Served-By of every answer and the node that is shown (apiserver)
--ca-dir          where the authority is read from, or made if there is none; without
                  it the authority is new and nobody can check the certificate
--also-for        a further name or address for the certificate
--shutdown-delay  time between SIGTERM, when /readyz turns 500, and the end (0)

Prints \"listening on ADDRESS\" when it is. SIGTERM and SIGINT: leave gracefully.
";

struct Arguments {
    listen: SocketAddr,
    name: String,
    ca_dir: Option<PathBuf>,
    also_for: Vec<String>,
    shutdown_delay: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match parse(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprint!("halb-lab-apiserver: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("halb-lab-apiserver: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ca = match &arguments.ca_dir {
        Some(directory) => Ca::load_or_create(directory)?,
        None => Ca::new()?,
    };
    let mut options = Options::new(&arguments.name, arguments.listen, &ca);
    options.names = arguments.also_for;
    let server = ApiServer::start(options).await?;
    println!("listening on {}", server.address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown(arguments.shutdown_delay).await;
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut listen = None;
    let mut name = "apiserver".to_owned();
    let mut ca_dir = None;
    let mut also_for = Vec::new();
    let mut shutdown_delay = Duration::ZERO;
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag}: a value is missing"))?;
        let invalid = || format!("{flag} {value}: not understood");
        match flag.as_str() {
            "--listen" => listen = Some(value.parse().map_err(|_| invalid())?),
            "--name" => name = value,
            "--ca-dir" => ca_dir = Some(value.into()),
            "--also-for" => also_for.push(value),
            "--shutdown-delay" => {
                let seconds = value.parse().map_err(|_| invalid())?;
                shutdown_delay = Duration::try_from_secs_f64(seconds).map_err(|_| invalid())?;
            }
            _ => return Err(format!("{flag}: no such flag")),
        }
    }
    let listen = listen.ok_or("--listen is missing")?;
    Ok(Arguments { listen, name, ca_dir, also_for, shutdown_delay })
}
