//! Blocks, also of files whose braces don't match.
//!
//! keepalived counts braces and says how many are missing; it doesn't say where, and goes on
//! reading as if nothing were wrong. Here a block also ends where a word follows that can't stand
//! in it but in a block around it: then a brace is missing, and that is its place.

use super::known::{Context, OUTERMOST};
use super::words::{Item, Word};
use crate::source::Place;

/// How deep blocks stand in blocks; keepalived knows four levels.
const DEPTH_MAX: usize = 16;

/// Most words that are named of what a misread block swallows.
const SWALLOWED_MAX: usize = 8;

/// A line of words, and the block behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    /// At least one.
    pub(super) words: Vec<Word>,
    /// The kind of block that it stands in.
    pub(super) context: Context,
    pub(super) block: Option<Vec<Self>>,
}

/// A `}` that isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The words of the block that is never closed.
    pub(super) header: Vec<Word>,
    /// What it is.
    pub(super) context: Context,
    /// The last word or brace before the place where the brace belongs.
    pub(super) after: Place,
    /// The words before which it belongs, unless it belongs at the end.
    pub(super) before: Option<Vec<Word>>,
    /// What keepalived takes for part of the block, up to the next `}`.
    pub(super) swallowed: Vec<Word>,
}

/// What a file consists of.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directives: Vec<Directive>,
    pub(super) missing: Vec<Missing>,
    /// Braces that belong to nothing.
    pub(super) strays: Vec<Word>,
}

impl Directive {
    /// What it begins with.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map(|word| word.text.as_str()).unwrap_or_default()
    }

    /// A word behind the first.
    pub(super) fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index + 1).map(|word| word.text.as_str())
    }

    /// What it is about.
    pub(super) fn value(&self) -> &str {
        self.word(0).unwrap_or_default()
    }

    /// All of its words.
    pub(super) fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }

    /// From its first word to its last.
    pub(super) fn place(&self) -> Place {
        let nowhere = || Place { file: 0, line: 1, columns: 0..0 };
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.place.to(&last.place),
            _ => nowhere(),
        }
    }

    /// Where the last of what stands in its block ends, or it itself.
    pub(super) fn end(&self) -> Place {
        self.inside().last().map_or_else(|| self.place(), Self::end)
    }

    /// What stands in its block.
    pub(super) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directives of its block that begin with a word.
    pub(super) fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a Self> {
        self.inside().iter().filter(move |directive| directive.keyword() == keyword)
    }

    /// The one that counts where a word is written several times: the last.
    pub(super) fn last(&self, keyword: &str) -> Option<&Self> {
        self.inside().iter().rev().find(|directive| directive.keyword() == keyword)
    }
}

/// Puts words and braces together.
pub(super) fn grow(items: &[Item]) -> Tree {
    let mut grower = Grower { tree: Tree::default(), open: Vec::new(), last: None, ignored: 0 };
    for (index, item) in items.iter().enumerate() {
        grower.take(item, &items[index + 1..]);
    }
    grower.end()
}

/// A block that is open.
struct Open {
    directive: Directive,
    context: Context,
}

struct Grower {
    tree: Tree,
    open: Vec<Open>,
    /// Where the last item stands.
    last: Option<Place>,
    /// Braces that are open beyond [`DEPTH_MAX`].
    ignored: usize,
}

impl Grower {
    fn take(&mut self, item: &Item, rest: &[Item]) {
        match item {
            Item::Words(words) => {
                let opens = matches!(rest.first(), Some(Item::Open(_)));
                self.close_before(words, opens, rest);
                let directive =
                    Directive { words: words.clone(), context: self.context(), block: None };
                self.last = Some(directive.place());
                self.siblings().push(directive);
            }
            Item::Open(place) => {
                self.last = Some(place.clone());
                self.begin(place);
            }
            Item::Close(place) => {
                self.last = Some(place.clone());
                if self.ignored > 0 {
                    self.ignored -= 1;
                } else if !self.close() {
                    self.tree.strays.push(Word { text: "}".to_owned(), place: place.clone() });
                }
            }
        }
    }

