//! Reads nft's JSON (libnftables-json(5)).

use serde_json::Value;

use super::test::{Field, Test};
use super::{Action, Base, Chain, Rule, Ruleset};

pub(super) fn read(json: &str) -> Result<Ruleset, serde_json::Error> {
    let document: Value = serde_json::from_str(json)?;
    let mut ruleset = Ruleset::default();
    let objects = document.get("nftables").and_then(Value::as_array);
    for object in objects.into_iter().flatten() {
        if let Some(chain) = object.get("chain") {
            ruleset.chains.push(self::chain(chain));
        } else if let Some(rule) = object.get("rule") {
            let (family, table, name) = names(rule, "chain");
            let chain = ruleset
                .chains
                .iter_mut()
                .find(|chain| chain.family == family && chain.table == table && chain.name == name);
            if let Some(chain) = chain {
                chain.rules.extend(rules(rule));
            }
        }
    }
    Ok(ruleset)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn names<'a>(value: &'a Value, own: &str) -> (&'a str, &'a str, &'a str) {
    (text(value, "family"), text(value, "table"), text(value, own))
}

fn chain(value: &Value) -> Chain {
    let (family, table, name) = names(value, "name");
    let base = value.get("hook").and_then(Value::as_str).map(|hook| Base {
        hook: hook.to_owned(),
        priority: value.get("prio").and_then(Value::as_i64).unwrap_or(0),
        accepts: text(value, "policy") != "drop",
    });
    Chain {
        family: family.to_owned(),
        table: table.to_owned(),
        name: name.to_owned(),
        base,
        rules: Vec::new(),
    }
}

/// A rule is one, or as many as its verdict map has entries.
fn rules(value: &Value) -> Vec<Rule> {
    let mut tests = Vec::new();
    let statements = value.get("expr").and_then(Value::as_array);
    for statement in statements.into_iter().flatten() {
        if let Some(condition) = statement.get("match") {
            tests.push(test(condition));
        } else if let Some(map) = statement.get("vmap") {
            return entries(map, &tests);
        } else if let Some(action) = action(statement) {
            return vec![Rule { tests, action }];
        } else if !is_harmless(statement) {
            tests.push(Test::unknown());
        }
    }
    vec![Rule { tests, action: Action::Nothing }]
}

fn test(condition: &Value) -> Test {
    let operator = text(condition, "op");
    let field = condition.get("left").and_then(field);
    Test {
        field: field.filter(|_| matches!(operator, "==" | "!=" | "in")),
        negated: operator == "!=",
        values: condition.get("right").cloned().unwrap_or_default(),
    }
}

fn field(left: &Value) -> Option<Field> {
    if let Some(meta) = left.get("meta") {
        return match text(meta, "key") {
            "iif" | "iifname" => Some(Field::InInterface),
            "oif" | "oifname" => Some(Field::OutInterface),
            "l4proto" => Some(Field::Protocol),
            "nfproto" => Some(Field::Family),
            _ => None,
        };
    }
    if let Some(payload) = left.get("payload") {
        return match (text(payload, "protocol"), text(payload, "field")) {
            ("ip", "protocol") | ("ip6", "nexthdr") => Some(Field::Protocol),
            ("ip" | "ip6", "daddr") => Some(Field::Destination),
            ("tcp" | "th", "dport") => Some(Field::Port),
            _ => None,
        };
    }
    left.get("ct").and_then(|ct| match text(ct, "key") {
        "state" => Some(Field::State),
        "status" => Some(Field::Status),
        _ => None,
    })
}

fn entries(map: &Value, tests: &[Test]) -> Vec<Rule> {
    let field = map.get("key").and_then(field);
    let data = map.get("data").and_then(|data| data.get("set")).and_then(Value::as_array);
    let pairs = data.into_iter().flatten().filter_map(|pair| {
        let [key, verdict] = pair.as_array()?.as_slice() else { return None };
        let own = Test { field, negated: false, values: key.clone() };
        let tests = tests.iter().cloned().chain([own]).collect();
        Some(Rule { tests, action: action(verdict)? })
    });
    pairs.collect()
}

fn action(statement: &Value) -> Option<Action> {
    let object = statement.as_object()?;
    let target = |key: &str| Some(text(object.get(key)?, "target").to_owned());
    match object.keys().next().map(String::as_str) {
        Some("accept") => Some(Action::Accept),
        Some("drop" | "reject") => Some(Action::Drop),
        Some("return") => Some(Action::Return),
        Some("jump") => Some(Action::Jump(target("jump")?)),
        Some("goto") => Some(Action::Goto(target("goto")?)),
        Some(_) | None => None,
    }
}

/// Statements that decide nothing about who matches.
fn is_harmless(statement: &Value) -> bool {
    let keys = ["counter", "log", "comment", "mangle", "notrack", "set", "ct helper"];
    statement
        .as_object()
        .is_some_and(|object| object.keys().all(|key| keys.contains(&key.as_str())))
}
