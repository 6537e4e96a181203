//! What is wrong (or unwise) about an inventory, for people.

use std::ops::Range;

/// Bytes of the file that a problem points at.
pub type Span = Range<usize>;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; this part of it probably doesn't do what its author wants.
    Lint,
}

/// One problem: what it is, what comes of it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Refused, or only unwise.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// What is wrong, in one sentence without a period.
    pub what: String,
    /// What happens because of it.
    pub consequence: Option<String>,
    /// What to write instead.
    pub remedy: Option<String>,
    /// Another place that explains this one, and what is there.
    pub related: Option<(Span, String)>,
}

impl Problem {
    /// A reason to refuse the file.
    #[must_use]
    pub fn error(span: Span, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, span, what.into())
    }

    /// Something to think about.
    #[must_use]
    pub fn lint(span: Span, what: impl Into<String>) -> Self {
        Self::new(Severity::Lint, span, what.into())
    }

    fn new(severity: Severity, span: Span, what: String) -> Self {
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
        self.related = Some((span, what.into()));
        self
    }
}
