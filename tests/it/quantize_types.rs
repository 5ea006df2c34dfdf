//! The planner against llama-quantize, at full scale: which type each tensor of the real models gets, for every file
//! type, with and without an imatrix, and with options. What llama-quantize says stands in
//! tests/data/quantize/types.txt; scripts/quantize/types.sh writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use slipstream::gguf::{GgmlType, Value};
use slipstream::quantize::{
    FileType, Imatrix, ModelFacts, Options, Override, Plan, SourceTensor, quantizable,
};

/// A model of the shapes file.
pub struct Shapes {
    /// Its name.
    pub name: String,
    /// What decides types.
    pub facts: ModelFacts,
    /// Its tensors.
    pub tensors: Vec<SourceTensor>,
}

/// The models of tests/data/quantize/shapes.txt.
pub fn shapes() -> Vec<Shapes> {
    let mut found: Vec<Shapes> = Vec::new();
    let mut full: Vec<u32> = Vec::new();
    for line in include_str!("../data/quantize/shapes.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            [name, architecture, layers, experts, heads, kv_heads, full_layers] if name.starts_with('[') => {
                full = full_layers.split(',').filter_map(|layer| layer.parse().ok()).collect();
                let number = |key: &str, text: &str| {
                    (format!("{architecture}.{key}"), Value::U32(text.parse().expect("a number")))
                };
                let metadata = [
                    ("general.architecture".to_owned(), Value::String((*architecture).to_owned())),
                    number("block_count", layers),
                    number("expert_count", experts),
                    number("attention.head_count", heads),
                    number("attention.head_count_kv", kv_heads),
                ];
                let facts = ModelFacts::read(&metadata).expect("facts");
                found.push(Shapes {
                    name: name.trim_matches(['[', ']']).to_owned(),
                    facts,
                    tensors: Vec::new(),
                });
            }
            [name, shape, layers, rest @ ..] => {
                let model = found.last_mut().expect("a model first");
                let shape: Vec<u64> = shape.split('x').map(|size| size.parse().expect("a size")).collect();
                let dtype = if rest == ["f32"] { GgmlType::F32 } else { GgmlType::BF16 };
                for prefix in prefixes(layers, model.facts.layers, &full) {
                    let name = format!("{prefix}{name}");
                    let shape = shape.clone();
                    model.tensors.push(SourceTensor { name, shape, dtype, always_f32: false });
                }
            }
            _ => panic!("not understood: {line}"),
        }
    }
    found
}

/// `blk.N.` for each layer that meets all conditions.
fn prefixes(conditions: &str, layers: u32, full: &[u32]) -> Vec<String> {
    if conditions == "-" {
        return vec![String::new()];
    }
    let holds = |layer: u32, condition: &str| match condition {
        "all" => true,
        "local" => !full.contains(&layer),
        "full" => full.contains(&layer),
        range => {
            let (first, last) = range.split_once('-').expect("a range");
            (first.parse().expect("a layer")..=last.parse().expect("a layer")).contains(&layer)
        }
    };
    let kept = (0..layers).filter(|&layer| conditions.split(',').all(|each| holds(layer, each)));
    kept.map(|layer| format!("blk.{layer}.")).collect()
}

/// `0-2+5` of 0, 1, 2, 5.
fn ranges(layers: &[i32]) -> String {
    let runs = layers.chunk_by(|left, right| *right == left + 1);
    let runs: Vec<String> = runs
        .map(|run| match run {
            [one] => one.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    runs.join("+")
}

/// A plan in the words of the expectation: types by class, with layers where a class has several.
fn short(plan: &Plan) -> String {
    let mut classes: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
    for row in &plan.rows {
        let (class, layer) = match row.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, class)) => (class, layer.parse().expect("a layer")),
            None => (row.name.as_str(), -1),
        };
        let class = class.strip_suffix(".weight").unwrap_or(class);
        classes.entry(class).or_default().entry(row.given.name()).or_default().push(layer);
    }
    let mut by_type: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (class, kinds) in &classes {
        for (kind, layers) in kinds {
            let text =
                if kinds.len() == 1 { (*class).to_owned() } else { format!("{class}[{}]", ranges(layers)) };
            by_type.entry(kind).or_default().push(text);
        }
    }
    by_type.remove("F32");
    let mut text = format!("{:.2}", plan.bytes() as f64 / 1024.0 / 1024.0);
    for (kind, mut classes) in by_type {
        classes.sort();
        let _ = write!(text, " {kind}:{}", classes.join(","));
    }
    text
}

