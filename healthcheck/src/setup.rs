//! Whether a check can be made as configured: what `halb check` and a reload ask before anything
//! starts. While it runs, a check whose files can no longer be used goes on with those read before.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::{Check, HttpProbe, Probe, ScriptProbe, TlsOptions};
pub use crate::probe::{FileError, HttpError, TlsError};
use crate::probe::{bearer, load, request, server_name};

/// Why a check can't be made as configured. Messages say what to do; causes come as sources.
#[derive(Debug, thiserror::Error)]
pub enum CheckSetupError {
    /// Its TLS files can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server name is none.
    #[error("server_name '{0}' is neither a host name nor an address")]
    ServerName(String),
    /// Its request can't be made.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The script's command is empty.
    #[error("the command of a script check is empty; name the program and its arguments")]
    NoProgram,
    /// The script's program is not absolute.
    #[error("'{0}' is no absolute path; a check's program is started without a shell or PATH")]
    RelativeProgram(String),
    /// The script's program is not there.
    #[error("cannot find the check's program {program}")]
    MissingProgram {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The script's program is a directory, or lacks the permission to run.
    #[error("{0} can't be run as a check; make it an executable file (chmod +x)")]
    NotExecutable(String),
}

/// Tries everything that a check needs from this host; asks no server. Reads files, and blocks.
///
/// # Errors
/// The first thing that stands in the way.
pub fn validate(check: &Check) -> Result<(), CheckSetupError> {
    match &check.probe {
        Probe::Tcp => Ok(()),
        Probe::Tls(tls) => validate_tls(tls),
        Probe::Http(http) => validate_http(http),
        Probe::Https(http, tls) => validate_http(http).and_then(|()| validate_tls(tls)),
        Probe::Script(script) => validate_script(script),
    }
}

/// Stands for any server.
const ANY_SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 443);

fn validate_tls(tls: &TlsOptions) -> Result<(), CheckSetupError> {
    load(tls, &[])?;
    server_name(tls, ANY_SERVER)
        .map(drop)
        .map_err(|_| CheckSetupError::ServerName(tls.server_name.clone().unwrap_or_default()))
}

fn validate_http(http: &HttpProbe) -> Result<(), CheckSetupError> {
    let token = http.bearer_token_file.as_deref().map(bearer).transpose()?;
    request(http, ANY_SERVER, token)?;
    Ok(())
}

fn validate_script(script: &ScriptProbe) -> Result<(), CheckSetupError> {
    let program = script.command.first().ok_or(CheckSetupError::NoProgram)?;
    if !Path::new(program).is_absolute() {
        return Err(CheckSetupError::RelativeProgram(program.clone()));
    }
    let metadata = fs::metadata(program)
        .map_err(|source| CheckSetupError::MissingProgram { program: program.clone(), source })?;
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        Ok(())
    } else {
        Err(CheckSetupError::NotExecutable(program.clone()))
    }
}

#[cfg(test)]
mod tests;
