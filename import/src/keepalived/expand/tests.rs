use super::super::pretended::Pretended;
use super::*;
use crate::finding::Finding;

struct Expanded {
    lines: Vec<Line>,
    findings: Vec<Finding>,
    names: Vec<String>,
}

fn expanded(text: &str, node: &str) -> Expanded {
    let host = Pretended::default()
        .with("/etc/keepalived/conf.d/a.conf", "priority 1\n")
        .with("/etc/keepalived/conf.d/b.conf", "include c/*.x\npriority 2\n")
        .with("/etc/keepalived/conf.d/c/d.x", "$P=${_PWD}\npriority 3 $P\n")
        .with("/etc/keepalived/circle.conf", "include circle.conf\n");
    let mut sources = vec![SourceFile::new("/etc/keepalived/keepalived.conf", text)];
    let mut account = Account::default();
    let lines = expand(0, &mut sources, node, &host, &mut account);
    let names = sources.into_iter().map(|source| source.name).collect();
    Expanded { lines, findings: account.into_parts().0, names }
}

fn lines(text: &str, node: &str) -> Vec<String> {
    expanded(text, node).lines.iter().map(|line| line.text.to_string()).collect()
}

#[test]
fn lines_for_another_node_are_left_out_and_told() {
    let text = "@main priority 240\n@backup priority 200\n@^main x\n";
    assert_eq!(lines(text, "main"), ["priority 240"]);
    assert_eq!(lines(text, "backup"), ["priority 200", "x"]);
    assert_eq!(expanded(text, "main").findings.len(), 2);
    let unknown = expanded(text, "lb1").findings;
    assert!(unknown.iter().all(|finding| finding.class.changes_behaviour()), "{unknown:?}");
}

#[test]
fn definitions_are_replaced_where_they_are_used() {
    let text =
        "$BASE=10.2.${SUB}\n$SUB=0\n${BASE}.100/32\n$SUB=10\n${BASE}.100/32\n${UNKNOWN} $1\n";
    assert_eq!(lines(text, ""), ["10.2.0.100/32", "10.2.10.100/32", "${UNKNOWN} $1"]);
    assert_eq!(lines("@main $P=240\n@backup $P=200\npriority $P\n", "backup"), ["priority 200"]);
    assert_eq!(lines("$IF=@main\n$IF priority 240\n", "main"), ["priority 240"]);
}

#[test]
fn definitions_of_several_lines_are_taken_line_by_line() {
    let text = "$I= \\\nvrrp_instance VI_${N} { \\\n  @high priority 130 \\\n  @low priority 120 \\\n}\n\
                $N=0\n$I\n$N=1\n$I\n";
    let wanted =
        ["vrrp_instance VI_0 {", "priority 130", "}", "vrrp_instance VI_1 {", "priority 130", "}"];
    assert_eq!(lines(text, "high"), wanted);
}

#[test]
fn sequences_and_lists_repeat_their_line() {
    assert_eq!(lines("~SEQ(S, 0, 2) 10.0.${S}.1", ""), ["10.0.0.1", "10.0.1.1", "10.0.2.1"]);
    assert_eq!(lines("~SEQx(S, 0x90, 0x10, 0xa0) fe80::${S}", ""), ["fe80::90", "fe80::a0"]);
    let lists = "~LST({A, B}, {10,1},{20,4}) ~SEQ(C,3,-1,2) ${A}.${B}.${C}";
    assert_eq!(lines(lists, ""), ["10.1.3", "10.1.2", "20.4.3", "20.4.2"]);
    assert_eq!(lines("~SEQ(S, 3, 1, 0) x", ""), [""; 0]);
}

#[test]
fn files_are_included_relative_to_the_file_that_names_them() {
    let done = expanded("include conf.d/*.conf\ninclude missing.conf\n", "");
    let texts: Vec<_> = done.lines.iter().map(|line| line.text.to_string()).collect();
    assert_eq!(texts, ["priority 1", "priority 3 /etc/keepalived/conf.d/c", "priority 2"]);
    let files: Vec<_> = done.lines.iter().map(|line| line.at.file).collect();
    assert_eq!(files, [1, 3, 2]);
    assert_eq!(done.names[3], "/etc/keepalived/conf.d/c/d.x");
    let missing = done.findings.iter().find(|finding| finding.words.contains("missing"));
    assert!(missing.unwrap().class.changes_behaviour());
}

#[test]
fn circles_and_floods_end() {
    assert!(lines("$A=$B \n$B=$A \n$A\n", "").is_empty());
    let flood = "~SEQ(A,1,1000) ~SEQ(B,1,1000) ~SEQ(C,1,1000) x\n";
    assert_eq!(lines(flood, "").len(), LINES_MAX);
    assert_eq!(expanded(flood, "").findings.len(), 1);
    assert!(lines("include circle.conf\n", "").is_empty());
}
