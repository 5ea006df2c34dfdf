//! The C++-only parts of the pinned llama.cpp, behind the C interface of `shim.h`.
//!
//! llama-cpp-sys-2 binds what llama.cpp offers in C. What it offers in C++ only (`src/llama-ext.h`: hidden
//! rows, linked contexts, memory use; `common/chat.h`: chat templates and the reply parser) comes through
//! the functions here. They link the one copy of llama.cpp that llama-cpp-sys-2 builds.

#![allow(non_camel_case_types, non_upper_case_globals, missing_docs)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// Version of the llama-cpp-sys-2 crate whose llama.cpp this was compiled against.
pub const LLAMA_SOURCE_VERSION: &str = env!("SLIPSTREAM_LLAMA_SOURCE_VERSION");
