//! Reads the file itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use halb_config::Report;
use halb_config::diagnostic::Diagnostic;
use halb_config::source::Source;

/// Largest file, in bytes. A thousand backends with ten servers each are half of that.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// The text of a file.
///
/// # Errors
/// It can't be opened, is no file or too large, or it isn't UTF-8; then the report's text has
/// replacement characters for what isn't.
pub(super) fn read(path: &Path) -> Result<String, Report> {
    let name = path.display().to_string();
    let of_file = |diagnostic| Report::new(vec![diagnostic], Source::new(&name, ""));
    let bytes = read_bytes(path).map_err(|error| of_file(unreadable(&error)))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_LEN_MAX) {
        let what = format!("the file is larger than {} KiB", FILE_LEN_MAX / 1024);
        let remedy = "name the right file; a configuration is far smaller";
        return Err(of_file(Diagnostic::error_of_file(what).remedy(remedy)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
        let wrong = Diagnostic::error(span, "the file is not UTF-8 from here on")
            .remedy("save it as UTF-8");
        Report::new(vec![wrong], Source::new(&name, text))
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> Diagnostic {
    let kind = error.kind();
    let remedy = if kind == io::ErrorKind::NotFound {
        "create it, or name another with --config FILE"
    } else if kind == io::ErrorKind::PermissionDenied {
        "let the user that halb runs as read it"
    } else if kind == io::ErrorKind::IsADirectory {
        "name the file in that directory"
    } else {
        "make it readable, or name another with --config FILE"
    };
    Diagnostic::error_of_file(format!("the file can't be read: {error}")).remedy(remedy)
}
