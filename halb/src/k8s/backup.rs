//! `halb k8s backup` and `halb k8s restore`: a folder with a snapshot of etcd and the cluster's keys,
//! the operator's alone, whole or not there.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use halb_k8s_bootstrap::backup::{
    RECORD, Record, SNAPSHOT, SNAPSHOT_BYTES_MAX, STATE, Snapshot, SnapshotCheck,
};
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::plan;
use halb_k8s_bootstrap::plan::restore::Source;
use tempfile::TempDir;

use super::change;
use super::run::{Agreement, Run, refuse, say};
use super::site::Site;
use super::state;
use crate::cli::{Exit, chain};

/// Bytes of a snapshot that are read at a time.
const CHUNK: usize = 1024 * 1024;

/// Takes a backup into a new folder below this one; without one, below the cluster's own.
pub(super) async fn backup(site: &Site, to: Option<&Path>) -> Exit {
    match try_backup(site, to).await {
        Ok(path) => {
            say(&format!(
                "The backup is in {}: etcd's snapshot, whole, and the cluster's keys. Whoever has \
                 it has the cluster: keep it elsewhere, and encrypted.",
                path.display()
            ));
            Exit::Done
        }
        Err(exit) => exit,
    }
}

async fn try_backup(site: &Site, to: Option<&Path>) -> Result<PathBuf, Exit> {
    let run = Run::begin(site)?;
    let facts = change::at_rest(site).await?;
    let plan = plan::backup::snapshot(&site.inventory, &facts, site.material());
    let plan = plan.map_err(|faults| site.refuse_faults(&faults))?;
    let (master, path) = plan::backup::place(&plan).expect("a snapshot is taken on a master");
    let (master, path) = (master.to_owned(), path.to_owned());
    let agreement = Agreement { yes: true, shown_by: None, again: "halb k8s backup" };
    run.carry_out(site, plan, agreement).await?;
    let host = site.hosts.iter().find(|host| host.name() == master);
    let host = host.expect("a plan's hosts are the inventory's");
    let own = site.backups();
    let folder = to.unwrap_or(&own);
    let kept = keep(site, &run, (host, &path), folder).await;
    // What isn't removed is replaced by the next one, and is root's alone.
    let _ = host.remove(&path, &mut |_| {}).await;
    kept.map_err(|error| refuse(&format!("no backup was kept: {error}")))
}

/// Fetches and keeps it: as a draft until all of it is there and was looked at.
async fn keep(
    site: &Site,
    run: &Run,
    (host, path): (&Host, &str),
    folder: &Path,
) -> Result<PathBuf, String> {
    let at = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    let ours = Permissions::from_mode(0o700);
    let draft = tempfile::Builder::new().prefix(".backup-").permissions(ours).tempdir_in(folder);
    let draft = draft.map_err(|error| at(folder, error))?;
    let file = draft.path().join(SNAPSHOT);
    let snapshot = fetch(host, path, &file).await?;
    let of = (&site.inventory, site.material());
    let record = Record::new(of, (run.begun_text(), host.name().to_owned()), &snapshot);
    let text = serde_json::to_string_pretty(&record).map_err(|error| error.to_string())?;
    let path = draft.path().join(RECORD);
    write(&path, text.as_bytes()).map_err(|error| at(&path, error))?;
    let path = draft.path().join(STATE);
    state::write_all(&path, site.material()).map_err(|error| at(&path, error))?;
    let name = format!("{}-{}", site.inventory.name, run.begun_text().replace(':', "-"));
    settle(draft, folder, &name).map_err(|error| at(folder, error))
}

/// Streams a snapshot into a file, and looks at it as it comes.
async fn fetch(host: &Host, path: &str, to: &Path) -> Result<Snapshot, String> {
    let at = |error: io::Error| format!("{}: {error}", to.display());
    let mut file = new_file(to).map_err(at)?;
    let (mut check, mut written, mut bytes) = (SnapshotCheck::default(), Ok(()), 0_u64);
    let mut tap = |piece: &[u8]| {
        check.update(piece);
        bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if written.is_ok() && bytes <= SNAPSHOT_BYTES_MAX {
            written = file.write_all(piece);
        }
    };
    host.fetch(path, &mut tap)
        .await
        .map_err(|error| format!("{}: {}", host.name(), chain(&error)))?;
    written.map_err(at)?;
    file.sync_all().map_err(at)?;
    if bytes > SNAPSHOT_BYTES_MAX {
        return Err(format!("{bytes} bytes are more than any database of etcd has"));
    }
    check.finish().map_err(|error| chain(&error))
}

