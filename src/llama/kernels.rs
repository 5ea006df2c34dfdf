//! Our kernels in llama.cpp: installed once, switched while nothing decodes, compared with llama.cpp's own results.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};

use ggml_sys as shim;

use crate::kernels::{self, InstructionSet, Interleaving, Kernel, Pool, Product, Weights};

/// What no set has as its number.
const OFF: u8 = u8::MAX;

static ACTIVE: AtomicU8 = AtomicU8::new(OFF);

/// A bit for each of [`Weights::ALL`] that is taken over.
static KEPT: AtomicU32 = AtomicU32::new(u32::MAX);

/// Read by every decode, written by the switch: threads of one decode must not see different answers.
static SWITCH: RwLock<()> = RwLock::new(());

/// A product on its own, for tests and the self-test.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// How llama.cpp holds the weights: of which type, and whether in its repacked or a plain buffer.
    pub kind: Weights,
    /// Plain rows of the weights' type: experts × rows × columns.
    pub weights: &'a [u8],
    /// tokens × slots × columns.
    pub activations: &'a [f32],
    /// tokens × experts a token; empty for one matrix, with `slots` rows.
    pub choice: &'a [i32],
    /// Columns of a matrix.
    pub columns: usize,
    /// Rows of a matrix, a multiple of 8.
    pub rows: usize,
    /// Matrices.
    pub experts: usize,
    /// Rows of activations a token, or the batch where there is one matrix.
    pub slots: usize,
    /// Tokens; 1 where there is one matrix.
    pub tokens: usize,
    /// Threads of the product.
    pub threads: usize,
}

/// Turns our kernels on with a set of instructions, or off. Waits for running decodes. Returns whether the state is as
/// asked: not so where the build or the processor cannot.
pub fn switch(set: Option<InstructionSet>) -> bool {
    let _no_decode = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
    set_to(set)
}

/// As `switch`; nothing decodes.
fn set_to(set: Option<InstructionSet>) -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let Some(set) = set else {
        // SAFETY: sets an atomic; nothing decodes.
        unsafe { shim::slipstream_kernels_enable(false) };
        ACTIVE.store(OFF, Ordering::Relaxed);
        return true;
    };
    // SAFETY: three functions that live as long as the process; nothing decodes.
    let install = || unsafe { shim::slipstream_kernels_install(Some(takes), Some(multiply), Some(work)) };
    if !set.is_supported() || !*INSTALLED.get_or_init(install) {
        return false;
    }
    ACTIVE.store(set as u8, Ordering::Relaxed);
    // SAFETY: sets an atomic; nothing decodes.
    unsafe { shim::slipstream_kernels_enable(true) };
    true
}

/// The types of weights for which a set has kernels, of those that llama.cpp lays out as the kernels want them on this
/// processor.
#[must_use]
pub fn known(set: InstructionSet) -> Vec<Weights> {
    let lies_so = |kind: &Weights| {
        let (ggml_type, interleaving) = kind.in_ggml();
        // SAFETY: reads what ggml was compiled for.
        interleaving == Interleaving::PLAIN
            || unsafe {
                shim::slipstream_kernels_interleaves(ggml_type, interleaving.rows, interleaving.columns)
            }
    };
    Weights::ALL.into_iter().filter(|kind| kind.has_kernel(set)).filter(lies_so).collect()
}

/// Leaves all other types of weights to llama.cpp from now on. Waits for running decodes.
pub fn keep(types: &[Weights]) {
    let _no_decode = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
    KEPT.store(types.iter().fold(0, |bits, kind| bits | bit(*kind)), Ordering::Relaxed);
}

fn bit(kind: Weights) -> u32 {
    1 << kind as u32
}

/// The instructions our kernels run with; none while they are off.
#[must_use]
pub fn active() -> Option<InstructionSet> {
    InstructionSet::from_number(ACTIVE.load(Ordering::Relaxed))
}

/// Products taken over since the start.
#[must_use]
pub fn taken() -> u64 {
    // SAFETY: reads an atomic.
    unsafe { shim::slipstream_kernels_taken() }
}

/// Held during a decode.
pub(super) fn unswitched() -> RwLockReadGuard<'static, ()> {
    SWITCH.read().unwrap_or_else(PoisonError::into_inner)
}

/// Computes a product through ggml, with weights as llama.cpp holds them; tokens × choices × rows. Our kernels are on
/// with `set` meanwhile, or off, and nothing else decodes. None where ggml or the set cannot.
///
/// # Panics
/// Where the lengths do not fit each other.
#[must_use]
pub fn compute(trial: &Trial, set: Option<InstructionSet>) -> Option<Vec<f32>> {
    let (weights_type, interleaving) = trial.kind.in_ggml();
    compute_of_type(trial, (weights_type, interleaving != Interleaving::PLAIN), set)
}

