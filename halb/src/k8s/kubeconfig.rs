//! The operator's kubeconfig: a cluster is added under a name of its own, and nothing else changes.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use halb_k8s_bootstrap::driver::execute::Kubeconfig;
use halb_k8s_bootstrap::verify::Certificate;
use serde_json::{Map, Value, json};

/// Why a cluster wasn't added.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file isn't YAML, or no kubeconfig.
    #[error("{0} is no kubeconfig")]
    Format(String),
    /// The file can't be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The file: the first one that `KUBECONFIG` names, or `~/.kube/config`.
#[must_use]
pub fn path() -> PathBuf {
    let named = env::var_os("KUBECONFIG").and_then(|paths| env::split_paths(&paths).next());
    let named = named.filter(|path| !path.as_os_str().is_empty());
    named.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".kube/config"))
}

/// Whether the file has a cluster under this name, with this authority (PEM).
#[must_use]
pub fn has(path: &Path, context: &str, authority: &str) -> bool {
    let Some(config) = fs::read_to_string(path).ok().and_then(|text| parse(&text)) else {
        return false;
    };
    let data = STANDARD.encode(authority);
    let clusters = config["clusters"].as_array().into_iter().flatten();
    let known = clusters
        .filter(|entry| entry["name"] == context)
        .any(|entry| entry["cluster"]["certificate-authority-data"] == data.as_str());
    let contexts = config["contexts"].as_array().into_iter().flatten();
    known && contexts.into_iter().any(|entry| entry["name"] == context)
}

/// The certificate that the file's user of a cluster shows, if there is one.
#[must_use]
pub fn certificate(path: &Path, context: &str) -> Option<Certificate> {
    let config = parse(&fs::read_to_string(path).ok()?)?;
    let users = config["users"].as_array()?;
    let user = users.iter().find(|entry| entry["name"] == user_of(context).as_str())?;
    let data = STANDARD.decode(user["user"]["client-certificate-data"].as_str()?).ok()?;
    let pem = String::from_utf8(data).ok()?;
    let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN CERTIFICATE"));
    Some(Certificate(lines.skip(1).take_while(|line| !line.starts_with("-----END")).collect()))
}

/// What the administrator of a cluster is called here.
fn user_of(context: &str) -> String {
    format!("{context}-admin")
}

/// Adds a cluster to a file, or puts it in place of the one of that name.
///
/// # Errors
/// [`Error`]; the file is as it was.
pub fn add(path: &Path, new: Kubeconfig<'_>) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let old = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(source)),
    };
    let merged = merge(old.as_deref(), new, &path.display().to_string())?;
    write(path, &merged).map_err(failed)
}

/// Takes a cluster out of a file, with its context and its user; a file without it stays as it is.
///
/// # Errors
/// [`Error`]; the file is as it was.
pub fn remove(path: &Path, context: &str) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    let format = || Error::Format(path.display().to_string());
    let mut config = parse(&text).ok_or_else(format)?;
    let before = config.clone();
    let user = user_of(context);
    for (list, name) in [("clusters", context), ("contexts", context), ("users", &user)] {
        if let Some(entries) = config[list].as_array_mut() {
            entries.retain(|entry| entry["name"] != name);
        }
    }
    if config["current-context"] == context {
        config["current-context"] = json!("");
    }
    if config == before {
        return Ok(());
    }
    let text = serde_saphyr::to_string(&config).map_err(|_| format())?;
    write(path, &text).map_err(failed)
}

/// Whoever reads the file finds the old one or the new one, whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut draft = tempfile::Builder::new().prefix(".kubeconfig-").tempfile_in(folder)?;
    draft.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

fn parse(text: &str) -> Option<Value> {
    let value: Value = serde_saphyr::from_str(text).ok()?;
    value.is_object().then_some(value)
}

fn merge(old: Option<&str>, new: Kubeconfig<'_>, name: &str) -> Result<String, Error> {
    let format = |what: &str| Error::Format(what.to_owned());
    let fetched = parse(new.text).ok_or_else(|| format("what the host has"))?;
    let first = |list: &str, part: &str| {
        fetched[list].get(0).and_then(|entry| entry.get(part)).cloned().filter(Value::is_object)
    };
    let (Some(mut cluster), Some(user)) = (first("clusters", "cluster"), first("users", "user"))
    else {
        return Err(format("what the host has"));
    };
    cluster["server"] = json!(new.server);
    let mut config = match old.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => parse(text).ok_or_else(|| format(name))?,
        None => json!({ "apiVersion": "v1", "kind": "Config", "preferences": {} }),
    };
    let mut contexts = config["contexts"].as_array().into_iter().flatten();
    let known = contexts.any(|entry| entry["name"] == new.context);
    let admin = user_of(new.context);
    let context = json!({ "cluster": new.context, "user": admin });
    for (list, entry) in [
        ("clusters", json!({ "name": new.context, "cluster": cluster })),
        ("contexts", json!({ "name": new.context, "context": context })),
        ("users", json!({ "name": admin, "user": user })),
    ] {
        put(&mut config, list, entry).ok_or_else(|| format(name))?;
    }
    if !known {
        config["current-context"] = json!(new.context);
    }
    let text = serde_saphyr::to_string(&config);
    text.map_err(|_| format(name))
}

/// Puts an entry into a list of named ones, in place of the one of its name; nothing if there is
/// something else than a list.
fn put(config: &mut Value, list: &str, entry: Value) -> Option<()> {
    let config: &mut Map<String, Value> = config.as_object_mut()?;
    let list = config.entry(list).or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    let list = list.as_array_mut()?;
    match list.iter_mut().find(|known| known["name"] == entry["name"]) {
        Some(known) => *known = entry,
        None => list.push(entry),
    }
    Some(())
}

#[cfg(test)]
mod tests;
