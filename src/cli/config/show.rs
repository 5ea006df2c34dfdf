//! `slipstream config show`: every setting as `run` would use it. The text is itself a config file.

use serde_json::{Map, Value, json};

use super::Origins;
use crate::cli::args::{DrafterKind, ShowArgs};
use crate::cli::inspect::json_text;
use crate::cli::machine::Machine;
use crate::cli::printer;
use crate::cli::settings::{Settings, resolve};
use crate::engine::DrafterPlan;
use crate::error::Problem;

/// Runs the command. A broken file is told after the settings, which are then those without it.
///
/// # Errors
/// Where the settings cannot be resolved, or the output cannot be written.
pub fn run(args: &ShowArgs, problem: Option<&Problem>, machine: &Machine) -> Result<u8, Problem> {
    let settings = resolve(args.positional.as_deref(), &args.shared, machine)?;
    let values = values(args, &settings);
    let outcome = if args.json {
        crate::cli::print(&format!("{}\n", json_text(&object(&values, &settings.origins, problem))))
    } else {
        crate::cli::print(&text(&values, &settings.origins, args.origin))
    };
    match problem {
        None => outcome,
        Some(problem) => {
            outcome?;
            if !args.json {
                printer::problem(problem, false);
            }
            Ok(problem.code)
        }
    }
}

/// Every option of a model, a draft, a sampler and a reply, with its value; null where it has none.
fn values(args: &ShowArgs, settings: &Settings) -> Vec<(&'static str, Value)> {
    let (model, draft, reply) = (&args.shared.model, &args.shared.draft, &args.shared.reply);
    let (engine, sampling) = (&settings.engine, &settings.sampling);
    let drafter = match &engine.drafter {
        DrafterPlan::None => "none".into(),
        DrafterPlan::Lookup => model.drafter.as_str().into(),
        DrafterPlan::Mtp(path) | DrafterPlan::Model(path) => path.to_string_lossy(),
    };
    let is_seed_given = args.shared.sampling.seed.is_some();
    vec![
        ("model", json!(settings.remembered_as.to_string_lossy())),
        ("drafter", json!(drafter)),
        (
            "drafter-kind",
            json!(match settings.drafter_kind {
                DrafterKind::Auto => "auto",
                DrafterKind::Mtp => "mtp",
                DrafterKind::Model => "model",
                DrafterKind::Lookup => "lookup",
            }),
        ),
        ("ctx", json!(engine.context)),
        ("threads", json!(engine.threads)),
        ("threads-batch", json!(engine.threads_batch)),
        ("threads-draft", json!(engine.threads_draft)),
        ("gpu-layers", engine.gpu_layers.map_or(json!("auto"), |layers| json!(layers))),
        ("kv-type", json!(engine.kv_type.name())),
        ("no-mmap", json!(!engine.mmap)),
        ("kernels", json!(if engine.kernels { "on" } else { "off" })),
        ("log", json!(engine.log.as_ref().map(|path| path.to_string_lossy()))),
        ("draft", json!(draft.draft)),
        ("n-max", json!(settings.n_max)),
        ("p-min", float(engine.speculation.p_min)),
        ("temp", float(sampling.temperature)),
        ("top-k", json!(sampling.top_k)),
        ("top-p", float(sampling.top_p)),
        ("min-p", float(sampling.min_p)),
        ("repeat-penalty", float(sampling.repeat_penalty)),
        ("seed", if is_seed_given { json!(sampling.seed) } else { Value::Null }),
        ("greedy", json!(settings.greedy)),
        ("max-tokens", json!(reply.max_tokens)),
        ("system", json!(reply.system)),
        ("think", json!(reply.think)),
        ("chat-template", json!(reply.chat_template.as_ref().map(|path| path.to_string_lossy()))),
        ("ignore-eos", json!(reply.ignore_eos)),
        ("stop", json!(reply.stop)),
    ]
}

/// The number as it was typed: 0.95, not the nearest double of the nearest single.
fn float(value: f32) -> Value {
    json!(value.to_string().parse::<f64>().unwrap_or_else(|_| f64::from(value)))
}

/// One `name = value` a line. JSON's numbers, words and strings are TOML's too.
fn text(values: &[(&str, Value)], origins: &Origins, with_origin: bool) -> String {
    let mut text = String::new();
    for (name, value) in values {
        let written = match value {
            Value::Null => {
                text.push_str(&format!("# {name} is not set\n"));
                continue;
            }
            Value::Array(several) => {
                format!("[{}]", several.iter().map(json_text).collect::<Vec<_>>().join(", "))
            }
            // TOML's integers end before 2^63.
            Value::Number(number) if number.is_u64() && !number.is_i64() => format!("\"{number}\""),
            single => json_text(single),
        };
        text.push_str(&format!("{name} = {written}"));
        if with_origin {
            text.push_str(&format!("  # {}", origins.in_words(name)));
        }
        text.push('\n');
    }
    text
}

fn object(values: &[(&str, Value)], origins: &Origins, problem: Option<&Problem>) -> Value {
    let mut object: Map<String, Value> = values
        .iter()
        .map(|(name, value)| {
            ((*name).to_owned(), json!({ "value": value, "origin": origins.in_words(name) }))
        })
        .collect();
    if let Some(problem) = problem {
        object.extend([("error".to_owned(), printer::object(problem))]);
    }
    Value::Object(object)
}
