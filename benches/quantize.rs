//! What quantizing costs by itself: weights a second of each type, from BF16 in memory, with a number of threads at once.
//!
//!     cargo bench --bench quantize -- [THREADS] [TYPE…]
//!
//! A line of JSON for each type. `scripts/quantize/speed.py` reckons from it how long a model's weights take if nothing is read
//! and nothing written. Each thread does its own rows of random weights, as wide as the 26B's; the rate is that of all together.

#![allow(clippy::print_stdout)]

use std::thread;
use std::time::{Duration, Instant};

use slipstream::gguf::GgmlType;
use slipstream::quantize::{Ggml, Quantizer, widen};

/// Weights in a row: a multiple of every block, and the 26B's width.
const COLUMNS: usize = 2816;

/// Rows quantized at once: 1.4 MB of BF16, which no cache near the core holds.
const ROWS: usize = 256;

/// How long each type is measured, at least.
const LONG: Duration = Duration::from_millis(1500);

/// BF16 weights in ±0.06, a linear congruential generator's.
fn weights(mut state: u32) -> Vec<u8> {
    (0..ROWS * COLUMNS)
        .flat_map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = (state >> 8) as f32 / (1 << 24) as f32 * 0.12 - 0.06;
            ((value.to_bits() >> 16) as u16).to_le_bytes()
        })
        .collect()
}

/// Weights a second of one thread.
fn rate(tensor_type: GgmlType, seed: u32) -> f64 {
    let source = weights(seed);
    let mut values = vec![0.0_f32; ROWS * COLUMNS];
    let mut into = vec![0_u8; tensor_type.bytes_of((ROWS * COLUMNS) as u64) as usize];
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < LONG {
        widen::widen(GgmlType::BF16, &source, &mut values);
        Ggml.quantize(tensor_type, &values, COLUMNS, None, &mut into).expect("these weights are finite");
        done += ROWS * COLUMNS;
    }
    done as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let threads: u32 = arguments.next().map_or(1, |threads| threads.parse().expect("a number of threads"));
    let asked: Vec<String> = arguments.collect();
    for tensor_type in ["Q4_0", "Q8_0", "Q5_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"] {
        if !asked.is_empty() && !asked.iter().any(|name| name == tensor_type) {
            continue;
        }
        let known = GgmlType::named(tensor_type).expect("a type of ggml");
        let together: f64 = thread::scope(|scope| {
            let running: Vec<_> =
                (0..threads).map(|thread| scope.spawn(move || rate(known, thread + 1))).collect();
            running.into_iter().map(|one| one.join().expect("a thread's rate")).sum()
        });
        println!(
            "{{\"type\": \"{tensor_type}\", \"threads\": {threads}, \"weights_per_second\": {together:.0}}}"
        );
    }
}
