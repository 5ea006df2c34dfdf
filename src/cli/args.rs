//! The command line as clap sees it: names, help, and the ranges of values. What the values mean together is
//! decided in `settings.rs`, once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::config::Origins;
use super::quantize::QuantizeArgs;
use super::settings::{draft_length, gpu_layers};

/// Gemma 4 with its MTP drafter on your own machine: the same text, faster, and the gain measured.
#[derive(Debug, Parser)]
#[command(
    name = "slipstream",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = "Without a command, slipstream opens the chat with the last used pair; where none was used yet, it shows \
                  the pairs found on this machine, the small built-in pair `pocket` among them.\n\n\
                  Examples:\n  \
                  slipstream chat pocket                          try it, offline, with the built-in pair\n  \
                  slipstream chat gemma-4-26B-it-Q4_0.gguf        the drafter beside the file is found by itself\n  \
                  slipstream run pocket -p 'What is a lantern?'   one reply to standard output\n  \
                  slipstream run -p - --json < question.txt       the same with all numbers, as JSON\n\n\
                  Options that are given every time can stand in a file (`slipstream config path`), one a line, as in \
                  `threads = 4`. What counts is the flag, else the environment, else the file, else what the model \
                  recommends, else the default: `slipstream config show --origin`."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How the chat that is opened without a command shows itself.
    #[command(flatten)]
    pub face: FaceArgs,
    /// Options of that chat.
    #[command(flatten)]
    pub chat: Shared,
}

/// How the chat shows itself.
#[derive(Clone, Debug, Default, Args)]
pub struct FaceArgs {
    /// Leave the transcript in the terminal's scrollback, and keep only the input and the running reply on the screen.
    #[arg(long, env = "SLIPSTREAM_INLINE")]
    pub inline: bool,
    /// Take the wheel from the terminal, which then selects only with Shift held. Without it the wheel works where the
    /// terminal sends it as arrow keys, as most do.
    #[arg(long, env = "SLIPSTREAM_MOUSE")]
    pub mouse: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Chat in the terminal.
    Chat(ChatArgs),
    /// Write one reply, without a screen.
    Run(RunArgs),
    /// Measure a pair on this machine: every draft length, the automatic one, and plain decoding, taking turns.
    Bench(BenchArgs),
    /// Find the best settings for a pair on this machine, and store them for the next starts.
    Tune(TuneArgs),
    /// Make a quantized GGUF file of a checkpoint folder or of a GGUF file, in one pass.
    Quantize(QuantizeArgs),
    /// Show what is in a GGUF file: metadata and tensors.
    Inspect(InspectArgs),
    /// List the models on this machine, and which drafter belongs to which.
    List(OutputArgs),
    /// List, show, search, export, import and delete the chats kept on this machine.
    Sessions {
        /// What to do.
        #[command(subcommand)]
        what: SessionsCommand,
    },
    /// Check this machine: processor features in use, memory, devices.
    Doctor(OutputArgs),
    /// Show the settings in effect and where each comes from, or where the config file lies.
    Config {
        /// What to show.
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// Print the licences of what is built in.
    Licenses,
}

/// Options of every command that runs a model.
#[derive(Clone, Debug, Args)]
pub struct Shared {
    /// Model, drafter, memory, threads.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How to speculate.
    #[command(flatten)]
    pub draft: DraftArgs,
    /// How tokens are drawn.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// The reply.
    #[command(flatten)]
    pub reply: ReplyArgs,
    /// Where each of them comes from; filled in after parsing (`config::parse`).
    #[arg(skip)]
    pub origins: Origins,
}

impl Cli {
    /// The options that the environment and the config file take part in, where the command has them.
    pub fn shared_mut(&mut self) -> Option<&mut Shared> {
        match &mut self.command {
            None => Some(&mut self.chat),
            Some(Command::Chat(chat)) => Some(&mut chat.shared),
            Some(Command::Run(run)) => Some(&mut run.shared),
            Some(Command::Bench(bench)) => Some(&mut bench.shared),
            Some(Command::Tune(tune)) => Some(&mut tune.shared),
            Some(Command::Config { what: ConfigCommand::Show(show) }) => Some(&mut show.shared),
            Some(_) => None,
        }
    }
}

/// `slipstream chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// A GGUF file, `pocket`, or a name from `slipstream list`.
    #[arg(value_name = "MODEL")]
    pub positional: Option<String>,
    /// How it shows itself.
    #[command(flatten)]
    pub face: FaceArgs,
    /// The rest.
    #[command(flatten)]
    pub shared: Shared,
}

