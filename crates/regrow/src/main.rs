//! The program `regrow`.

use std::process::ExitCode;

/// Gives memory back after a burst, and is faster than the C library's under many small requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    regrow::run()
}
