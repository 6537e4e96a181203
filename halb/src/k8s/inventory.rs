//! An inventory as a file, and its problems as people read them.

use std::fs;
use std::path::Path;

use halb_k8s_bootstrap::inventory::problem::{Problem, Severity};
use halb_k8s_bootstrap::inventory::{self, Inventory};

use halb_config::diagnostic::{self, Diagnostic, Related};
use halb_config::render::{self, Style};
use halb_config::source::Source;

/// Where an inventory is looked for if nothing else is said.
pub const FILE: &str = "cluster.yaml";

/// A file that is good.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub inventory: Inventory,
    /// What is allowed, and probably not wanted, as text; empty if there is nothing.
    pub lints: String,
}

/// Reads an inventory.
///
/// # Errors
/// Everything that is wrong with it, as text with places, or why it can't be read.
pub fn load(path: &Path, style: Style) -> Result<Loaded, String> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        format!("{name}: can't be read: {error}\n(halb k8s init-inventory > {FILE} begins one)\n")
    })?;
    let read = inventory::parse(&text);
    let source = Source::new(name, text);
    match read {
        Ok(read) => {
            Ok(Loaded { inventory: read.inventory, lints: texts(&read.lints, &source, style) })
        }
        Err(problems) => Err(texts(&problems, &source, style)),
    }
}

fn texts(problems: &[Problem], source: &Source, style: Style) -> String {
    let texts = problems.iter().map(|problem| render::text(&diagnostic(problem), source, style));
    texts.collect::<Vec<_>>().join("\n")
}

/// A problem in the words of all of halb's files.
fn diagnostic(problem: &Problem) -> Diagnostic {
    let Problem { severity, span, what, consequence, remedy, related } = problem.clone();
    let severity = match severity {
        Severity::Error => diagnostic::Severity::Error,
        Severity::Lint => diagnostic::Severity::Lint,
    };
    let related = related.map(|(span, what)| Related { span, what });
    Diagnostic { severity, span: Some(span), what, consequence, remedy, related }
}
