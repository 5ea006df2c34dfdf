//! Products over real threads with a pool of atomics: every result written once, whatever the number of threads. Also what
//! scripts/check-kernels.sh runs under the thread sanitizer.

use std::hint;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::half;
use super::q4_0::WeightBlock;
use super::{InstructionSet, Kernel, Pool, Product, Weights, multiply, work_bytes};

/// As ggml's: a barrier that can be passed again and again, and a counter.
struct Threads {
    count: usize,
    arrived: AtomicUsize,
    passed: AtomicUsize,
    next: AtomicUsize,
    taken: AtomicUsize,
    /// Threads that have done their part. The sanitizer does not see that a scope waits for its threads, but sees this.
    finished: AtomicUsize,
}

impl Threads {
    fn new(count: usize) -> Threads {
        let zero = || AtomicUsize::new(0);
        Threads { count, arrived: zero(), passed: zero(), next: zero(), taken: zero(), finished: zero() }
    }
}

impl Pool for Threads {
    fn barrier(&self) {
        let passed = self.passed.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            self.arrived.store(0, Ordering::Relaxed);
            self.passed.store(passed + 1, Ordering::Release);
        } else {
            while self.passed.load(Ordering::Acquire) == passed {
                hint::spin_loop();
                thread::yield_now();
            }
        }
    }

    fn reset(&self) {
        self.next.store(0, Ordering::Relaxed);
    }

    fn next(&self) -> usize {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

const COLUMNS: usize = 64;
const ROWS: usize = 8 * 21;
const EXPERTS: usize = 5;
const CHOSEN: usize = 2;

struct Case {
    weights: Vec<WeightBlock>,
    activations: Vec<f32>,
    choice: Vec<i32>,
    tokens: usize,
    /// Otherwise there is one matrix for all.
    has_choice: bool,
}

impl Case {
    /// Results a token.
    fn chosen(&self) -> usize {
        if self.has_choice { CHOSEN } else { 1 }
    }

    /// One of its tokens, with the same weights.
    fn token(&self, token: usize) -> Case {
        Case {
            weights: self.weights.clone(),
            activations: self.activations[token * COLUMNS..][..COLUMNS].to_vec(),
            choice: self.choice[token * CHOSEN..][..CHOSEN].to_vec(),
            tokens: 1,
            has_choice: self.has_choice,
        }
    }
}

fn case(tokens: usize) -> Case {
    let weights = (0..EXPERTS * ROWS / 8 * COLUMNS / 32)
        .map(|at| WeightBlock {
            scales: std::array::from_fn(|lane| half::from_single(0.01 * (1 + (at + lane) % 7) as f32)),
            nibbles: std::array::from_fn(|byte| (byte * 31 + at * 17) as u8),
        })
        .collect();
    let activations = (0..tokens * COLUMNS).map(|at| (at * 37 % 101) as f32 - 50.0).collect();
    // The last expert never.
    let choice = (0..tokens * CHOSEN).map(|at| (at * 3 % (EXPERTS - 1)) as i32).collect();
    Case { weights, activations, choice, tokens, has_choice: true }
}

fn product(case: &Case, output: *mut f32, threads: usize) -> Product {
    let float = size_of::<f32>();
    Product {
        weights: case.weights.as_ptr().cast(),
        activations: case.activations.as_ptr().cast(),
        choice: if case.has_choice { case.choice.as_ptr().cast() } else { std::ptr::null() },
        output: output.cast(),
        columns: COLUMNS,
        rows: ROWS,
        experts: EXPERTS,
        expert_stride: size_of_val(&case.weights[..]) / EXPERTS,
        slots: 1,
        tokens: case.tokens,
        slot_stride: COLUMNS * float,
        token_stride: COLUMNS * float,
        chosen: case.chosen(),
        choice_stride: 4,
        choice_token_stride: CHOSEN * 4,
        output_slot_stride: ROWS * float,
        output_token_stride: case.chosen() * ROWS * float,
        thread: 0,
        threads,
        work: std::ptr::null_mut(),
        work_size: 0,
    }
}

/// Pointers that all threads of a product share, as ggml's threads do.
struct Shared(Product);

// SAFETY: `multiply` writes through them to places of one thread's own, or before its barrier.
unsafe impl Sync for Shared {}

impl Shared {
    fn of(&self, thread: usize) -> Product {
        Product { thread, ..self.0 }
    }
}

/// The results, how often the counter was asked, and how often the threads waited for each other.
fn run(case: &Case, kernel: &Kernel, threads: usize) -> (Vec<f32>, usize, usize) {
    let mut output = vec![f32::NAN; case.tokens * case.chosen() * ROWS];
    let plan = product(case, output.as_mut_ptr(), threads);
    let mut work = vec![0_u64; work_bytes(&plan, kernel).div_ceil(8)];
    let shared = Shared(Product { work: work.as_mut_ptr().cast(), work_size: work.len() * 8, ..plan });
    let pool = Threads::new(threads);
    if threads == 1 {
        // SAFETY: everything outlives the call; one thread, as the product says; a supported set.
        assert!(unsafe { multiply(&shared.0, kernel, &pool) });
        return (output, pool.taken.into_inner(), pool.passed.into_inner());
    }
    thread::scope(|scope| {
        for thread in 0..threads {
            let (shared, pool) = (&shared, &pool);
            scope.spawn(move || {
                // SAFETY: everything outlives the scope; as many threads as the product says; a supported set.
                assert!(unsafe { multiply(&shared.of(thread), kernel, pool) });
                pool.finished.fetch_add(1, Ordering::Release);
            });
        }
        while pool.finished.load(Ordering::Acquire) < threads {
            thread::yield_now();
        }
    });
    (output, pool.taken.into_inner(), pool.passed.into_inner())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A case, the threads that work on it, and how often they ask for work and wait for each other.
type Expected = (Case, usize, usize, usize);

/// What a case gives token by token on one thread, it gives at once on several. All are run before any is judged: the
/// sanitizer has to see many, where the first one is wrong too.
fn check(all: &[Expected]) {
    let kernel = Weights::Q4_0x8.kernel(InstructionSet::Reference);
    let ran: Vec<_> = all.iter().map(|(case, threads, ..)| run(case, &kernel, *threads)).collect();
    for ((case, threads, asked, waited), (together, taken, passed)) in all.iter().zip(ran) {
        // Each token by itself, on one thread: small products, which share nothing and sort nothing.
        let alone: Vec<f32> =
            (0..case.tokens).flat_map(|token| run(&case.token(token), &kernel, 1).0).collect();
        assert!(alone.iter().all(|value| value.is_finite()), "a result was left out");
        let what = format!("{threads} threads, {} tokens", case.tokens);
        assert_eq!(bits(&alone), bits(&together), "{what}");
        assert_eq!((taken, passed), (*asked, *waited), "{what}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_and_takes_every_strip_once() {
    let mut all = Vec::new();
    for threads in [2, 4, 8, 16] {
        let strips = strips(threads).count();
        // One barrier, and no lock: a thread asks after each strip, the first of which is its own beforehand.
        for tokens in [65, 80] {
            all.push((case(tokens), threads, strips * (EXPERTS - 1), 1));
            all.push((Case { has_choice: false, ..case(tokens) }, threads, strips, 1));
        }
    }
    check(&all);
}

#[test]
fn threads_wait_for_nobody_in_small_products() {
    let mut all = Vec::new();
    // There are fewer groups of rows than the last of these.
    for threads in [2, 3, 16, 24] {
        all.extend([0, 1, 2, 7, 20].map(|tokens| (case(tokens), threads, 0, 0)));
        // As many values as count as small.
        let one_matrix = |tokens| Case { has_choice: false, ..case(tokens) };
        all.extend([0, 1, 3, 9, 64].map(|tokens| (one_matrix(tokens), threads, 0, 0)));
    }
    check(&all);
}

/// The strips of one matrix: at least four a thread, in whole pairs of groups, of 64 rows at most.
fn strips(threads: usize) -> impl Iterator<Item = Range<usize>> {
    let length = ROWS.div_ceil(4 * threads).next_multiple_of(16).min(64);
    (0..ROWS).step_by(length).map(move |first| first..ROWS.min(first + length))
}

#[test]
fn what_does_not_fit_is_declined_by_every_thread() {
    let kernel = Weights::Q4_0x8.kernel(InstructionSet::Reference);
    let mut case = case(2);
    let mut output = vec![0.0; 2 * CHOSEN * ROWS];
    let plan = product(&case, output.as_mut_ptr(), 2);
    let mut work = vec![0_u64; work_bytes(&plan, &kernel).div_ceil(8)];
    let fitting = Product { work: work.as_mut_ptr().cast(), work_size: work.len() * 8, ..plan };
    let pool = Threads::new(2);
    for wrong in [
        Product { work_size: work_bytes(&plan, &kernel) - 1, ..fitting },
        Product { columns: COLUMNS - 1, ..fitting },
        Product { rows: ROWS - 1, ..fitting },
        Product { columns: 0, ..fitting },
        // A micro-batch of whose tokens none is asked for.
        Product { slots: 0, chosen: 0, tokens: 1, choice: std::ptr::null(), ..fitting },
    ] {
        for thread in 0..2 {
            // SAFETY: declined before anything is touched; a barrier would hang this test.
            assert!(!unsafe { multiply(&Product { thread, ..wrong }, &kernel, &pool) });
        }
    }
    case.choice[1] = EXPERTS as i32;
    // SAFETY: as above.
    assert!(!unsafe {
        multiply(&Product { choice: case.choice.as_ptr().cast(), ..fitting }, &kernel, &pool)
    });
    case.choice[1] = -1;
    // SAFETY: as above.
    assert!(!unsafe {
        multiply(&Product { choice: case.choice.as_ptr().cast(), ..fitting }, &kernel, &pool)
    });
}
