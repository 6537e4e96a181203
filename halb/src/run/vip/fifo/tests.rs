use std::io::Read as _;

use super::*;
use crate::status::vrrp::State;

fn change(instance: &str, to: State, priority: u8) -> Change {
    Change {
        group: None,
        instance: instance.into(),
        from: State::Backup,
        to,
        reason: "silence",
        why: String::new(),
        priority,
        sum: String::new(),
        addresses: String::new(),
        interface: "eth1".into(),
    }
}

/// A change of the group as a whole, made by a member.
fn whole(change: &Change) -> Change {
    Change { group: Some("G1".into()), ..change.clone() }
}

fn reader(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).unwrap()
}

fn read(file: &mut File) -> String {
    let mut bytes = vec![0; 1 << 17];
    let length = file.read(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn changes_are_told_as_keepalived_tells_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let mut fifo = Fifo::default();
    fifo.configure(Some(&path));
    let mut reader = reader(&path);
    for (state, priority) in [(State::Backup, 254), (State::Active, 254), (State::Fault, 252)] {
        fifo.tell(&change("VI_1", state, priority));
        let last = change("VI_2", state, 254);
        fifo.tell(&last);
        fifo.tell(&whole(&last));
        fifo.tell(&change("VI_3", state, 250));
    }
    fifo.tell(&change("VI_1", State::Initialize, 252));
    // What keepalived 2.2.7 wrote, but for the first GROUP, which it tells before its members.
    assert_eq!(
        read(&mut reader),
        "INSTANCE \"VI_1\" BACKUP 254\nINSTANCE \"VI_2\" BACKUP 254\nGROUP \"G1\" BACKUP 0\n\
         INSTANCE \"VI_3\" BACKUP 250\n\
         INSTANCE \"VI_1\" MASTER 254\nINSTANCE \"VI_2\" MASTER 254\nGROUP \"G1\" MASTER 0\n\
         INSTANCE \"VI_3\" MASTER 250\n\
         INSTANCE \"VI_1\" FAULT 252\nINSTANCE \"VI_2\" FAULT 254\nGROUP \"G1\" FAULT 0\n\
         INSTANCE \"VI_3\" FAULT 250\n\
         INSTANCE \"VI_1\" STOP 252\n"
    );
    drop(fifo);
    assert!(!path.exists());
}

#[test]
fn a_fifo_that_nobody_reads_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let mut fifo = Fifo::default();
    fifo.configure(Some(&path));
    for _ in 0..5000 {
        fifo.tell(&change("VI_1", State::Active, 100));
    }
    let NotifyFifo { lost, error, .. } = fifo.told().unwrap().clone();
    assert!(lost > 0 && error.unwrap().starts_with("nobody reads it"));
    let text = read(&mut reader(&path));
    assert_eq!(text.lines().count() as u64 + lost, 5000);
    assert!(text.lines().all(|line| line == "INSTANCE \"VI_1\" MASTER 100"));
    fifo.tell(&change("VI_1", State::Backup, 100));
    let told = fifo.told().unwrap();
    assert_eq!((told.lost, &told.error), (lost, &None), "what was lost stays counted");
}

#[test]
fn what_is_there_and_no_fifo_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    std::fs::write(&path, "precious").unwrap();
    let mut fifo = Fifo::default();
    fifo.configure(Some(&path));
    fifo.tell(&change("VI_1", State::Active, 100));
    let told = fifo.told().unwrap();
    assert_eq!((told.lost, told.error.as_deref()), (1, Some("it can't be opened: it is no FIFO")));
    drop(fifo);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_fifo_that_somebody_else_made_stays_after_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let mut fifo = Fifo::default();
    fifo.configure(Some(&path));
    fifo.configure(None);
    assert!(path.exists());
}