/// `slipstream run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A GGUF file, `pocket`, or a name from `slipstream list`.
    #[arg(value_name = "MODEL")]
    pub positional: Option<String>,
    /// The text to answer; `-` reads it from standard input, as does a pipe without this option.
    #[arg(short, long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// No chat template: the model continues the text as it stands.
    #[arg(long)]
    pub raw: bool,
    /// Print one JSON object at the end, with the reply and all numbers.
    #[arg(long, conflicts_with = "jsonl")]
    pub json: bool,
    /// Print one JSON event a line while the reply is written.
    #[arg(long)]
    pub jsonl: bool,
    /// No statistics on standard error.
    #[arg(short, long)]
    pub quiet: bool,
    /// The rest.
    #[command(flatten)]
    pub shared: Shared,
}

/// `slipstream bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A GGUF file, `pocket`, or a name from `slipstream list`.
    #[arg(value_name = "MODEL")]
    pub positional: Option<String>,
    /// Kinds of text among the built-in ones, or `all` [default: code,prose,maths,translation,extraction,chat].
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// A prompt of your own, as one more kind of text (repeatable); alone, instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Vec<PathBuf>,
    /// What takes turns: draft lengths, and `auto`. 0 (plain) is the baseline and always among them.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "0,1,2,3,auto")]
    pub fixed: Vec<String>,
    /// Times that each setting is measured on each kind of text.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: u32,
    /// No chat template: the model continues each prompt as it stands.
    #[arg(long)]
    pub raw: bool,
    /// Let `auto` keep what it has learned from one reply to the next, as in a long session. Without this it starts
    /// each reply as the program starts: with what `tune` has stored, or nothing.
    #[arg(long)]
    pub warm: bool,
    /// Check that the drafter cannot change the text, instead of measuring speed.
    #[arg(long)]
    pub exact: bool,
    /// With --exact: how often the next token is drawn at each place of the distribution check, at most.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub draws: u32,
    /// For benchmarks of speed on weights that mean nothing: accept guesses at these rates by place.
    #[arg(long, value_name = "A,…", value_delimiter = ',', hide = true, value_parser = share, conflicts_with = "exact")]
    pub force_acceptance: Vec<f32>,
    /// Print one JSON object.
    #[arg(long, group = "format")]
    pub json: bool,
    /// Print a Markdown table.
    #[arg(long, group = "format")]
    pub markdown: bool,
    /// Print one line of comma-separated values for each single run.
    #[arg(long, group = "format")]
    pub csv: bool,
    /// The rest.
    #[command(flatten)]
    pub shared: Shared,
}

/// `slipstream tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// A GGUF file, `pocket`, or a name from `slipstream list`.
    #[arg(value_name = "MODEL")]
    pub positional: Option<String>,
    /// Find out, too, which type of cache is faster (q8_0 can change the text by a rounding; without this the type in
    /// use is kept).
    #[arg(long)]
    pub try_kv_types: bool,
    /// Times that each batch width is gone through.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// Show what was found, and store nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The rest.
    #[command(flatten)]
    pub shared: Shared,
}

/// `slipstream inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The GGUF file.
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of commands that only print.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `slipstream config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print where the config file lies, or would lie.
    Path(OutputArgs),
    /// Print every setting as `run` would use it, in the form of the config file.
    Show(Box<ShowArgs>),
}

/// `slipstream config show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A GGUF file, `pocket`, or a name from `slipstream list`.
    #[arg(value_name = "MODEL")]
    pub positional: Option<String>,
    /// Say where each value comes from.
    #[arg(long)]
    pub origin: bool,
    /// Print JSON, always with the origins.
    #[arg(long)]
    pub json: bool,
    /// The rest.
    #[command(flatten)]
    pub shared: Shared,
}

