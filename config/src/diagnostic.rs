//! What is wrong (or unwise) about a configuration file, for people.

use std::ops::Range;

/// Bytes of the file that a diagnostic points at.
pub type Span = Range<usize>;

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; this part of it probably doesn't do what its author wants.
    Lint,
}

impl Severity {
    /// The word that people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Lint => "lint",
        }
    }
}

/// One problem: what it is, what comes of it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Refused, or only unwise.
    pub severity: Severity,
    /// Where; none for what concerns the file as a whole (it can't be read).
    pub span: Option<Span>,
    /// What is wrong, in one sentence without a period.
    pub what: String,
    /// What happens because of it.
    pub consequence: Option<String>,
    /// What to write instead, or what to do.
    pub remedy: Option<String>,
    /// Another place that explains this one.
    pub related: Option<Related>,
}

/// A second place in the file, and what it has to do with the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What is there.
    pub what: String,
}

impl Diagnostic {
    /// A reason to refuse the file.
    #[must_use]
    pub fn error(span: Span, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, Some(span), what)
    }

    /// A reason to refuse the file that has no place in it.
    #[must_use]
    pub fn error_of_file(what: impl Into<String>) -> Self {
        Self::new(Severity::Error, None, what)
    }

    /// Something to think about.
    #[must_use]
    pub fn lint(span: Span, what: impl Into<String>) -> Self {
        Self::new(Severity::Lint, Some(span), what)
    }

    fn new(severity: Severity, span: Option<Span>, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { severity, span, what, consequence: None, remedy: None, related: None }
    }

    /// Says what happens because of it.
    #[must_use]
    pub fn consequence(mut self, consequence: impl Into<String>) -> Self {
        self.consequence = Some(consequence.into());
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Points at a second place.
    #[must_use]
    pub fn related(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related = Some(Related { span, what: what.into() });
        self
    }
}
