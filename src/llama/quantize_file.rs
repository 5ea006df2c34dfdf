//! llama.cpp's own quantization of a whole file: what ours is compared with. It takes the memory of its largest
//! tensor, tells nothing while it runs and cannot be stopped, so only tests and comparisons call it.

use std::ffi::{CString, c_char};
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::backend::Backend;
use super::error::LlamaError;

/// What is asked of llama.cpp. Types are ggml's numbers, the file type is llama.cpp's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileRequest {
    /// `llama_ftype`.
    pub file_type: u32,
    /// Every tensor gets the file type's first type.
    pub pure: bool,
    /// The type of `output.weight`.
    pub output_type: Option<u32>,
    /// The type of the embeddings.
    pub embedding_type: Option<u32>,
    /// Types by name: patterns of C++'s `std::regex`.
    pub tensor_types: Vec<(String, u32)>,
    /// `output.weight` stays what it is.
    pub leave_output: bool,
    /// Sources that are quantized already are accepted.
    pub allow_requantize: bool,
    /// The importance matrix: a tensor's name, and a number for each column of each expert.
    pub importance: Option<Vec<(String, Vec<f32>)>>,
    /// Entries added to the metadata.
    pub texts: Vec<(String, String)>,
    /// Numbers added to the metadata behind them, 32 bits each.
    pub numbers: Vec<(String, u32)>,
    /// Threads; 0 for all.
    pub threads: u32,
}

/// Bytes of a key or text in llama.cpp's structure, its closing zero included.
const ROOM: usize = 128;

fn copied(text: &str) -> Option<[c_char; ROOM]> {
    let mut room = [0; ROOM];
    if text.len() >= ROOM || text.contains('\0') {
        return None;
    }
    for (slot, byte) in room.iter_mut().zip(text.bytes()) {
        *slot = byte as c_char;
    }
    Some(room)
}

/// The entries for the metadata, with the empty key that ends them.
fn overrides(request: &FileRequest) -> Option<Vec<sys::llama_model_kv_override>> {
    let mut all = Vec::new();
    for (key, text) in &request.texts {
        all.push(sys::llama_model_kv_override {
            tag: sys::LLAMA_KV_OVERRIDE_TYPE_STR,
            key: copied(key)?,
            __bindgen_anon_1: sys::llama_model_kv_override__bindgen_ty_1 { val_str: copied(text)? },
        });
    }
    for (key, number) in &request.numbers {
        all.push(sys::llama_model_kv_override {
            tag: sys::LLAMA_KV_OVERRIDE_TYPE_INT,
            key: copied(key)?,
            __bindgen_anon_1: sys::llama_model_kv_override__bindgen_ty_1 { val_i64: i64::from(*number) },
        });
    }
    all.push(sys::llama_model_kv_override {
        tag: sys::LLAMA_KV_OVERRIDE_TYPE_INT,
        key: [0; ROOM],
        __bindgen_anon_1: sys::llama_model_kv_override__bindgen_ty_1 { val_i64: 0 },
    });
    Some(all)
}

/// Lets llama.cpp quantize the file `input` into `output`, which is overwritten.
///
/// # Errors
/// Where a name or text cannot be handed over, or llama.cpp refuses, with its own last error lines.
pub fn quantize_file(
    backend: &Backend,
    input: &Path,
    output: &Path,
    request: &FileRequest,
) -> Result<(), LlamaError> {
    let failed = |reason: String| LlamaError::Quantize { path: input.to_owned(), reason };
    let text = |text: &str| CString::new(text).map_err(|_| failed(format!("a zero byte in `{text:?}`")));
    let (from, to) = (text(&input.to_string_lossy())?, text(&output.to_string_lossy())?);
    let entries = overrides(request).ok_or_else(|| failed("a text is too long".to_owned()))?;

    let mut patterns = Vec::new();
    for (pattern, ggml_type) in &request.tensor_types {
        patterns.push((text(pattern)?, *ggml_type as sys::ggml_type));
    }
    let mut tensor_types: Vec<sys::llama_model_tensor_override> = patterns
        .iter()
        .map(|(pattern, kind)| sys::llama_model_tensor_override { pattern: pattern.as_ptr(), type_: *kind })
        .collect();
    tensor_types
        .push(sys::llama_model_tensor_override { pattern: std::ptr::null(), type_: sys::GGML_TYPE_COUNT });

    let mut names = Vec::new();
    for (name, _) in request.importance.iter().flatten() {
        names.push(text(name)?);
    }
    let mut importance: Vec<sys::llama_model_imatrix_data> = names
        .iter()
        .zip(request.importance.iter().flatten())
        .map(|(name, (_, values))| sys::llama_model_imatrix_data {
            name: name.as_ptr(),
            data: values.as_ptr(),
            size: values.len(),
        })
        .collect();
    importance.push(sys::llama_model_imatrix_data {
        name: std::ptr::null(),
        data: std::ptr::null(),
        size: 0,
    });

    // SAFETY: no arguments.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    let kind = |given: Option<u32>| given.map_or(sys::GGML_TYPE_COUNT, |given| given as sys::ggml_type);
    params.nthread = i32::try_from(request.threads).unwrap_or(0);
    params.ftype = request.file_type as sys::llama_ftype;
    params.output_tensor_type = kind(request.output_type);
    params.token_embedding_type = kind(request.embedding_type);
    params.pure_ = request.pure;
    params.allow_requantize = request.allow_requantize;
    params.quantize_output_tensor = !request.leave_output;
    params.kv_overrides = entries.as_ptr();
    if !request.tensor_types.is_empty() {
        params.tt_overrides = tensor_types.as_ptr();
    }
    if request.importance.is_some() {
        params.imatrix = importance.as_ptr();
    }
    backend.log().clear();
    // SAFETY: both paths are NUL-terminated; the three lists end with the entry that llama.cpp looks for, and they and
    // what they point to live until the call returns, which waits for its threads. llama.cpp catches its exceptions.
    let code = unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) };
    if code == 0 { Ok(()) } else { Err(failed(backend.log().take())) }
}
