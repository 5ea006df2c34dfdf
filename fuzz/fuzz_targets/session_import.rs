//! Any text, read as exported sessions: an error or a document whose turns hang together and whose traces fit their
//! texts, and which is the same after it was written and read once more. And any bytes, read as a trace.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/request.rs"]
#[allow(dead_code)]
mod request;
#[path = "../../src/token.rs"]
#[allow(dead_code)]
mod token;

/// The pure part of it: no database.
#[path = "../../src/sessions"]
#[allow(dead_code)]
mod sessions {
    pub mod ids;
    pub mod moment;
    pub mod settings;
    pub mod trace;
    pub mod tree;
    pub mod turn;
    pub mod transfer {
        pub mod json;
    }
}

use sessions::trace::{Trace, decode_tokens};
use sessions::transfer::json::parse;

fuzz_target!(|bytes: &[u8]| {
    let trace = Trace::decode(bytes);
    assert_eq!(Trace::decode(&trace.encode()), trace);
    let _ = decode_tokens(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pieces: String = trace.over(text).map(|(_, piece)| piece).collect();
    assert_eq!(pieces, text);
    if let Ok(document) = parse(text) {
        for session in &document.sessions {
            for (at, turn) in session.turns.iter().enumerate() {
                let before = |id| session.turns[..at].iter().any(|other| Some(other.id) == id);
                assert!(turn.parent.is_none() || before(turn.parent));
                assert!(turn.trace.text.bytes() <= turn.text.len());
            }
        }
        assert_eq!(parse(&document.to_json()).as_ref(), Ok(&document));
    }
});
