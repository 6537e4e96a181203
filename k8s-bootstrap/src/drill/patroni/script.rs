//! What the witness runs, and what it says.

use crate::addon::patroni::{SCOPE, SPACE};
use crate::paths;

use super::{Drill, How, Member, Round, Standing};

/// Asks for pods and then each of them at once; a round ends with a line of its own. Patroni answers
/// `/primary` with 200 on whoever holds the lock and takes writes, and on the others with something
/// else and the state of their replication.
fn functions() -> String {
    let pods = "jsonpath={range .items[*]}{.metadata.name}{\" \"}{.metadata.uid}{\" \"}\
                {.status.podIP}{\"\\n\"}{end}";
    format!(
        "LC_ALL=C; export LC_ALL\n\
         pods() {{\n    \
             timeout 5 kubectl --kubeconfig={admin} --request-timeout=3s -n {SPACE} get pods \\\n        \
             -l cluster-name={SCOPE} -o '{pods}' 2>/dev/null\n\
         }}\n\
         member() {{\n    \
             said=$(curl -s --connect-timeout 1 --max-time 2 -w ' %{{http_code}}' \\\n        \
             \"http://$3:8008/primary\" || :)\n    \
             case $said in\n    \
             *' 200') how=leads ;;\n    \
             *'\"replication_state\": \"streaming\"'*) how=streams ;;\n    \
             '' | *' 000') how=silent ;;\n    \
             *) how=answers ;;\n    \
             esac\n    \
             echo \"member $1 $2 $how\"\n\
         }}\n\
         look() {{\n    \
             printf '%s\\n' \"$all\" | {{\n        \
                 while read -r name pod address; do\n            \
                     [ -z \"$name\" ] || member \"$name\" \"$pod\" \"$address\" &\n        \
                 done\n        \
                 wait\n    \
             }}\n    \
             echo round\n\
         }}\n\
         all=\n",
        admin = paths::ADMIN_CONF,
    )
}

/// One round.
#[must_use]
pub fn look_script() -> String {
    format!("{}all=$(pods) || exit\nlook", functions())
}

/// Rounds without end, a few in a second; pods are asked for before each third of them. Where the API
/// doesn't answer, those of before are asked.
#[must_use]
pub fn watch_script() -> String {
    format!(
        "{}while :; do\n    \
             if new=$(pods); then all=$new; fi\n    \
             for turn in 1 2 3; do look; sleep 0.2; done\n\
         done",
        functions()
    )
}

/// Deletes the leader's pod, and doesn't wait for its end.
#[must_use]
pub fn act_script(drill: &Drill) -> String {
    let how = match drill.how {
        How::Stop => "",
        How::Kill => " --grace-period=0 --force",
    };
    format!(
        "kubectl --kubeconfig={} --request-timeout=10s -n {SPACE} delete pod {} --wait=false{how}",
        paths::ADMIN_CONF,
        drill.leader,
    )
}

/// Members in a round: far more than a database has.
const MEMBERS_MAX: usize = 64;

/// Makes rounds of a witness' lines.
#[derive(Debug, Default)]
pub struct Rounds {
    round: Round,
}

impl Rounds {
    /// Takes a line; the round that it ends, if it ends one. What makes no sense is left alone.
    pub fn take(&mut self, line: &str) -> Option<Round> {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["round"] => return Some(std::mem::take(&mut self.round)),
            ["member", name, pod, standing] if self.round.len() < MEMBERS_MAX => {
                let standing = match *standing {
                    "leads" => Standing::Leads,
                    "streams" => Standing::Streams,
                    "answers" => Standing::Answers,
                    "silent" => Standing::Silent,
                    _ => return None,
                };
                let member = Member { pod: (*pod).to_owned(), standing };
                self.round.insert((*name).to_owned(), member);
            }
            _ => {}
        }
        None
    }
}
