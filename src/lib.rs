//! slipstream: Gemma 4 with its MTP drafter on a laptop. The same text, faster, and the gain measured.
//!
//! One token's way through the modules: `cli` makes settings of what was typed → `engine::worker` loads the pair
//! through `llama` → `llama::chat` renders the prompt, `engine::session` finds what is in the cache already →
//! `spec::cycle` drafts, verifies, keeps, over the machines of `engine::adapter` and the draws of `sampling` →
//! `engine::text` makes whole text of tokens → `event` → `tui`, or `cli::run`.
//!
//! Who may import whom is written in docs/ARCHITECTURE.md and enforced by tests/it/layering.rs.

pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod engine;
pub mod error;
pub mod event;
pub mod exact;
pub mod experiment;
pub mod gguf;
pub mod kernels;
pub mod llama;
pub mod models;
pub mod quantize;
pub mod request;
pub mod sampling;
pub mod sessions;
pub mod spec;
pub mod token;
pub mod tui;
pub mod tuning;
