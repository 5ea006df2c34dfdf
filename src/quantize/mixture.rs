//! The mixture of types a file type stands for: which tensors get more bits than the rest, and which fewer.
//!
//! A port of `llama_tensor_get_type_impl` of llama-quant.cpp (b11434), branch by branch and with its counters: the
//! result depends on the order of the calls, which must be the order of the output's tensors. Several of its
//! branches look like accidents (one counter for two kinds of `ffn_down` in the IQ1 and IQ2 files); they are kept,
//! for the aim is the same file. `scripts/quantize/types.sh` compares the two at full scale.

use super::category::Category;
use super::error::PlanError;
use super::file_type::FileType;
use super::model::ModelFacts;
use crate::gguf::GgmlType;

/// The state of the rules while the tensors go by.
pub(super) struct Mixture<'a> {
    model: &'a ModelFacts,
    file_type: FileType,
    has_imatrix: bool,
    /// No `output.weight`: the embedding is the output matrix too.
    is_tied: bool,
    output_type: Option<GgmlType>,
    embedding_type: Option<GgmlType>,
    /// `attn_v`-like tensors of the model.
    values: u32,
    values_seen: u32,
    downs_seen: u32,
    gates_seen: u32,
    ups_seen: u32,
}

/// The first eighth, the last eighth, and every third layer between them.
pub(super) fn gets_more_bits(layer: u32, layers: u32) -> bool {
    layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
}

