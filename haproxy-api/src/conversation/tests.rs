use super::*;
use crate::samples::picture;

fn said(line: &str) -> String {
    let mut conversation = Conversation::new(Level::Admin);
    let mut out = String::new();
    for words in conversation.hear(line) {
        match conversation.answer(&words, &picture()) {
            Answer::Text(text) => out.push_str(&text),
            Answer::Order(order) => out.push_str(&format!("{order:?}\n")),
            Answer::Leave => break,
        }
        out.push_str(conversation.end());
    }
    out
}

fn order(line: &str) -> Order {
    let mut conversation = Conversation::new(Level::Admin);
    match conversation.answer(&conversation.clone().hear(line)[0], &picture()) {
        Answer::Order(order) => order,
        other @ (Answer::Text(_) | Answer::Leave) => panic!("{line}: {other:?}"),
    }
}

/// Noted down from HAProxy 2.6.12 of Debian 12.
#[test]
fn answers_are_haproxy_s_to_the_letter() {
    for (line, answer) in [
        ("set server", "Require 'backend/server'.\n\n"),
        ("set server masters kmaster1", "Require 'backend/server'.\n\n"),
        ("set server masters/nope state drain", "No such server.\n\n"),
        ("set server nope/nope state drain", "No such backend.\n\n"),
        ("set server /x state ready", "Require 'backend/server'.\n\n"),
        (
            "set server masters/kmaster1 state bla",
            "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n\n",
        ),
        ("set server masters/kmaster1 weight", "Require <weight> or <weight%>.\n\n"),
        ("set weight masters/kmaster1 5x", "Trailing garbage in weight string\n"),
        ("get weight masters/kmaster1", "3 (initial 3)\n\n"),
        ("get weight masters/x", "No such server.\n\n"),
        ("show stat nope 4 -1", "No such proxy.\n\n"),
        ("show servers state nope", "Can't find backend.\n\n"),
        ("shutdown session", "Session pointer expected (use 'show sess').\n\n"),
        ("set timeout cli", "Expects an integer value.\n\n"),
        ("set timeout cli x", "Invalid timeout value.\n\n"),
        ("set timeout foo 3", "'set timeout' only supports 'cli'.\n\n"),
        ("show version", "2.6.12-halb0.1.0\n\n"),
        ("prompt", "\n> "),
        ("quit", ""),
        ("show version;get weight masters/kmaster1", "2.6.12-halb0.1.0\n\n3 (initial 3)\n\n"),
    ] {
        assert_eq!(said(line), answer, "{line}");
    }
}

#[test]
fn changes_come_out_as_orders_about_names() {
    let (backend, server) = ("masters".to_owned(), "kmaster1".to_owned());
    for (line, admin) in [
        ("set server masters/kmaster1 state ready", Admin::Ready),
        ("set server masters/kmaster1 state drain", Admin::Drain),
        ("set server #3/#1 state maint", Admin::Maint),
        ("disable server masters/kmaster1", Admin::Maint),
        ("enable server masters/kmaster1", Admin::Ready),
    ] {
        let (backend, server) = (backend.clone(), server.clone());
        assert_eq!(order(line), Order::Admin { backend, server, admin }, "{line}");
    }
    for (line, weight) in
        [("set server masters/kmaster1 weight 50%", 1), ("set weight masters/kmaster1 7", 7)]
    {
        let (backend, server) = (backend.clone(), server.clone());
        assert_eq!(order(line), Order::Weight { backend, server, weight }, "{line}");
    }
    let line = "shutdown sessions server masters/kmaster1";
    assert_eq!(order(line), Order::EndSessions { backend, server });
    assert_eq!(order("shutdown session 0x2f"), Order::EndSession(0x2f));
    assert_eq!(order("clear counters"), Order::ClearMaxima);
}

#[test]
fn who_may_only_look_changes_nothing() {
    let denied = Answer::Text("Permission denied\n".to_owned());
    let picture = picture();
    for (level, line) in [
        (Level::Operator, "set server masters/kmaster1 state maint"),
        (Level::Operator, "shutdown sessions server masters/kmaster1"),
        (Level::User, "show sess"),
        (Level::User, "clear counters"),
    ] {
        let mut conversation = Conversation::new(level);
        let words = conversation.hear(line).remove(0);
        assert_eq!(conversation.answer(&words, &picture), denied, "{line}");
    }
    let mut lowered = Conversation::new(Level::Admin);
    for line in ["user", "set weight masters/kmaster1 1"] {
        let words = lowered.hear(line).remove(0);
        let answer = lowered.answer(&words, &picture);
        assert_eq!(
            answer,
            if line == "user" { Answer::Text(String::new()) } else { denied.clone() }
        );
    }
}

#[test]
fn words_that_are_no_command_are_answered_with_those_that_begin_alike() {
    let alike = said("show foo");
    assert!(alike.starts_with("Unknown command, but maybe one of the following ones is a better"));
    assert!(
        alike.contains("\n  show servers state [<backend>]          : dump volatile"),
        "{alike}"
    );
    assert!(!alike.contains("set server"));
    for line in ["", "bogus", "show version;"] {
        assert!(said(line).contains("Unknown command. Please enter one of the following commands"));
    }
    let help = said("help show servers");
    assert_eq!(help.lines().filter(|line| line.starts_with("  show")).count(), 2, "{help}");
}

#[test]
fn a_prompt_keeps_the_client_and_data_of_unknown_commands_are_no_commands() {
    let mut conversation = Conversation::new(Level::Admin);
    assert!(!conversation.stays());
    let prompt = conversation.hear("prompt").remove(0);
    let _ = conversation.answer(&prompt, &picture());
    assert!(conversation.stays());
    assert_eq!(conversation.end(), "\n> ");
    assert!(conversation.hear("add map /etc/x <<").is_empty());
    assert!(conversation.hear("disable server masters/kmaster1").is_empty());
    let commands = conversation.hear("");
    assert_eq!(commands, [["add", "map", "/etc/x"]]);
    assert_eq!(conversation.hear("show info"), [["show", "info"]]);
}
