//! One cache and one compute graph over a model: decode a batch, read its rows, take back a tail.
//!
//! A context holds one sequence, positions `0..length`. Everything llama.cpp would abort on is checked here.

use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::time::Instant;

use ggml_sys as shim;
use llama_cpp_sys_2 as sys;

use super::error::LlamaError;
use super::model::Model;
use super::watch::Watch;
use crate::token::TokenId;

/// llama.cpp rounds a context's length up to a multiple of this (`llama-context.cpp`, `GGML_PAD(n_ctx, 256)`).
pub const CELL_STEP: u32 = 256;

/// Threads that llama.cpp takes at most (`GGML_MAX_N_THREADS`); beyond it aborts.
const MOST_THREADS: u32 = 512;

/// The one sequence of every context.
const SEQUENCE: sys::llama_seq_id = 0;

/// `LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY` of llama.h, a macro that the bindings leave out.
const SLIDING_WINDOW_ONLY: sys::llama_state_seq_flags = 1;

/// Element type of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvType {
    /// 16-bit floats.
    F16,
    /// 8-bit blocks: half the memory.
    Q8_0,
}

impl KvType {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KvType::F16 => "f16",
            KvType::Q8_0 => "q8_0",
        }
    }
}

/// How to create a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextSettings {
    /// Tokens the cache holds.
    pub cells: u32,
    /// Tokens decoded at once, at most.
    pub micro_batch: u32,
    /// Rows of scores a batch may ask for; each costs 4 bytes × vocabulary in the compute buffer.
    pub max_outputs: u32,
    /// Threads for one token.
    pub threads: u32,
    /// Threads for several (prefill, verify).
    pub threads_batch: u32,
    /// Element type of the cache.
    pub kv_type: KvType,
}

/// What a context holds beside its model's weights, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Cache.
    pub cache_bytes: u64,
    /// Scratch buffers.
    pub compute_bytes: u64,
}

/// The sliding-window half of a cache at some length, to go back to when the window has moved on.
pub struct Checkpoint {
    /// The text length it can go back to.
    pub length: u32,
    data: Vec<u8>,
}

impl Checkpoint {
    /// One that was made in an earlier run, of a context over the same model.
    #[must_use]
    pub fn of(length: u32, data: Vec<u8>) -> Checkpoint {
        Checkpoint { length, data }
    }

    /// Its content, for `of`.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Bytes it occupies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }
}

/// llama.cpp's context and a batch that refers to it. Counted, because a draft context points into its target's:
/// whoever needs the target's memory holds a count of it, so the order in which Rust drops them does not matter.
///
/// It borrows the model in the eyes of the drop checker too: a context frees what its model holds.
pub(super) struct Handle<'m> {
    batch: NonNull<sys::llama_batch_ext>,
    context: NonNull<sys::llama_context>,
    _model: PhantomData<&'m Model>,
    /// Dropped after the context, which calls it.
    _watch: Option<Watch>,
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        // SAFETY: both were created together and are freed once; the batch refers to the context, so it goes first.
        unsafe {
            sys::llama_batch_ext_free(self.batch.as_ptr());
            sys::llama_free(self.context.as_ptr());
        }
    }
}

/// A cache and a compute graph over a model.
///
/// It cannot outlive its model:
/// ```compile_fail
/// use slipstream::llama::{Context, ContextSettings, Model};
/// fn wrong(load: impl Fn() -> Model, settings: &ContextSettings) {
///     let context;
///     let model = load();
///     context = Context::new(&model, settings).unwrap();
/// }
/// ```
pub struct Context<'m> {
    handle: Rc<Handle<'m>>,
    model: &'m Model,
    settings: ContextSettings,
    vocabulary: usize,
    /// Tokens in the cache. Not used by a context that shares another's cache.
    length: u32,
    /// Tokens of the latest batch, for the check of row indices.
    decoded: usize,
}

impl<'m> Context<'m> {
    /// A context with a cache of its own, for a target or an ordinary draft model.
    ///
    /// # Errors
    /// `Context`, mostly for lack of memory.
    pub fn new(model: &'m Model, settings: &ContextSettings) -> Result<Context<'m>, LlamaError> {
        Context::independent(model, settings, None)
    }

    /// As `new`, and every op can be seen.
    ///
    /// # Errors
    /// As `new`.
    pub fn watched(
        model: &'m Model,
        settings: &ContextSettings,
        watch: &Watch,
    ) -> Result<Context<'m>, LlamaError> {
        Context::independent(model, settings, Some(watch.clone()))
    }

