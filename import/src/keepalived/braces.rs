//! What to tell of braces that don't match: where one belongs, how keepalived reads the file, and
//! how it was meant.

use super::account::Account;
use super::known::Context;
use super::tree::{Missing, Tree};
use crate::finding::Class;

/// Tells all of them.
pub(super) fn tell(tree: &Tree, account: &mut Account) {
    for missing in &tree.missing {
        let Some(header) = missing.header.first() else { continue };
        let name =
            missing.header.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let after = missing.after.line;
        let what = format!(
            "'{name}' (line {}) is never closed: a '}}' belongs below line {after}",
            header.place.line
        );
        let place = missing.before.as_ref().and_then(|words| words.first());
        let place = place.map_or(&missing.after, |word| &word.place);
        let help = format!(
            "put a '}}' below line {after}; this import reads the file as if it were there"
        );
        account.hint(place, format!("{what}. {}", as_keepalived_reads(missing, &name)), help);
    }
    for stray in &tree.strays {
        let because = match stray.text.as_str() {
            "}" => "it closes nothing; keepalived ignores it, too",
            _ => "no block begins here; keepalived ignores the brace",
        };
        account.settle(&stray.place, stray.text.clone(), Class::left_out(because));
    }
}

fn as_keepalived_reads(missing: &Missing, name: &str) -> String {
    let Some(before) = &missing.before else {
        return "keepalived only says that one is missing, and reads the file as it was meant"
            .to_owned();
    };
    let said = "keepalived only says that one is missing";
    let swallowed: Vec<_> =
        missing.swallowed.iter().map(|word| format!("'{}'", word.text)).collect();
    let swallowed = match swallowed.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => swallowed.join(""),
    };
    let first = before.first().map(|word| word.text.as_str()).unwrap_or_default();
    match missing.context {
        context if context.is_list() => format!(
            "{said}, takes {swallowed} for {} and skips them, so that '{first}' has no effect",
            context.holds()
        ),
        Context::Instance => format!(
            "{said}, doesn't know '{first}' within an instance, and takes what follows for settings \
             of '{name}', which replace those above"
        ),
        Context::Top
        | Context::Global
        | Context::Script
        | Context::TrackFile
        | Context::TrackProcess
        | Context::SyncGroup
        | Context::Authentication
        | Context::Foreign
        | Context::Addresses
        | Context::Routes
        | Context::Peers
        | Context::Names
        | Context::Values => format!(
            "{said}, and skips what follows up to the next '}}', since '{name}' has no such words: \
             '{first}' has no effect"
        ),
    }
}
