//! `regrow` with faults: the same program, with what the environment asks for between its parts.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    regrow_chaos::faulty::run()
}
