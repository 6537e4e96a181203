//! The text of a configuration file, and where in it something stands.

use std::ops::Range;

/// A file's name and text, with an index of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

/// Line and column, both from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Source {
    /// Indexes the lines of `text`; `name` is what diagnostics call the file.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { name: name.into(), text, line_starts }
    }

    /// What diagnostics call the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a byte offset stands. An offset beyond the end stands at the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.boundary_at_or_before(offset);
        let index = self.line_index(offset);
        let column = self.text[self.line_starts[index]..offset].chars().count();
        Position { line: index + 1, column: column + 1 }
    }

    /// Byte range of the line that holds `offset`, without its line ending.
    #[must_use]
    pub fn line_range(&self, offset: usize) -> Range<usize> {
        let index = self.line_index(self.boundary_at_or_before(offset));
        let start = self.line_starts[index];
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[start..end];
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// The same span, made to lie within the text and on character borders.
    #[must_use]
    pub fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.boundary_at_or_before(span.start);
        start..self.boundary_at_or_before(span.end).max(start)
    }

    fn boundary_at_or_before(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }

    fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("f", "a = 1\nü = 2\r\nlast");
        for (offset, line, column) in
            [(0, 1, 1), (4, 1, 5), (5, 1, 6), (6, 2, 1), (8, 2, 2), (14, 3, 1), (18, 3, 5)]
        {
            assert_eq!(source.position(offset), Position { line, column }, "offset {offset}");
        }
        assert_eq!(source.position(9_999), Position { line: 3, column: 5 });
        assert_eq!(source.position(7), Position { line: 2, column: 1 }, "inside of ü");
    }

    #[test]
    fn a_line_comes_without_its_ending() {
        let source = Source::new("f", "a = 1\nü = 2\r\nlast");
        let line = |offset| &source.text()[source.line_range(offset)];
        assert_eq!([line(0), line(5), line(8), line(15)], ["a = 1", "a = 1", "ü = 2", "last"]);
    }

    #[test]
    fn an_empty_file_has_one_empty_line() {
        let source = Source::new("f", "");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.line_range(3), 0..0);
        assert_eq!(source.clamp(&(4..9)), 0..0);
    }
}