impl<'a> Mixture<'a> {
    /// Rules for a model whose quantized tensors have these names.
    pub(super) fn new<'n>(
        model: &'a ModelFacts,
        file_type: FileType,
        has_imatrix: bool,
        output_type: Option<GgmlType>,
        embedding_type: Option<GgmlType>,
        names: impl Iterator<Item = &'n str>,
    ) -> Mixture<'a> {
        let (mut values, mut is_tied) = (0, true);
        for category in names.map(Category::of) {
            values += u32::from(category.is_value_like());
            is_tied &= category != Category::Output;
        }
        Mixture {
            model,
            file_type,
            has_imatrix,
            is_tied,
            output_type,
            embedding_type,
            values,
            values_seen: 0,
            downs_seen: 0,
            gates_seen: 0,
            ups_seen: 0,
        }
    }

    /// The type of the next tensor, before it is known whether its rows are whole blocks of that type.
    pub(super) fn next(&mut self, name: &str, shape: &[u64]) -> Result<GgmlType, PlanError> {
        let category = Category::of(name);
        let base = self.file_type.base();
        if self.model.architecture == "glm5-next" && base.is_quantized() {
            let delicate = ["attn_q_a", "attn_q_b", "nextn.eh_proj"];
            if delicate.iter().any(|part| name.contains(part)) {
                return Ok(GgmlType::Q8_0);
            }
        }
        let is_output = category == Category::Output || (self.is_tied && category == Category::Embedding);
        Ok(match category {
            _ if is_output => self.output(shape),
            _ if self.file_type == FileType::MXFP4_MOE => self.mxfp4(category, shape),
            Category::Embedding => self.embedding(),
            _ if self.is_tiny() => self.tiny(category),
            _ if category.is_value_like() => self.value(),
            Category::AttentionKey => self.key(),
            Category::AttentionQuery => self.query(),
            Category::FeedForwardDown => self.down(name)?,
            Category::AttentionOutput => self.attention_output(),
            // `attn_qkv` was an `attn_v` above: llama.cpp never reaches its rules for it either.
            Category::FeedForwardGate => {
                let seen = self.gates_seen;
                self.gates_seen += 1;
                self.gate_or_up(name, seen)?
            }
            Category::FeedForwardUp => {
                let seen = self.ups_seen;
                self.ups_seen += 1;
                self.gate_or_up(name, seen)?
            }
            _ => base,
        })
    }

    /// IQ1 and IQ2 files, which have rules of their own.
    fn is_tiny(&self) -> bool {
        matches!(
            self.file_type,
            FileType::IQ2_XXS
                | FileType::IQ2_XS
                | FileType::IQ1_S
                | FileType::IQ2_S
                | FileType::IQ2_M
                | FileType::IQ1_M
        )
    }

    fn is_iq2_s_or_m(&self) -> bool {
        matches!(self.file_type, FileType::IQ2_S | FileType::IQ2_M)
    }

    fn is_falcon(&self) -> bool {
        self.model.architecture == "falcon"
    }

    fn has_eight_experts(&self) -> bool {
        self.model.experts == 8
    }

    /// Four heads or more share a key-value head, so that `attn_v` is small and extra bits in it are cheap.
    fn shares_values(&self) -> bool {
        self.model.heads_per_kv_head >= 4
    }

    fn output(&self, shape: &[u64]) -> GgmlType {
        let base = self.file_type.base();
        let is_ragged = !shape[0].is_multiple_of(base.block_size());
        match self.file_type {
            _ if self.output_type.is_some() => self.output_type.unwrap_or(base),
            FileType::MXFP4_MOE => GgmlType::Q8_0,
            _ if self.is_falcon() || is_ragged => GgmlType::Q8_0,
            FileType::IQ3_XXS => GgmlType::Q5_K,
            _ if self.is_tiny() => GgmlType::Q5_K,
            _ if base == GgmlType::Q8_0 => base,
            _ => GgmlType::Q6_K,
        }
    }

    fn mxfp4(&self, category: Category, shape: &[u64]) -> GgmlType {
        let has_experts = shape.get(2).is_some_and(|&experts| experts > 1);
        // The attention of this one has matrices of three dimensions, too.
        let is_feed_forward = matches!(
            category,
            Category::FeedForwardUp | Category::FeedForwardGate | Category::FeedForwardDown
        );
        match has_experts && (self.model.architecture != "bailingmoe3" || is_feed_forward) {
            true => GgmlType::MXFP4,
            false => GgmlType::Q8_0,
        }
    }

    /// An embedding that is not the output matrix too.
    fn embedding(&self) -> GgmlType {
        if let Some(asked) = self.embedding_type {
            return asked;
        }
        match self.file_type {
            FileType::IQ2_XXS | FileType::IQ2_XS | FileType::IQ1_S | FileType::IQ1_M => GgmlType::Q2_K,
            FileType::IQ2_S | FileType::IQ2_M | FileType::IQ3_XXS => GgmlType::IQ3_S,
            FileType::TQ1_0 | FileType::TQ2_0 | FileType::Q2_0 => GgmlType::Q4_K,
            other => other.base(),
        }
    }

    fn tiny(&mut self, category: Category) -> GgmlType {
        let base = self.file_type.base();
        let better = if self.is_iq2_s_or_m() { GgmlType::IQ3_S } else { GgmlType::Q2_K };
        match category {
            _ if category.is_value_like() => {
                self.values_seen += 1;
                match self.shares_values() || self.model.experts >= 4 {
                    true => GgmlType::Q4_K,
                    false => better,
                }
            }
            Category::AttentionKey if self.has_eight_experts() => GgmlType::Q4_K,
            Category::FeedForwardDown => {
                // Counts tensors, not layers: dense and expert ones together.
                let seen = self.downs_seen;
                self.downs_seen += 1;
                if seen < self.model.layers / 8 { better } else { base }
            }
            Category::AttentionOutput => match self.file_type {
                _ if self.has_eight_experts() => GgmlType::Q5_K,
                FileType::IQ1_S | FileType::IQ1_M => GgmlType::IQ2_XXS,
                FileType::IQ2_S | FileType::IQ2_M => GgmlType::IQ3_S,
                _ => base,
            },
            _ => base,
        }
    }

    fn value(&mut self) -> GgmlType {
        let seen = self.values_seen;
        self.values_seen += 1;
        let shares = self.shares_values();
        let base = self.file_type.base();
        let chosen = match self.file_type {
            FileType::Q2_K if shares => GgmlType::Q4_K,
            FileType::Q2_K => GgmlType::Q3_K,
            FileType::Q2_K_S if shares => GgmlType::Q4_K,
            FileType::IQ3_XXS if shares => GgmlType::Q4_K,
            FileType::IQ3_XXS if !self.has_imatrix => GgmlType::IQ3_S,
            FileType::IQ3_XXS => GgmlType::IQ3_XXS,
            FileType::IQ3_XS | FileType::IQ3_S if shares => GgmlType::Q4_K,
            FileType::IQ3_M => GgmlType::Q4_K,
            FileType::Q3_K_M if seen < 2 => GgmlType::Q5_K,
            FileType::Q3_K_M => GgmlType::Q4_K,
            FileType::Q3_K_L => GgmlType::Q5_K,
            FileType::IQ4_NL | FileType::IQ4_XS if shares => GgmlType::Q5_K,
            FileType::Q4_K_M | FileType::Q5_K_M if gets_more_bits(seen, self.values) => GgmlType::Q6_K,
            FileType::Q4_K_S if seen < 4 => GgmlType::Q5_K,
            _ => base,
        };
        match chosen {
            // For eight experts it costs 128 MB.
            _ if self.has_eight_experts() => GgmlType::Q8_0,
            // A 70B's `attn_v` is an eighth of `attn_q`.
            GgmlType::Q3_K | GgmlType::Q4_K if self.model.is_70b => GgmlType::Q5_K,
            chosen => chosen,
        }
    }

    fn key(&self) -> GgmlType {
        if self.has_eight_experts() { GgmlType::Q8_0 } else { self.query() }
    }

    fn query(&self) -> GgmlType {
        match self.file_type {
            FileType::IQ3_XS => GgmlType::IQ3_XXS,
            FileType::IQ3_XXS => GgmlType::IQ2_S,
            other => other.base(),
        }
    }

    /// The layer a rule means: the one in the name where the model has experts, else the number of such tensors
    /// before it.
    fn layer(&self, name: &str, seen: u32) -> Result<u32, PlanError> {
        if self.model.experts <= 1 {
            return Ok(seen);
        }
        let layers = self.model.layers;
        let no_layer = || PlanError::NoLayer { name: name.to_owned(), layers };
        layer_of(name)
            .and_then(|layer| u32::try_from(layer).ok())
            .filter(|&layer| layer < layers)
            .ok_or_else(no_layer)
    }

    fn down(&mut self, name: &str) -> Result<GgmlType, PlanError> {
        let layer = self.layer(name, self.downs_seen)?;
        self.downs_seen += 1;
        let layers = self.model.layers;
        let is_early = layer < layers / 8;
        let more_bits = gets_more_bits(layer, layers);
        let falcon = self.is_falcon();
        Ok(match self.file_type {
            FileType::Q2_K => GgmlType::Q3_K,
            FileType::Q2_K_S if is_early => GgmlType::Q4_K,
            FileType::IQ3_XXS if !self.has_imatrix && is_early => GgmlType::Q4_K,
            FileType::IQ3_XXS if !self.has_imatrix => GgmlType::Q3_K,
            FileType::Q3_K_M if layer < layers / 16 => GgmlType::Q5_K,
            FileType::Q3_K_M if !falcon || more_bits => GgmlType::Q4_K,
            FileType::Q3_K_M => GgmlType::Q3_K,
            FileType::IQ3_M if is_early || (self.has_eight_experts() && more_bits) => GgmlType::Q4_K,
            FileType::Q3_K_L if falcon => GgmlType::Q4_K,
            FileType::Q3_K_L => GgmlType::Q5_K,
            FileType::Q4_K_M if falcon && layer < layers / 16 => GgmlType::Q6_K,
            FileType::Q4_K_M if falcon && more_bits => GgmlType::Q5_K,
            FileType::Q4_K_M if falcon => GgmlType::Q4_K,
            FileType::Q4_K_M if more_bits => GgmlType::Q6_K,
            FileType::IQ4_NL | FileType::IQ4_XS if is_early && !self.has_imatrix => GgmlType::Q5_K,
            FileType::Q5_K_M if more_bits => GgmlType::Q6_K,
            FileType::Q4_K_S if !falcon && is_early => GgmlType::Q5_K,
            // Only with an imatrix, so that files without one stay what they were before there were any.
            FileType::Q4_0 if self.has_imatrix && is_early => GgmlType::Q4_1,
            FileType::Q5_0 if self.has_imatrix && is_early => GgmlType::Q5_1,
            other => other.base(),
        })
    }

    fn attention_output(&self) -> GgmlType {
        let base = self.file_type.base();
        match self.file_type {
            FileType::Q3_K_L if self.is_falcon() => GgmlType::Q4_K,
            _ if self.is_falcon() => base,
            FileType::Q2_K
            | FileType::IQ3_XS
            | FileType::IQ3_XXS
            | FileType::Q3_K_S
            | FileType::Q3_K_M
            | FileType::IQ4_NL
            | FileType::Q4_K_S
            | FileType::Q4_K_M
            | FileType::IQ3_S
            | FileType::IQ3_M
            | FileType::IQ4_XS
                if self.has_eight_experts() =>
            {
                GgmlType::Q5_K
            }
            _ if self.has_eight_experts() => base,
            FileType::Q2_K => GgmlType::Q3_K,
            FileType::IQ3_XXS => GgmlType::IQ3_S,
            FileType::Q3_K_M | FileType::IQ3_M => GgmlType::Q4_K,
            FileType::Q3_K_L => GgmlType::Q5_K,
            _ => base,
        }
    }

    fn gate_or_up(&self, name: &str, seen: u32) -> Result<GgmlType, PlanError> {
        let layer = self.layer(name, seen)?;
        let layers = self.model.layers;
        let is_inner = layer >= layers / 8 && layer < 7 * layers / 8;
        Ok(match self.file_type {
            FileType::IQ3_XS if is_inner => GgmlType::IQ3_XXS,
            other => other.base(),
        })
    }
}

