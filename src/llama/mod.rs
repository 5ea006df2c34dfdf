//! The safe layer over llama.cpp, and the only importer of its crates.
//!
//! | handle | owner | borrows | freed when | threads |
//! |---|---|---|---|---|
//! | `&'static Backend` | the process | – | never: its tables must outlive every model | any |
//! | `Model<'b>` | the worker's stack frame | the `Backend` | after every context made from it | stays on its thread |
//! | `Context<'m>` | the worker's stack frame | its `Model` | before its model, after every `DraftContext` into it | stays on its thread (an `Rc`) |
//! | `DraftContext<'m>` | the worker's stack frame | both models, and the target's `Handle` (counted) | any time | as above |
//! | `Templates<'m>`, `Rendered` | the worker | the `Model` | any time | with it |
//!
//! Contexts are created one after the other, under a lock: creating two in
//! parallel is unsound in llama.cpp. Whatever llama.cpp would answer with an abort (a batch too large, too
//! many outputs, a token out of range, a draft context without its target) is checked here before the call.
#![allow(unsafe_code)]

mod backend;
mod chat;
mod context;
mod draft;
mod error;
mod model;
mod vocab;

pub use backend::{Backend, Device, build_info};
pub use chat::{Rendered, Templates};
pub use context::{Checkpoint, Context, ContextSettings, KvType, MemoryUse};
pub use draft::DraftContext;
pub use error::{LlamaError, LogTail};
pub use model::{Model, ModelSettings};
pub use vocab::Vocab;
