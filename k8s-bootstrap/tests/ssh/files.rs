//! Files are there as a whole or not at all.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::plan::step::{Content, File};
use halb_k8s_bootstrap::secret::Secret;

use crate::operator::{Operator, eventually};
use crate::server::Server;

fn file(path: &str, content: &str) -> File {
    File {
        path: path.to_owned(),
        mode: 0o640,
        owner: "root:root".to_owned(),
        content: Content::Secret(Secret::new(content)),
        before: None,
    }
}

/// Names in a folder of the host.
fn names(server: &Server, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(server.path(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn put(host: &Host, file: &File) -> Result<(), String> {
    let output = host.put(file, &mut |_| {}).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.exit.success() { Ok(()) } else { Err(said) }
}

#[tokio::test]
async fn a_file_gets_its_content_mode_and_owner_and_folders_above_it() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    let content = "it's\n\0 $HOME `x`\n\nno end";
    put(&host, &file("/srv/etc/a b/it's.conf", content)).await.unwrap();
    let path = server.path("/srv/etc/a b/it's.conf");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(names(&server, "/srv/etc/a b"), ["it's.conf"]);
    let folder = fs::metadata(server.path("/srv/etc/a b")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o755);
    put(&host, &file("/srv/etc/a b/it's.conf", "")).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    assert_eq!(host.read("/srv/etc/a b/it's.conf").await.unwrap(), "");
    host.remove("/srv/etc/a b/it's.conf", &mut |_| {}).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    // Each command has a disk of 64 KiB, and tells what is on it at its end.
    server.greet_with(
        "mkdir -p /srv/full; mount -t tmpfs -o size=64k none /srv/full; echo old >/srv/full/file; \
         trap 'cat /srv/full/file >/srv/after; ls -A /srv/full >>/srv/after' EXIT; ",
    );
    let error = put(&host, &file("/srv/full/file", &"x".repeat(1_000_000))).await.unwrap_err();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(server.read("/srv/after"), "old\nfile\n");
}

#[tokio::test]
async fn a_file_that_arrives_in_part_changes_nothing() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    put(&host, &file("/srv/file", "old")).await.unwrap();
    let inode = fs::metadata(server.path("/srv/file")).unwrap().ino();
    server.cut_in_input(1024 * 1024);
    let big = "x".repeat(8 * 1024 * 1024);
    let lost = host.put(&file("/srv/file", &big), &mut |_| {}).await.unwrap_err();
    assert!(lost.may_pass(), "{lost}");
    assert_eq!(server.read("/srv/file"), "old");
    assert_eq!(fs::metadata(server.path("/srv/file")).unwrap().ino(), inode);
    put(&host, &file("/srv/file", &big)).await.unwrap();
    assert_eq!(server.read("/srv/file").len(), big.len());
    eventually("what arrived in part is gone", || names(&server, "/srv") == ["file"]).await;
}
