//! What `slipstream inspect` shows of a GGUF file: as text for a person, as JSON for a program.
//!
//! Every string in the file is somebody else's; all of them pass through [`Printable`], and the JSON escapes what
//! a terminal might obey, for it is often shown in one.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::args::InspectArgs;
use crate::error::{Kind, Problem};
use crate::gguf::{Array, GgmlType, Header, Printable, Value, needs_escape, printable};
use crate::models::{Role, human_bytes, identify, read_header};

/// Runs the command.
///
/// # Errors
/// Where the file cannot be read or is not a well-formed GGUF, or the output cannot be written.
pub fn run(args: &InspectArgs) -> Result<u8, Problem> {
    let header =
        read_header(&args.file).map_err(|error| Problem::new(Kind::File, error.to_string(), error.help()))?;
    if args.json {
        return super::print(&format!("{}\n", json_text(&json(&header, &args.file))));
    }
    super::print(&text(&header, &args.file))
}

/// Elements of an array shown in the text.
const SHOWN_ELEMENTS: usize = 8;
/// Characters of a string shown in the text.
const SHOWN_CHARACTERS: usize = 100;

/// Weights of one type.
struct TypeShare {
    tensor_type: GgmlType,
    tensors: u64,
    elements: u64,
    bytes: u64,
}

/// Sums by type, the largest first.
fn by_type(header: &Header) -> Vec<TypeShare> {
    let mut shares: Vec<TypeShare> = Vec::new();
    for tensor in &header.tensors {
        let tensor_type = tensor.tensor_type;
        let index = shares.iter().position(|share| share.tensor_type == tensor_type).unwrap_or_else(|| {
            shares.push(TypeShare { tensor_type, tensors: 0, elements: 0, bytes: 0 });
            shares.len() - 1
        });
        let share = &mut shares[index];
        share.tensors += 1;
        share.elements = share.elements.saturating_add(tensor.elements);
        share.bytes = share.bytes.saturating_add(tensor.bytes);
    }
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

/// Bits a weight takes over the whole file; `None` where there are none.
fn bits_per_weight(header: &Header) -> Option<f64> {
    let parameters = header.parameters();
    (parameters > 0).then(|| header.tensor_bytes() as f64 * 8.0 / parameters as f64)
}

/// What the file can be used as.
fn role(header: &Header, path: &Path) -> &'static str {
    match identify(path, header).map(|model| model.role) {
        Ok(Role::Target) => "target (writes text)",
        Ok(Role::Drafter) => "MTP drafter",
        Ok(Role::ForeignDrafter) => "MTP drafter of another program",
        Ok(Role::Other) => "neither target nor drafter",
        Err(_) => "unknown",
    }
}

/// The whole report as text.
#[must_use]
pub fn text(header: &Header, path: &Path) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_text(&mut out, header, path);
    out
}

fn write_text(out: &mut String, header: &Header, path: &Path) -> std::fmt::Result {
    writeln!(out, "file          {}", printable(&path.to_string_lossy()))?;
    writeln!(out, "size          {} ({} bytes)", human_bytes(header.file_len), header.file_len)?;
    let header_bytes = human_bytes(header.data_offset);
    writeln!(
        out,
        "format        GGUF {}, alignment {}, header {header_bytes}",
        header.version, header.alignment
    )?;
    let architecture = header.architecture().unwrap_or("(not given)");
    writeln!(out, "architecture  {}", Printable::short(architecture, SHOWN_CHARACTERS))?;
    writeln!(out, "usable as     {}", role(header, path))?;
    if let Some(split) = header.split() {
        writeln!(out, "split         part {} of {}", u64::from(split.index) + 1, split.count)?;
    }
    let bits = bits_per_weight(header).map(|bits| format!(", {bits:.2} bits per weight")).unwrap_or_default();
    writeln!(out, "parameters    {}{bits}", human_count(header.parameters()))?;

    writeln!(out, "\nmetadata ({})", header.key_values.len())?;
    let keys: Vec<String> = header.key_values.iter().map(|entry| printable(&entry.key).to_string()).collect();
    let width = column_width(&keys);
    for (key, entry) in keys.iter().zip(&header.key_values) {
        writeln!(out, "  {key:width$}  {:8}  {}", type_name(&entry.value), shown_value(&entry.value))?;
    }

    writeln!(out, "\ntensors ({})", header.tensors.len())?;
    let names: Vec<String> =
        header.tensors.iter().map(|tensor| tensor.printable_name().to_string()).collect();
    let width = column_width(&names);
    for (name, tensor) in names.iter().zip(&header.tensors) {
        let shape = tensor.shape().iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        writeln!(out, "  {name:width$}  {shape:22}  {:8}  {:>14}", tensor.tensor_type.name(), tensor.bytes)?;
    }

    writeln!(out, "\nsize by type")?;
    let total = header.tensor_bytes().max(1) as f64;
    for share in by_type(header) {
        writeln!(
            out,
            "  {:8}  {:>6} tensors  {:>9} weights  {:>10}  {:5.1} %",
            share.tensor_type.name(),
            share.tensors,
            human_count(share.elements),
            human_bytes(share.bytes),
            share.bytes as f64 * 100.0 / total,
        )?;
    }
    Ok(())
}

