//! The `halb` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    halb::cli::main(std::env::args_os())
}