    fn context(&self) -> Context {
        self.open.last().map_or(Context::Top, |open| open.context)
    }

    fn siblings(&mut self) -> &mut Vec<Directive> {
        match self.open.last_mut() {
            Some(open) => open.directive.block.get_or_insert_default(),
            None => &mut self.tree.directives,
        }
    }

    fn begin(&mut self, place: &Place) {
        if self.open.len() >= DEPTH_MAX {
            self.ignored += 1;
            return;
        }
        let context = self.context();
        let Some(mut directive) = self.siblings().pop_if(|last| last.block.is_none()) else {
            // keepalived ignores the brace, and takes what follows for part of the block around it.
            self.tree.strays.push(Word { text: "{".to_owned(), place: place.clone() });
            self.ignored += 1;
            return;
        };
        directive.block = Some(Vec::new());
        let context = context.inner(directive.keyword());
        self.open.push(Open { directive, context });
    }

    fn close(&mut self) -> bool {
        let Some(open) = self.open.pop() else { return false };
        self.siblings().push(open.directive);
        true
    }

    /// Ends blocks in which these words can't stand, although those around them know them.
    fn close_before(&mut self, words: &[Word], opens: bool, rest: &[Item]) {
        let Some(home) = self.home_of(words, opens) else { return };
        while self.open.len() > home {
            let Some(open) = self.open.last() else { return };
            let missing = Missing {
                header: open.directive.words.clone(),
                context: open.context,
                after: self.last.clone().unwrap_or_else(|| open.directive.place()),
                before: Some(words.to_vec()),
                swallowed: swallowed(words, rest),
            };
            self.tree.missing.push(missing);
            self.close();
        }
        self.ignored = 0;
    }

    /// How many blocks are around these words, if it's fewer than are open.
    fn home_of(&self, words: &[Word], opens: bool) -> Option<usize> {
        let word = words.first()?.text.as_str();
        if !self.open.is_empty() && opens && OUTERMOST.contains(&word) && words.len() <= 5 {
            return Some(0);
        }
        let context = self.context();
        let depth = self.open.len();
        let is_setting = (context == Context::Authentication && !context.knows(word))
            || (context.is_list() && (opens || is_setting(context, words)));
        let around = self.open.iter().rev().skip(1).map(|open| open.context);
        let around = around.chain([Context::Top]);
        let known = around.enumerate().find(|(_, around)| around.knows(word));
        known.filter(|_| is_setting).map(|(skipped, _)| depth - 1 - skipped)
    }

    fn end(mut self) -> Tree {
        while let Some(open) = self.open.last() {
            let missing = Missing {
                header: open.directive.words.clone(),
                context: open.context,
                after: self.last.clone().unwrap_or_else(|| open.directive.place()),
                before: None,
                swallowed: Vec::new(),
            };
            self.tree.missing.push(missing);
            self.close();
        }
        self.tree
    }
}

/// Whether words in a list are rather a setting: what is tracked or grouped may have any name.
fn is_setting(context: Context, words: &[Word]) -> bool {
    let second = words.get(1).map(|word| word.text.as_str());
    let of_tracker = |word| ["weight", "reverse", "noreverse"].contains(&word);
    context != Context::Names || second.is_some_and(|word| !of_tracker(word))
}

/// What stands from these words up to the next `}`, a line's first word and braces each.
fn swallowed(words: &[Word], rest: &[Item]) -> Vec<Word> {
    let mut found: Vec<Word> = words.first().cloned().into_iter().collect();
    for item in rest {
        match item {
            Item::Words(words) => found.extend(words.first().cloned()),
            Item::Open(place) => found.push(Word { text: "{".to_owned(), place: place.clone() }),
            Item::Close(_) => break,
        }
        if found.len() >= SWALLOWED_MAX {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests;
