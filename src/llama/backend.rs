//! Starting llama.cpp: once per process, never freed, its log kept off the terminal.
//!
//! `llama_backend_free` also frees the quantization tables, so a backend that lives as long as the process
//! is the only one that certainly outlives every model. It is therefore a `&'static`.

use std::ffi::{CStr, c_char};
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use super::error::{LlamaError, LogTail};

/// Proof that llama.cpp is running.
pub struct Backend {
    _inner: LlamaBackend,
    log: LogTail,
    creating: Mutex<()>,
    /// Nanoseconds that all contexts together have decoded.
    decoding: AtomicU64,
}

/// A device that can hold weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Short name, e.g. `CPU`, `CUDA0`.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Free memory in bytes, as llama.cpp sees it.
    pub free_bytes: u64,
    /// All memory in bytes.
    pub total_bytes: u64,
}

static BACKEND: OnceLock<Result<Backend, String>> = OnceLock::new();

/// What ends the process when llama.cpp gives up: told what it said, it must not return.
pub type LastWords = fn(&str) -> !;

static LAST_WORDS: OnceLock<LastWords> = OnceLock::new();

/// Sets who speaks when llama.cpp finds something impossible and would abort the process, mostly over a damaged file
/// whose values passed every check of ours. The first one set stays.
pub fn set_last_words(words: LastWords) {
    let _ = LAST_WORDS.set(words);
}

/// Called by ggml in place of its own message, before it aborts.
///
/// # Safety
/// `message` is a NUL-terminated text that lives until this returns: what ggml's abort callback promises.
unsafe extern "C" fn on_abort(message: *const c_char) {
    let Some(words) = LAST_WORDS.get() else { return };
    // SAFETY: ggml passes a NUL-terminated text that lives until the callback returns, which it does not.
    let message = unsafe { CStr::from_ptr(message) };
    words(&message.to_string_lossy())
}

impl Backend {
    /// Starts llama.cpp, or returns the running one. `log` receives llama.cpp's own log (warnings and
    /// worse); it counts on the first call only.
    ///
    /// # Errors
    /// When llama.cpp cannot start.
    pub fn start(log: Option<File>) -> Result<&'static Backend, LlamaError> {
        BACKEND
            .get_or_init(|| {
                let tail = LogTail::default();
                let file = log.map(|file| {
                    tracing_subscriber::fmt::layer()
                        .with_ansi(false)
                        .with_writer(Mutex::new(file))
                        .with_filter(LevelFilter::WARN)
                });
                let subscriber =
                    Registry::default().with(tail.clone().with_filter(LevelFilter::ERROR)).with(file);
                // A host program may have set its own subscriber: then errors carry no reason, no more.
                let _ = tracing::subscriber::set_global_default(subscriber);
                llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
                // SAFETY: sets a function pointer that stays valid; before any model is loaded.
                unsafe { sys::ggml_set_abort_callback(Some(on_abort)) };
                // SAFETY: no arguments; sets an integer of llama.cpp's common logger. No other thread logs yet,
                // because this runs once, before the first model.
                unsafe { ggml_sys::slipstream_silence_common_log() };
                let inner = LlamaBackend::init().map_err(|error| error.to_string())?;
                Ok(Backend {
                    _inner: inner,
                    log: tail,
                    creating: Mutex::new(()),
                    decoding: AtomicU64::new(0),
                })
            })
            .as_ref()
            .map_err(|reason| LlamaError::Backend(reason.clone()))
    }

    /// llama.cpp's latest error lines.
    #[must_use]
    pub fn log(&self) -> &LogTail {
        &self.log
    }

    /// Time that all contexts together have spent inside llama.cpp's decode, since the start.
    #[must_use]
    pub fn decoding(&self) -> Duration {
        Duration::from_nanos(self.decoding.load(Ordering::Relaxed))
    }

    /// Adds to it.
    pub(super) fn has_decoded(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(0);
        self.decoding.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Held while a context is created: creating two at once is unsound in llama.cpp.
    pub(super) fn creating(&self) -> MutexGuard<'_, ()> {
        self.creating.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The CPU features that ggml was compiled with and uses, e.g. `AVX512 = 1`, in ggml's own words.
    #[must_use]
    pub fn system_info(&self) -> String {
        // SAFETY: returns a pointer to a static buffer that is rewritten by the same call only; copied at once,
        // and the lock keeps a second caller out.
        let text = unsafe {
            let _one_at_a_time = self.creating();
            CStr::from_ptr(sys::llama_print_system_info())
        };
        text.to_string_lossy().trim().to_owned()
    }

    /// Names of the CPU features in use (those reported as 1), e.g. `["AVX2", "AVX512_VNNI"]`.
    #[must_use]
    pub fn cpu_features(&self) -> Vec<String> {
        self.system_info()
            .split('|')
            .filter_map(|part| {
                let part = part.rsplit(':').next().unwrap_or(part);
                let (name, value) = part.split_once('=')?;
                (value.trim() == "1").then(|| name.trim().to_owned())
            })
            .collect()
    }

    /// All devices llama.cpp can use.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        // SAFETY: the registry is complete after `start` and lives as long as the process.
        let count = unsafe { sys::ggml_backend_dev_count() };
        (0..count)
            .map(|index| {
                let (mut free, mut total) = (0, 0);
                // SAFETY: `index` is below the count; names are static strings of the device; both sizes are written.
                unsafe {
                    let device = sys::ggml_backend_dev_get(index);
                    sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
                    Device {
                        name: CStr::from_ptr(sys::ggml_backend_dev_name(device))
                            .to_string_lossy()
                            .into_owned(),
                        description: CStr::from_ptr(sys::ggml_backend_dev_description(device))
                            .to_string_lossy()
                            .into_owned(),
                        free_bytes: free as u64,
                        total_bytes: total as u64,
                    }
                }
            })
            .collect()
    }
}

/// The llama.cpp this program contains: the version of the crate that carries its source, and llama.cpp's own.
#[must_use]
pub fn build_info() -> String {
    // SAFETY: a static, NUL-terminated string.
    let version = unsafe { CStr::from_ptr(sys::llama_version()) }.to_string_lossy().into_owned();
    format!("llama-cpp-sys-2 {} (llama.cpp {version})", ggml_sys::LLAMA_SOURCE_VERSION)
}
