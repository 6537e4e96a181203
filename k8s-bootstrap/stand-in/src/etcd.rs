//! etcd's snapshots: saved, looked at, and made members of again, as etcdctl and etcdutl do it.
//!
//! A snapshot is the store's text, filled up to whole pages, with its hash behind it, as etcd's own
//! has one. A member's folder says which cluster it belongs to; one of another cluster doesn't start.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use halb_lab::apiserver::{Api, Caller};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::machine::Machine;
use crate::store::{Member, State, Store};

/// What a member has of its cluster: which one it is, and all of its objects when it was restored.
const TOKEN: &str = "/var/lib/etcd/member/token";
const RESTORED: &str = "/var/lib/etcd/member/restored.json";

/// Bytes of a page, and of the hash behind all pages.
const PAGE: usize = 512;
const HASH: usize = 32;

/// Exit code, what is printed, what is complained of.
pub(crate) fn answer(done: Result<String, String>) -> (u8, String, String) {
    match done {
        Ok(text) => (0, text, String::new()),
        Err(error) => (1, String::new(), format!("Error: {error}\n")),
    }
}

/// `etcdctl snapshot save`.
pub(crate) fn save(machine: &Machine, path: &str) -> Result<String, String> {
    let state = Store::of(machine).with(|state| state.clone()).map_err(|it| it.to_string())?;
    let mut bytes = serde_json::to_vec(&state).map_err(|error| error.to_string())?;
    bytes.resize(bytes.len().next_multiple_of(PAGE), b' ');
    let hash = digest(&SHA256, &bytes);
    bytes.extend_from_slice(hash.as_ref());
    fs::write(machine.path(path), bytes).map_err(|error| format!("open {path}: {error}"))?;
    Ok(format!("Snapshot saved at {path}\n"))
}

/// The objects of a snapshot that is whole.
fn read(machine: &Machine, path: &str) -> Result<State, String> {
    let bytes =
        fs::read(machine.path(path)).map_err(|error| format!("snapshot file {path}: {error}"))?;
    if bytes.len() % PAGE != HASH {
        return Err("snapshot missing hash but --skip-hash-check=false".to_owned());
    }
    let (database, hash) = bytes.split_at(bytes.len() - HASH);
    if digest(&SHA256, database).as_ref() != hash {
        return Err("expected sha256 differs from the one that was computed".to_owned());
    }
    serde_json::from_slice(database).map_err(|error| error.to_string())
}

/// `etcdutl snapshot status`.
pub(crate) fn status(machine: &Machine, path: &str) -> Result<String, String> {
    let state = read(machine, path)?;
    Ok(format!("{}, {}\n", state.revision, state.objects.len()))
}

/// `etcdutl`, which needs no etcd that runs.
pub(crate) fn etcdutl(machine: &Machine, arguments: &[String]) -> ExitCode {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    machine.event("etcdutl", json!({ "arguments": words }));
    let done = match words.as_slice() {
        ["snapshot", "restore", "--help"] => Ok("      --bump-revision uint\n".to_owned()),
        ["snapshot", "restore", path, flags @ ..] => restore(machine, path, flags),
        ["snapshot", "status", path] => status(machine, path),
        other => Err(format!("unknown command {other:?} for \"etcdutl\"")),
    };
    let (code, said, complaint) = answer(done);
    print!("{said}");
    eprint!("{complaint}");
    ExitCode::from(code)
}

/// `etcdutl snapshot restore`: one member's folder.
fn restore(machine: &Machine, path: &str, flags: &[&str]) -> Result<String, String> {
    let mut given = BTreeMap::new();
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
        given.insert(name, value);
    }
    let mut take = |name: &str| given.remove(name).ok_or_else(|| format!("no {name}"));
    let (folder, name) = (take("--data-dir")?, take("--name")?);
    let (cluster, token) = (take("--initial-cluster")?, take("--initial-cluster-token")?);
    let own = take("--initial-advertise-peer-urls")?;
    let bump = take("--bump-revision").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let compacted = take("--mark-compacted").is_ok();
    if let Some((unknown, _)) = given.first_key_value() {
        return Err(format!("unknown flag: {unknown}"));
    }
    if (bump > 0) != compacted {
        return Err("--mark-compacted required if --revision-bump specified".to_owned());
    }
    let peers: Vec<(&str, &str)> = cluster.split(',').filter_map(|it| it.split_once('=')).collect();
    if !peers.contains(&(name, own)) {
        return Err(format!(
            "--initial-cluster has no {name}={own} but it is in --initial-advertise-peer-urls"
        ));
    }
    if machine.is_filled(folder) {
        return Err(format!("data-dir {folder:?} not empty or could not be read"));
    }
    let mut state = read(machine, path)?;
    state.revision += bump;
    token.clone_into(&mut state.token);
    let member = |(number, (name, peer)): (u64, &(&str, &str))| Member {
        id: format!("{:016x}", 0x4e9e_05c5_2164_0000_u64 + state.revision + number),
        name: (*name).to_owned(),
        peer: (*peer).to_owned(),
        learner: false,
    };
    state.members = (0..).zip(&peers).map(member).collect();
    let text = serde_json::to_string(&state).map_err(|error| error.to_string())?;
    let at = |file: &str| {
        let file = Path::new(file).file_name().unwrap_or_default();
        format!("{folder}/member/{}", file.display())
    };
    machine.write(&at(RESTORED), &text, 0o600)?;
    machine.write(&at(TOKEN), token, 0o600)?;
    Ok(format!("restored snapshot {path} to {folder}\n"))
}

