//! The options of `slipstream quantize`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::quantize::FileType;

/// `slipstream quantize`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        slipstream quantize gemma-4-26B-A4B-it gemma-4-26B-Q4_K_M.gguf --type Q4_K_M\n  \
        slipstream quantize model-BF16.gguf model-IQ3_XXS.gguf --type IQ3_XXS --imatrix model.imatrix.gguf\n  \
        slipstream quantize gemma-4-26B-A4B-it --dry-run --target-size 13.5GiB\n  \
        slipstream quantize gemma-4-26B-A4B-it-qat-q4_0-unquantized gemma-4-26B-Q4_0.gguf --type Q4_0\n  \
        slipstream quantize --pair gemma-4-26B-A4B-it gemma-4-26B-A4B-it-assistant out/ --type Q4_K_M\n\n\
        The new file appears under its name when it is whole; until then it is OUT.partial, and a run that was \
        interrupted is continued by the same command with `--resume`.")]
pub struct QuantizeArgs {
    /// A checkpoint folder (safetensors), or a GGUF file of F32, F16 or BF16.
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The new GGUF file.
    #[arg(value_name = "OUT", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// With --pair: the folder of the new files. IN is the target then, and OUT the drafter.
    #[arg(value_name = "OUT_DIR", requires = "pair")]
    pub folder: Option<PathBuf>,
    /// Quantize a target and its drafter (`quantize --pair TARGET DRAFTER OUT_DIR`), check that they work together,
    /// measure them, and write a card of the results beside them.
    #[arg(long, requires = "folder", conflicts_with_all = ["dry_run", "tensor_type", "for_ram"])]
    pub pair: bool,
    /// With --pair: the type of all the drafter's weights, Q4_0 or Q8_0.
    #[arg(long, value_name = "TYPE", requires = "pair", default_value = "Q4_0", value_parser = ["Q4_0", "Q8_0"], ignore_case = true)]
    pub drafter_type: String,
    /// With --pair: do not load and measure what was made.
    #[arg(long, requires = "pair")]
    pub no_check: bool,
    /// Show what each tensor would become and why, the size, and the memory and disk needed; write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Threads that quantize [default: physical cores].
    #[arg(short, long, allow_negative_numbers = true, env = "SLIPSTREAM_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// Continue what was interrupted; the file ends with the same bytes.
    #[arg(long)]
    pub resume: bool,
    /// Overwrite OUT.
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// What the model becomes; last, for its heading holds for all that follows.
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// What a model becomes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeArgs {
    /// The file type, as llama-quantize names them: Q4_0, Q4_K_M, Q8_0, IQ4_XS, BF16, …
    #[arg(
        long = "type",
        value_name = "TYPE",
        group = "goal",
        required_unless_present_any = ["target_size", "bpw", "for_ram"]
    )]
    pub file_type: Option<String>,
    /// The best recipe whose weights fit a size: 13.5GiB, 14.2GB.
    #[arg(long, value_name = "SIZE", group = "goal")]
    pub target_size: Option<String>,
    /// The best recipe of so many bits a weight.
    #[arg(long, value_name = "BITS", group = "goal")]
    pub bpw: Option<f64>,
    /// The best file type for a machine of so much memory, with a context of 16k tokens: 16G.
    #[arg(long, value_name = "SIZE", group = "goal")]
    pub for_ram: Option<String>,
    /// With --for-ram: the drafter (checkpoint or GGUF) that has to fit, too, as Q4_0.
    #[arg(long, value_name = "PATH", requires = "for_ram")]
    pub drafter: Option<PathBuf>,
    /// An importance matrix of this model (GGUF, or the older .dat).
    #[arg(long, value_name = "FILE")]
    pub imatrix: Option<PathBuf>,
    /// The type of tensors whose name holds a match; the first that matches decides (repeatable).
    #[arg(long, value_name = "REGEX=TYPE", conflicts_with_all = ["target_size", "bpw", "for_ram"])]
    pub tensor_type: Vec<String>,
    /// The type of the output matrix, or of the embeddings that stand for it.
    #[arg(long, value_name = "TYPE")]
    pub output_type: Option<String>,
    /// The type of the embeddings.
    #[arg(long, value_name = "TYPE")]
    pub embedding_type: Option<String>,
    /// Every tensor gets the file type's first type: no mixture.
    #[arg(long, conflicts_with_all = ["target_size", "bpw", "for_ram"])]
    pub pure: bool,
    /// Whether weights that lie on a 4-bit lattice (QAT) are stored as Q4_0 without loss: `auto` does where they do
    /// and the type is Q4_0.
    #[arg(long, value_name = "auto|on|off", default_value = "auto")]
    pub qat: QatArg,
}

impl RecipeArgs {
    /// Whether a checkpoint becomes what the reference converter alone would make of it: a file of 16 or 32 bits, and
    /// nothing else is asked for.
    pub(super) fn is_conversion(&self) -> bool {
        let file_type = self.file_type.as_deref().and_then(FileType::named);
        file_type.is_some_and(|file_type| !file_type.base().is_quantized())
            && self.tensor_type.is_empty()
            && self.output_type.is_none()
            && self.embedding_type.is_none()
            && self.imatrix.is_none()
    }
}

/// Whether weights trained for quantization are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum QatArg {
    /// They are, and stored without loss where the type is Q4_0.
    #[default]
    Auto,
    /// They are, whatever the type.
    On,
    /// They are not.
    Off,
}
