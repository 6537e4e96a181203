//! Collects diagnostics while a file is read.

use std::cell::RefCell;

use crate::diagnostic::{Diagnostic, Severity, Span};

/// Takes every diagnostic of one file.
///
/// Where the syntax is broken the parser goes on with what it could make out. What follows from
/// that break is not reported: nothing on a broken line, and nothing that says "missing", since
/// what is missing may stand in the part that couldn't be read.
#[derive(Debug)]
pub(super) struct Sink {
    found: RefCell<Vec<Diagnostic>>,
    broken_lines: Vec<Span>,
}

impl Sink {
    /// Starts with the syntax errors, and the lines (byte ranges) that they stand on.
    pub(super) fn new(syntax_errors: Vec<Diagnostic>, broken_lines: Vec<Span>) -> Self {
        Self { found: RefCell::new(syntax_errors), broken_lines }
    }

    /// Takes a diagnostic about something that is there.
    pub(super) fn report(&self, diagnostic: Diagnostic) {
        let at = diagnostic.span.as_ref().map(|span| span.start);
        let broken = |at| self.broken_lines.iter().any(|line| line.start <= at && at <= line.end);
        if !at.is_some_and(broken) {
            self.found.borrow_mut().push(diagnostic);
        }
    }

    /// Takes a diagnostic about something that isn't there, or that depends on it.
    pub(super) fn report_absence(&self, diagnostic: Diagnostic) {
        if self.broken_lines.is_empty() {
            self.report(diagnostic);
        }
    }

    /// Whether the file must be refused.
    pub(super) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|d| d.severity == Severity::Error)
    }

    /// Everything that was reported, in the order of the file.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|d| d.span.as_ref().map(|span| (span.start, span.end)));
        found
    }
}
