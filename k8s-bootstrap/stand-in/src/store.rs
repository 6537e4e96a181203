//! What etcd would hold: objects and members, as one file that all masters share.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::machine::Machine;

/// The folder that is the same on all masters.
pub const FOLDER: &str = "/var/lib/stand-in/store";

/// Everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Counts changes.
    pub revision: u64,
    /// Objects by their path in the API.
    pub objects: BTreeMap<String, Value>,
    /// Members of etcd.
    pub members: Vec<Member>,
    /// Which cluster of etcd these members are: a restore begins another one.
    #[serde(default)]
    pub token: String,
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number, in hexadecimal digits.
    pub id: String,
    /// Its name; empty until it has started.
    pub name: String,
    /// Where other members find it.
    pub peer: String,
    /// Whether it has no vote yet.
    pub learner: bool,
}

impl State {
    /// Puts an object at its path and counts.
    pub fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.revision += 1;
        let before = self.objects.get(path);
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = self.revision.to_string().into();
        let kept = |field: &str, fresh: Value| match before {
            Some(before) if !before["metadata"][field].is_null() => {
                before["metadata"][field].clone()
            }
            Some(_) | None => fresh,
        };
        metadata["uid"] = kept("uid", format!("stand-in-{}", self.revision).into());
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        metadata["creationTimestamp"] = kept("creationTimestamp", now.into());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    /// Adds a member without a vote.
    ///
    /// # Errors
    /// Another one hasn't got its vote yet: etcd takes one at a time.
    pub fn add_learner(&mut self, peer: &str) -> Result<Member, String> {
        if let Some(member) = self.members.iter().find(|member| member.peer == peer) {
            return Ok(member.clone());
        }
        if self.members.iter().any(|member| member.learner) {
            return Err("etcdserver: too many learner members in cluster".to_owned());
        }
        self.revision += 1;
        let id = format!("{:016x}", 0x8e9e_05c5_2164_0000_u64 + self.revision);
        let member = Member { id, name: String::new(), peer: peer.to_owned(), learner: true };
        self.members.push(member.clone());
        Ok(member)
    }

    /// Gives a member that has started its vote.
    ///
    /// # Errors
    /// It isn't there, or hasn't started.
    pub fn promote(&mut self, id: &str, name: &str) -> Result<(), String> {
        let member = self.members.iter_mut().find(|member| member.id == id);
        let member = member.ok_or("etcdserver: member not found")?;
        if name.is_empty() {
            let why = "etcdserver: can only promote a learner member which is in sync with leader";
            return Err(why.to_owned());
        }
        (member.name, member.learner) = (name.to_owned(), false);
        self.revision += 1;
        Ok(())
    }

    /// Removes a member.
    ///
    /// # Errors
    /// It isn't there.
    pub fn remove_member(&mut self, id: &str) -> Result<(), String> {
        let before = self.members.len();
        self.members.retain(|member| member.id != id);
        self.revision += 1;
        if self.members.len() < before {
            Ok(())
        } else {
            Err("etcdserver: member not found".into())
        }
    }

    /// What `etcdctl member list` prints.
    #[must_use]
    pub fn member_list(&self) -> String {
        let line = |member: &Member| {
            let state = if member.name.is_empty() { "unstarted" } else { "started" };
            let client = match member.name.is_empty() {
                true => String::new(),
                false => member.peer.replace(":2380", ":2379"),
            };
            let Member { id, name, peer, learner } = member;
            format!("{id}, {state}, {name}, {peer}, {client}, {learner}\n")
        };
        self.members.iter().map(line).collect()
    }

    /// The members as JSON.
    #[must_use]
    pub fn members_json(&self) -> Value {
        json!(self.members)
    }
}

/// The file, locked for each look.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store of a machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        Self { folder: machine.path(FOLDER) }
    }

    /// Looks, and perhaps changes: what `with` leaves is kept if its revision went on.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn with<T>(&self, with: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.folder.join("lock"))?;
        lock.lock()?;
        let path = self.folder.join("state.json");
        let mut state: State = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        let before = state.revision;
        let value = with(&mut state);
        if state.revision != before {
            let draft = self.folder.join("state.new");
            fs::write(&draft, serde_json::to_vec(&state)?)?;
            fs::rename(draft, path)?;
        }
        Ok(value)
    }

    /// Forgets everything: a first member begins anew.
    ///
    /// # Errors
    /// As [`Self::with`].
    pub fn wipe(&self) -> io::Result<()> {
        self.with(|state| {
            *state = State { revision: state.revision + 1, ..State::default() };
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_learner_is_refused_until_the_first_has_its_vote_or_is_gone() {
        let mut state = State::default();
        let first = state.add_learner("https://172.16.16.102:2380").unwrap();
        assert_eq!(state.add_learner("https://172.16.16.102:2380").unwrap(), first);
        let refused = state.add_learner("https://172.16.16.103:2380").unwrap_err();
        assert_eq!(refused, "etcdserver: too many learner members in cluster");
        assert!(state.promote(&first.id, "").is_err(), "one that never started has no vote");
        state.promote(&first.id, "kmaster02").unwrap();
        let second = state.add_learner("https://172.16.16.103:2380").unwrap();
        state.remove_member(&second.id).unwrap();
        assert!(state.remove_member(&second.id).is_err());
        let line = state.member_list();
        assert!(line.ends_with(
            ", started, kmaster02, https://172.16.16.102:2380, https://172.16.16.102:2379, false\n"
        ));
    }

    #[test]
    fn what_is_put_is_there_for_the_next_and_gone_after_a_wipe() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::of(&Machine::below(folder.path()));
        store.with(|state| drop(state.put("/a", json!({ "metadata": {} })))).unwrap();
        let uid = |state: &mut State| state.objects["/a"]["metadata"]["uid"].clone();
        let first = store.with(uid).unwrap();
        store.with(|state| drop(state.put("/a", json!({ "metadata": {} })))).unwrap();
        assert_eq!(store.with(uid).unwrap(), first, "an object that changes stays itself");
        store.wipe().unwrap();
        assert_eq!(store.with(|state| state.objects.len()).unwrap(), 0);
    }
}
