//! Objects of an add-on, from types to YAML.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::addon::Name;
use crate::kubeadm::yaml;
use crate::pki::sha256;
use crate::plan::step::Content;
use crate::secret::Secret;

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    /// Its name on kubectl's command line: plural and group.
    pub(super) resource: &'static str,
}

/// Names and labels of an object.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'static str>,
    pub(super) labels: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a, B> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a Metadata,
    #[serde(flatten)]
    body: &'a B,
}

/// A body that is a specification and nothing else.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Spec<S> {
    pub(super) spec: S,
}

/// Which add-on an object belongs to.
pub(super) const LABEL_ADDON: &str = "halb/addon";

/// The hash of the set that it was applied with.
pub(super) const LABEL_SET: &str = "halb/set";

/// Digits of that hash: enough to tell one set of an add-on from the next.
const HASH_DIGITS: usize = 16;

/// An object without what only the whole set says.
struct Draft {
    kind: Kind,
    metadata: Metadata,
    text: Box<dyn Fn(&Metadata) -> String>,
}

/// Objects of an add-on that are applied together.
pub(super) struct Set {
    name: Name,
    drafts: Vec<Draft>,
    /// Words of it that nobody may see.
    hidden: Vec<String>,
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Set {
    /// One without objects.
    pub(super) fn of(name: Name) -> Self {
        Self { name, drafts: Vec::new(), hidden: Vec::new() }
    }

    /// Adds an object; one of the whole cluster has no namespace. Gives what may be added to.
    pub(super) fn add<B: Serialize + 'static>(
        &mut self,
        kind: Kind,
        (namespace, name): (Option<&'static str>, impl Into<String>),
        body: B,
    ) -> &mut Metadata {
        let labels = BTreeMap::from([
            ("app.kubernetes.io/managed-by", super::FIELD_MANAGER.to_owned()),
            (LABEL_ADDON, self.name.to_string()),
        ]);
        let (name, annotations) = (name.into(), BTreeMap::new());
        let metadata = Metadata { name, namespace, labels, annotations };
        let Kind { api_version, kind: kind_name, .. } = kind;
        let text = Box::new(move |metadata: &Metadata| {
            yaml(&Object { api_version, kind: kind_name, metadata, body: &body })
        });
        self.drafts.push(Draft { kind, metadata, text });
        &mut self.drafts.last_mut().expect("it was put there just now").metadata
    }

    /// Which add-on it is of.
    pub(super) fn name(&self) -> Name {
        self.name
    }

    /// Kinds of its objects, each once.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self.drafts.iter().map(|draft| draft.kind.resource).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// What tells this set from another one of the same add-on.
    pub(super) fn hash(&self) -> String {
        let texts = self.drafts.iter().map(|draft| (draft.text)(&draft.metadata));
        let mut hash = sha256(texts.collect::<String>().as_bytes());
        hash.truncate(HASH_DIGITS);
        hash
    }

    /// Notes words that nobody may see.
    pub(super) fn hide(&mut self, words: impl IntoIterator<Item = String>) {
        self.hidden.extend(words);
    }

    /// All objects, for the API: what nobody may see doesn't show.
    pub(super) fn content(&self) -> Content {
        if self.hidden.is_empty() {
            return Content::Public(self.text());
        }
        let words: Vec<&str> = self.hidden.iter().map(String::as_str).collect();
        Content::Secret(Secret::with_words(self.text(), &words))
    }

    /// All objects as YAML documents.
    pub(super) fn text(&self) -> String {
        let hash = self.hash();
        let texts = self.drafts.iter().map(|draft| {
            let mut metadata = draft.metadata.clone();
            metadata.labels.insert(LABEL_SET, hash.clone());
            (draft.text)(&metadata)
        });
        texts.collect::<Vec<_>>().join("---\n")
    }
}
