//! A running daemon.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::process::Command;

use halb::status::{Server, Status};
use halb_lab::subject::Place;
use halb_lab::{Process, eventually};

use super::PATIENCE;
use super::files::{Files, HALB};

/// A daemon with a configuration and a control socket of its own.
pub(crate) struct Daemon {
    process: Process,
    files: Files,
}

impl Daemon {
    /// Starts it and waits until it serves.
    pub(crate) fn start(place: &dyn Place, configuration: &str) -> Self {
        Self::start_by(place, Command::new(HALB), configuration)
    }

    /// As [`Self::start`], by a command that ends with the name of the binary.
    pub(crate) fn start_by(place: &dyn Place, command: Command, configuration: &str) -> Self {
        let files = Files::new(configuration);
        let process = place.spawn(files.run(command)).unwrap();
        process.wait_for_line("halb serves", PATIENCE).unwrap();
        Self { process, files }
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn status(&self) -> Status {
        self.files.status()
    }

    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.files.done(arguments)
    }

    /// What the status says of a server, which only one backend has.
    pub(crate) fn server(&self, name: &str) -> Server {
        let status = self.status();
        let mut servers = status.backends.into_iter().flat_map(|backend| backend.servers);
        servers.find(|server| server.name == name).unwrap()
    }

    /// Waits until a server is in a state.
    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        eventually(&format!("{name} is {state}"), PATIENCE, || {
            let server = self.server(name);
            if server.state == state { Ok(()) } else { Err(Box::new(server)) }
        });
    }
}

impl Deref for Daemon {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// Asks a web server for a path; status line, headers and body.
pub(crate) fn http_get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: halb\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
