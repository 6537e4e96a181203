//! A plan as people read it: a guide whose every command is the one that will be run.

use std::fmt::Write as _;

use crate::plan::step::{Act, Command, Content, File, Step};
use crate::plan::{HostPlan, Pace, Plan, Stage, diff};

/// A plan, whole. No secret is in it.
#[must_use]
pub fn render(plan: &Plan) -> String {
    if plan.is_empty() {
        return format!(
            "The cluster '{}' is as its inventory wants it: nothing to do.\n",
            plan.cluster
        );
    }
    let steps = plan.steps().count();
    let out = format!("Plan for the cluster '{}': {steps} steps\n", plan.cluster);
    let mut text = Text { out, shown: Vec::new() };
    for (index, stage) in plan.stages.iter().enumerate() {
        text.stage(index + 1, stage);
    }
    text.out
}

/// What has been told so far.
struct Text<'a> {
    out: String,
    /// Files of several lines that were shown, and on which host: they aren't shown again.
    shown: Vec<(&'a File, &'a str)>,
}

impl<'a> Text<'a> {
    fn stage(&mut self, number: usize, stage: &'a Stage) {
        let pace = match stage.pace {
            _ if stage.hosts.len() == 1 => "",
            Pace::AtOnce => " (all at once)",
            Pace::OneByOne => " (one by one)",
        };
        self.push(&format!("\n{number}. {}{pace}", stage.name.title()));
        for (hosts, steps) in groups(&stage.hosts) {
            self.push(&format!("\n  On {}:", hosts.join(", ")));
            for step in steps {
                self.step(hosts[0], step);
            }
        }
    }

    fn step(&mut self, host: &'a str, step: &'a Step) {
        self.push(&format!("\n  * {}", step.title));
        if let Some(probe) = &step.probe {
            let same = matches!(&step.act, Act::Run { command } if command.stdin == probe.stdin);
            self.line("unless", probe);
            if !same {
                self.input(probe);
            } else if probe.stdin.is_some() {
                self.push("      which reads the same as what follows");
            }
        }
        match &step.act {
            Act::Run { command } => self.command("#", command),
            Act::RunDetached { unit, command, output } => {
                self.command("#", command);
                self.push(&format!("      as the unit {unit}, its output in {output}"));
            }
            Act::Write { file } => self.file(host, file),
            Act::Remove { path } => self.push(&format!("      # rm -f {path}")),
            Act::InstallHalb { path, sha256 } => {
                let short: String = sha256.chars().take(HASH_SHOWN).collect();
                self.push(&format!("      {path} (0755 root:root): this program, sha256 {short}…"));
            }
            Act::Remember { files } => {
                let count = files.len();
                self.push(&format!("      packages, services, kernel settings, and {count} files"));
            }
            Act::Upload { from, path, .. } => {
                self.push(&format!(
                    "      {path} (0600 root:root): {} of this machine",
                    from.display()
                ));
            }
            Act::FetchKubeconfig { path, context, server } => {
                self.push(&format!("      {path}, as '{context}' at {server}"));
            }
        }
        if let Some(verify) = &step.verify {
            self.command("then", verify);
        }
    }

    fn command(&mut self, sign: &str, command: &Command) {
        self.line(sign, command);
        self.input(command);
    }

    fn line(&mut self, sign: &str, command: &Command) {
        let line = command.line();
        let indent = " ".repeat(7 + sign.len());
        for (index, part) in line.lines().enumerate() {
            if index == 0 {
                self.push(&format!("      {sign} {part}"));
            } else {
                self.push(&format!("{indent}{part}"));
            }
        }
    }

    /// What a command reads.
    fn input(&mut self, command: &Command) {
        if let Some(content) = &command.stdin {
            match seen(content) {
                Some(text) => {
                    self.push("      which reads:");
                    text.lines().for_each(|line| self.push(&format!("        {line}")));
                }
                None => self.push(&format!("      which reads {}", hidden(content))),
            }
        }
    }

    fn file(&mut self, host: &'a str, file: &'a File) {
        let File { path, mode, owner, content, before } = file;
        let head = format!("      {path} ({mode:04o} {owner})");
        let Some(text) = seen(content) else {
            self.push(&format!("{head}: {}", hidden(content)));
            return;
        };
        if let Some((_, first)) = self.shown.iter().find(|(known, _)| *known == file) {
            let first = (*first).to_owned();
            self.push(&format!("{head}: as on {first}"));
            return;
        }
        self.push(&head);
        for line in diff::lines(before.as_deref(), text) {
            self.push(format!("        {line}").trim_end());
        }
        if text.lines().count() > 1 {
            self.shown.push((file, host));
        }
    }

    fn push(&mut self, line: &str) {
        // Writing to a String doesn't fail.
        let _ = writeln!(self.out, "{line}");
    }
}

/// Digits of a hash that people compare.
const HASH_SHOWN: usize = 12;

/// What may be seen of a content, if anything.
fn seen(content: &Content) -> Option<&str> {
    match content {
        Content::Public(text) => Some(text),
        Content::Secret(secret) => secret.shown(),
    }
}

/// What stands for one of which nothing may be seen.
fn hidden(content: &Content) -> String {
    format!("(secret, {} bytes)", content.expose().len())
}

/// Hosts that do the same are told together.
fn groups(hosts: &[HostPlan]) -> Vec<(Vec<&str>, &[Step])> {
    let mut groups: Vec<(Vec<&str>, &[Step])> = Vec::new();
    for HostPlan { host, steps } in hosts {
        match groups.iter_mut().find(|(_, known)| *known == steps) {
            Some((names, _)) => names.push(host),
            None => groups.push((vec![host], steps)),
        }
    }
    groups
}
