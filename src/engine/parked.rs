//! A conversation's cache in a file, so that it need not be computed again when the conversation is gone on with.
//!
//! It never changes a text: what is loaded is what was computed from the same tokens by the same model file, build and
//! cache type (`identity`), and is checked as a whole against its hash. Whatever does not fit is removed, and the tokens are
//! read again. What is loaded are only tokens that a prompt may share; `Session::reuse` finds out how many it does.
//!
//! ```text
//! magic · length of the header · header (JSON) · tokens (i32) · state · window
//! ```
//! `window` is the newest way back (`llama::Checkpoint`): templates may render a reply otherwise once it is history, and
//! a sliding window that has moved past its beginning cannot be left by going back.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::event::Parking;
use crate::llama::{Checkpoint, Context};
use crate::token::TokenId;

const MAGIC: &[u8; 8] = b"slipkv01";
/// Bytes of a header at most.
const LONGEST_HEADER: u32 = 1 << 16;
/// Bytes by which the speed of the disk is judged.
const SAMPLE: usize = 4 << 20;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    identity: String,
    tokens: u32,
    token_hash: String,
    /// How fast this machine read such a prompt.
    tokens_per_second: f64,
    state_bytes: u64,
    window_length: u32,
    window_bytes: u64,
    /// Of all that follows the header.
    hash: u64,
}

/// What is known of a saved state without loading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Hash of the tokens it covers.
    pub token_hash: String,
    /// How many these are.
    pub tokens: u32,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What became of a wish to load a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparked {
    /// So many tokens are in the cache.
    Loaded(u32),
    /// Computing is faster than reading, or the context is too small: the file stays.
    Left,
    /// There is none, or none that fits; one that did not fit is gone.
    None,
}

/// Looks at a saved state.
#[must_use]
pub fn parked(path: &Path) -> Option<Parked> {
    let mut file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let header = read_header(&mut file, bytes).ok()?;
    Some(Parked { token_hash: header.token_hash, tokens: header.tokens, bytes })
}

/// Saves what the cache holds, where reading it back will beat computing it: `tokens_per_second` was measured on prompts
/// of this run. Returns whether it was saved. A convenience: nothing that goes wrong here is a failure.
pub fn park(
    session: &Session,
    context: &mut Context<'_>,
    parking: &Parking,
    tokens_per_second: Option<f64>,
) -> bool {
    let Some(speed) = tokens_per_second else { return false };
    let tokens = session.tokens();
    #[expect(clippy::cast_precision_loss)]
    let seconds = tokens.len() as f64 / speed;
    if seconds < parking.worth.as_secs_f64() || context.length() as usize != tokens.len() {
        return false;
    }
    let token_hash = format!("{:016x}", hash_tokens(tokens));
    if parked(&parking.file).is_some_and(|known| known.token_hash == token_hash) {
        return false;
    }
    let bytes = context.state_bytes();
    if bytes == 0 || bytes > parking.most_bytes {
        return false;
    }
    let Some(state) = context.save_state() else { return false };
    let empty = Vec::new();
    let window = session.newest_checkpoint();
    let (window_length, window_data) =
        window.map_or((0, empty.as_slice()), |window| (window.length, window.data()));
    let token_bytes = token_bytes(tokens);
    let mut hash = Hash::new();
    [&token_bytes, state.as_slice(), window_data].into_iter().for_each(|part| hash.add(part));
    let header = Header {
        identity: parking.identity.clone(),
        tokens: tokens.len() as u32,
        token_hash,
        tokens_per_second: speed,
        state_bytes: state.len() as u64,
        window_length,
        window_bytes: window_data.len() as u64,
        hash: hash.end(),
    };
    write(&parking.file, &header, &[&token_bytes, &state, window_data]).is_ok()
}

fn write(path: &Path, header: &Header, parts: &[&[u8]]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let header = serde_json::to_vec(header)?;
    let written = private(&partial).and_then(|mut file| {
        file.write_all(MAGIC)?;
        file.write_all(&(header.len() as u32).to_le_bytes())?;
        file.write_all(&header)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        drop(file);
        fs::rename(&partial, path)
    });
    written.inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}

/// What was said is private.
fn private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Puts a saved state into the cache, where that is faster than to compute it. Whatever the cache held is gone then, and
/// also where it fails half way.
pub fn unpark(
    session: &mut Session,
    context: &mut Context<'_>,
    parking: &Parking,
    tokens_per_second: Option<f64>,
) -> Unparked {
    let Ok(mut file) = File::open(&parking.file) else { return Unparked::None };
    let read = read(&mut file, parking, session.tokens(), context, tokens_per_second);
    let unfit = match read {
        Ok(Some(parts)) => {
            let count = parts.tokens.len() as u32;
            if session.take_over(context, parts.tokens, &parts.state, parts.window) {
                return Unparked::Loaded(count);
            }
            true
        }
        Ok(None) => return Unparked::Left,
        Err(error) => {
            error.kind() == io::ErrorKind::InvalidData || error.kind() == io::ErrorKind::UnexpectedEof
        }
    };
    if unfit {
        let _ = fs::remove_file(&parking.file);
    }
    Unparked::None
}

struct Parts {
    tokens: Vec<TokenId>,
    state: Vec<u8>,
    window: Option<Checkpoint>,
}

