//! The model's own chat template and the parser that fits its replies, through llama.cpp's `common_chat`.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};

use ggml_sys as shim;

use super::error::LlamaError;
use super::model::Model;
use crate::request::{Message, Role};

/// A model's chat templates.
pub struct Templates<'m> {
    handle: NonNull<shim::slipstream_templates>,
    _model: std::marker::PhantomData<&'m Model>,
}

/// A rendered chat, with what is needed to read the reply.
pub struct Rendered {
    handle: NonNull<shim::slipstream_rendered>,
}

/// Takes the shim's error text and frees it.
fn take_text(error: *mut c_char) -> String {
    if error.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: a NUL-terminated string from the shim, copied before it is freed with the shim's own function.
    unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        shim::slipstream_string_free(error);
        text
    }
}

fn take_error(error: *mut c_char) -> LlamaError {
    LlamaError::Template(take_text(error))
}

/// Copies a text that belongs to the shim.
fn copy_text(text: *const c_char, length: usize) -> String {
    if text.is_null() || length == 0 {
        return String::new();
    }
    // SAFETY: the shim gives a pointer and a length of one std::string that lives until the next call on its owner.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'m> Templates<'m> {
    /// Reads and compiles the templates of `model`, or `other` in their place (Jinja).
    ///
    /// # Errors
    /// `Template` where the template does not compile.
    pub fn of(model: &'m Model, other: Option<&str>) -> Result<Templates<'m>, LlamaError> {
        let other = other.map(|text| CString::new(text.replace('\0', "")).unwrap_or_default());
        let other = other.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the model and the text live until the call returns; both out-parameters are written first.
        unsafe {
            shim::slipstream_templates_create(model.handle(), other, &raw mut handle, &raw mut error);
        }
        let handle = NonNull::new(handle)
            .ok_or_else(|| LlamaError::Template(format!("it does not compile ({})", take_text(error))))?;
        Ok(Templates { handle, _model: std::marker::PhantomData })
    }

    /// Whether the file has a template of its own (else a general one is used).
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        let mut explicit = false;
        // SAFETY: live handle, out-parameter written.
        unsafe { shim::slipstream_templates_explicit(self.handle.as_ptr(), &raw mut explicit) };
        explicit
    }

    /// Renders `messages` up to where the model's next turn begins.
    ///
    /// # Errors
    /// `Template` with the template's own complaint.
    pub fn render(&self, messages: &[Message], thinking: bool) -> Result<Rendered, LlamaError> {
        // C strings end at a NUL; a NUL in a message means nothing to a model.
        let texts: Vec<CString> = messages
            .iter()
            .map(|message| CString::new(message.text.replace('\0', "")).unwrap_or_default())
            .collect();
        let list: Vec<shim::slipstream_message> = messages
            .iter()
            .zip(&texts)
            .map(|(message, text)| {
                let role = match message.role {
                    Role::System => c"system",
                    Role::User => c"user",
                    Role::Model => c"assistant",
                };
                shim::slipstream_message { role: role.as_ptr(), content: text.as_ptr() }
            })
            .collect();
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `list` and the texts it points to live until the call returns; out-parameters are written first.
        unsafe {
            shim::slipstream_render(
                self.handle.as_ptr(),
                list.as_ptr(),
                list.len(),
                thinking,
                &raw mut handle,
                &raw mut error,
            );
        }
        NonNull::new(handle).map(|handle| Rendered { handle }).ok_or_else(|| take_error(error))
    }
}

impl Drop for Templates<'_> {
    fn drop(&mut self) {
        // SAFETY: created by the shim, freed once.
        unsafe { shim::slipstream_templates_free(self.handle.as_ptr()) }
    }
}

impl Rendered {
    fn part(&self, part: shim::slipstream_part) -> String {
        let (mut text, mut length) = (ptr::null(), 0);
        // SAFETY: live handle; the text belongs to it and is copied at once.
        unsafe { shim::slipstream_rendered_text(self.handle.as_ptr(), part, &raw mut text, &raw mut length) };
        copy_text(text, length)
    }

    /// The text that the model continues.
    #[must_use]
    pub fn prompt(&self) -> String {
        self.part(shim::SLIPSTREAM_PROMPT)
    }

    /// The end of the prompt that already belongs to the model's turn (it may open a reasoning channel).
    #[must_use]
    pub fn generation_prompt(&self) -> String {
        self.part(shim::SLIPSTREAM_GENERATION_PROMPT)
    }

    /// What opens and closes the reasoning, `None` where the template has none.
    #[must_use]
    pub fn thinking_tags(&self) -> Option<(String, String)> {
        let start = self.part(shim::SLIPSTREAM_THINKING_START);
        let end = self.part(shim::SLIPSTREAM_THINKING_END);
        (!start.is_empty() && !end.is_empty()).then_some((start, end))
    }

    /// Texts beside the end of turn that end a reply.
    #[must_use]
    pub fn stops(&self) -> Vec<String> {
        let mut stops = Vec::new();
        loop {
            let (mut text, mut length) = (ptr::null(), 0);
            // SAFETY: live handle; the text belongs to it and is copied at once.
            let status = unsafe {
                let index = stops.len();
                shim::slipstream_rendered_stop(self.handle.as_ptr(), index, &raw mut text, &raw mut length)
            };
            if status != shim::SLIPSTREAM_OK {
                return stops;
            }
            stops.push(copy_text(text, length));
        }
    }

    /// Splits a reply into (reasoning, answer) with the model's own parser; the reply may be cut off anywhere.
    ///
    /// # Errors
    /// `Template` where the reply does not have the form the parser expects.
    pub fn parse(&mut self, reply: &str) -> Result<(String, String), LlamaError> {
        let (mut reasoning, mut answer, mut error) = (ptr::null(), ptr::null(), ptr::null_mut());
        let (mut reasoning_length, mut answer_length) = (0, 0);
        // SAFETY: live handle; `reply` is read for its length; results belong to the handle and are copied at once.
        let status = unsafe {
            shim::slipstream_parse(
                self.handle.as_ptr(),
                reply.as_ptr().cast(),
                reply.len(),
                &raw mut reasoning,
                &raw mut reasoning_length,
                &raw mut answer,
                &raw mut answer_length,
                &raw mut error,
            )
        };
        if status != shim::SLIPSTREAM_OK {
            return Err(take_error(error));
        }
        Ok((copy_text(reasoning, reasoning_length), copy_text(answer, answer_length)))
    }
}

impl Drop for Rendered {
    fn drop(&mut self) {
        // SAFETY: created by the shim, freed once.
        unsafe { shim::slipstream_rendered_free(self.handle.as_ptr()) }
    }
}
