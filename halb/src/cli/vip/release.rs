//! `halb vip release`: the last line of defence against an address that stays on a node without a
//! daemon.

use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use halb_vrrp::driver;
use halb_vrrp::driver::Released;
use halb_vrrp::settings::Settings;
use serde::Serialize;

use crate::cli::output::{Output, complain, failed, refused};
use crate::cli::{Exit, output};
use crate::config;
use halb_config::defaults;

/// What was done, as JSON.
#[derive(Serialize)]
struct Done {
    addresses: Vec<Gone>,
    goodbyes: Vec<String>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Gone {
    interface: String,
    address: String,
}

pub(super) fn run(config: &Path, socket: &Path, json: bool, out: &mut Output) -> Exit {
    if UnixStream::connect(socket).is_ok() {
        return refused(&format!(
            "halb runs (it answers on {}); to give its addresses to another node: halb vip yield",
            socket.display()
        ));
    }
    let run_dir = socket.parent().unwrap_or_else(|| Path::new(defaults::RUN_DIR));
    match driver::release(&settings(config), run_dir) {
        Ok(released) => tell(&released, json, out),
        Err(error) => failed(&error),
    }
}

/// A file that can't be read only costs the goodbyes: what is ours is known by its mark.
fn settings(config: &Path) -> Settings {
    match config::load(config) {
        Ok(loaded) => loaded.settings.vrrp.routers,
        Err(_) => {
            let path = config.display();
            complain(&format!(
                "halb: {path} can't be used, so no goodbye is sent; see: halb check"
            ));
            Settings {
                instances: Vec::new(),
                groups: Vec::new(),
                realtime: None,
                freeze_limit: None,
            }
        }
    }
}

fn tell(released: &Released, json: bool, out: &mut Output) -> Exit {
    let problems: Vec<String> =
        released.problems.iter().map(|error| output::chain(error)).collect();
    let printed = if json {
        let gone = |(interface, address): &(Arc<str>, IpAddr)| Gone {
            interface: interface.to_string(),
            address: address.to_string(),
        };
        out.json(&Done {
            addresses: released.addresses.iter().map(gone).collect(),
            goodbyes: released.instances.iter().map(ToString::to_string).collect(),
            problems: problems.clone(),
        })
    } else {
        let lines = released
            .addresses
            .iter()
            .map(|(interface, address)| format!("{address} was taken off {interface}\n"))
            .chain(released.instances.iter().map(|name| format!("{name}: said goodbye\n")));
        out.text(&lines.collect::<String>()).err().unwrap_or(Exit::Done)
    };
    problems.iter().for_each(|problem| complain(&format!("halb: {problem}")));
    if problems.is_empty() { printed } else { Exit::Failed }
}
