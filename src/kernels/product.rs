//! One product over all threads: quantize, sort the rows by expert, take strips from one common counter.

use std::ops::Range;
use std::slice;

use super::kernel::{Batch, Kernel, WIDEST};

/// Most rows of weights in a strip: with 4,000 columns of four bits 140 KiB, which stay in the second cache for a second
/// pass.
const LONGEST_STRIP: usize = 64;

/// Bytes that rows of activations are aligned to: what a processor fetches at once.
const LINE: usize = 64;

/// The threads that work on one product together.
pub trait Pool {
    /// Waits until all threads are here.
    fn barrier(&self);
    /// Sets the common counter to zero.
    fn reset(&self);
    /// The counter's value, which then grows by one.
    fn next(&self) -> usize;
}

/// A product, as one of its threads sees it. Strides are bytes.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// The first matrix.
    pub weights: *const u8,
    /// Single-precision rows: token × slot × column.
    pub activations: *const u8,
    /// `i32` numbers of the experts of each token, token × choice; null where one matrix serves all rows.
    pub choice: *const u8,
    /// Single-precision results: token × choice × row.
    pub output: *mut u8,
    /// Columns of a matrix.
    pub columns: usize,
    /// Rows of a matrix.
    pub rows: usize,
    /// Matrices.
    pub experts: usize,
    /// From matrix to matrix.
    pub expert_stride: usize,
    /// Rows of activations a token; a choice takes the row of its number, round and round.
    pub slots: usize,
    /// Tokens.
    pub tokens: usize,
    /// From row to row of activations.
    pub slot_stride: usize,
    /// From token to token of activations.
    pub token_stride: usize,
    /// Experts a token; equal to `slots` where there is one matrix.
    pub chosen: usize,
    /// From choice to choice.
    pub choice_stride: usize,
    /// From token to token of choices.
    pub choice_token_stride: usize,
    /// From row to row of results.
    pub output_slot_stride: usize,
    /// From token to token of results.
    pub output_token_stride: usize,
    /// This thread's number.
    pub thread: usize,
    /// Threads.
    pub threads: usize,
    /// Memory common to the threads.
    pub work: *mut u8,
    /// Its size.
    pub work_size: usize,
}

/// Where things lie in the work memory: quantized rows, each with a mark for each of its parts behind it, then the lists.
struct Layout {
    row: usize,
    /// Offset of the marks in a row.
    marks: usize,
    /// Offsets into `entries`, one more than experts.
    starts: usize,
    /// Experts with at least one row, their number first.
    active: usize,
    /// (choice, token), sorted by expert.
    entries: usize,
    end: usize,
}

impl Layout {
    fn of(product: &Product, kernel: &Kernel) -> Layout {
        let marks = product.columns / kernel.columns * kernel.activation_bytes;
        let row = (marks + parts(product)).next_multiple_of(LINE);
        let starts = row * product.slots * product.tokens;
        let active = starts + 4 * (product.experts + 1);
        let entries = active + 4 * (product.experts + 1);
        Layout { row, marks, starts, active, entries, end: entries + 8 * product.chosen * product.tokens }
    }
}

/// Parts into which a row of activations is cut, so that every thread has something to quantize.
fn parts(product: &Product) -> usize {
    // No rows where ggml plans a batch that wants no scores.
    product.threads.div_ceil((product.slots * product.tokens).max(1))
}

/// Bytes of work memory the product needs; reads sizes only.
#[must_use]
pub fn work_bytes(product: &Product, kernel: &Kernel) -> usize {
    Layout::of(product, kernel).end
}

