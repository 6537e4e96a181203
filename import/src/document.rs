//! The `halb.toml` that comes out: sections, tables and keys in order, comments at their places,
//! rendered as a person would have written it.
//!
//! What is aligned in the examples is aligned here: equals signs within a table, comments at the
//! ends of neighbouring lines. What is too long for a line is broken: comments into lines of their
//! own, inline tables into tables, arrays into lines.

mod render;

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Paragraphs of comment at the head.
    pub head: Vec<String>,
    /// In the order of the file.
    pub tables: Vec<Table>,
}

impl Document {
    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        render::document(self)
    }
}

/// `[frontend.kubernetes]` and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Parts of its name, unquoted: `frontend`, `kubernetes`.
    pub path: Vec<String>,
    /// Paragraphs of comment above the header.
    pub lead: Vec<String>,
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// Paragraphs of comment below the entries: what could not be kept, and the like.
    pub remarks: Vec<String>,
}

impl Table {
    /// An empty table.
    pub fn new<P: Into<String>>(path: impl IntoIterator<Item = P>) -> Self {
        let path = path.into_iter().map(Into::into).collect();
        Self { path, lead: Vec::new(), entries: Vec::new(), remarks: Vec::new() }
    }

    /// Adds a key.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.entries.push(Entry { key: key.into(), value: value.into(), comment: None });
    }

    /// Adds a key with a comment.
    pub fn set_because(
        &mut self,
        key: impl Into<String>,
        value: impl Into<Value>,
        comment: impl Into<String>,
    ) {
        let comment = Some(comment.into());
        self.entries.push(Entry { key: key.into(), value: value.into(), comment });
    }

    /// Adds a paragraph of comment below the entries, unless it is there already.
    pub fn remark(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    /// Nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lead.is_empty() && self.entries.is_empty() && self.remarks.is_empty()
    }
}

/// `key = value  # comment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unquoted.
    pub key: String,
    /// What stands on its right.
    pub value: Value,
    /// Behind the value, or above the line where there is no room.
    pub comment: Option<String>,
}

/// A value of TOML, as far as halb's file has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// `[…]`.
    Array(Vec<Self>),
    /// `{ … }`, in order.
    Inline(Vec<(String, Self)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests;
