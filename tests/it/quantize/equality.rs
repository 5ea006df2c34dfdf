//! For every file type our file equals `llama_model_quantize`'s, with and without an importance matrix, and with options.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use slipstream::gguf::{GgmlType, Value};
use slipstream::llama::{Backend, FileRequest, quantize_file};
use slipstream::quantize::pipeline::{Job, Outcome, PipelineError, Target, run};
use slipstream::quantize::{
    FileType, Ggml, GgufSource, Imatrix, ModelFacts, Options, Override, Plan, PlanError, Source,
    quantized_metadata,
};

use super::tiny;

/// Ours.
pub fn ours(source: &dyn Source, options: &Options<'_>, path: &Path) -> Result<Outcome, PlanError> {
    let facts = ModelFacts::read(source.metadata())?;
    let plan = Plan::new(&facts, source.tensors(), options)?;
    plan.check()?;
    let metadata = quantized_metadata(source.metadata(), options.file_type, options.imatrix);
    let job = Job {
        source,
        plan: &plan,
        imatrix: options.imatrix,
        metadata: &metadata,
        quantizer: &Ggml,
        threads: 3,
        identity: "test",
    };
    let target = Target { path, force: true, resume: false, keep: true, mark_every: 1 << 20 };
    let outcome: Result<Outcome, PipelineError> = run(&job, &target, &AtomicBool::new(false), &mut |_| {});
    Ok(outcome.expect("the file is made"))
}

/// The same wishes, for llama.cpp.
pub fn request(options: &Options<'_>) -> FileRequest {
    let mut request = FileRequest {
        file_type: options.file_type.id(),
        pure: options.pure,
        output_type: options.output_type.map(GgmlType::id),
        embedding_type: options.embedding_type.map(GgmlType::id),
        tensor_types: options
            .overrides
            .iter()
            .map(|each| (each.pattern().to_owned(), each.tensor_type.id()))
            .collect(),
        leave_output: options.leave_output,
        threads: 2,
        ..FileRequest::default()
    };
    if let Some(imatrix) = options.imatrix {
        let entries = imatrix.entries();
        request.importance =
            Some(entries.map(|(name, entry)| (name.to_owned(), entry.values.clone())).collect());
        for (key, value) in imatrix.metadata() {
            match value {
                Value::String(text) => request.texts.push((key, text)),
                Value::U32(number) => request.numbers.push((key, number)),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
    request
}

struct Files {
    folder: tempfile::TempDir,
    input: PathBuf,
}

impl Files {
    fn new(dtype: GgmlType) -> Files {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("source.gguf");
        tiny::write(&input, dtype, 1);
        Files { folder, input }
    }

    /// Compares the two files; whether there are any.
    fn compare(&self, options: &Options<'_>, what: &str) -> bool {
        let backend = Backend::start(None).expect("llama.cpp starts");
        let (mine, theirs) = (self.folder.path().join("mine.gguf"), self.folder.path().join("theirs.gguf"));
        let source = GgufSource::open(&self.input).expect("a source");
        match ours(&source, options, &mine) {
            Ok(outcome) => {
                quantize_file(backend, &self.input, &theirs, &request(options))
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                let (mine, theirs) = (std::fs::read(&mine), std::fs::read(&theirs));
                let (mine, theirs) = (mine.expect("our file"), theirs.expect("their file"));
                assert_eq!(outcome.bytes, mine.len() as u64, "{what}");
                same(&mine, &theirs, what);
                true
            }
            Err(PlanError::NeedsImatrix { .. } | PlanError::NoFallback { .. }) => {
                let outcome = quantize_file(backend, &self.input, &theirs, &request(options));
                assert!(outcome.is_err(), "{what}: llama.cpp makes a file");
                false
            }
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

/// Where two files differ first.
pub fn same(mine: &[u8], theirs: &[u8], what: &str) {
    if mine == theirs {
        return;
    }
    let at = mine.iter().zip(theirs).position(|(mine, theirs)| mine != theirs);
    panic!("{what}: {} bytes and {} bytes, first different at {at:?}", mine.len(), theirs.len());
}

/// Every file type, the half of them whose number is `part` modulo 2: both halves run side by side.
fn every_type(imatrix: Option<&Imatrix>, part: u32) -> Vec<FileType> {
    let files = Files::new(GgmlType::BF16);
    let types = FileType::all().enumerate().filter(|(number, _)| *number as u32 % 2 == part);
    types
        .map(|(_, file_type)| file_type)
        .filter(|&file_type| {
            let options = Options { imatrix, ..Options::new(file_type) };
            !files.compare(&options, &format!("{file_type}, imatrix: {}", imatrix.is_some()))
        })
        .collect()
}

#[test]
fn every_type_without_an_imatrix() {
    let refused = [every_type(None, 0), every_type(None, 1)].concat();
    let expected = [
        FileType::IQ2_XXS,
        FileType::Q2_K_S,
        FileType::IQ3_XS,
        FileType::IQ3_XXS,
        FileType::IQ2_S,
        FileType::IQ1_M,
        FileType::IQ2_XS,
        FileType::IQ1_S,
        FileType::IQ2_M,
        FileType::Q1_0,
    ];
    let (mut refused, mut expected) = (refused, expected.to_vec());
    refused.sort_unstable();
    expected.sort_unstable();
    assert_eq!(refused, expected, "these need one, or have no fallback for our narrow rows, and no others");
}

#[test]
fn every_second_type_with_an_imatrix() {
    assert_eq!(every_type(Some(&tiny::imatrix("")), 0), []);
}

#[test]
fn every_other_type_with_an_imatrix() {
    // No fallback for our narrow rows.
    assert_eq!(every_type(Some(&tiny::imatrix("")), 1), [FileType::Q1_0]);
}

#[test]
fn options_are_llama_cpps() {
    let files = Files::new(GgmlType::F16);
    let imatrix = tiny::imatrix("blk.1.ffn_up.weight");
    let plain = Options::new(FileType::Q4_K_M);
    let types = |texts: &[&str]| -> Vec<Override> {
        texts.iter().map(|text| Override::parse(text).expect("an override")).collect()
    };
    for (what, options) in [
        ("pure", Options { pure: true, ..plain.clone() }),
        ("embeddings", Options { embedding_type: Some(GgmlType::Q4_0), ..plain.clone() }),
        ("output", Options { output_type: Some(GgmlType::Q5_K), ..plain.clone() }),
        (
            "patterns",
            Options {
                overrides: types(&["attn_[qk]=q8_0", "ffn_down=iq4_nl", r"^blk\.0\.=f16"]),
                imatrix: Some(&imatrix),
                ..plain.clone()
            },
        ),
        ("no mixture", Options { overrides: types(&["attn=q8_0"]), ..Options::new(FileType::BF16) }),
    ] {
        assert!(files.compare(&options, what), "{what}: no file");
    }
}

#[test]
fn sources_of_32_bits() {
    let files = Files::new(GgmlType::F32);
    for file_type in [FileType::F16, FileType::BF16, FileType::Q4_0, FileType::Q6_K] {
        assert!(files.compare(&Options::new(file_type), file_type.name()), "{file_type}: no file");
    }
}
