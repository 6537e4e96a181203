//! `halb k8s certs`: every certificate of every host and what is left of it, and how they are renewed.

use halb_k8s_bootstrap::certs::{self, Standing};
use halb_k8s_bootstrap::driver::gather;
use halb_k8s_bootstrap::plan::certs::renew as plan;
use halb_k8s_bootstrap::verify::Verdict;
use serde::Serialize;

use super::change;
use super::kubeconfig;
use super::run::{Agreement, Run, refuse, say};
use super::site::Site;
use crate::cli::{Exit, chain, complain};
use crate::status::text::WIDTH;
use crate::status::text::table::{self, Align, Column};

/// All certificates of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificates {
    /// Its name.
    pub cluster: String,
    /// The worst of all.
    pub verdict: Verdict,
    /// Bad ones first, then those that can't be read, then by what is left of them.
    pub certificates: Vec<Standing>,
    /// Hosts that said nothing, and why.
    pub silent: Vec<(String, String)>,
}

impl Certificates {
    /// How to end: as `halb k8s verify` does.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Good => Exit::Done,
            Verdict::Unproven => Exit::Unproven,
            Verdict::Bad => Exit::Failed,
        }
    }
}

/// Looks at all hosts and at the operator's own access.
pub(super) async fn look(site: &Site) -> Certificates {
    let seen = gather::views(&site.inventory, &site.hosts, |_| true).await;
    let file = kubeconfig::path();
    let own = kubeconfig::certificate(&file, &site.inventory.name);
    let file = file.display().to_string();
    let own = own.as_ref().map(|own| (file.as_str(), own));
    let now = site.now_seconds();
    let certificates = certs::status(&site.inventory, &seen.answers, own, now);
    let silent: Vec<_> =
        seen.silent.iter().map(|(host, error)| (host.clone(), chain(error))).collect();
    let worst = certs::verdict(&certificates);
    let verdict = if silent.is_empty() { worst } else { worst.max(Verdict::Unproven) };
    Certificates { cluster: site.inventory.name.clone(), verdict, certificates, silent }
}

/// Renews all that kubeadm made, and the operator's own; `again` is what to type to go on.
pub(super) async fn renew(site: &Site, yes: bool, again: &str) -> Exit {
    match try_renew(site, yes, again).await {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn try_renew(site: &Site, yes: bool, again: &str) -> Result<Exit, Exit> {
    let run = Run::begin(site)?;
    let facts = change::at_rest(site).await?;
    let before = look(site).await;
    let have_ended = before.certificates.iter().any(|one| one.ended);
    let plan = plan(&site.inventory, &facts, site.material(), have_ended);
    let plan = plan.map_err(|faults| site.refuse_faults(&faults))?;
    run.carry_out(site, plan, Agreement { yes, shown_by: None, again }).await?;
    let after = look(site).await;
    say("");
    say(text(&after, WIDTH).trim_end());
    let left = certs::not_renewed(&before.certificates, &after.certificates);
    if let Some((host, path)) = left.first() {
        let count = left.len();
        return Err(refuse(&format!("{count} are as they were, {path} of {host} among them")));
    }
    if !after.silent.is_empty() {
        complain("Not all hosts could be looked at again: halb k8s certs status");
        return Err(Exit::Failed);
    }
    Ok(Exit::Done)
}

const COLUMNS: [Column; 4] = [
    Column { title: "HOST", align: Align::Left, width_max: 20 },
    Column { title: "LEFT", align: Align::Right, width_max: 15 },
    Column { title: "RENEWED BY", align: Align::Left, width_max: 10 },
    Column { title: "FILE", align: Align::Left, width_max: 60 },
];

/// One line for each certificate, and what to do, in lines of at most so many columns.
#[must_use]
pub fn text(all: &Certificates, width: usize) -> String {
    let row = |one: &Standing| {
        let left = match one.days_left {
            None => "can't be read".to_owned(),
            Some(days) if one.ended => format!("ENDED {} d ago", days.abs()),
            Some(days) if one.verdict == Verdict::Bad => format!("ONLY {days} d"),
            Some(days) => format!("{days} d"),
        };
        vec![one.host.clone(), left, one.kind.as_str().to_owned(), one.path.clone()]
    };
    let rows: Vec<_> = all.certificates.iter().map(row).collect();
    let mut text = format!("Certificates of the cluster '{}'\n\n", all.cluster);
    text.push_str(&table::render(&COLUMNS, &rows, width, |line, _| line));
    text.push('\n');
    for (host, why) in &all.silent {
        text.push_str(&format!("{host} can't be looked at: {why}\n"));
    }
    let mut remedies: Vec<_> = all.certificates.iter().filter_map(|one| one.remedy).collect();
    remedies.sort_unstable();
    remedies.dedup();
    for remedy in remedies {
        text.push_str(&format!("What to do: {remedy}\n"));
    }
    let bad = all.certificates.iter().filter(|one| one.verdict == Verdict::Bad).count();
    text.push_str(&match bad {
        0 => "None ends within 30 days.\n".to_owned(),
        1 => "1 has ended or ends within 30 days.\n".to_owned(),
        _ => format!("{bad} have ended or end within 30 days.\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use halb_k8s_bootstrap::certs::Kind;

    use super::*;

    #[test]
    fn a_screen_says_what_ends_and_what_to_do_about_it() {
        let one = |path: &str, days: i64, verdict| Standing {
            host: "kmaster01".to_owned(),
            path: path.to_owned(),
            kind: Kind::Kubeadm,
            ends_seconds: Some(days * 86_400),
            days_left: Some(days),
            ended: days <= 0,
            verdict,
            remedy: (verdict == Verdict::Bad).then_some("halb k8s certs renew"),
        };
        let certificates = vec![
            one("/a.crt", -2, Verdict::Bad),
            one("/b.crt", 7, Verdict::Bad),
            one("/c.crt", 300, Verdict::Good),
        ];
        let silent = vec![("kworker01".to_owned(), "connection refused".to_owned())];
        let verdict = Verdict::Bad;
        let all = Certificates { cluster: "seed".to_owned(), verdict, certificates, silent };
        let text = text(&all, 80);
        for words in [
            "ENDED 2 d ago  kubeadm     /a.crt",
            "ONLY 7 d  kubeadm     /b.crt",
            "300 d  kubeadm     /c.crt",
            "kworker01 can't be looked at: connection refused",
            "What to do: halb k8s certs renew\n2 have ended or end within 30 days.",
        ] {
            assert!(text.contains(words), "no «{words}» in {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(all.exit(), Exit::Failed);
    }
}
