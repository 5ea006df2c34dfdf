//! Sees every op of a decode, as llama.cpp computes it: for tests that compare how two batches come to their scores.
//!
//! A watched decode is slower, and computes op by op (what llama.cpp would fuse is not fused).

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::rc::Rc;

use llama_cpp_sys_2 as sys;

/// What an op gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// llama.cpp's name of the result, most with the layer's number.
    pub name: String,
    /// ggml's name of the op.
    pub operation: String,
    /// Elements in each dimension, the innermost first.
    pub shape: [usize; 4],
    /// Bytes of an element.
    pub element: usize,
    /// The elements, without gaps.
    pub bytes: Vec<u8>,
}

impl Seen {
    /// The part of one token, where the batch lies in this dimension.
    ///
    /// # Panics
    /// Where there is no such token.
    #[must_use]
    pub fn token(&self, dimension: usize, token: usize) -> Vec<u8> {
        assert!(token < self.shape[dimension], "token {token} of {:?}", self.shape);
        let inside: usize = self.element * self.shape[..dimension].iter().product::<usize>();
        let step = inside * self.shape[dimension];
        self.bytes.chunks_exact(step).flat_map(|some| &some[token * inside..][..inside]).copied().collect()
    }
}

/// Watches a context's decodes from when it is told to, until what it has seen is taken.
#[derive(Clone, Debug, Default)]
pub struct Watch(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    on: bool,
    seen: Vec<Seen>,
}

impl Watch {
    /// Watches the decodes from now on.
    pub fn begin(&self) {
        *self.0.borrow_mut() = State { on: true, seen: Vec::new() };
    }

    /// All ops since `begin`, in the order in which they were computed; then watches no more.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.borrow_mut()).seen
    }

    /// What llama.cpp calls, and with what; valid as long as a clone of this lives.
    pub(super) fn callback(&self) -> (sys::ggml_backend_sched_eval_callback, *mut c_void) {
        (Some(see), Rc::as_ptr(&self.0).cast_mut().cast())
    }
}

/// Called before an op (`ask`: is it to be seen?) and after it, on the thread that decodes.
///
/// # Safety
/// `tensor` is a node of the running graph, `state` what [`Watch::callback`] gave.
unsafe extern "C" fn see(tensor: *mut sys::ggml_tensor, ask: bool, state: *mut c_void) -> bool {
    // SAFETY: the context holds a clone of the `Rc` behind this pointer; nobody borrows it during a decode.
    let (state, node) = unsafe { (&*state.cast::<RefCell<State>>(), &*tensor) };
    let mut state = state.borrow_mut();
    // Views compute nothing, and what goes into the cache was seen before it did.
    let nothing = [
        sys::GGML_OP_NONE,
        sys::GGML_OP_VIEW,
        sys::GGML_OP_RESHAPE,
        sys::GGML_OP_PERMUTE,
        sys::GGML_OP_TRANSPOSE,
        sys::GGML_OP_SET_ROWS,
    ];
    // SAFETY: const queries of a live tensor.
    let plain = unsafe { sys::ggml_is_contiguous(tensor) && sys::ggml_blck_size(node.type_) == 1 };
    // A graph may hold nodes that are not asked for this time.
    let is_computed = node.flags.cast_unsigned() & sys::GGML_TENSOR_FLAG_COMPUTE != 0;
    if !state.on || !plain || !is_computed || nothing.contains(&node.op) {
        return !ask;
    }
    if ask {
        return true;
    }
    // SAFETY: both names are strings of llama.cpp's, ended by NUL; the buffer has room for all bytes of the tensor.
    let seen = unsafe {
        let text = |name| CStr::from_ptr(name).to_string_lossy().into_owned();
        let mut bytes = vec![0_u8; sys::ggml_nbytes(tensor)];
        sys::ggml_backend_tensor_get(tensor, bytes.as_mut_ptr().cast(), 0, bytes.len());
        Seen {
            name: text(node.name.as_ptr()),
            operation: text(sys::ggml_op_name(node.op)),
            shape: node.ne.map(|size| usize::try_from(size).unwrap_or(0)),
            element: sys::ggml_type_size(node.type_),
            bytes,
        }
    };
    state.seen.push(seen);
    true
}