/// As `compute`, with weights of any type: ggml's number of it, and whether they are in the repacked buffer.
///
/// # Panics
/// As `compute`.
#[must_use]
pub fn compute_of_type(
    trial: &Trial,
    (weights_type, repacked): (u32, bool),
    set: Option<InstructionSet>,
) -> Option<Vec<f32>> {
    let chosen = if trial.choice.is_empty() { trial.slots } else { trial.choice.len() / trial.tokens };
    assert_eq!(trial.activations.len(), trial.tokens * trial.slots * trial.columns, "activations");
    assert!(trial.choice.is_empty() || trial.choice.len() == chosen * trial.tokens, "choices");
    assert!(
        trial.columns.is_multiple_of(32) && trial.rows.is_multiple_of(8) && trial.threads > 0,
        "a shape that can be repacked"
    );
    let mut output = vec![0.0; trial.tokens * chosen * trial.rows];
    let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let described = shim::slipstream_trial {
        weights_type,
        repacked,
        weights: trial.weights.as_ptr().cast(),
        activations: trial.activations.as_ptr(),
        choice: if trial.choice.is_empty() { std::ptr::null() } else { trial.choice.as_ptr() },
        weights_bytes: trial.weights.len() as u64,
        columns: number(trial.columns),
        rows: number(trial.rows),
        experts: number(trial.experts),
        slots: number(trial.slots),
        tokens: number(trial.tokens),
        chosen: number(chosen),
        threads: i32::try_from(trial.threads).unwrap_or(1),
    };
    let _alone = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
    let before = active();
    // SAFETY: the shim checks the bytes of weights, the other lengths were checked above; the output has room for every result.
    let done =
        set_to(set) && unsafe { shim::slipstream_kernels_try(&raw const described, output.as_mut_ptr()) };
    set_to(before);
    done.then_some(output)
}

/// ggml's threads of one product.
struct Threads(*mut std::ffi::c_void);

impl Pool for Threads {
    fn barrier(&self) {
        // SAFETY: ggml's pool, alive during the product.
        unsafe { shim::slipstream_pool_barrier(self.0) }
    }

    fn reset(&self) {
        // SAFETY: as above.
        unsafe { shim::slipstream_pool_reset(self.0) }
    }

    fn next(&self) -> usize {
        // SAFETY: as above.
        let next = unsafe { shim::slipstream_pool_next(self.0) };
        usize::try_from(next).unwrap_or(usize::MAX)
    }
}

/// Called by ggml on every thread of a product. A panic here ends the process: the other threads would wait for ever.
///
/// # Safety
/// `product` describes live memory, as hook.cpp fills it.
unsafe extern "C" fn multiply(product: *const shim::slipstream_matmul) -> bool {
    // SAFETY: hook.cpp passes its own filled structure.
    let product = unsafe { &*product };
    let Some(kernel) = kernel_of(product) else { return false };
    // SAFETY: hook.cpp's description is true, and `switch` checked the processor.
    unsafe { kernels::multiply(&plain(product), &kernel, &Threads(product.pool)) }
}

/// # Safety
/// `product` is hook.cpp's own structure.
unsafe extern "C" fn work(product: *const shim::slipstream_matmul) -> u64 {
    // SAFETY: sizes only are read.
    let product = unsafe { &*product };
    kernel_of(product).map_or(0, |kernel| kernels::work_bytes(&plain(product), &kernel) as u64)
}

/// Whether there is a kernel for weights of ggml's type, whose rows are interleaved like this.
extern "C" fn takes(ggml_type: u32, rows: u32, columns: u32) -> bool {
    let kept = KEPT.load(Ordering::Relaxed);
    active_kind(ggml_type, Interleaving { rows, columns }).is_some_and(|(kind, _)| kept & bit(kind) != 0)
}

/// The type of weights and the active set, if that has a kernel for it.
fn active_kind(ggml_type: u32, interleaving: Interleaving) -> Option<(Weights, InstructionSet)> {
    let set = active()?;
    Weights::of(ggml_type, interleaving).filter(|kind| kind.has_kernel(set)).map(|kind| (kind, set))
}

fn kernel_of(product: &shim::slipstream_matmul) -> Option<Kernel> {
    let interleaving = Interleaving { rows: product.interleaved_rows, columns: product.interleaved_columns };
    let (kind, set) = active_kind(product.weights_type, interleaving)?;
    Some(kind.kernel(set))
}

fn plain(product: &shim::slipstream_matmul) -> Product {
    Product {
        weights: product.weights.cast(),
        activations: product.activations.cast(),
        choice: product.choice.cast(),
        output: product.output.cast(),
        columns: product.columns as usize,
        rows: product.rows as usize,
        experts: product.experts as usize,
        expert_stride: product.expert_stride as usize,
        slots: product.slots as usize,
        tokens: product.tokens as usize,
        slot_stride: product.slot_stride as usize,
        token_stride: product.token_stride as usize,
        chosen: product.chosen as usize,
        choice_stride: product.choice_stride as usize,
        choice_token_stride: product.choice_token_stride as usize,
        output_slot_stride: product.output_slot_stride as usize,
        output_token_stride: product.output_token_stride as usize,
        thread: product.thread as usize,
        threads: product.threads as usize,
        work: product.work.cast(),
        work_size: product.work_bytes as usize,
    }
}
