//! The command `sim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate_sim::cli::main()
}
