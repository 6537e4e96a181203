//! What becomes of each directive of a source, and what could be better.

use super::source::{Place, SourceFile};

/// What becomes of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// halb is told the same.
    Translated {
        /// The key or table of the result: `backend.masters.check.fall`.
        to: String,
    },
    /// halb does it without being told.
    DefaultAnyway,
    /// There is nothing here that it could be about.
    WithoutMeaning {
        /// Ends the sentence "without meaning: …".
        because: String,
    },
    /// halb can't do it.
    NotSupported {
        /// Ends the sentence "not supported: …".
        because: String,
        /// What to write or do instead.
        instead: Option<String>,
        /// Whether clients, servers or the other node will notice.
        changes_behaviour: bool,
    },
}

impl Class {
    /// Translated to a key or table.
    pub fn to(key: impl Into<String>) -> Self {
        Self::Translated { to: key.into() }
    }

    /// Without meaning here.
    pub fn meaningless(because: impl Into<String>) -> Self {
        Self::WithoutMeaning { because: because.into() }
    }

    /// Not kept, and somebody will notice.
    pub fn lost(because: impl Into<String>) -> Self {
        Self::NotSupported { because: because.into(), instead: None, changes_behaviour: true }
    }

    /// Not kept, and nobody but the operator will notice.
    pub fn left_out(because: impl Into<String>) -> Self {
        Self::NotSupported { because: because.into(), instead: None, changes_behaviour: false }
    }

    /// The same, with what to write or do instead.
    #[must_use]
    pub fn instead(self, what: impl Into<String>) -> Self {
        match self {
            Self::NotSupported { because, changes_behaviour, .. } => {
                Self::NotSupported { because, instead: Some(what.into()), changes_behaviour }
            }
            Self::Translated { .. } | Self::DefaultAnyway | Self::WithoutMeaning { .. } => self,
        }
    }

    /// Whether the result behaves otherwise than the source because of this.
    #[must_use]
    pub fn changes_behaviour(&self) -> bool {
        matches!(self, Self::NotSupported { changes_behaviour: true, .. })
    }
}

/// A directive and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub place: Place,
    /// Its words as they are written, one blank between them.
    pub words: String,
    /// What becomes of it.
    pub class: Class,
}

impl Finding {
    /// The comment that stands for it in the result; none where nobody will notice.
    #[must_use]
    pub fn remark(&self, sources: &[SourceFile]) -> Option<String> {
        let Class::NotSupported { because, instead, changes_behaviour: true } = &self.class else {
            return None;
        };
        let name = sources.get(self.place.file).map_or("?", |source| source.name.as_str());
        let name = name.rsplit('/').next().unwrap_or(name);
        let instead = instead.as_ref().map(|what| format!("; instead: {what}")).unwrap_or_default();
        let (line, words) = (self.place.line, &self.words);
        Some(format!("Not kept, {name} line {line}: {words}: {because}{instead}"))
    }
}

/// What is kept as it was, and could be better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What it is about.
    pub place: Place,
    /// What is so, and what comes of it.
    pub text: String,
    /// What to write instead.
    pub help: String,
}

/// A place at which a source can't be read as its language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}
