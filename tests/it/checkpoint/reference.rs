//! Against llama.cpp's own converter: the folder that scripts/quantize/mini_checkpoints.py fills. Not there in CI, hence
//! ignored, visibly; everything must be equal, down to the bytes of the file that the pipeline makes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use slipstream::checkpoint::Checkpoint;
use slipstream::gguf::GgmlType;
use slipstream::quantize::pipeline::{Job, Target, run};
use slipstream::quantize::{
    FileType, Ggml, GgufSource, ModelFacts, Options, Plan, Source, converted_metadata,
};

/// The checkpoint whose weights are of half precision: they stay what they are, the converter makes BF16 of them.
const HALF: &str = "dense_f16";

fn compare(folder: &Path) {
    let name = folder.file_name().expect("a name").to_string_lossy();
    let checkpoint = Checkpoint::open(folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    let file = folder.with_extension("gguf");
    let reference = GgufSource::open(&file).unwrap_or_else(|error| panic!("{name}: {error}"));

    let keys = |source: &dyn Source| source.metadata().iter().map(|each| each.0.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&checkpoint), keys(&reference), "{name}");
    for (ours, theirs) in checkpoint.metadata().iter().zip(reference.metadata()) {
        assert_eq!(ours, theirs, "{name}");
    }
    let names =
        |source: &dyn Source| source.tensors().iter().map(|each| each.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&checkpoint), names(&reference), "{name}");
    for (number, (ours, theirs)) in checkpoint.tensors().iter().zip(reference.tensors()).enumerate() {
        assert_eq!(ours.shape, theirs.shape, "{name}: {}", ours.name);
        let given = if ours.always_f32 { GgmlType::F32 } else { GgmlType::BF16 };
        assert_eq!(given, theirs.dtype, "{name}: {}", ours.name);
        let rows = |source: &dyn Source| {
            let mut values = vec![0.0; (ours.columns() * ours.rows()) as usize];
            source.read_rows(number, 0..ours.rows(), &mut values).expect("rows");
            values
        };
        let (mut our_values, their_values) = (rows(&checkpoint), rows(&reference));
        if name == HALF && !ours.always_f32 {
            // To the nearest, of two the even one; there is nothing else but numbers.
            for value in &mut our_values {
                let bits = value.to_bits();
                *value = f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000);
            }
        }
        assert!(
            our_values
                .iter()
                .map(|value| value.to_bits())
                .eq(their_values.iter().map(|value| value.to_bits())),
            "{name}: {}",
            ours.name
        );
    }
    if name != HALF {
        assert_eq!(converted(&checkpoint), fs::read(&file).expect("there"), "{name}: the whole file");
    }
}

/// The BF16 file that the pipeline makes.
fn converted(checkpoint: &Checkpoint) -> Vec<u8> {
    let facts = ModelFacts::read(checkpoint.metadata()).expect("facts");
    let file_type = FileType::named("BF16").expect("there is one");
    let mut plan = Plan::new(&facts, checkpoint.tensors(), &Options::new(file_type)).expect("a plan");
    plan.rows.sort_by_key(|row| row.source);
    let metadata = converted_metadata(checkpoint.metadata(), file_type);
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("out.gguf");
    let job = Job {
        source: checkpoint,
        plan: &plan,
        imatrix: None,
        metadata: &metadata,
        quantizer: &Ggml,
        threads: 2,
        identity: "reference",
    };
    let target = Target { path: &path, force: false, resume: false, mark_every: Target::MARK_EVERY };
    run(&job, &target, &AtomicBool::new(false), &mut |_| {}).expect("a file");
    fs::read(&path).expect("there")
}

#[test]
#[ignore = "needs SLIPSTREAM_CHECKPOINTS, a folder that scripts/quantize/mini_checkpoints.py has filled"]
fn reference() {
    let folder = env::var_os("SLIPSTREAM_CHECKPOINTS").expect("SLIPSTREAM_CHECKPOINTS");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort_unstable();
    assert!(!folders.is_empty());
    folders.iter().for_each(|folder| compare(folder));
}
