//! See the library's documentation for the map of the program.

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    ExitCode::from(slipstream::cli::main(Instant::now()))
}