/// `None` where the file is to be left alone.
fn read(
    file: &mut File,
    parking: &Parking,
    held: &[TokenId],
    context: &Context<'_>,
    tokens_per_second: Option<f64>,
) -> io::Result<Option<Parts>> {
    let bytes = file.metadata()?.len();
    let header = read_header(file, bytes)?;
    if header.identity != parking.identity || bytes > parking.most_bytes.saturating_mul(2) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if header.tokens >= context.settings().cells {
        return Ok(None);
    }
    let speed = tokens_per_second.unwrap_or(header.tokens_per_second);
    let compute = f64::from(header.tokens) / speed.max(1e-9);
    let length = header.tokens as usize * size_of::<i32>();
    let all = length as u64 + header.state_bytes + header.window_bytes;
    let mut data = Vec::new();
    file.take(length as u64).read_to_end(&mut data)?;
    let token = |bytes: &[u8]| TokenId(bytes.try_into().map_or(0, i32::from_le_bytes));
    let tokens: Vec<TokenId> = data.chunks_exact(size_of::<i32>()).map(token).collect();
    if held.starts_with(&tokens) {
        // The cache has all of it, and perhaps more.
        return Ok(None);
    }
    let room = usize::try_from(all).map_err(|_| io::ErrorKind::OutOfMemory)?;
    data.try_reserve_exact(room.saturating_sub(length)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    // The disk is judged by the first bytes.
    let begun = Instant::now();
    let sampled = file.take(SAMPLE as u64).read_to_end(&mut data)?;
    #[expect(clippy::cast_precision_loss)]
    let reading = begun.elapsed().as_secs_f64() * (all as f64 / sampled.max(1) as f64);
    if reading >= compute {
        return Ok(None);
    }
    file.take(all).read_to_end(&mut data)?;
    if data.len() as u64 != all {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (token_bytes, rest) = data.split_at(length);
    let (state, window) = rest.split_at(header.state_bytes as usize);
    let mut hash = Hash::new();
    [token_bytes, state, window].into_iter().for_each(|part| hash.add(part));
    if hash.end() != header.hash {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let window = (!window.is_empty()).then(|| Checkpoint::of(header.window_length, window.to_vec()));
    Ok(Some(Parts { tokens, state: state.to_vec(), window }))
}

fn read_header(file: &mut File, bytes: u64) -> io::Result<Header> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let (mut magic, mut length) = ([0; 8], [0; 4]);
    file.read_exact(&mut magic)?;
    file.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if &magic != MAGIC || length > LONGEST_HEADER {
        return Err(wrong());
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text)?;
    let header: Header = serde_json::from_slice(&text).map_err(|_| wrong())?;
    let parts = [u64::from(header.tokens) * 4, header.state_bytes, header.window_bytes];
    let all = parts.into_iter().try_fold(12 + u64::from(length), u64::checked_add);
    if all == Some(bytes) && header.tokens > 0 && header.window_length <= header.tokens {
        Ok(header)
    } else {
        Err(wrong())
    }
}

fn token_bytes(tokens: &[TokenId]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.0.to_le_bytes()).collect()
}

fn hash_tokens(tokens: &[TokenId]) -> u64 {
    let mut hash = Hash::new();
    hash.add(&token_bytes(tokens));
    hash.end()
}

/// Finds damage, at the speed of memory. It is no defence against someone who makes a file on purpose: the folder is the
/// person's own.
struct Hash {
    value: u64,
    length: u64,
}

impl Hash {
    fn new() -> Hash {
        Hash { value: 0x9e37_79b9_7f4a_7c15, length: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let mut rest = [0; 8];
        rest[..words.remainder().len()].copy_from_slice(words.remainder());
        self.mix(u64::from_le_bytes(rest));
        self.length += bytes.len() as u64;
        self.mix(self.length);
    }

    /// One round of a multiplicative hash: every bit of the word reaches the high half, which the rotation brings down.
    fn mix(&mut self, word: u64) {
        self.value = (self.value ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
    }

    fn end(mut self) -> u64 {
        self.mix(self.value >> 32);
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_changes_the_hash() {
        let of = |bytes: &[u8]| {
            let mut hash = Hash::new();
            hash.add(bytes);
            hash.end()
        };
        let text: Vec<u8> = (0..100).collect();
        for bit in 0..text.len() * 8 {
            let mut other = text.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(of(&other), of(&text), "bit {bit}");
        }
        assert_ne!(of(&[0; 8]), of(&[0; 9]));
        assert_ne!(of(b""), of(&[0]));
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let folder = std::env::temp_dir().join(format!("slipstream-parked-{}", std::process::id()));
        let path = folder.join("one.state");
        let header = Header {
            identity: "model".to_owned(),
            tokens: 2,
            token_hash: "00".to_owned(),
            tokens_per_second: 100.0,
            state_bytes: 3,
            window_length: 1,
            window_bytes: 1,
            hash: 0,
        };
        write(&path, &header, &[&[0; 8], &[1; 3], &[2]]).unwrap();
        let known =
            Parked { token_hash: "00".to_owned(), tokens: 2, bytes: fs::metadata(&path).unwrap().len() };
        assert_eq!(parked(&path), Some(known));
        for wrong in [
            Header { tokens: 3, ..header.clone() },
            Header { state_bytes: u64::MAX, ..header.clone() },
            Header { window_length: 3, ..header.clone() },
            Header { tokens: 0, state_bytes: 11, window_length: 0, ..header.clone() },
        ] {
            write(&path, &wrong, &[&[0; 8], &[1; 3], &[2]]).unwrap();
            assert_eq!(parked(&path), None, "{wrong:?}");
        }
        for bytes in [&b""[..], b"slipkv01", b"slipkv01\xff\xff\xff\xff", b"slipkv01\x02\0\0\0{}"] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(parked(&path), None);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
