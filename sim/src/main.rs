//! The command `sim`.

use std::process::ExitCode;

/// A simulated cluster is millions of small things that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quorate_sim::cli::main()
}
