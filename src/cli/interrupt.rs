//! Ctrl+C for commands that work without the engine.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The process's flag that Ctrl+C (or SIGTERM, or a closed terminal) sets; the second time the process ends at once. On
/// Windows the system ends the process the first time.
pub(super) fn flag() -> Arc<AtomicBool> {
    let flag = FLAG.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
            let code = i32::from(crate::error::Kind::Interrupted.code());
            for signal in [SIGINT, SIGTERM, SIGHUP] {
                // The order counts: the first time the flag is not set yet. Where a handler cannot be set, the system's
                // own ends the process.
                let _ = signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&flag));
                let _ = signal_hook::flag::register(signal, Arc::clone(&flag));
            }
        }
        flag
    });
    Arc::clone(flag)
}
