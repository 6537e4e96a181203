//! What changes in a file, for people.

use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 2;

/// Lines with `+`, `-` or a space before them; `…` stands for lines that stay. A file that wasn't
/// there has all of its lines with `+`.
pub(super) fn lines(before: Option<&str>, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        let skips = group.first().is_some_and(|op| op.old_range().start > 0);
        if index > 0 || skips {
            lines.push("…".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches('\n')));
        }
    }
    lines
}
