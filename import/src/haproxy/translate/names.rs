//! Names that halb takes.

use halb_config::names::NAME_LEN_MAX;

/// A name as it is, if `fits` takes it; else one that resembles it.
pub(super) fn fitting(name: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(name) {
        return name.to_owned();
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let plain: String = name.chars().map(|c| if good(c) { c } else { '-' }).collect();
    let shorter = |len: usize| plain.chars().take(len).collect::<String>();
    let whole = shorter(NAME_LEN_MAX);
    if fits(&whole) {
        return whole;
    }
    // As many as a file may hold, and one more.
    let numbered = |n: u32| format!("{}-{n}", shorter(NAME_LEN_MAX - 6));
    (2..=2000).map(numbered).find(|name| fits(name)).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use halb_config::names::ServerName;

    use super::*;

    #[test]
    fn names_stay_as_they_are_where_that_is_possible() {
        let fits = |name: &str| ServerName::new(name).is_ok();
        assert_eq!(fitting("kmaster1", fits), "kmaster1");
        assert_eq!(fitting("k master/1", fits), "k-master-1");
        assert_eq!(fitting(&"x".repeat(100), fits), "x".repeat(64));
        assert_eq!(fitting("a", |name| fits(name) && name != "a"), "a-2");
        assert_eq!(fitting("", fits), "-2");
    }
}
