//! Tells whether this machine and user can run the lab: makes two hosts and lets one call the
//! other. Exit code 0 and one line on standard output, or 1 and the reason.
//!
//! With `--stay` the hosts stay until it is killed, each with a process through which one can look
//! around: `nsenter --net=/proc/PID/ns/net`.

use std::{
    env,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use halb_lab::{Host, Lab, enter_user_namespace, process};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let stay = arguments == ["--stay"];
    if !stay && !arguments.is_empty() {
        eprintln!("usage: halb-lab-hosts [--stay]");
        return ExitCode::from(2);
    }
    match try_hosts(stay) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("halb-lab-hosts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_hosts(stay: bool) -> Result<(), Box<dyn std::error::Error>> {
    enter_user_namespace()?;
    let lab = Lab::new()?;
    let caller = lab.host("caller", "172.16.16.51/24")?;
    let called = lab.host("called", "172.16.16.101/24")?;
    println!("two hosts were made and one heard: {}", call(&caller, &called)?);
    if stay {
        let hold = |host: &Host| {
            let mut command = Command::new("sleep");
            command.arg("infinity");
            let process = host.spawn(command)?;
            println!("{} holds process {}", host.name(), process.pid());
            Ok::<_, process::Error>(process)
        };
        let _processes = [hold(&caller)?, hold(&called)?];
        loop {
            thread::park();
        }
    }
    Ok(())
}

/// One host listens, the other connects and says a word.
fn call(caller: &Host, called: &Host) -> io::Result<String> {
    let listener = called.run(|| TcpListener::bind((called.ip(), 0)))?;
    let address = listener.local_addr()?;
    caller.run(|| TcpStream::connect_timeout(&address, PATIENCE)?.write_all(b"hello"))?;
    let mut heard = String::new();
    listener.accept()?.0.read_to_string(&mut heard)?;
    Ok(heard)
}

/// How long the call may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(5);
