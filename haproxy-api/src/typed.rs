//! The two formats that say of each value what it is: `typed` for line editors, `json` for the
//! rest. Tags are one letter each for origin, nature and scope (doc/management.txt, section 9.2).

use std::fmt::Write as _;

use serde::Serialize;

use crate::columns::Shape;
use crate::rows::{Kind, Value};

/// A value with all that is known of it.
pub(crate) struct Field<'a> {
    /// What it is about; none: the process.
    pub(crate) of: Option<(Kind, u64, u64)>,
    pub(crate) position: usize,
    pub(crate) name: &'a str,
    pub(crate) tags: &'a str,
    pub(crate) shape: Shape,
    pub(crate) value: &'a Value,
    /// What it says; written only where it was asked for.
    pub(crate) help: Option<&'a str>,
}

impl Field<'_> {
    /// Appends `POSITION.NAME.1:TAGS:SHAPE:VALUE` and the end of the line.
    pub(crate) fn line(&self, out: &mut String) {
        if let Some((kind, proxy, server)) = self.of {
            let letter = match kind {
                Kind::Frontend => 'F',
                Kind::Backend => 'B',
                Kind::Server => 'S',
            };
            // Writing to a String can't fail, here and below.
            let _ = write!(out, "{letter}.{proxy}.{server}.");
        }
        let _ =
            write!(out, "{}.{}.1:{}:{}:", self.position, self.name, self.tags, self.shape.word());
        match self.value {
            Value::Text(text) => out.push_str(text),
            Value::Count(number) => drop(write!(out, "{number}")),
            Value::Never => out.push_str("-1"),
        }
        if let Some(help) = self.help {
            let _ = write!(out, ":\"{help}\"");
        }
        out.push('\n');
    }

    /// The same as JSON has it.
    pub(crate) fn json(&self) -> JsonField<'_> {
        let mut letters = self.tags.chars();
        let kind = self.of.map(|(kind, ..)| match kind {
            Kind::Frontend => "Frontend",
            Kind::Backend => "Backend",
            Kind::Server => "Server",
        });
        let mut tag = |known: &[(char, &'static str)]| {
            let letter = letters.next();
            known.iter().find(|(key, _)| Some(*key) == letter).map_or("Unknown", |(_, word)| *word)
        };
        JsonField {
            object: kind,
            proxy: self.of.map(|(_, proxy, _)| proxy),
            id: self.of.map(|(.., server)| server),
            field: Place { pos: self.position, name: self.name },
            process: 1,
            tags: Tags { origin: tag(ORIGINS), nature: tag(NATURES), scope: tag(SCOPES) },
            value: TypedValue { shape: self.shape.word(), value: json_value(self.value) },
        }
    }
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Count(number) => (*number).into(),
        Value::Never => (-1).into(),
    }
}

const ORIGINS: &[(char, &str)] =
    &[('M', "Metric"), ('S', "Status"), ('K', "Key"), ('C', "Config"), ('P', "Product")];

const NATURES: &[(char, &str)] = &[
    ('A', "Age"),
    ('a', "Avg"),
    ('C', "Counter"),
    ('D', "Duration"),
    ('G', "Gauge"),
    ('L', "Limit"),
    ('M', "Max"),
    ('m', "Min"),
    ('N', "Name"),
    ('O', "Output"),
    ('R', "Rate"),
    ('T', "Time"),
];

const SCOPES: &[(char, &str)] =
    &[('C', "Cluster"), ('P', "Process"), ('S', "Service"), ('Y', "System")];

/// HAProxy's shape of a value.
#[derive(Serialize)]
pub(crate) struct JsonField<'a> {
    #[serde(rename = "objType", skip_serializing_if = "Option::is_none")]
    object: Option<&'static str>,
    #[serde(rename = "proxyId", skip_serializing_if = "Option::is_none")]
    proxy: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    field: Place<'a>,
    #[serde(rename = "processNum")]
    process: u64,
    tags: Tags,
    value: TypedValue,
}

#[derive(Serialize)]
struct Place<'a> {
    pos: usize,
    name: &'a str,
}

#[derive(Serialize)]
struct Tags {
    origin: &'static str,
    nature: &'static str,
    scope: &'static str,
}

#[derive(Serialize)]
struct TypedValue {
    #[serde(rename = "type")]
    shape: &'static str,
    value: serde_json::Value,
}

/// The line of JSON, and its end.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    // Text and numbers always have a form in JSON.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}
