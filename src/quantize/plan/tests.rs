use super::*;
use crate::quantize::Method;

fn facts(experts: u32) -> ModelFacts {
    let architecture = "gemma4".to_owned();
    ModelFacts { architecture, layers: 30, experts, heads_per_kv_head: 2, is_70b: false }
}

fn tensor(name: &str, shape: &[u64]) -> SourceTensor {
    SourceTensor { name: name.to_owned(), shape: shape.to_vec(), dtype: GgmlType::BF16, always_f32: false }
}

fn model() -> Vec<SourceTensor> {
    vec![
        tensor("token_embd.weight", &[2816, 1000]),
        SourceTensor { always_f32: true, ..tensor("blk.10.attn_norm.weight", &[2816]) },
        tensor("blk.10.ffn_down_exps.weight", &[704, 2816, 4]),
        tensor("blk.2.attn_q.weight", &[2816, 4096]),
        tensor("output_norm.weight", &[2816]),
    ]
}

fn plan(options: &Options<'_>) -> Result<Plan, PlanError> {
    Plan::new(&facts(4), &model(), options)
}

fn row<'a>(plan: &'a Plan, name: &str) -> &'a Row {
    plan.rows.iter().find(|row| row.name == name).expect("a row")
}

/// An imatrix of these entries (name, values).
fn imatrix(entries: &[(&str, usize)]) -> Imatrix {
    let mut bytes = (entries.len() as i32).to_le_bytes().to_vec();
    for (name, values) in entries {
        bytes.extend((name.len() as i32).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(1_i32.to_le_bytes());
        bytes.extend((*values as i32).to_le_bytes());
        bytes.extend(std::iter::repeat_n(1_f32.to_le_bytes(), *values).flatten());
    }
    Imatrix::from_bytes(&bytes, "i.dat").expect("an imatrix")
}

#[test]
fn rows_stand_in_the_order_they_are_written() {
    let plan = plan(&Options::new(FileType::Q4_0)).expect("a plan");
    let names: Vec<&str> = plan.rows.iter().map(|row| row.name.as_str()).collect();
    let expected = [
        "output_norm.weight",
        "token_embd.weight",
        // Layer 2 before layer 10.
        "blk.2.attn_q.weight",
        "blk.10.attn_norm.weight",
        "blk.10.ffn_down_exps.weight",
    ];
    assert_eq!(names, expected);
    assert_eq!(plan.rows[2].source, 3);
}

#[test]
fn a_row_says_what_was_asked_what_is_given_and_why() {
    let plan = plan(&Options::new(FileType::Q4_K_M)).expect("a plan");
    let down = row(&plan, "blk.10.ffn_down_exps.weight");
    assert_eq!((down.asked, down.given), (GgmlType::Q4_K, GgmlType::Q5_0));
    assert_eq!(down.why(), "file type; Q4_K's blocks of 256 do not fit rows of 704");
    assert_eq!(plan.fallbacks().count(), 1);
    assert_eq!(down.bytes, 704 / 32 * 22 * 2816 * 4);
    let embedding = row(&plan, "token_embd.weight");
    assert_eq!((embedding.given, embedding.reason.clone()), (GgmlType::Q6_K, Reason::Mixture));
    let norm = row(&plan, "blk.10.attn_norm.weight");
    assert_eq!((norm.from, norm.given, norm.method), (GgmlType::F32, GgmlType::F32, Method::Copy));
    // Kept as it is: this source says nothing of F32.
    assert_eq!(row(&plan, "output_norm.weight").given, GgmlType::BF16);
    let bits = plan.bytes() as f64 * 8.0 / plan.elements() as f64;
    assert_eq!(plan.bits_per_weight(), bits);
}

#[test]
fn an_override_wins_over_rules_still_falls_back_and_is_missed_when_it_decides_nothing() {
    let mut options = Options::new(FileType::Q4_K_M);
    options.overrides = ["ffn_down=q6_k", "down_exps=q4_0", "attn_v=q8_0"]
        .map(|text| Override::parse(text).expect("an override"))
        .to_vec();
    let plan = plan(&options).expect("a plan");
    let down = row(&plan, "blk.10.ffn_down_exps.weight");
    assert_eq!((down.asked, down.given), (GgmlType::Q6_K, GgmlType::Q8_0));
    assert!(down.why().starts_with("--tensor-type ffn_down; Q6_K's blocks"), "{}", down.why());
    let unused: Vec<&str> =
        plan.notes.iter().map(|Note::UnusedOverride { pattern, .. }| pattern.as_str()).collect();
    assert_eq!(unused, ["down_exps", "attn_v"]);
    options.file_type = FileType::BF16;
    let plan = Plan::new(&facts(4), &model(), &options).expect("a plan");
    assert_eq!(plan.notes.len(), 3, "a float file takes no overrides");
}

#[test]
fn a_type_asked_by_name_that_does_not_fit_is_refused() {
    let mut options = Options::new(FileType::Q4_K_M);
    options.embedding_type = Some(GgmlType::Q4_K);
    let tensors = [tensor("token_embd.weight", &[704, 1000])];
    let error = Plan::new(&facts(0), &tensors, &options).expect_err("an error").to_string();
    assert!(error.contains("`token_embd.weight` cannot become Q4_K") && error.contains("704"), "{error}");
    let options = Options::new(FileType::Q1_0);
    assert!(matches!(plan(&options), Err(PlanError::NoFallback { columns: 704, .. })));
}

#[test]
fn a_tiny_type_needs_an_imatrix_that_knows_the_tensor() {
    let missing = plan(&Options::new(FileType::IQ2_XXS)).expect("a plan").check().expect_err("an error");
    assert!(matches!(&missing, PlanError::NeedsImatrix { has_imatrix: false, .. }), "{missing}");
    let imatrix = imatrix(&[("blk.10.ffn_down_exps.weight", 704 * 4)]);
    let mut options = Options::new(FileType::IQ2_XXS);
    options.imatrix = Some(&imatrix);
    let partial = plan(&options).expect("a plan").check().expect_err("an error");
    assert!(partial.to_string().contains("the one given has no entry for it"), "{partial}");
    options.file_type = FileType::Q4_K_M;
    let fine = plan(&options).expect("a plan");
    assert!(fine.check().is_ok());
    assert_eq!(row(&fine, "blk.10.ffn_down_exps.weight").importance, Importance::Weighted);
    assert_eq!(row(&fine, "blk.2.attn_q.weight").why(), "file type; not in the imatrix");
    // ggml itself insists for these, where llama-quantize lets an embedding through and ggml aborts.
    let mut options = Options::new(FileType::Q4_K_M);
    options.embedding_type = Some(GgmlType::IQ2_XXS);
    assert!(plan(&options).expect("a plan").check().is_err());
}

#[test]
fn an_imatrix_of_another_model_is_named() {
    let mut options = Options::new(FileType::Q4_K_M);
    let foreign = imatrix(&[("blk.0.attn_qkv.weight", 8)]);
    options.imatrix = Some(&foreign);
    let error = plan(&options).expect_err("an error").to_string();
    assert!(
        error.contains("`i.dat` is of another model") && error.contains("`blk.0.attn_qkv.weight`"),
        "{error}"
    );
    let wide = imatrix(&[("blk.2.attn_q.weight", 4096)]);
    options.imatrix = Some(&wide);
    let error = plan(&options).expect_err("an error").to_string();
    assert!(error.contains("4096 values, the tensor needs 2816"), "{error}");
    // What is wrong for an embedding is ignored, as in llama-quantize.
    let embedding = imatrix(&[("token_embd.weight", 5), ("blk.2.attn_q.weight", 2816)]);
    options.imatrix = Some(&embedding);
    assert_eq!(row(&plan(&options).expect("a plan"), "token_embd.weight").importance, Importance::Missing);
}

#[test]
fn a_lattice_becomes_q4_0_and_tolerates_no_imatrix() {
    let mut options = Options::new(FileType::Q4_0);
    options.on_lattice = ["token_embd.weight", "blk.2.attn_q.weight"].map(str::to_owned).into();
    let plan = plan(&options).expect("a plan");
    let embedding = row(&plan, "token_embd.weight");
    assert_eq!((embedding.given, embedding.method), (GgmlType::Q4_0, Method::Lattice));
    assert_eq!(embedding.why(), "on the 4-bit lattice");
    let down = row(&plan, "blk.10.ffn_down_exps.weight");
    assert_eq!((down.given, down.method), (GgmlType::Q4_0, Method::Ggml), "not on the lattice");
    let imatrix = imatrix(&[("blk.2.attn_q.weight", 2816)]);
    options.imatrix = Some(&imatrix);
    assert_eq!(Plan::new(&facts(4), &model(), &options), Err(PlanError::LatticeWithImatrix));
}

#[test]
fn what_is_quantized_already_is_not_quantized_again_unasked() {
    let tensors = [SourceTensor { dtype: GgmlType::Q8_0, ..tensor("blk.2.attn_q.weight", &[2816, 4096]) }];
    let mut options = Options::new(FileType::Q4_0);
    let error = Plan::new(&facts(0), &tensors, &options).expect_err("an error");
    assert!(matches!(error, PlanError::Requantize { from: GgmlType::Q8_0, .. }), "{error}");
    options.allow_requantize = true;
    assert!(Plan::new(&facts(0), &tensors, &options).is_ok());
    options = Options::new(FileType::Q8_0);
    let same = Plan::new(&facts(0), &tensors, &options).expect("a plan");
    assert_eq!(same.rows[0].method, Method::Copy);
}

#[test]
fn shapes_that_cannot_be_are_errors() {
    for shape in [&[][..], &[0, 4], &[u64::MAX, 2], &[1 << 40, 1 << 40]] {
        let tensors = [tensor("blk.2.attn_q.weight", shape)];
        assert!(Plan::new(&facts(0), &tensors, &Options::new(FileType::BF16)).is_err(), "{shape:?}");
    }
}