/// `slipstream sessions`. SESSION is a name from `list`, as many letters of it as tell it apart, or `last`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List the sessions, the one used last first.
    List {
        /// Those that were deleted and can be restored.
        #[arg(long)]
        deleted: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the branch of a session that was looked at last.
    Show {
        /// A name from `list`, as many letters of it as tell it apart, or `last`.
        session: String,
        /// Print the whole session as JSON, as `export` does.
        #[arg(long)]
        json: bool,
    },
    /// Find words in everything that was said.
    Search {
        /// The words; the last one may be the beginning of one. In quotation marks: one after the other.
        #[arg(required = true)]
        words: Vec<String>,
        /// Print at most so many places.
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        most: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write sessions to standard output or a file: as JSON, which `import` reads, or as Markdown.
    Export {
        /// Names from `list`, as many letters of them as tell them apart, or `last`.
        #[arg(required_unless_present = "all")]
        sessions: Vec<String>,
        /// All sessions.
        #[arg(long, conflicts_with = "sessions")]
        all: bool,
        /// What they are written as [default: by the file's name, else json].
        #[arg(long, value_name = "json|md")]
        format: Option<FormatArg>,
        /// A file that does not exist yet.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Add the sessions of an exported JSON file, as new ones.
    Import {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a session another title.
    Rename {
        /// A name from `list`, as many letters of it as tell it apart, or `last`.
        session: String,
        /// The title; an empty one: the first words.
        title: String,
    },
    /// Delete sessions. For 30 days they can be restored.
    Delete {
        /// Names from `list`, as many letters of them as tell them apart, or `last`.
        #[arg(required = true)]
        sessions: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take the deletion of sessions back.
    Restore {
        /// Names from `list --deleted`, or as many letters of them as tell them apart.
        #[arg(required = true)]
        sessions: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl SessionsCommand {
    /// Whether JSON is asked for.
    #[must_use]
    pub fn json(&self) -> bool {
        match self {
            SessionsCommand::List { json, .. }
            | SessionsCommand::Show { json, .. }
            | SessionsCommand::Search { json, .. }
            | SessionsCommand::Import { json, .. }
            | SessionsCommand::Delete { json, .. }
            | SessionsCommand::Restore { json, .. } => *json,
            SessionsCommand::Export { .. } | SessionsCommand::Rename { .. } => false,
        }
    }
}

/// What a session is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Everything; `import` reads it.
    Json,
    /// The branch looked at last, for people.
    Md,
}

/// Where to look for a drafter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrafterKind {
    /// By the file: an MTP assistant, or an ordinary model.
    Auto,
    /// A Gemma 4 MTP assistant.
    Mtp,
    /// An ordinary smaller model of the same vocabulary.
    Model,
    /// Prompt look-up over the conversation: needs no file.
    Lookup,
}

/// Whether our own kernels run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KernelsArg {
    /// They do, where they can.
    On,
    /// llama.cpp's do.
    Off,
}

/// Element type of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KvTypeArg {
    /// 16-bit floats.
    #[value(name = "f16")]
    F16,
    /// 8-bit blocks, half the memory.
    #[value(name = "q8_0")]
    Q8_0,
}

/// Model, drafter, memory, threads.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// The model, where it is not given as the first argument.
    #[arg(short, long, env = "SLIPSTREAM_MODEL", value_name = "MODEL")]
    pub model: Option<String>,
    /// The drafter: a file, `auto` (found beside the model, by what the files say of themselves), or `none`.
    #[arg(short, long, env = "SLIPSTREAM_DRAFTER", value_name = "FILE|auto|none", default_value = "auto")]
    pub drafter: String,
    /// What kind of drafter.
    #[arg(long, env = "SLIPSTREAM_DRAFTER_KIND", default_value = "auto")]
    pub drafter_kind: DrafterKind,
    /// Context length in tokens [default: as long as the model and the memory allow, at most 16384].
    #[arg(short, long, allow_negative_numbers = true, env = "SLIPSTREAM_CTX", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub ctx: Option<u32>,
    /// Threads for one token [default: physical cores].
    #[arg(short, long, allow_negative_numbers = true, env = "SLIPSTREAM_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// Threads for prompts and for checking drafts [default: as --threads].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_THREADS_BATCH", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads_batch: Option<u32>,
    /// Threads for a step of the drafter [default: as --threads; 1 for a drafter below 16 MiB].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_THREADS_DRAFT", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads_draft: Option<u32>,
    /// Layers on the GPU: a number, or `auto` for all that fit.
    #[arg(long, env = "SLIPSTREAM_GPU_LAYERS", value_name = "N|auto", default_value = "auto", value_parser = layers)]
    pub gpu_layers: String,
    /// Element type of the cache.
    #[arg(long, env = "SLIPSTREAM_KV_TYPE", default_value = "f16")]
    pub kv_type: KvTypeArg,
    /// Read the files instead of mapping them into memory.
    #[arg(long, env = "SLIPSTREAM_NO_MMAP")]
    pub no_mmap: bool,
    /// Our own CPU kernels in place of llama.cpp's: `on` (where the processor and a self-test at the start allow) or `off`.
    /// With them a token's scores are the same bit for bit in any batch.
    #[arg(long, env = "SLIPSTREAM_KERNELS", value_name = "on|off", default_value = "on")]
    pub kernels: KernelsArg,
    /// Write llama.cpp's warnings and errors to this file.
    #[arg(long, env = "SLIPSTREAM_LOG", value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// How to speculate.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Speculation (changes the speed, never the text)")]
pub struct DraftArgs {
    /// Guesses a round: `auto` (as many as pay, by measurement; none where none pays), `on` (always --n-max), `off`, or
    /// a number.
    #[arg(long, env = "SLIPSTREAM_DRAFT", value_name = "auto|on|off|N", default_value = "auto", value_parser = draft)]
    pub draft: String,
    /// Most guesses a round for `auto` and `on`.
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_N_MAX", value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub n_max: u32,
    /// End a draft before a guess less likely than this, in the drafter's own eyes.
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_P_MIN", value_name = "X", default_value_t = 0.0, value_parser = share)]
    pub p_min: f32,
}

/// How tokens are drawn. What is not given comes from the model's file, else from the defaults.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Temperature; 0 always takes the likeliest token [default: the model's, else 1].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_TEMP", value_name = "X", value_parser = temperature)]
    pub temp: Option<f32>,
    /// Keep the N likeliest tokens; 0 keeps all [default: the model's, else 64].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_TOP_K", value_name = "N")]
    pub top_k: Option<u32>,
    /// Keep the likeliest tokens that make up this share [default: the model's, else 0.95].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_TOP_P", value_name = "X", value_parser = share)]
    pub top_p: Option<f32>,
    /// Drop tokens less likely than this share of the likeliest [default: the model's, else 0].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_MIN_P", value_name = "X", value_parser = share)]
    pub min_p: Option<f32>,
    /// Divide the scores of the last 64 tokens by this; 1 is off [default: the model's, else 1].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_REPEAT_PENALTY", value_name = "X", value_parser = penalty)]
    pub repeat_penalty: Option<f32>,
    /// Fixes the text, whatever the drafter and the draft length [default: a new one each time].
    #[arg(long, allow_negative_numbers = true, env = "SLIPSTREAM_SEED", value_name = "N")]
    pub seed: Option<u64>,
    /// The same as --temp 0, whatever a --temp from the same place or a weaker one says.
    #[arg(long, env = "SLIPSTREAM_GREEDY")]
    pub greedy: bool,
}

/// The reply.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reply")]
pub struct ReplyArgs {
    /// Stop after this many tokens.
    #[arg(short = 'n', long, allow_negative_numbers = true, env = "SLIPSTREAM_MAX_TOKENS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,
    /// Standing instructions to the model.
    #[arg(long, env = "SLIPSTREAM_SYSTEM", value_name = "TEXT")]
    pub system: Option<String>,
    /// Let the model reason before it answers, where it knows how.
    #[arg(long, env = "SLIPSTREAM_THINK")]
    pub think: bool,
    /// A chat template (Jinja) in place of the model's own.
    #[arg(long, env = "SLIPSTREAM_CHAT_TEMPLATE", value_name = "FILE")]
    pub chat_template: Option<PathBuf>,
    /// Never let the model end its turn: write until a limit or a stop text.
    #[arg(long, env = "SLIPSTREAM_IGNORE_EOS")]
    pub ignore_eos: bool,
    /// End the reply before this text (repeatable).
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
}

fn draft(text: &str) -> Result<String, String> {
    draft_length(text, 1).map(|_| text.to_owned())
}

fn layers(text: &str) -> Result<String, String> {
    gpu_layers(text).map(|_| text.to_owned())
}

fn number(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("not a number".to_owned()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    let value = number(text)?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("must be from 0 to 1".to_owned()) }
}

fn temperature(text: &str) -> Result<f32, String> {
    let value = number(text)?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("must be from 0 to 100".to_owned()) }
}

fn penalty(text: &str) -> Result<f32, String> {
    let value = number(text)?;
    if value > 0.0 { Ok(value) } else { Err("must be above 0; 1 is off".to_owned()) }
}
