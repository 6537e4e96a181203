//! Names of network interfaces.

use super::Problem;

/// Longest name, in bytes: the kernel's `IFNAMSIZ` with the zero at the end.
pub(crate) const NAME_LEN_MAX: usize = 15;

/// Checks a name as the kernel's `dev_valid_name` does.
pub(crate) fn check(name: &str) -> Result<(), Problem> {
    let example = "write a name that `ip link` shows, such as \"eth1\"";
    if name.is_empty() {
        return Err(Problem::new("it is empty", example));
    }
    if let Some((device, _)) = name.split_once(':') {
        let why = format!("'{name}' is the label of an address, not an interface");
        return Err(Problem::new(why, format!("write \"{device}\"")));
    }
    if let Some((device, _)) = name.split_once('@').filter(|(device, _)| !device.is_empty()) {
        return Err(Problem::new(
            "what follows '@' is no part of it",
            format!("write \"{device}\""),
        ));
    }
    if name.len() > NAME_LEN_MAX {
        let why = format!("the kernel knows no names of more than {NAME_LEN_MAX} bytes");
        return Err(Problem::new(why, example));
    }
    let stray = |c: char| c.is_whitespace() || c == '/';
    if name == "." || name == ".." || name.chars().any(stray) {
        return Err(Problem::new("no interface can have that name", example));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for good in ["eth1", "bond0.100", "enp3s0f0np0", "br-lan", "a234567890abcde"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, remedy) in [
            ("", "ip link"),
            ("eth1:0", "write \"eth1\""),
            ("eth1@if5", "write \"eth1\""),
            ("a234567890abcdef", "ip link"),
            ("eth 1", "ip link"),
            ("..", "ip link"),
            ("/dev/eth1", "ip link"),
        ] {
            let problem = check(bad).expect_err(bad);
            assert!(problem.remedy.contains(remedy), "{bad}: {problem:?}");
        }
    }
}
