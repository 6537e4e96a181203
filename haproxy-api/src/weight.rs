//! Weights as `set weight` takes them: a number, or per cent of the configured weight.

/// Largest weight.
const WEIGHT_MAX: i64 = 256;

/// The weight that `word` asks for, or why it is none (src/server.c,
/// `server_parse_weight_change_request`).
///
/// # Errors
/// HAProxy's words, with their end of line where HAProxy has one.
pub fn parse(word: &str, configured: u16) -> Result<u16, &'static str> {
    let (digits, rest) = leading_number(word);
    let Ok(number) = digits.parse::<i64>() else {
        return Err("Empty weight string empty or preceded by garbage");
    };
    match rest {
        "" if !(0..=WEIGHT_MAX).contains(&number) => {
            Err("Absolute weight can only be between 0 and 256 inclusive.\n")
        }
        "" => Ok(u16::try_from(number).unwrap_or(u16::MAX)),
        "%" if number < 0 => Err("Relative weight must be positive.\n"),
        "%" => {
            let weight = i64::from(configured).saturating_mul(number) / 100;
            Ok(u16::try_from(weight.min(WEIGHT_MAX)).unwrap_or(u16::MAX))
        }
        _ => Err("Trailing garbage in weight string"),
    }
}

/// The number that a text begins with, and what follows it, as C's `strtol` splits it.
fn leading_number(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    // Beyond 18 digits it is out of range whatever follows, and no number.
    text.split_at(if digits == 0 || digits > 18 { 0 } else { sign + digits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_haproxy_reads_them() {
        for (word, weight) in
            [("7", 7), ("0", 0), ("256", 256), ("50%", 1), ("150%", 4), ("100000%", 256)]
        {
            assert_eq!(parse(word, 3), Ok(weight), "{word}");
        }
        let range = "Absolute weight can only be between 0 and 256 inclusive.\n";
        for (word, error) in [
            ("257", range),
            ("-3", range),
            ("-5%", "Relative weight must be positive.\n"),
            ("abc", "Empty weight string empty or preceded by garbage"),
            ("99999999999999999999", "Empty weight string empty or preceded by garbage"),
            ("5x", "Trailing garbage in weight string"),
            ("5%x", "Trailing garbage in weight string"),
        ] {
            assert_eq!(parse(word, 3), Err(error), "{word}");
        }
    }
}
