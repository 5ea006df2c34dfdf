//! The safe layer over llama.cpp, and the only importer of its crates.
//!
//! | handle | owner | borrows | freed when | threads |
//! |---|---|---|---|---|
//! | `&'static Backend` | the process | – | never: its tables must outlive every model | any |
//! | `Model` | the worker's stack frame | – | after every context made from it | stays on its thread |
//! | `Context<'m>` | the worker's stack frame | its `Model` | before its model, after every `DraftContext` into it | stays on its thread (an `Rc`) |
//! | `DraftContext<'m>` | the worker's stack frame | both models, and the target's `Handle` (counted) | any time | as above |
//! | `Templates<'m>`, `Rendered` | the worker | the `Model` | any time | with it |
//!
//! Contexts are created one after the other, under a lock: creating two in
//! parallel is unsound in llama.cpp. Whatever llama.cpp would answer with an abort (a batch too large, too
//! many outputs, a token out of range, a draft context without its target) is checked here before the call; the values
//! of a file are checked in `models::sane`. What slips through ends the process with our own last words.
#![allow(unsafe_code)]

mod backend;
mod chat;
mod context;
mod draft;
mod error;
pub mod kernels;
mod kernels_test;
mod model;
mod quantize;
mod quantize_file;
mod vocab;
mod watch;

pub use backend::{Backend, Device, LastWords, build_info, set_last_words};
pub use chat::{Rendered, Templates};
pub use context::{CELL_STEP, Checkpoint, Context, ContextSettings, KvType, MemoryUse};
pub use draft::DraftContext;
pub use error::{LlamaError, LogTail};
pub use kernels_test::agreeing as agreeing_kernels;
pub use model::{Model, ModelSettings};
pub use quantize::{LARGEST_IMPORTANCE, LARGEST_WEIGHT, QuantizeError, quantize_into, quantize_rows};
pub use quantize_file::{FileRequest, quantize_file};
pub use vocab::Vocab;
pub use watch::{Seen, Watch};
