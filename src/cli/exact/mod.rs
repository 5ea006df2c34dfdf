//! `slipstream bench --exact`.

use super::args::BenchArgs;
use super::machine::Machine;
use crate::error::{Kind, Problem};

/// Runs the check.
///
/// # Errors
/// Whatever keeps it from being made.
pub fn run(_args: &BenchArgs, _machine: &Machine) -> Result<u8, Problem> {
    Err(Problem::new(Kind::Fault, "bench --exact: not built yet", ""))
}