/// The request in the table's second column.
fn options(request: &str) -> Options<'static> {
    let mut words = request.split(',');
    let file_type = words.next().and_then(FileType::named).expect("a file type");
    let mut options = Options::new(file_type);
    while let Some(option) = words.next() {
        let mut argument = || words.next().expect("an argument");
        match option {
            "--pure" => options.pure = true,
            "--leave-output-tensor" => options.leave_output = true,
            "--token-embedding-type" => options.embedding_type = quantizable(argument()),
            "--output-tensor-type" => options.output_type = quantizable(argument()),
            "--tensor-type" => options.overrides.push(Override::parse(argument()).expect("an override")),
            other => panic!("{other}"),
        }
    }
    options
}

/// An imatrix with one entry, which fits the tensor.
fn imatrix(tensor: &SourceTensor) -> Imatrix {
    let columns = (tensor.shape[0] * tensor.shape.get(2).unwrap_or(&1)) as usize;
    let mut bytes = Vec::new();
    bytes.extend(1_i32.to_le_bytes());
    bytes.extend((tensor.name.len() as i32).to_le_bytes());
    bytes.extend(tensor.name.as_bytes());
    bytes.extend(1_i32.to_le_bytes());
    bytes.extend((columns as i32).to_le_bytes());
    bytes.extend(std::iter::repeat_n(1_f32.to_le_bytes(), columns).flatten());
    Imatrix::from_bytes(&bytes, "any.dat").expect("an imatrix")
}

#[test]
fn every_tensor_of_every_model_gets_the_type_that_llama_quantize_gives_it() {
    let models = shapes();
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for line in include_str!("../data/quantize/types.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().expect("four words");
        let (name, request, kinds, expected) = (word(), word(), word(), word());
        let model = models.iter().find(|model| model.name == name).expect("a model of the shapes file");
        // Nothing but odd files leaves this one unquantized.
        let is_entry =
            |tensor: &&SourceTensor| tensor.name.starts_with("blk.0.ffn_down") && tensor.shape.len() > 1;
        let entry = model.tensors.iter().find(is_entry).expect("one");
        let imatrix = imatrix(entry);
        for has_imatrix in [false, true] {
            if kinds != "both" && has_imatrix != (kinds == "imatrix") {
                continue;
            }
            let mut options = options(request);
            options.imatrix = has_imatrix.then_some(&imatrix);
            // A float file quantizes nothing, which makes any imatrix look foreign.
            options.imatrix = options.imatrix.filter(|_| options.file_type.base().is_quantized());
            let found = match Plan::new(&model.facts, &model.tensors, &options) {
                Ok(plan) => short(&plan),
                Err(error) => format!("refused {error}"),
            };
            compared += model.tensors.len();
            let both_refuse = expected.starts_with("refused") && found.starts_with("refused");
            if found != expected && !both_refuse {
                wrong.push(format!(
                    "{name} {request} imatrix: {has_imatrix}\n  found    {found}\n  expected {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    // Ten models, 35 file types and 8 requests with options, with and without an imatrix.
    assert_eq!(compared, 43 * 2 * models.iter().map(|model| model.tensors.len()).sum::<usize>());
}

#[test]
fn the_shapes_are_those_of_the_real_models() {
    let models = shapes();
    let model = |name: &str| models.iter().find(|model| model.name == name).expect("a model");
    let plan = |name: &str| {
        let model = model(name);
        Plan::new(&model.facts, &model.tensors, &Options::new(FileType::BF16)).expect("a plan")
    };
    // The published number of parameters, and the 256 factors of the rope.
    assert_eq!((plan("26B-A4B").rows.len(), plan("26B-A4B").elements()), (658, 25_233_142_046));
    assert_eq!((plan("26B-A4B").bytes() + 31) >> 20, 48_150, "MiB as BF16");
    assert_eq!((plan("26B-A4B-assistant").rows.len(), plan("E2B").rows.len()), (49, 541));
}
