//! One product over all threads: quantize, sort the rows by expert, take strips from one common counter. A small one without
//! any of that: each thread quantizes everything for itself and multiplies its own part.

use std::ops::Range;
use std::slice;

use super::kernel::{Batch, Kernel, WIDEST};

/// Most rows of weights in a strip: with 4,000 columns of four bits 140 KiB, which stay in the second cache for a second
/// pass.
const LONGEST_STRIP: usize = 64;

/// Most values of activations that every thread quantizes for itself rather than wait for the others: some 0.5 µs of work,
/// where a barrier costs as much and more.
const SMALL_ACTIVATIONS: usize = 4096;

/// Most bytes of weights a thread (some 20 µs of work) that are shared out evenly beforehand: a common counter costs more
/// there than an uneven end.
const SMALL_WEIGHTS: usize = 256 << 10;

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

/// Where things lie in the work memory: quantized rows, each with a mark for each of its parts behind it, then the lists. A
/// small product has rows for each thread, and no lists.
struct Layout {
    is_small: bool,
    row: usize,
    /// Parts into which a row of activations is cut, so that every thread has something to quantize.
    parts: usize,
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
        // None where ggml plans a batch that wants no scores.
        let rows = product.slots * product.tokens;
        // An expert that several rows chose is read again for each.
        let matrices = if product.choice.is_null() { 1 } else { product.chosen * product.tokens };
        let is_small = rows * product.columns <= SMALL_ACTIVATIONS
            && matrices * product.rows * row_bytes(product, kernel) <= SMALL_WEIGHTS * product.threads;
        if is_small {
            let row = (marks + 1).next_multiple_of(LINE);
            let end = row * rows * product.threads;
            return Layout { is_small, row, parts: 1, marks, starts: end, active: end, entries: end, end };
        }
        let parts = product.threads.div_ceil(rows.max(1));
        let row = (marks + parts).next_multiple_of(LINE);
        let starts = row * rows;
        let active = starts + 4 * (product.experts + 1);
        let entries = active + 4 * (product.experts + 1);
        let end = entries + 8 * product.chosen * product.tokens;
        Layout { is_small, row, parts, marks, starts, active, entries, end }
    }
}

/// Bytes of a row of weights, of the mean in a group.
fn row_bytes(product: &Product, kernel: &Kernel) -> usize {
    product.columns / kernel.columns * kernel.weight_bytes / kernel.group
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
        && product.slots > 0
        && product.rows.is_multiple_of(kernel.group)
        && layout.end <= product.work_size
        && product.work.addr().is_multiple_of(8)
        && product.activations.addr().is_multiple_of(4);
    // SAFETY: the caller's promise about `choice`.
    if !fits || !unsafe { choices_exist(product) } {
        return false;
    }
    if layout.is_small {
        // SAFETY: the caller's promises.
        unsafe { multiply_alone(product, kernel, &layout) };
        return true;
    }
    // SAFETY: the caller's promises; each thread writes its own parts of rows, the first one also the lists.
    unsafe {
        let pieces = (product.thread..product.slots * product.tokens * layout.parts).step_by(product.threads);
        quantize(product, kernel, &layout, product.work, pieces);
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

/// This thread's even share of the rows of weights, with activations that it quantizes itself.
///
/// # Safety
/// As for [`multiply`]; the layout is that of a small product.
unsafe fn multiply_alone(product: &Product, kernel: &Kernel, layout: &Layout) {
    let groups = product.rows / kernel.group;
    let [first, end] =
        [product.thread, product.thread + 1].map(|number| groups * number / product.threads * kernel.group);
    if first == end {
        return;
    }
    let rows = product.slots * product.tokens;
    // SAFETY: each thread has its own rows in the work memory; the strip lies in the matrix, and its results are this
    // thread's alone.
    unsafe {
        let work = product.work.add(layout.row * rows * product.thread);
        quantize(product, kernel, layout, work, 0..rows);
        let strip = |expert: usize, entries: &[[u32; 2]]| {
            let offset = expert * product.expert_stride + first * row_bytes(product, kernel);
            one_pass(product, kernel, layout, work, product.weights.add(offset), first..end, entries);
        };
        let mut entries = (0..product.tokens)
            .flat_map(|token| (0..product.chosen).map(move |choice| [choice as u32, token as u32]));
        if product.choice.is_null() {
            loop {
                let mut some = [[0; 2]; WIDEST];
                let count = some.iter_mut().zip(&mut entries).map(|(place, entry)| *place = entry).count();
                if count == 0 {
                    break;
                }
                strip(0, &some[..count]);
            }
        } else {
            for [choice, token] in entries {
                strip(expert(product, choice as usize, token as usize) as usize, &[[choice, token]]);
            }
        }
    }
}

/// Quantizes pieces: parts of rows, counted through.
///
/// # Safety
/// As for [`multiply`]; `work` has room for the rows, and nobody else touches these pieces.
unsafe fn quantize(
    product: &Product,
    kernel: &Kernel,
    layout: &Layout,
    work: *mut u8,
    pieces: impl Iterator<Item = usize>,
) {
    let blocks = product.columns / kernel.columns;
    let parts = layout.parts;
    for piece in pieces {
        let (row, part) = (piece / parts, piece % parts);
        let at = row / product.slots * product.token_stride + row % product.slots * product.slot_stride;
        let (first, last) = (blocks * part / parts, blocks * (part + 1) / parts);
        // SAFETY: the row lies in the activations, this part's place in the work memory is this thread's alone.
        unsafe {
            let start = product.activations.add(at).cast::<f32>().add(first * kernel.columns);
            let values = slice::from_raw_parts(start, (last - first) * kernel.columns);
            let place = work.add(row * layout.row);
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
    let row_bytes = row_bytes(product, kernel);
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
    // The first job of each thread needs no counter.
    let mut job = product.thread;
    while job < jobs {
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
            unsafe { one_pass(product, kernel, layout, product.work, weights, strip.clone(), some) };
        }
        job = product.threads + pool.next();
    }
}

/// Multiplies a strip with up to eight rows; those with values that are no numbers go their own way.
///
/// # Safety
/// As for [`take_strips`]; `work` starts with the quantized rows; `weights` are the strip's; its results are this thread's
/// alone.
unsafe fn one_pass(
    product: &Product,
    kernel: &Kernel,
    layout: &Layout,
    work: *const u8,
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
            let place = work.add(row * layout.row);
            let marks = slice::from_raw_parts(place.add(layout.marks), layout.parts);
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
