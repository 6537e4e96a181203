//! nginx with its stream module, from Debian's packages.

use std::{
    fmt::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Error, Place, Program, Subject};

/// Starts nginx with the given `http` and `stream` blocks and waits until it listens on `listens`.
///
/// What a configuration needs besides them is added: foreground, one process, log on standard
/// error, files in the subject's own directory, and the stream module where a block is for it.
///
/// # Errors
/// [`Error`]; a configuration that it rejects is an ended process with nginx's own words.
pub fn nginx(place: &dyn Place, blocks: &str, listens: &[SocketAddr]) -> Result<Subject, Error> {
    run(place, "master_process off;\n", blocks, listens)
}

/// As [`nginx`], with so many worker processes below a master, all of them as the user who starts
/// it.
pub(super) fn nginx_of(
    place: &dyn Place,
    workers: usize,
    blocks: &str,
    listens: &[SocketAddr],
) -> Result<Subject, Error> {
    // Root's workers would become another user, who may not look into the subject's directory;
    // where it isn't root that starts them, this is noted and without effect.
    let processes = format!("user root;\nworker_processes {workers};\n");
    run(place, &processes, blocks, listens)
}

fn run(
    place: &dyn Place,
    processes: &str,
    blocks: &str,
    listens: &[SocketAddr],
) -> Result<Subject, Error> {
    let program = PROGRAM.find()?;
    let configuration = format!("{}{PREAMBLE}{processes}{blocks}", stream_module(blocks)?);
    let (directory, file) = PROGRAM.configured("nginx.conf", &configuration)?;
    let mut command = Command::new(program);
    // The log that is open before the configuration is read would be one of the whole system.
    command.args(["-e", "stderr"]).arg("-p").arg(directory.path()).arg("-c").arg(file);
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.wait_for(listens)?;
    Ok(subject)
}

/// A block that answers every request on `listen` with `body`.
///
/// # Panics
/// When `body` has a quote or a line break, which nginx's syntax would take for its own.
#[must_use]
pub fn http_server(listen: SocketAddr, body: &str) -> String {
    assert!(!body.contains(['"', '\n', '\\']), "{body:?} can't stand in nginx's quotes");
    format!(
        "http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  \
         fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  \
         server {{ listen {listen}; location / {{ return 200 \"{body}\"; }} }}\n}}\n"
    )
}

/// A block that passes TCP from `listen` on to `servers`, in turn.
#[must_use]
pub fn stream_proxy(listen: SocketAddr, servers: &[SocketAddr]) -> String {
    let mut block = "stream {\n  upstream servers {\n".to_owned();
    for server in servers {
        writeln!(block, "    server {server};").expect("a string takes any text");
    }
    write!(block, "  }}\n  server {{ listen {listen}; proxy_pass servers; }}\n}}\n")
        .expect("a string takes any text");
    block
}

/// Its program, where its stream module is there too.
pub(super) fn find_proxy() -> Result<PathBuf, Error> {
    stream_module("stream")?;
    PROGRAM.find()
}

/// The line that loads the stream module, if a block needs it.
fn stream_module(blocks: &str) -> Result<String, Error> {
    let needed = blocks.lines().any(|line| line.trim_start().starts_with("stream"));
    if !needed {
        return Ok(String::new());
    }
    if !Path::new(STREAM_MODULE).exists() {
        let program = "nginx's stream module";
        return Err(Error::Missing { program, install: "apt-get install libnginx-mod-stream" });
    }
    Ok(format!("load_module {STREAM_MODULE};\n"))
}

pub(super) const PROGRAM: Program = Program { name: "nginx", install: "apt-get install nginx" };

const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

const PREAMBLE: &str = "\
daemon off;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 9000; }
";
