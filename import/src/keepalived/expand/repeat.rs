//! Lines that are taken again and again: `~SEQ(NAME, FIRST, STEP, LAST)` and `~LST(NAME, VALUE, …)`.

use super::super::text::Text;
use super::replace::Definitions;
use super::{DEPTH_MAX, LINES_MAX};

/// What is repeated, and the values that names have in each turn.
pub(super) struct Repeat {
    pub(super) names: Vec<String>,
    turns: Turns,
    pub(super) rest: Text,
}

enum Turns {
    Numbers { first: i64, step: i64, last: i64, hex: bool },
    Lists(Vec<Vec<String>>),
}

impl Repeat {
    /// The values of each turn, in the order of the names.
    pub(super) fn values(&self) -> Vec<Vec<String>> {
        match &self.turns {
            Turns::Lists(lists) => lists.clone(),
            Turns::Numbers { first, step, last, hex } => {
                let mut values = Vec::new();
                let mut next = Some(*first);
                while let Some(number) = next {
                    let beyond = if *step > 0 { number > *last } else { number < *last };
                    if beyond || values.len() >= LINES_MAX {
                        break;
                    }
                    let value = if *hex { format!("{number:x}") } else { number.to_string() };
                    values.push(vec![value]);
                    next = number.checked_add(*step);
                }
                values
            }
        }
    }
}

/// Reads what stands at the beginning of a line. None: it is no such thing.
pub(super) fn read(text: &Text, definitions: &Definitions, node: &str) -> Option<Repeat> {
    let open = text.find(|c| c == '(', 0)?;
    let close = text.find(|c| c == ')', open)?;
    let keyword = text.part(0, open).trimmed().to_string();
    let inner = replaced(text.part(open + 1, close), definitions, node);
    let rest = text.from(close + 1).trimmed();
    match keyword.as_str() {
        "~SEQ" => sequence(&inner, false, rest),
        "~SEQx" => sequence(&inner, true, rest),
        "~LST" => list(&inner, rest),
        _ => None,
    }
}

fn replaced(mut text: Text, definitions: &Definitions, node: &str) -> String {
    for _ in 0..DEPTH_MAX {
        match definitions.replace(&text, node).as_deref() {
            Some([line]) => text = line.clone(),
            Some(_) | None => break,
        }
    }
    text.to_string()
}

fn sequence(inner: &str, hex: bool, rest: Text) -> Option<Repeat> {
    let (name, numbers) = inner.split_once(',')?;
    let numbers: Vec<i64> = numbers.split(',').map(number).collect::<Option<_>>()?;
    let (first, step, last) = match *numbers.as_slice() {
        [last] => {
            let down = last < 1;
            (if last < 0 { -1 } else { 1 }, if down { -1 } else { 1 }, last)
        }
        [first, last] => (first, if first <= last { 1 } else { -1 }, last),
        [first, step, last] => (first, step, last),
        _ => return None,
    };
    let wrong_way = (first < last && step < 0) || (first > last && step > 0);
    if step == 0 || wrong_way || (hex && (first < 0 || last < 0)) {
        return None;
    }
    let turns = Turns::Numbers { first, step, last, hex };
    Some(Repeat { names: vec![name.trim().to_owned()], turns, rest })
}

fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn list(inner: &str, rest: Text) -> Option<Repeat> {
    let mut parts = split(inner).into_iter();
    let names = parts.next()?;
    let lists: Vec<Vec<String>> = parts.collect();
    let fits = lists.iter().all(|values| values.len() == names.len());
    (fits && !lists.is_empty()).then_some(Repeat { names, turns: Turns::Lists(lists), rest })
}

/// Parts between commas; those in braces hold several.
fn split(inner: &str) -> Vec<Vec<String>> {
    let (mut parts, mut part, mut braced) = (Vec::new(), String::new(), false);
    let words = |part: &str| part.split(',').map(|word| word.trim().to_owned()).collect();
    for c in inner.chars() {
        match c {
            '{' => braced = true,
            '}' => braced = false,
            ',' if !braced => parts.push(words(&std::mem::take(&mut part))),
            _ => part.push(c),
        }
    }
    parts.push(words(&part));
    parts
}
