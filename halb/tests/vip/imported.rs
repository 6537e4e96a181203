//! What `halb import` makes of the guide's own file, beside the keepalived that runs it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use halb_import::document::Document;
use halb_import::keepalived::{Options, import};
use halb_import::source::{Nothing, ReadError, SourceFile, Surroundings};
use halb_import::{FrontendKnown, FrontendsKnown};
use halb_lab::eventually;
use halb_lab::subject::keepalived;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::import::{SCRIPT, SEED, mended};
use crate::support::router::FRONTEND;
use crate::support::segment::Segment;

/// A host with the guide's script on it.
struct Guide;

impl Surroundings for Guide {
    fn variable(&self, name: &str) -> Option<String> {
        Nothing.variable(name)
    }

    fn file(&self, path: &Path) -> Result<SourceFile, ReadError> {
        match path.to_str() {
            Some("/etc/keepalived/check_apiserver.sh") => Ok(SourceFile::new("script", SCRIPT)),
            Some(_) | None => Nothing.file(path),
        }
    }

    fn files(&self, pattern: &str) -> Vec<PathBuf> {
        Nothing.files(pattern)
    }

    fn address(&self, host: &str) -> Option<IpAddr> {
        Nothing.address(host)
    }
}

/// halb's file out of keepalived's, with a frontend whose only server is up or down.
fn imported(text: &str, is_well: bool, state: &TempDir) -> String {
    let bind = format!("0.0.0.0:{FRONTEND}").parse().unwrap();
    let known = FrontendKnown { name: "kubernetes".to_owned(), binds: vec![bind] };
    let frontends = FrontendsKnown { frontends: vec![known] };
    let source = [SourceFile::new("keepalived.conf", text)];
    let imported = import(&source, &frontends, &Options::default(), &Guide);
    assert_eq!(imported.losses().count(), 0, "{:?}", imported.findings);
    let vrrp = Document { head: Vec::new(), tables: imported.tables }.render();
    // Nobody listens at port 1.
    let check = match is_well {
        true => "check = false",
        false => "check = { type = \"tcp\", interval = \"50ms\", fall = 1 }",
    };
    format!(
        "{vrrp}\n[frontend.kubernetes]\nbind = [\"*:{FRONTEND}\"]\nbackend = \"masters\"\n\
         [backend.masters]\nserver = {{ kmaster1 = \"127.0.0.1:1\" }}\n{check}\n\
         [global]\nstate_dir = \"{}\"\n",
        state.path().display()
    )
}

/// The bytes of an advert of this priority, from the IP header on, without what each packet has of
/// its own: its number, and the header's checksum.
pub(crate) fn advert_of(segment: &Segment, priority: u8) -> Vec<u8> {
    let found = |bytes: &[u8]| bytes.len() >= 54 && bytes[23] == 112 && bytes[34 + 2] == priority;
    let mut packet = Vec::new();
    eventually("an advert", PATIENCE * 2, || {
        let frames = segment.seen.since(0);
        let frame = frames.iter().rev().find(|frame| found(&frame.bytes));
        packet = frame.map(|frame| frame.bytes[14..].to_vec()).unwrap_or_default();
        if packet.is_empty() { Err(frames.len()) } else { Ok(()) }
    });
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    packet.truncate(length);
    for own in [4, 5, 10, 11] {
        packet[own] = 0;
    }
    packet
}

/// The advert of this priority that each program sends from the same host, halb's first.
fn adverts(priority: u8, is_well: bool, script: &str) -> [Vec<u8>; 2] {
    // Five seconds are long for a test; the number itself is read as any other.
    let faster = |text: &str| text.replace("advert_int 5 ", "advert_int 1 ");
    let from = |start: &dyn Fn(&Segment) -> Box<dyn FnOnce()>| {
        let segment = Segment::new();
        let stop = start(&segment);
        segment.wait_for_holder(0);
        let advert = advert_of(&segment, priority);
        stop();
        eventually("the address is free", PATIENCE, || segment.holders() == [false; 2]);
        advert
    };
    let halb = from(&|segment| {
        let state = TempDir::new().unwrap();
        let file = imported(&faster(SEED), is_well, &state);
        let daemon = Daemon::start(&segment.balancers[0], &file);
        Box::new(move || {
            daemon.stop(PATIENCE).unwrap();
            drop(state);
        })
    });
    let keepalived = from(&|segment| {
        let file = faster(&mended(SEED)).replace("/etc/keepalived/check_apiserver.sh", script);
        let file = file.replace("interval 3 ", "interval 1 ").replace("fall 5 ", "fall 1 ");
        let keepalived = keepalived(&segment.balancers[0], &file).unwrap();
        Box::new(move || {
            keepalived.stop(PATIENCE).unwrap();
        })
    });
    [halb, keepalived]
}

#[test]
#[ignore = "needs root and keepalived"]
fn adverts_of_the_imported_file_are_those_of_keepalived_byte_for_byte() {
    std::thread::scope(|scope| {
        for (priority, is_well, script) in
            [(100, true, "/usr/bin/true"), (98, false, "/usr/bin/false")]
        {
            scope.spawn(move || {
                let [halb, keepalived] = adverts(priority, is_well, script);
                assert_eq!(halb, keepalived, "priority {priority}");
            });
        }
    });
}
