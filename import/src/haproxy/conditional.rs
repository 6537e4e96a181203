//! `.if`, `.elif`, `.else` and `.endif` (HAProxy's configuration manual, §2.5).

use super::words::Variables;

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It holds.
    Holds,
    /// It doesn't.
    Fails,
    /// It asks what an import can't know.
    Unknown,
}

/// Where reading stands within nested conditions.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    open: Vec<Branch>,
}

/// One `.if` that isn't closed yet.
#[derive(Debug)]
struct Branch {
    /// Its lines are read.
    active: bool,
    /// An earlier branch was read, so that no later one is.
    taken: bool,
    /// What is around it is read.
    outer: bool,
}

/// What a line that begins with a dot did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It was understood.
    Done,
    /// It was understood, but it can't be told whether the condition holds; its lines are read.
    Guessed,
    /// There is no `.if` that it belongs to.
    Stray,
    /// No such word.
    NoSuchWord,
}

/// Deepest nesting that HAProxy allows.
const DEPTH_MAX: usize = 100;

impl Conditions {
    /// Whether the lines that follow are read.
    pub(super) fn active(&self) -> bool {
        self.open.last().is_none_or(|branch| branch.active)
    }

    /// Whether an `.if` is left without its `.endif`.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes a line that begins with a dot.
    pub(super) fn step(&mut self, words: &[&str], variables: &Variables<'_>) -> Step {
        let Some((keyword, rest)) = words.split_first() else { return Step::NoSuchWord };
        let condition = rest.join(" ");
        match *keyword {
            ".if" => self.begin(&condition, variables),
            ".elif" => self.alternative(&condition, variables),
            ".else" => self.alternative("1", variables),
            ".endif" => match self.open.pop() {
                Some(_) => Step::Done,
                None => Step::Stray,
            },
            ".notice" | ".warning" | ".alert" | ".diag" => Step::Done,
            _ => Step::NoSuchWord,
        }
    }

    fn begin(&mut self, condition: &str, variables: &Variables<'_>) -> Step {
        let outer = self.active() && self.open.len() < DEPTH_MAX;
        let truth = if outer { truth(condition, variables) } else { Truth::Fails };
        let active = outer && truth != Truth::Fails;
        self.open.push(Branch { active, taken: active, outer });
        step_of(truth)
    }

    fn alternative(&mut self, condition: &str, variables: &Variables<'_>) -> Step {
        let Some(branch) = self.open.last_mut() else { return Step::Stray };
        if branch.taken || !branch.outer {
            branch.active = false;
            return Step::Done;
        }
        let truth = truth(condition, variables);
        branch.active = truth != Truth::Fails;
        branch.taken = branch.active;
        step_of(truth)
    }
}

fn step_of(truth: Truth) -> Step {
    match truth {
        Truth::Holds | Truth::Fails => Step::Done,
        Truth::Unknown => Step::Guessed,
    }
}

/// Terms joined by `||` and, binding tighter, `&&`.
fn truth(condition: &str, variables: &Variables<'_>) -> Truth {
    let all = |terms: &str| {
        let truths = terms.split("&&").map(|term| term_truth(term.trim(), variables));
        truths.fold(Truth::Holds, |so_far, next| match (so_far, next) {
            (Truth::Fails, _) | (_, Truth::Fails) => Truth::Fails,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            (Truth::Holds, Truth::Holds) => Truth::Holds,
        })
    };
    condition.split("||").map(all).fold(Truth::Fails, |so_far, next| match (so_far, next) {
        (Truth::Holds, _) | (_, Truth::Holds) => Truth::Holds,
        (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
        (Truth::Fails, Truth::Fails) => Truth::Fails,
    })
}

fn term_truth(term: &str, variables: &Variables<'_>) -> Truth {
    if let Some(negated) = term.strip_prefix('!') {
        return match term_truth(negated.trim(), variables) {
            Truth::Holds => Truth::Fails,
            Truth::Fails => Truth::Holds,
            Truth::Unknown => Truth::Unknown,
        };
    }
    let of = |holds: bool| if holds { Truth::Holds } else { Truth::Fails };
    if term.is_empty() {
        return Truth::Fails;
    }
    if let Ok(number) = term.parse::<i64>() {
        return of(number != 0);
    }
    let Some((name, arguments)) = term.strip_suffix(')').and_then(|t| t.split_once('(')) else {
        return Truth::Unknown;
    };
    let pair = arguments.split_once(',').map(|(a, b)| (a.trim(), b.trim()));
    match (name.trim(), pair) {
        ("defined", _) => of(variables.value(arguments.trim()).is_some()),
        ("streq", Some((a, b))) => of(a == b),
        ("strneq", Some((a, b))) => of(a != b),
        ("strstr", Some((a, b))) => of(a.contains(b)),
        // A configuration that is written for several versions is read as the newest would.
        ("version_atleast" | "openssl_version_atleast" | "feature", _) => Truth::Holds,
        ("version_before" | "openssl_version_before", _) => Truth::Fails,
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Nothing;

    fn of(condition: &str) -> Truth {
        truth(condition, &Variables::new(&Nothing))
    }

    #[test]
    fn conditions_are_judged_as_far_as_they_can_be_known() {
        for holds in ["1", "!0", "streq(a,a)", "!defined(NOPE)", "0 || 1", "version_atleast(2.4)"] {
            assert_eq!(of(holds), Truth::Holds, "{holds}");
        }
        for fails in ["0", "", "defined(NOPE)", "1 && 0", "strneq(a, a)", "version_before(2.4)"] {
            assert_eq!(of(fails), Truth::Fails, "{fails}");
        }
        for unknown in ["enabled(EPOLL)", "nonsense", "1 && nonsense"] {
            assert_eq!(of(unknown), Truth::Unknown, "{unknown}");
        }
        assert_eq!((of("1 || nonsense"), of("0 && nonsense")), (Truth::Holds, Truth::Fails));
    }

    #[test]
    fn of_the_branches_of_a_condition_one_is_read() {
        let variables = Variables::new(&Nothing);
        let mut conditions = Conditions::default();
        let mut seen = Vec::new();
        for line in
            [".if 0", "a", ".elif 1", "b", ".if 0", "c", ".else", "d", ".endif", ".else", "e"]
        {
            let words: Vec<_> = line.split(' ').collect();
            if line.starts_with('.') {
                assert_eq!(conditions.step(&words, &variables), Step::Done);
            } else if conditions.active() {
                seen.push(line);
            }
        }
        assert_eq!(seen, ["b", "d"]);
        assert!(conditions.is_open());
        assert_eq!(conditions.step(&[".endif"], &variables), Step::Done);
        assert_eq!(conditions.step(&[".endif"], &variables), Step::Stray);
        assert_eq!(conditions.step(&[".iff", "1"], &variables), Step::NoSuchWord);
    }
}
