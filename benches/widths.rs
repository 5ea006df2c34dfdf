//! What a decode of b tokens costs, in decodes of one: V(b)/V(1), our kernels off and on in turn within one process.
//!
//! `cargo bench --bench widths -- MODEL.gguf [key=value …]`, keys: `widths=1,2,3,4,8,16`, `repeats=7`, `depth=128`,
//! `threads=2`, `sets=off,Avx2,AvxVnni,Avx512Vnni`, `tokens=different|pairs|same` (a batch of equal tokens shares its
//! experts: the overlap of neighbours can be told apart so). Writes a table; times are medians, brackets the quartiles.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Instant;

use slipstream::kernels::InstructionSet;
use slipstream::llama::kernels::{switch, taken};
use slipstream::llama::{Backend, Context, ContextSettings, KvType, Model, ModelSettings};
use slipstream::token::TokenId;

struct Plan {
    model: String,
    widths: Vec<usize>,
    repeats: usize,
    depth: usize,
    threads: u32,
    sets: Vec<Option<InstructionSet>>,
    tokens: String,
}

fn plan() -> Result<Plan, String> {
    let mut plan = Plan {
        model: String::new(),
        widths: vec![1, 2, 3, 4, 8, 16],
        repeats: 7,
        depth: 128,
        threads: 2,
        sets: vec![None, InstructionSet::fastest()],
        tokens: "different".to_owned(),
    };
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        let Some((key, value)) = argument.split_once('=') else {
            plan.model = argument;
            continue;
        };
        let number = || value.parse().map_err(|_| format!("{key}={value}: a number is expected"));
        match key {
            "widths" => {
                plan.widths = value
                    .split(',')
                    .map(|width| width.parse().map_err(|_| format!("widths={value}: numbers are expected")))
                    .collect::<Result<_, _>>()?;
            }
            "repeats" => plan.repeats = number()?,
            "depth" => plan.depth = number()?,
            "threads" => plan.threads = number()? as u32,
            "sets" => plan.sets = value.split(',').map(set).collect::<Result<_, _>>()?,
            "tokens" => plan.tokens = value.to_owned(),
            _ => return Err(format!("{key}: no such key")),
        }
    }
    if plan.model.is_empty() || plan.widths.is_empty() || plan.repeats == 0 {
        return Err("a model file, one width and one repeat are the least".to_owned());
    }
    Ok(plan)
}

fn set(name: &str) -> Result<Option<InstructionSet>, String> {
    if name == "off" {
        return Ok(None);
    }
    let set = InstructionSet::ALL.into_iter().find(|set| format!("{set:?}") == name && set.is_supported());
    set.map(Some).ok_or_else(|| format!("sets={name}: not of this processor"))
}

fn tokens(kind: &str, count: usize, seed: u64) -> Vec<TokenId> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        TokenId(300 + (state >> 33) as u32 as i32 % 5000)
    };
    let shared = match kind {
        "same" => count,
        "pairs" => 2,
        _ => 1,
    };
    (0..count.div_ceil(shared)).flat_map(|_| std::iter::repeat_n(next(), shared)).take(count).collect()
}

fn quartiles(times: &mut [f64]) -> [f64; 3] {
    times.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| times[(times.len() - 1) * quarter / 4])
}

fn main() -> ExitCode {
    match plan().and_then(|plan| measure(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("widths: {problem}");
            ExitCode::from(2)
        }
    }
}

fn measure(plan: &Plan) -> Result<(), String> {
    let backend = Backend::start(None).map_err(|error| error.to_string())?;
    let settings = ModelSettings::default();
    let model = Model::load(backend, plan.model.as_ref(), &settings, &mut |_| true)
        .map_err(|error| error.to_string())?;
    let widest = plan.widths.iter().copied().max().unwrap_or(1);
    let cells = (plan.depth + widest + 1).next_multiple_of(256);
    let settings = ContextSettings {
        cells: cells as u32,
        micro_batch: 512,
        max_outputs: widest as u32,
        threads: plan.threads,
        threads_batch: plan.threads,
        kv_type: KvType::F16,
    };
    let mut context = Context::new(&model, &settings).map_err(|error| error.to_string())?;
    for chunk in tokens("different", plan.depth, 1).chunks(256) {
        context.decode(chunk, 1).map_err(|error| error.to_string())?;
    }
    let depth = context.length();
    let mut times = vec![vec![Vec::new(); plan.widths.len()]; plan.sets.len()];
    for repeat in 0..plan.repeats {
        for turn in 0..plan.sets.len() {
            let number = if repeat % 2 == 0 { turn } else { plan.sets.len() - 1 - turn };
            if !switch(plan.sets[number]) {
                return Err(format!("{:?}: the kernels cannot be switched on", plan.sets[number]));
            }
            for (at, width) in plan.widths.iter().enumerate() {
                // The first decode of a width builds its graph.
                for warm in [false, true] {
                    let batch = tokens(&plan.tokens, *width, (repeat * 1000 + at) as u64);
                    let start = Instant::now();
                    context.decode(&batch, *width).map_err(|error| error.to_string())?;
                    if warm {
                        times[number][at].push(start.elapsed().as_secs_f64() * 1e3);
                    }
                    context.drop_tail(depth);
                }
            }
        }
        eprintln!("repeat {} of {}", repeat + 1, plan.repeats);
    }
    let taken = taken();
    println!(
        "{} · depth {} · {} threads · {} repeats · {} tokens · {taken} products were ours",
        plan.model, plan.depth, plan.threads, plan.repeats, plan.tokens
    );
    println!("| kernels | b | ms | V(b)/V(1) | against llama.cpp's V(1) |\n|---|---|---|---|---|");
    let reference = quartiles(&mut times[0][0].clone())[1];
    for (set, times) in plan.sets.iter().zip(&times) {
        let one = quartiles(&mut times[0].clone())[1];
        for (width, times) in plan.widths.iter().zip(times) {
            let [low, median, high] = quartiles(&mut times.clone());
            let name = set.map_or("off".to_owned(), |set| format!("{set:?}"));
            println!(
                "| {name} | {width} | {median:.2} ({low:.2}–{high:.2}) | {:.2} | {:.2} |",
                median / one,
                median / reference
            );
        }
    }
    Ok(())
}