/// As wide as the longest name, unless one is absurd.
fn column_width(names: &[String]) -> usize {
    const MOST: usize = 60;
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(MOST)
}

fn type_name(value: &Value) -> String {
    match value {
        Value::Array(array) => format!("[{}]", array.element),
        scalar => scalar.value_type().name().to_owned(),
    }
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::U8(value) => value.to_string(),
        Value::I8(value) => value.to_string(),
        Value::U16(value) => value.to_string(),
        Value::I16(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::String(text) => Printable::short(text, SHOWN_CHARACTERS).to_string(),
        Value::Array(array) => shown_array(array),
    }
}

fn shown_array(array: &Array) -> String {
    let Some(items) = array.items() else {
        return format!("{} elements (content hash {:016x})", array.length, array.hash);
    };
    let shown: Vec<String> = items.take(SHOWN_ELEMENTS).map(|item| shown_value(&item)).collect();
    let rest = array.length.saturating_sub(shown.len() as u64);
    let more = if rest > 0 { format!(", … {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// A number for a person: `25.2 B`.
fn human_count(count: u64) -> String {
    let scaled = |divisor: f64, unit| format!("{:.1} {unit}", count as f64 / divisor);
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => scaled(1e3, "k"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "B"),
    }
}

/// The whole report as JSON. Metadata and tensors are lists, for their order in the file has a meaning.
#[must_use]
pub fn json(header: &Header, path: &Path) -> Json {
    let metadata: Vec<Json> =
        header.key_values.iter().map(|entry| json_entry(&entry.key, &entry.value)).collect();
    let tensors: Vec<Json> = header
        .tensors
        .iter()
        .map(|tensor| {
            json!({
                "name": tensor.name, "shape": tensor.shape(), "type": tensor.tensor_type.name(),
                "offset": tensor.offset, "bytes": tensor.bytes,
            })
        })
        .collect();
    let types: Vec<Json> = by_type(header)
        .iter()
        .map(|share| {
            json!({
                "type": share.tensor_type.name(), "tensors": share.tensors,
                "weights": share.elements, "bytes": share.bytes,
            })
        })
        .collect();
    json!({
        "file": path.to_string_lossy(),
        "bytes": header.file_len,
        "gguf_version": header.version,
        "alignment": header.alignment,
        "data_offset": header.data_offset,
        "architecture": header.architecture(),
        "usable_as": role(header, path),
        "split": header.split().map(|split| json!({ "index": split.index, "count": split.count })),
        "parameters": header.parameters(),
        "bits_per_weight": bits_per_weight(header),
        "metadata": metadata,
        "tensors": tensors,
        "size_by_type": types,
    })
}

fn json_entry(key: &str, value: &Value) -> Json {
    let mut entry = Map::new();
    entry.insert("key".to_owned(), json!(key));
    entry.insert("type".to_owned(), json!(type_name(value)));
    if let Value::Array(array) = value {
        entry.insert("length".to_owned(), json!(array.length));
        entry.insert("hash".to_owned(), json!(format!("{:016x}", array.hash)));
    }
    entry.insert("value".to_owned(), json_value(value));
    Json::Object(entry)
}

/// The value; `null` for an array that was too long to keep.
fn json_value(value: &Value) -> Json {
    match value {
        Value::U8(value) => json!(value),
        Value::I8(value) => json!(value),
        Value::U16(value) => json!(value),
        Value::I16(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::I64(value) => json!(value),
        // Through its own shortest digits: 0.95, not 0.949999988079071.
        Value::F32(value) => json_float(value.to_string().parse().unwrap_or(f64::NAN)),
        Value::F64(value) => json_float(*value),
        Value::Bool(value) => json!(value),
        Value::String(text) => json!(text),
        Value::Array(array) => {
            array.items().map_or(Json::Null, |items| items.map(|item| json_value(&item)).collect())
        }
    }
}

/// JSON has no infinities and no NaN: those become strings.
fn json_float(value: f64) -> Json {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

/// JSON as text in which nothing is left that a terminal might obey. What serde_json leaves as it is (DEL, the
/// upper control characters, bidirectional marks) can only stand inside strings, where an escape means the same.
#[must_use]
pub fn json_text(value: &Json) -> String {
    let plain = format!("{value:#}");
    let mut safe = String::with_capacity(plain.len());
    for c in plain.chars() {
        if c == '\n' || !needs_escape(c) {
            safe.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}
