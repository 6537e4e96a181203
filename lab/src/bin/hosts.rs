//! Tells whether this machine and user can run the lab: makes two hosts and lets one call the
//! other. Exit code 0 and one line on standard output, or 1 and the reason.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    time::Duration,
};

use halb_lab::{Host, Lab, enter_user_namespace};

fn main() -> ExitCode {
    match try_hosts() {
        Ok(heard) => {
            println!("two hosts were made and one heard: {heard}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("halb-lab-hosts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_hosts() -> Result<String, Box<dyn std::error::Error>> {
    enter_user_namespace()?;
    let lab = Lab::new()?;
    let caller = lab.host("caller", "172.16.16.51/24")?;
    let called = lab.host("called", "172.16.16.101/24")?;
    Ok(call(&caller, &called)?)
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