/// Gives a draft its name, so that it lasts; nobody ever finds half of one under it.
fn settle(draft: TempDir, folder: &Path, name: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    File::open(draft.path())?.sync_all()?;
    fs::rename(draft.path(), &path)?;
    // It has gone to its place.
    let _ = draft.keep();
    File::open(folder)?.sync_all()?;
    Ok(path)
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = new_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Restores a backup on all masters.
pub(super) async fn restore(
    site: &Site,
    from: &Path,
    discard_running: bool,
    (yes, again): (bool, &str),
) -> Exit {
    match try_restore(site, from, discard_running, (yes, again)).await {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn try_restore(
    site: &Site,
    from: &Path,
    discard_running: bool,
    (yes, again): (bool, &str),
) -> Result<Exit, Exit> {
    let run = Run::begin(site)?;
    // Before any host is asked: what can't be restored must not cost anybody a minute.
    let (record, snapshot) = read(from).map_err(|error| refuse(&error))?;
    let faults = record.faults(&site.inventory, site.material(), &snapshot);
    if !faults.is_empty() {
        return Err(site.refuse_faults(&faults));
    }
    let facts = change::at_rest(site).await?;
    let file = from.join(SNAPSHOT);
    let stamp = record.taken.replace([':', '.'], "-");
    let stamp = format!("{stamp}-on-{}", run.begun_text().replace([':', '.'], "-"));
    let source = Source { file, snapshot, stamp, discard_running };
    let plan = plan::restore::restore(&site.inventory, &facts, site.material(), &source);
    let plan = plan.map_err(|faults| site.refuse_faults(&faults))?;
    run.carry_out(site, plan, Agreement { yes, shown_by: None, again }).await?;
    say(&format!(
        "The cluster is as it was at {}. What etcd held before is on each master in \
         /var/lib/etcd/before-{}: remove it when nobody needs it any more. Look: halb k8s verify \
         --wait 5m",
        record.taken, source.stamp
    ));
    Ok(Exit::Done)
}

/// Reads a backup and looks at its snapshot, all of it.
fn read(folder: &Path) -> Result<(Record, Snapshot), String> {
    let at = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let path = folder.join(RECORD);
    let text = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
    let record: Record = serde_json::from_str(&text).map_err(|error| at(&path, &error))?;
    let path = folder.join(SNAPSHOT);
    let mut file = File::open(&path).map_err(|error| at(&path, &error))?;
    let mut check = SnapshotCheck::default();
    let mut piece = vec![0; CHUNK];
    loop {
        match file.read(&mut piece).map_err(|error| at(&path, &error))? {
            0 => break,
            read => check.update(&piece[..read]),
        }
    }
    let snapshot = check.finish().map_err(|error| at(&path, &error))?;
    Ok((record, snapshot))
}

#[cfg(test)]
mod tests {
    use halb_k8s_bootstrap::backup::SnapshotError;
    use ring::digest::{SHA256, digest};

    use super::*;

    /// A backup's folder with so many bytes of database.
    fn folder(database: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = [database, digest(&SHA256, database).as_ref()].concat();
        fs::write(folder.path().join(SNAPSHOT), &bytes).expect("written");
        let record = Record {
            cluster: "seed".to_owned(),
            authority: "sha256:0".to_owned(),
            kubernetes: "1.36.4".to_owned(),
            taken: "2026-11-22T12:03:11Z".to_owned(),
            master: "kmaster01".to_owned(),
            snapshot_bytes: 0,
            snapshot_sha256: String::new(),
        };
        let text = serde_json::to_string(&record).expect("a record is JSON");
        fs::write(folder.path().join(RECORD), text).expect("written");
        folder
    }

    #[test]
    fn a_backup_is_read_whole_and_a_damaged_one_is_refused() {
        let folder = folder(&[7; 2048]);
        let (record, snapshot) = read(folder.path()).expect("it is whole");
        assert_eq!((record.master.as_str(), snapshot.bytes), ("kmaster01", 2080));
        let path = folder.path().join(SNAPSHOT);
        let mut bytes = fs::read(&path).expect("readable");
        bytes[100] = 8;
        fs::write(&path, &bytes).expect("written");
        let error = read(folder.path()).expect_err("it is damaged");
        assert!(error.ends_with(&SnapshotError::Altered.to_string()), "{error}");
        fs::write(folder.path().join(RECORD), "{\"cluster\": 1}").expect("written");
        assert!(read(folder.path()).expect_err("no record").contains(RECORD));
    }

    #[test]
    fn a_draft_is_nobody_elses_and_gets_its_name_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = Permissions::from_mode(0o700);
        let draft = tempfile::Builder::new().permissions(ours).tempdir_in(folder.path());
        let draft = draft.expect("a draft");
        write(&draft.path().join(RECORD), b"{}").expect("written");
        let path = settle(draft, folder.path(), "seed-now").expect("it settles");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(RECORD))), (0o700, 0o600));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