/// The number after `blk.`, as C's `sscanf("blk.%d.")` finds it (it is content without the second point).
pub(super) fn layer_of(name: &str) -> Option<i32> {
    let rest = name.strip_prefix("blk.")?;
    let sign = usize::from(rest.starts_with(['-', '+']));
    let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
    rest[..sign + digits].parse().ok()
}

/// A tensor's name without its layer.
#[must_use]
pub fn without_layer(name: &str) -> &str {
    let rest = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    rest.map_or(name, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gemma(experts: u32, layers: u32) -> ModelFacts {
        ModelFacts { architecture: "gemma4".to_owned(), layers, experts, heads_per_kv_head: 2, is_70b: false }
    }

    fn types(
        model: &ModelFacts,
        file_type: FileType,
        has_imatrix: bool,
        names: &[String],
    ) -> Vec<&'static str> {
        let all = names.iter().map(String::as_str);
        let mut mixture = Mixture::new(model, file_type, has_imatrix, None, None, all);
        let next = |name: &String| mixture.next(name, &[256, 256, 2]).expect("a type").name();
        names.iter().map(next).collect()
    }

    #[test]
    fn the_tiny_files_count_dense_and_expert_tensors_together() {
        let names: Vec<String> = (0..30)
            .flat_map(|layer| {
                [format!("blk.{layer}.ffn_down.weight"), format!("blk.{layer}.ffn_down_exps.weight")]
            })
            .collect();
        let types = types(&gemma(128, 30), FileType::IQ2_XXS, true, &names);
        // 30/8 = 3 tensors: layer 0's two and layer 1's dense one.
        assert_eq!(types[..5], ["Q2_K", "Q2_K", "Q2_K", "IQ2_XXS", "IQ2_XXS"]);
    }

    #[test]
    fn an_imatrix_turns_rules_over() {
        let names = ["blk.0.ffn_down.weight".to_owned()];
        for (file_type, without, with) in [
            (FileType::Q4_0, "Q4_0", "Q4_1"),
            (FileType::Q5_0, "Q5_0", "Q5_1"),
            (FileType::IQ4_XS, "Q5_K", "IQ4_XS"),
            (FileType::IQ4_NL, "Q5_K", "IQ4_NL"),
            (FileType::IQ3_XXS, "Q4_K", "IQ3_XXS"),
        ] {
            assert_eq!(types(&gemma(128, 30), file_type, false, &names), [without], "{file_type}");
            assert_eq!(types(&gemma(128, 30), file_type, true, &names), [with], "{file_type}");
        }
    }

    #[test]
    fn eight_experts_are_special() {
        let names = ["blk.0.attn_k.weight".to_owned(), "blk.0.attn_v.weight".to_owned()];
        assert_eq!(types(&gemma(8, 30), FileType::Q4_K_M, false, &names), ["Q8_0", "Q8_0"]);
        assert_eq!(types(&gemma(16, 30), FileType::Q4_K_S, false, &names), ["Q4_K", "Q5_K"]);
    }

    #[test]
    fn a_layer_must_be_one_of_the_model() {
        let model = gemma(128, 30);
        let mut mixture = Mixture::new(&model, FileType::Q4_K_M, false, None, None, std::iter::empty());
        assert!(mixture.next("blk.30.ffn_down.weight", &[256, 256]).is_err());
        assert!(mixture.next("ffn_down.weight", &[256, 256]).is_err());
        assert!(mixture.next("blk.29.ffn_down.weight", &[256, 256]).is_ok());
        assert_eq!(layer_of("blk.12.attn_q.weight"), Some(12));
        assert_eq!(layer_of("blk.x"), None);
    }
}