    fn independent(
        model: &'m Model,
        settings: &ContextSettings,
        watch: Option<Watch>,
    ) -> Result<Context<'m>, LlamaError> {
        if model.is_assistant() {
            return Err(LlamaError::Context {
                what: "target",
                cells: settings.cells,
                reason: "an MTP assistant runs only beside its target".into(),
            });
        }
        // SAFETY: no other context is linked.
        unsafe { Context::create(model, settings, "target", ptr::null_mut(), watch) }
    }

    /// # Safety
    /// `other` is null, or a live context of this thread that lives as long as the new one.
    pub(super) unsafe fn create(
        model: &'m Model,
        settings: &ContextSettings,
        what: &'static str,
        other: *mut sys::llama_context,
        watch: Option<Watch>,
    ) -> Result<Context<'m>, LlamaError> {
        let backend = model.backend();
        let _one_at_a_time = backend.creating();
        backend.log().clear();
        // SAFETY: plain data from a default constructor; the fields set are documented in llama.h.
        let mut parameters = unsafe { sys::llama_context_default_params() };
        // llama.cpp limits the batch to this length before it rounds it up: round first.
        parameters.n_ctx = settings.cells.checked_next_multiple_of(CELL_STEP).unwrap_or(settings.cells);
        parameters.n_batch = settings.micro_batch;
        parameters.n_ubatch = settings.micro_batch;
        parameters.n_seq_max = 1;
        parameters.n_outputs_max = settings.max_outputs;
        parameters.n_threads = i32::try_from(settings.threads).unwrap_or(i32::MAX);
        parameters.n_threads_batch = i32::try_from(settings.threads_batch).unwrap_or(i32::MAX);
        let kv_type = match settings.kv_type {
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
        };
        parameters.type_k = kv_type;
        parameters.type_v = kv_type;
        parameters.no_perf = true;
        parameters.swa_full = false;
        if let Some(watch) = &watch {
            (parameters.cb_eval, parameters.cb_eval_user_data) = watch.callback();
        }
        if !other.is_null() {
            parameters.ctx_type = sys::LLAMA_CONTEXT_TYPE_MTP;
            parameters.ctx_other = other;
        }
        // SAFETY: the model is live for `'m`; `other` as the caller promises; creation is serialized by the lock; the handle
        // keeps the watch as long as the context.
        let handle = unsafe { sys::llama_init_from_model(model.handle(), parameters) };
        let Some(handle) = NonNull::new(handle) else {
            let reason = backend.log().take();
            return Err(LlamaError::Context { what, cells: settings.cells, reason });
        };
        // SAFETY: the context is live; the batch is freed before it (`Handle`).
        let batch = unsafe { sys::llama_batch_ext_init(handle.as_ptr()) };
        let Some(batch) = NonNull::new(batch) else {
            // SAFETY: just created, referenced by nothing.
            unsafe { sys::llama_free(handle.as_ptr()) };
            let reason = "no memory for a batch".to_owned();
            return Err(LlamaError::Context { what, cells: settings.cells, reason });
        };
        // SAFETY: const queries of a live context. What was asked for and what it is may differ.
        let (cells, micro_batch) =
            unsafe { (sys::llama_n_ctx(handle.as_ptr()), sys::llama_n_batch(handle.as_ptr())) };
        let micro_batch = micro_batch.min(settings.micro_batch);
        let settings = ContextSettings { cells, micro_batch, ..settings.clone() };
        let vocabulary = model.vocab().size();
        let handle = Rc::new(Handle { batch, context: handle, _model: PhantomData, _watch: watch });
        Ok(Context { handle, model, settings, vocabulary, length: 0, decoded: 0 })
    }

    pub(super) fn handle(&self) -> *mut sys::llama_context {
        self.handle.context.as_ptr()
    }

    pub(super) fn shared_handle(&self) -> Rc<Handle<'m>> {
        Rc::clone(&self.handle)
    }

    /// The model it runs.
    #[must_use]
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// How it was created; `cells` is what llama.cpp rounded the wish to.
    #[must_use]
    pub fn settings(&self) -> &ContextSettings {
        &self.settings
    }

    /// Tokens in the cache.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Computes with so many threads from the next decode on: `one` for a single token, `batch` for several.
    pub fn set_threads(&mut self, one: u32, batch: u32) {
        let count = |threads: u32| i32::try_from(threads.clamp(1, MOST_THREADS)).unwrap_or(1);
        // SAFETY: live context; sets two integers.
        unsafe { sys::llama_set_n_threads(self.handle(), count(one), count(batch)) };
        self.settings.threads = one;
        self.settings.threads_batch = batch;
    }

    /// Hand out a hidden row for every output row from the next decode on, or stop doing so.
    pub fn set_hidden_rows(&mut self, enabled: bool) {
        // SAFETY: live context; the status can only tell of a null one.
        unsafe { shim::slipstream_set_hidden_rows(self.handle(), enabled) };
    }

    /// Decodes `tokens` after those in the cache. The last `outputs` of them give rows of scores.
    ///
    /// # Errors
    /// `Full`, `Limit`, or `Decode`; the cache then holds what it held before.
    pub fn decode(&mut self, tokens: &[TokenId], outputs: usize) -> Result<(), LlamaError> {
        self.check("tokens in a batch", tokens.len(), self.settings.micro_batch as usize)?;
        self.check("rows of scores in a batch", outputs, self.settings.max_outputs as usize)?;
        if self.length as usize + tokens.len() > self.settings.cells as usize {
            return Err(LlamaError::Full { cells: self.settings.cells });
        }
        self.clear_batch();
        let first_output = tokens.len().saturating_sub(outputs);
        for (index, token) in tokens.iter().enumerate() {
            // A batch is far below 2^31 tokens, and so is a context.
            let position = (self.length as usize + index) as i32;
            self.add(*token, position, index >= first_output, None)?;
        }
        self.process(tokens.len())?;
        self.length += tokens.len() as u32;
        Ok(())
    }

    /// Decodes one token with a hidden row beside it, at a position of the caller's, in a shared cache.
    pub(super) fn decode_hidden(
        &mut self,
        token: TokenId,
        hidden: &[f32],
        position: u32,
    ) -> Result<(), LlamaError> {
        let (got, limit) = (hidden.len(), self.model.hidden_width());
        if got != limit {
            return Err(LlamaError::Limit { what: "width of a hidden row", got, limit });
        }
        self.clear_batch();
        self.add(token, i32::try_from(position).unwrap_or(i32::MAX), true, Some(hidden))?;
        self.process(1)
    }

    fn check(&self, what: &'static str, got: usize, limit: usize) -> Result<(), LlamaError> {
        if got > limit { Err(LlamaError::Limit { what, got, limit }) } else { Ok(()) }
    }

    fn clear_batch(&mut self) {
        // SAFETY: the batch belongs to this context.
        unsafe { sys::llama_batch_ext_clear(self.handle.batch.as_ptr()) };
    }

    fn add(
        &mut self,
        token: TokenId,
        position: i32,
        output: bool,
        hidden: Option<&[f32]>,
    ) -> Result<(), LlamaError> {
        let id = usize::try_from(token.0).unwrap_or(usize::MAX);
        if id >= self.vocabulary {
            return Err(LlamaError::Limit { what: "token number", got: id, limit: self.vocabulary });
        }
        let batch = self.handle.batch.as_ptr();
        // SAFETY: the batch is live; the row of a draft step is copied by the call; `position` is read once.
        let added = unsafe {
            let index = sys::llama_batch_ext_add_token(batch, SEQUENCE, token.0);
            index >= 0
                && sys::llama_batch_ext_set_pos(batch, index, &raw const position)
                && (!output || sys::llama_batch_ext_set_output_logits(batch, index, true))
                && hidden.is_none_or(|row| {
                    let row = sys::llama_embd { data: row.as_ptr(), n_rows: 1, n_embd: row.len() };
                    sys::llama_batch_ext_set_embd_token(batch, index, row)
                })
        };
        if added {
            return Ok(());
        }
        let reason = format!("token {} at position {position} was refused by the batch", token.0);
        Err(LlamaError::Decode { count: 1, code: -1, reason })
    }

    fn process(&mut self, count: usize) -> Result<(), LlamaError> {
        self.decoded = 0;
        let (mut code, mut error): (i32, *mut c_char) = (0, ptr::null_mut());
        let _unswitched = super::kernels::unswitched();
        let started = Instant::now();
        // SAFETY: context and batch are live and belong together; both out-parameters are written first.
        let status = unsafe {
            shim::slipstream_decode(self.handle(), self.handle.batch.as_ptr(), &raw mut code, &raw mut error)
        };
        self.model.backend().has_decoded(started.elapsed());
        if status == shim::SLIPSTREAM_OK && code == 0 {
            self.decoded = count;
            return Ok(());
        }
        if status == shim::SLIPSTREAM_OK && code == 1 {
            return Err(LlamaError::Full { cells: self.settings.cells });
        }
        let reason = if error.is_null() {
            self.model.backend().log().take()
        } else {
            // SAFETY: the shim's own string, copied and then freed with its own function.
            unsafe {
                let text = std::ffi::CStr::from_ptr(error).to_string_lossy().into_owned();
                shim::slipstream_string_free(error);
                text
            }
        };
        Err(LlamaError::Decode { count, code, reason })
    }

    /// Scores after the `index`-th token of the latest batch, one per token of the vocabulary; `None` where that
    /// token was not asked for scores.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        if index >= self.decoded {
            return None;
        }
        // SAFETY: the index is within the latest batch; the row has one float per token of the vocabulary and lives
        // until the next decode, which needs `&mut self`.
        unsafe {
            let row = sys::llama_get_logits_ith(self.handle(), i32::try_from(index).ok()?);
            (!row.is_null()).then(|| std::slice::from_raw_parts(row, self.vocabulary))
        }
    }

    /// Hidden row of the `index`-th token of the latest batch, `None` where it was not asked for.
    #[must_use]
    pub fn hidden_row(&self, index: usize) -> Option<&[f32]> {
        if index >= self.decoded {
            return None;
        }
        let mut row = ptr::null();
        let index = i32::try_from(index).ok()?;
        // SAFETY: as `row`; a target's and an assistant's hidden rows have the model's output width.
        unsafe {
            let status = shim::slipstream_hidden_row(self.handle(), index, &raw mut row);
            (status == shim::SLIPSTREAM_OK)
                .then(|| std::slice::from_raw_parts(row, self.model.hidden_width()))
        }
    }

    /// How many tokens, `most` at most, a batch may have so that removing its last ones leaves the cache's cells as if they
    /// had never been: fewer than `most` only where the ring of a sliding window's cells ends. (llama.cpp goes on at the
    /// lowest cell that was freed, which then is the ring's first. Attention adds in the order of cells.)
    #[must_use]
    pub fn straight_batch(&self, most: u32) -> u32 {
        let mut count = 0;
        let most = most.min(self.settings.cells - self.length).max(1);
        // SAFETY: live context, out-parameter written; only looks for cells.
        unsafe { shim::slipstream_straight_batch(self.handle(), most, &raw mut count) };
        count.max(1)
    }

    /// Removes the last tokens of the latest batch, so that `length` remain. Always safe: the sliding window
    /// still holds what was before the batch.
    pub fn drop_tail(&mut self, length: u32) {
        if length < self.length {
            self.remove_from(length);
        }
    }

    fn remove_from(&mut self, length: u32) {
        let from = i32::try_from(length).unwrap_or(i32::MAX);
        // SAFETY: live context. For a cache with a sliding window it always says true, so the answer tells nothing.
        unsafe { sys::llama_memory_seq_rm(sys::llama_get_memory(self.handle()), SEQUENCE, from, -1) };
        self.length = length;
    }

    /// Goes back to `length` tokens. False where the sliding window has moved too far: the cache is then
    /// unusable until `restore` or `clear`.
    #[must_use]
    pub fn truncate(&mut self, length: u32) -> bool {
        if length >= self.length {
            return true;
        }
        self.remove_from(length);
        self.window_holds(length)
    }

    /// Whether the window of a next token at position `length` is in the cache.
    fn window_holds(&self, length: u32) -> bool {
        let window = self.model.window();
        if window == 0 || length == 0 {
            return true;
        }
        // SAFETY: live context; const query.
        let first = unsafe { sys::llama_memory_seq_pos_min(sys::llama_get_memory(self.handle()), SEQUENCE) };
        let needed = (length + 1).saturating_sub(window);
        u32::try_from(first).is_ok_and(|first| first <= needed)
    }

    /// Empties the cache. On a target this also takes the cells that a drafter shares, which is meant.
    pub fn clear(&mut self) {
        self.remove_from(0);
        self.decoded = 0;
    }

    /// Whether going back can lose something: the model has a sliding window that does not cover the whole context.
    #[must_use]
    pub fn has_window(&self) -> bool {
        (1..self.settings.cells).contains(&self.model.window())
    }

    /// Saves the sliding-window half of the cache, with which the present length can be returned to later. (Only the
    /// window of the present length is saved, so this cannot be done afterwards.) `None` where nothing can be lost:
    /// the model has no window, or it covers the whole context.
    #[must_use]
    pub fn checkpoint(&mut self) -> Option<Checkpoint> {
        if !self.has_window() || self.length == 0 {
            return None;
        }
        let data = self.save(SLIDING_WINDOW_ONLY)?;
        Some(Checkpoint { length: self.length, data })
    }

    /// Goes back to a checkpoint. False where it does not fit any more; the cache is then unusable until `clear`.
    #[must_use]
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> bool {
        checkpoint.length <= self.length && self.load(&checkpoint.data, SLIDING_WINDOW_ONLY) && {
            self.remove_from(checkpoint.length);
            self.window_holds(checkpoint.length)
        }
    }

    /// Bytes of what `save_state` gives.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        // SAFETY: live context; only counts.
        unsafe { sys::llama_state_seq_get_size_ext(self.handle(), SEQUENCE, 0) as u64 }
    }

    /// The whole cache, to be put back in another run. `None` where there is no memory for it.
    #[must_use]
    pub fn save_state(&mut self) -> Option<Vec<u8>> {
        self.save_all()
    }

    /// Puts what `save_state` gave in place of what the cache holds: `length` tokens. False where it does not fit this
    /// context; the cache is empty then.
    #[must_use]
    pub fn load_state(&mut self, data: &[u8], length: u32) -> bool {
        self.clear();
        if length <= self.settings.cells && self.load_all(data) {
            self.length = length;
            // SAFETY: live context; const query.
            let last =
                unsafe { sys::llama_memory_seq_pos_max(sys::llama_get_memory(self.handle()), SEQUENCE) };
            if u32::try_from(last).is_ok_and(|last| last + 1 == length) && self.window_holds(length) {
                return true;
            }
        }
        // Whatever was read of it: also positions past `length`.
        self.remove_from(0);
        self.decoded = 0;
        false
    }

    /// The whole sequence's state.
    pub(super) fn save_all(&mut self) -> Option<Vec<u8>> {
        self.save(0)
    }

    /// Puts back what `save_all` saved.
    pub(super) fn load_all(&mut self, data: &[u8]) -> bool {
        self.load(data, 0)
    }

    fn save(&mut self, flags: u32) -> Option<Vec<u8>> {
        // SAFETY: live context; the buffer has the size that llama.cpp asked for.
        unsafe {
            let size = sys::llama_state_seq_get_size_ext(self.handle(), SEQUENCE, flags);
            // What is saved is a convenience (200 MiB on the 26B): no memory for it is no failure.
            let mut data = Vec::new();
            data.try_reserve_exact(size).ok()?;
            data.resize(size, 0_u8);
            let written =
                sys::llama_state_seq_get_data_ext(self.handle(), data.as_mut_ptr(), size, SEQUENCE, flags);
            (size > 0 && written == size).then_some(data)
        }
    }

    fn load(&mut self, data: &[u8], flags: u32) -> bool {
        // SAFETY: live context; the data came from `save` of a context over the same model, and is read for its length.
        unsafe {
            sys::llama_state_seq_set_data_ext(self.handle(), data.as_ptr(), data.len(), SEQUENCE, flags) > 0
        }
    }

    /// What this context holds. The weights are not in it (`Model::tensor_bytes`): llama.cpp counts them twice where it
    /// has mapped a file and keeps repacked copies of its tensors.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        let mut memory = shim::slipstream_memory { model_bytes: 0, cache_bytes: 0, compute_bytes: 0 };
        // SAFETY: live context, out-parameter written.
        unsafe { shim::slipstream_memory_use(self.handle(), &raw mut memory) };
        MemoryUse { cache_bytes: memory.cache_bytes, compute_bytes: memory.compute_bytes }
    }
}