/// A member of the cluster as it is now.
pub(crate) fn join(machine: &Machine) -> Result<(), String> {
    let token = Store::of(machine).with(|state| state.token.clone());
    machine.write(TOKEN, &token.map_err(|error| error.to_string())?, 0o600)
}

/// A member starts: one that was restored brings what it has, and one of another cluster than the
/// others doesn't come up.
pub(crate) fn start(machine: &Machine, name: &str) -> Result<(), String> {
    let token = machine.read(TOKEN)?;
    let restored: Option<State> = machine
        .has(RESTORED)
        .then(|| {
            let text = machine.read(RESTORED)?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        })
        .transpose()?;
    let adopt = |state: &mut State| {
        if state.token == token {
            return Ok(());
        }
        // Members of before are stopped when those of after begin; what is newer wins.
        match restored {
            Some(restored) if restored.revision > state.revision || state.revision == 0 => {
                *state = restored;
                Ok(())
            }
            Some(_) | None => Err(format!("{name}: request cluster ID mismatch")),
        }
    };
    let adopted = Store::of(machine).with(adopt).map_err(|error| error.to_string())?;
    machine.remove(RESTORED);
    adopted
}

/// What a member says of itself to clients whom its authority knows.
pub(crate) fn api() -> Api {
    Api::new(async |request: Request<Incoming>, caller: Caller| {
        let (status, text) = match (caller.certificate, request.uri().path()) {
            (None, _) => (StatusCode::FORBIDDEN, ""),
            (Some(_), "/health") => (StatusCode::OK, r#"{"health":"true","reason":""}"#),
            (Some(_), _) => (StatusCode::NOT_FOUND, "404 page not found\n"),
        };
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(folder: &str, name: &str) -> Vec<String> {
        [
            format!("--data-dir={folder}"),
            format!("--name={name}"),
            "--initial-cluster=a=https://a:2380,b=https://b:2380".to_owned(),
            "--initial-cluster-token=halb-1".to_owned(),
            format!("--initial-advertise-peer-urls=https://{name}:2380"),
            "--bump-revision=1000".to_owned(),
            "--mark-compacted".to_owned(),
        ]
        .into()
    }

    #[test]
    fn a_restored_member_brings_what_the_snapshot_has_and_one_of_before_stays_down() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path());
        let store = Store::of(&machine);
        store.with(|state| drop(state.put("/a", json!({ "metadata": {} })))).unwrap();
        join(&machine).unwrap();
        start(&machine, "a").unwrap();
        save(&machine, "/var/lib/etcd/s.db").unwrap();
        store.with(|state| drop(state.put("/b", json!({ "metadata": {} })))).unwrap();
        let flags = flags("/var/lib/etcd/new", "a");
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        restore(&machine, "/var/lib/etcd/s.db", &flags).unwrap();
        assert!(restore(&machine, "/var/lib/etcd/s.db", &flags).is_err(), "the folder is there");
        machine.remove("/var/lib/etcd/member");
        let [new, member] = ["/var/lib/etcd/new/member", "/var/lib/etcd/member"];
        fs::rename(machine.path(new), machine.path(member)).unwrap();
        start(&machine, "a").unwrap();
        start(&machine, "a").unwrap();
        let paths = store.with(|state| state.objects.keys().cloned().collect::<Vec<_>>()).unwrap();
        assert_eq!(paths, ["/a"]);
        machine.write(TOKEN, "", 0o600).unwrap();
        let why = start(&machine, "b").unwrap_err();
        assert!(why.contains("cluster ID mismatch"), "{why}");
    }

    #[test]
    fn a_damaged_snapshot_is_neither_good_nor_restored() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path());
        fs::create_dir_all(machine.path("/var/lib/etcd")).unwrap();
        save(&machine, "/var/lib/etcd/s.db").unwrap();
        let path = machine.path("/var/lib/etcd/s.db");
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(status(&machine, "/var/lib/etcd/s.db").is_err());
    }
}
