//! Model files on this machine: what each one is, which belong together, where they are, and whether they fit
//! into memory. Only headers are read here; nothing is moved, renamed or written.
//!
//! A target and its drafter are paired by what their headers say (architecture, shapes, vocabulary), never by
//! file name: names are used only to choose between several drafters that would all work.
//!
//! | file | holds |
//! |---|---|
//! | `identify.rs` | [`ModelFile`]: what a file is and the facts its header gives |
//! | `architecture.rs` | the architectures llama.cpp knows, and what each is for |
//! | `sane.rs` | [`BadValue`]: values that llama.cpp would abort over, refused before it sees them |
//! | `pair.rs` | [`fits`]: whether a drafter works with a target, and if not, which field differs |
//! | `choose.rs` | [`choose`]: the best of several drafters, with the reason in words |
//! | `beside.rs` | [`candidates_beside`]: the files around a target |
//! | `find.rs` | [`find_models`]: the caches of this and other programs |
//! | `fingerprint.rs` | [`fingerprint()`]: which file this is, without reading all of it |
//! | `walk.rs` | listing folders, with limits |
//! | `memory.rs` | [`MemoryEstimate`]: bytes needed, item by item |

mod architecture;
mod beside;
mod choose;
mod find;
mod fingerprint;
mod identify;
mod memory;
mod pair;
mod sane;
mod walk;

pub use architecture::{is_known_architecture, purpose};
pub use beside::{Candidate, Candidates, Distance, Unreadable, candidates_beside};
pub use choose::{Choice, choose};
pub use find::{FoundModel, FoundModels, Places, SearchRoot, Store, best_pair, find_models, search_roots};
pub use fingerprint::fingerprint;
pub use identify::{
    Facts, ModelError, ModelFile, PerLayer, RecommendedSampling, Role, Vocabulary, identify, read_header,
    read_model, target_only,
};
pub use memory::{MemoryEstimate, MemoryItem, MemoryPlan, NotEnoughMemory, human_bytes, largest_context};
pub use pair::{Field, Misfit, fits, fits_as_model_drafter};
pub use sane::BadValue;
