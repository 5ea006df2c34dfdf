//! What the exactness check goes through, from what was typed.

use crate::cli::args::BenchArgs;
use crate::cli::kinds::{self, Prompt};
use crate::engine::LONGEST_DRAFT;
use crate::error::{Kind, Problem};
use crate::request::{DraftLength, SamplingSettings};

/// Tokens of a reply where nothing is asked for.
const REPLY_TOKENS: u32 = 128;

/// What is done.
pub struct Plan {
    /// Kinds of text.
    pub prompts: Vec<Prompt>,
    /// Ways to speculate that are compared with none: their names and lengths.
    pub settings: Vec<(String, DraftLength)>,
    /// Ways to draw: greedy, then seeds. Only greedy where temperature 0 was asked for.
    pub samplings: Vec<SamplingSettings>,
    /// Tokens of a reply at most.
    pub max_tokens: u32,
}

impl Plan {
    /// Reads the arguments; `sampling` is what they and the model's file come to.
    ///
    /// # Errors
    /// Wrong use, and prompts that cannot be read.
    pub fn new(args: &BenchArgs, sampling: &SamplingSettings) -> Result<Plan, Problem> {
        if args.markdown || args.csv {
            let option = if args.markdown { "--markdown" } else { "--csv" };
            let message = format!("{option} is for measurements of speed; --exact prints a list, or --json");
            return Err(Problem::new(Kind::Usage, message, "leave one of the two out"));
        }
        let mut settings = Vec::new();
        for name in &args.fixed {
            let length = length(name, args.shared.draft.n_max)?;
            if length != DraftLength::Off && !settings.iter().any(|(_, other)| *other == length) {
                settings.push((name.trim().to_owned(), length));
            }
        }
        if settings.is_empty() {
            let message =
                "--fixed names no draft length but 0: there is nothing to compare with plain replies";
            return Err(Problem::new(Kind::Usage, message, "for instance --fixed 1,3,auto"));
        }
        let greedy = SamplingSettings { temperature: 0.0, ..sampling.clone() };
        let mut samplings = vec![greedy];
        if sampling.temperature > 0.0 {
            let first = args.shared.sampling.seed.unwrap_or(1);
            let seeds = (0..u64::from(args.repeats)).map(|index| first.wrapping_add(index));
            samplings.extend(seeds.map(|seed| SamplingSettings { seed, ..sampling.clone() }));
        }
        let prompts = kinds::chosen(&args.kinds, &args.prompt_file)?;
        let max_tokens = args.shared.reply.max_tokens.unwrap_or(REPLY_TOKENS);
        Ok(Plan { prompts, settings, samplings, max_tokens })
    }

    /// The sampling whose distribution is checked; `None` where all is greedy.
    #[must_use]
    pub fn sampled(&self) -> Option<&SamplingSettings> {
        self.samplings.get(1)
    }

    /// The longest draft.
    #[must_use]
    pub fn longest(&self) -> u32 {
        self.settings.iter().map(|(_, length)| guesses(*length)).max().unwrap_or(1)
    }

    /// Tokens in the batches that check full drafts, each width once.
    #[must_use]
    pub fn widths(&self) -> Vec<u32> {
        let mut widths: Vec<u32> = self.settings.iter().map(|(_, length)| guesses(*length) + 1).collect();
        widths.sort_unstable();
        widths.dedup();
        widths
    }
}

/// Guesses a round at most.
fn guesses(length: DraftLength) -> u32 {
    match length {
        DraftLength::Off => 0,
        DraftLength::Fixed(length) | DraftLength::Auto(length) => length,
    }
}

fn length(name: &str, n_max: u32) -> Result<DraftLength, Problem> {
    match name.trim() {
        "auto" => Ok(DraftLength::Auto(n_max)),
        "0" | "off" => Ok(DraftLength::Off),
        number => match number.parse::<u32>() {
            Ok(length) if length as usize <= LONGEST_DRAFT => Ok(DraftLength::Fixed(length)),
            _ => Err(Problem::new(
                Kind::Usage,
                format!(
                    "--fixed {name}: expected numbers from 0 to {LONGEST_DRAFT} and auto, with commas between"
                ),
                "for instance --fixed 0,1,2,3,auto",
            )),
        },
    }
}

/// How a way to draw is called.
#[must_use]
pub fn sampling_name(sampling: &SamplingSettings) -> String {
    if sampling.temperature > 0.0 { format!("seed {}", sampling.seed) } else { "greedy".to_owned() }
}