/// Computes this thread's part. Returns false, on all threads alike and before any barrier, for what it does not do.
///
/// # Safety
/// All pointers and strides describe live memory; `output` and `work` are shared with the other threads of this product
/// only, which are as many as it says; the weights lie as the kernel wants them; the processor has its instructions.
pub unsafe fn multiply(product: &Product, kernel: &Kernel, pool: &impl Pool) -> bool {
    let layout = Layout::of(product, kernel);
    let fits = product.columns.is_multiple_of(kernel.columns)
        && product.columns > 0
        && product.rows.is_multiple_of(kernel.group)
        && layout.end <= product.work_size
        && product.work.addr().is_multiple_of(8)
        && product.activations.addr().is_multiple_of(4);
    // SAFETY: the caller's promise about `choice`.
    if !fits || !unsafe { choices_exist(product) } {
        return false;
    }
    // SAFETY: the caller's promises; each thread writes its own parts of rows, the first one also the lists.
    unsafe {
        quantize_rows(product, kernel, &layout);
        if product.thread == 0 {
            sort_rows(product, &layout);
            pool.reset();
        }
    }
    pool.barrier();
    // SAFETY: all rows and lists are written, and from now on only read.
    unsafe { take_strips(product, kernel, &layout, pool) };
    true
}

/// The expert of a choice; the only one where there is nothing to choose.
///
/// # Safety
/// Both numbers are in range, and the caller of [`multiply`] keeps its promises.
unsafe fn expert(product: &Product, choice: usize, token: usize) -> i32 {
    if product.choice.is_null() {
        return 0;
    }
    let at = token * product.choice_token_stride + choice * product.choice_stride;
    // SAFETY: the caller's promise about strides.
    unsafe { product.choice.add(at).cast::<i32>().read_unaligned() }
}

/// # Safety
/// The caller of [`multiply`] keeps its promises.
unsafe fn choices_exist(product: &Product) -> bool {
    (0..product.tokens).all(|token| {
        (0..product.chosen).all(|choice| {
            // SAFETY: both numbers are in range.
            let expert = unsafe { expert(product, choice, token) };
            usize::try_from(expert).is_ok_and(|expert| expert < product.experts)
        })
    })
}

/// # Safety
/// As for [`multiply`]; called once a thread, before the barrier.
unsafe fn quantize_rows(product: &Product, kernel: &Kernel, layout: &Layout) {
    let blocks = product.columns / kernel.columns;
    let parts = parts(product);
    for piece in (product.thread..product.slots * product.tokens * parts).step_by(product.threads) {
        let (row, part) = (piece / parts, piece % parts);
        let at = row / product.slots * product.token_stride + row % product.slots * product.slot_stride;
        let (first, last) = (blocks * part / parts, blocks * (part + 1) / parts);
        // SAFETY: the row lies in the activations, this part's place in the work memory is this thread's alone.
        unsafe {
            let start = product.activations.add(at).cast::<f32>().add(first * kernel.columns);
            let values = slice::from_raw_parts(start, (last - first) * kernel.columns);
            let place = product.work.add(row * layout.row);
            let irregular = (kernel.quantize)(values, place.add(first * kernel.activation_bytes));
            place.add(layout.marks + part).write(u8::from(irregular));
        }
    }
}

/// # Safety
/// As for [`multiply`]; called by one thread, before the barrier, with experts in range.
unsafe fn sort_rows(product: &Product, layout: &Layout) {
    // SAFETY: `multiply` checked the size; nobody else touches the lists before the barrier; experts are in range.
    unsafe {
        let zeroed = layout.entries - layout.starts;
        product.work.add(layout.starts).write_bytes(0, zeroed);
        let starts =
            slice::from_raw_parts_mut(product.work.add(layout.starts).cast::<u32>(), product.experts + 1);
        let active =
            slice::from_raw_parts_mut(product.work.add(layout.active).cast::<u32>(), product.experts + 1);
        let entries = product.work.add(layout.entries).cast::<[u32; 2]>();
        for token in 0..product.tokens {
            for choice in 0..product.chosen {
                starts[expert(product, choice, token) as usize + 1] += 1;
            }
        }
        for number in 0..product.experts {
            if starts[number + 1] > 0 {
                active[0] += 1;
                active[active[0] as usize] = number as u32;
            }
            starts[number + 1] += starts[number];
        }
        // Filling moves each expert's start to its end, which is the start of the next: shifted back afterwards.
        for token in 0..product.tokens {
            for choice in 0..product.chosen {
                let start = &mut starts[expert(product, choice, token) as usize];
                entries.add(*start as usize).write([choice as u32, token as u32]);
                *start += 1;
            }
        }
        starts.copy_within(0..product.experts, 1);
        starts[0] = 0;
    }
}

