//! Loading a GGUF, and the facts of it that the program needs.

use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::backend::Backend;
use super::error::LlamaError;
use super::vocab::Vocab;

/// How to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSettings {
    /// Layers on the GPU; `None` means all that fit, as llama.cpp decides.
    pub gpu_layers: Option<u32>,
    /// Map the file instead of reading it.
    pub mmap: bool,
    /// Lay weights out anew for the processor, where llama.cpp can: a second copy while it loads, faster later.
    pub repack: bool,
}

impl Default for ModelSettings {
    fn default() -> Self {
        ModelSettings { gpu_layers: None, mmap: true, repack: true }
    }
}

/// A loaded model. It holds weights and vocabulary; contexts made from it borrow it.
pub struct Model {
    handle: NonNull<sys::llama_model>,
    path: PathBuf,
    backend: &'static Backend,
}

/// What the progress callback of C reaches: the caller's closure.
struct Progress<'a> {
    report: &'a mut dyn FnMut(f32) -> bool,
    cancelled: bool,
}

/// Called by llama.cpp while it loads; false cancels.
///
/// # Safety
/// `user` is the `Progress` given to the load, which lives and is used by nobody else until the load returns.
unsafe extern "C" fn on_progress(fraction: f32, user: *mut c_void) -> bool {
    // SAFETY: `user` is the `Progress` on the stack of `Model::load`, which outlives the load call that calls this
    // on the same thread. The closure must not unwind into C: a panic is caught and cancels.
    let progress = unsafe { &mut *user.cast::<Progress<'_>>() };
    let go_on = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (progress.report)(fraction)));
    let go_on = go_on.unwrap_or(false);
    progress.cancelled |= !go_on;
    go_on
}

impl Model {
    /// Loads `path`. `report` hears fractions from 0 to 1 and cancels by answering false.
    ///
    /// # Errors
    /// `Load` with llama.cpp's own words, or `Cancelled`.
    pub fn load(
        backend: &'static Backend,
        path: &Path,
        settings: &ModelSettings,
        report: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Model, LlamaError> {
        let failed = |reason: String| LlamaError::Load { path: path.to_owned(), reason };
        let text = path.to_str().ok_or_else(|| failed("its path is not valid UTF-8".into()))?;
        let name = CString::new(text).map_err(|_| failed("its path holds a NUL character".into()))?;
        backend.log().clear();
        let mut progress = Progress { report, cancelled: false };
        // SAFETY: plain data from a default constructor; the fields set are documented in llama.h.
        let mut parameters = unsafe { sys::llama_model_default_params() };
        parameters.n_gpu_layers =
            settings.gpu_layers.map_or(-1, |layers| i32::try_from(layers).unwrap_or(i32::MAX));
        if !settings.mmap {
            parameters.load_mode = sys::LLAMA_LOAD_MODE_NONE;
        }
        parameters.use_extra_bufts = settings.repack;
        parameters.progress_callback = Some(on_progress);
        parameters.progress_callback_user_data = (&raw mut progress).cast();
        // SAFETY: `name` and `progress` live until the call returns; the backend has started.
        let handle = unsafe { sys::llama_model_load_from_file(name.as_ptr(), parameters) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Model { handle, path: path.to_owned(), backend }),
            None if progress.cancelled => Err(LlamaError::Cancelled(path.to_owned())),
            None => Err(failed(backend.log().take())),
        }
    }

    /// The file it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn backend(&self) -> &'static Backend {
        self.backend
    }

    pub(super) fn handle(&self) -> *mut sys::llama_model {
        self.handle.as_ptr()
    }

    /// Its vocabulary.
    #[must_use]
    pub fn vocab(&self) -> Vocab<'_> {
        Vocab::of(self)
    }

    /// A metadata value as text, `None` where the key is missing or an array.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<String> {
        let key = CString::new(key).ok()?;
        let mut buffer = vec![0_u8; 256];
        loop {
            // SAFETY: the buffer is writable for its whole length, and llama.cpp writes at most that many bytes.
            let length = unsafe {
                sys::llama_model_meta_val_str(
                    self.handle(),
                    key.as_ptr(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                )
            };
            let length = usize::try_from(length).ok()?;
            if length < buffer.len() {
                buffer.truncate(length);
                return Some(String::from_utf8_lossy(&buffer).into_owned());
            }
            buffer.resize(length + 1, 0);
        }
    }

    /// `general.architecture`.
    #[must_use]
    pub fn architecture(&self) -> String {
        self.metadata("general.architecture").unwrap_or_default()
    }

    /// Whether it is an MTP assistant, which can run only beside its target.
    #[must_use]
    pub fn is_assistant(&self) -> bool {
        self.architecture() == "gemma4-assistant"
    }

    /// Width of a hidden row that it hands to a drafter (targets) or takes (assistants).
    #[must_use]
    pub fn hidden_width(&self) -> usize {
        // SAFETY: const query of a live model.
        usize::try_from(unsafe { sys::llama_model_n_embd_out(self.handle()) }).unwrap_or(0)
    }

    /// The sliding window in tokens, 0 where every layer sees everything.
    #[must_use]
    pub fn window(&self) -> u32 {
        // SAFETY: as above.
        u32::try_from(unsafe { sys::llama_model_n_swa(self.handle()) }).unwrap_or(0)
    }

    /// Bytes of its tensors.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        // SAFETY: as above.
        unsafe { sys::llama_model_size(self.handle()) }
    }

    /// Whether it can write text (an encoder alone cannot).
    #[must_use]
    pub fn can_generate(&self) -> bool {
        // SAFETY: as above.
        unsafe { sys::llama_model_has_decoder(self.handle()) && !sys::llama_model_has_encoder(self.handle()) }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the handle came from a load, is freed once, and every `Handle` borrows
        // the model (its marker makes the drop checker see it), so none is left.
        unsafe { sys::llama_model_free(self.handle.as_ptr()) }
    }
}
