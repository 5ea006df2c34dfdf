//! What the command line asks the machine: processor, memory, folders, the time. Asked once, then passed on.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use etcetera::BaseStrategy as _;
use sysinfo::System;

use crate::models::Places;

/// This machine, as far as settings depend on it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Cores, hyper-threads not counted: a second thread on a core does not help a program that waits for memory.
    pub physical_cores: u32,
    /// What the system calls processors: hyper-threads too.
    pub logical_cores: u32,
    /// Bytes of memory that programs can still have.
    pub available_bytes: u64,
    /// Bytes of memory.
    pub total_bytes: u64,
    home: Option<PathBuf>,
    current_dir: PathBuf,
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

impl Machine {
    /// Looks.
    #[must_use]
    pub fn look() -> Machine {
        let (available_bytes, total_bytes) = memory();
        let logical = std::thread::available_parallelism().map_or(1, usize::from);
        let physical = System::physical_core_count().unwrap_or(logical).min(logical);
        Machine {
            physical_cores: u32::try_from(physical.max(1)).unwrap_or(1),
            logical_cores: u32::try_from(logical.max(1)).unwrap_or(1),
            available_bytes,
            total_bytes,
            home: etcetera::home_dir().ok(),
            current_dir: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Where models may lie.
    #[must_use]
    pub fn places(&self) -> Places<'static> {
        Places { variable: &variable, home: self.home.clone(), current_dir: self.current_dir.clone() }
    }
}

/// Where the program keeps what it has found out: `SLIPSTREAM_DATA`, else the system's place for data of programs.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("SLIPSTREAM_DATA").filter(|folder| !folder.is_empty()) {
        return Some(PathBuf::from(folder));
    }
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("slipstream"))
}

/// The processor's name, where the system tells it.
#[must_use]
pub fn processor() -> Option<String> {
    let mut system = System::new().ok()?;
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    let name = system.cpus().first()?.brand().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// (available, all) bytes of memory; a container's limit counts. Where the system does not tell, nothing is refused
/// for lack of it.
fn memory() -> (u64, u64) {
    let Ok(mut system) = System::new() else { return (u64::MAX, u64::MAX) };
    system.refresh_memory();
    let (mut available, mut total) = (system.available_memory(), system.total_memory());
    if let Some(limits) = system.cgroup_limits() {
        available = available.min(limits.free_memory);
        total = total.min(limits.total_memory);
    }
    (available, total)
}

/// A seed that nobody chose: shown with the reply, so that it can be given again. Kept below 2^53, so that every
/// JSON reader keeps it whole.
#[must_use]
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32)) & ((1 << 53) - 1)
}