/// # Safety
/// As for [`multiply`]; called after the barrier.
unsafe fn take_strips(product: &Product, kernel: &Kernel, layout: &Layout, pool: &impl Pool) {
    let row_bytes = product.columns / kernel.columns * kernel.weight_bytes / kernel.group;
    // Shorter strips where there are few rows for many threads.
    let share = product.rows.div_ceil(4 * product.threads).next_multiple_of(2 * kernel.group);
    let length = share.min(LONGEST_STRIP);
    let strips = product.rows.div_ceil(length);
    // SAFETY: written before the barrier, of these lengths.
    let (starts, active) = unsafe {
        (
            slice::from_raw_parts(product.work.add(layout.starts).cast::<u32>(), product.experts + 1),
            slice::from_raw_parts(product.work.add(layout.active).cast::<u32>(), product.experts + 1),
        )
    };
    let jobs = active[0] as usize * strips;
    loop {
        let job = pool.next();
        if job >= jobs {
            break;
        }
        let number = active[1 + job / strips] as usize;
        let first = job % strips * length;
        let strip = first..product.rows.min(first + length);
        let range = starts[number] as usize..starts[number + 1] as usize;
        // SAFETY: the strip lies in the expert's matrix; the entries in the list.
        let (weights, entries) = unsafe {
            let list = product.work.add(layout.entries).cast::<[u32; 2]>().add(range.start);
            let offset = number * product.expert_stride + first * row_bytes;
            (product.weights.add(offset), slice::from_raw_parts(list, range.len()))
        };
        for some in entries.chunks(WIDEST) {
            // SAFETY: this job's strip of results is this thread's alone.
            unsafe { one_pass(product, kernel, layout, weights, strip.clone(), some) };
        }
    }
}

/// Multiplies a strip with up to eight rows; those with values that are no numbers go their own way.
///
/// # Safety
/// As for [`take_strips`]; `weights` are the strip's; its results are this thread's alone.
unsafe fn one_pass(
    product: &Product,
    kernel: &Kernel,
    layout: &Layout,
    weights: *const u8,
    strip: Range<usize>,
    entries: &[[u32; 2]],
) {
    let blocks = product.columns / kernel.columns;
    let groups = strip.len() / kernel.group;
    let (mut regular, mut irregular) = (Batch::EMPTY, Batch::EMPTY);
    for [choice, token] in entries.iter().map(|entry| entry.map(|number| number as usize)) {
        let row = token * product.slots + choice % product.slots;
        // SAFETY: row and result exist; the marks lie behind the row's blocks.
        unsafe {
            let place = product.work.add(row * layout.row).cast_const();
            let marks = slice::from_raw_parts(place.add(layout.marks), parts(product));
            let at = token * product.output_token_stride + choice * product.output_slot_stride;
            let output = product.output.add(at).cast::<f32>().add(strip.start);
            let is_irregular = marks.iter().any(|mark| *mark != 0);
            if is_irregular { &mut irregular } else { &mut regular }.push(place, output);
        }
    }
    // SAFETY: whole groups, rows of one length, room for the results; the caller answers for the instructions.
    unsafe {
        if regular.count > 0 {
            (kernel.strip)(weights, blocks, groups, &regular);
        }
        if irregular.count > 0 {
            (kernel.irregular)(weights, blocks, groups, &irregular);
        }
    }
}
