//! Drives a real engine over the pocket pair, as the faces do: orders in, events out.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use slipstream::engine::{DrafterPlan, Engine, EngineSettings};
use slipstream::event::{Channel, Command, Event, Failure, Prefill, Ready, Reply, SpeculationState};
use slipstream::llama::KvType;
use slipstream::llama::kernels::switch;
use slipstream::request::{DraftLength, Message, Prompt, Request, Role, SamplingSettings, Speculation};

/// Engines run one at a time: two would fight for the cores, and the tests would take longer, not shorter. Our kernels are
/// the process's: whoever turns them on is alone as well, and leaves them off.
pub struct Alone {
    _lock: MutexGuard<'static, ()>,
}

pub fn alone() -> Alone {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    Alone { _lock: ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner) }
}

impl Drop for Alone {
    fn drop(&mut self) {
        switch(None);
    }
}

pub fn target_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pocket/pocket-target-Q8_0.gguf")
}

pub fn drafter_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pocket/pocket-drafter-Q4_0.gguf")
}

pub fn settings(drafter: DrafterPlan, length: u32) -> EngineSettings {
    EngineSettings {
        model: target_file(),
        model_name: "pocket".to_owned(),
        quantization: "Q8_0".to_owned(),
        drafter,
        pairing: "chosen by the test".to_owned(),
        context: 2048,
        threads: 1,
        threads_batch: 1,
        threads_draft: 1,
        micro_batch: 512,
        kernels: false,
        kv_type: KvType::F16,
        gpu_layers: None,
        mmap: true,
        keeps_ways_back: true,
        template: None,
        speculation: fixed(length),
        costs: None,
        forced_acceptance: None,
        fingerprints: false,
        log: None,
    }
}

pub fn fixed(length: u32) -> Speculation {
    let length = if length == 0 { DraftLength::Off } else { DraftLength::Fixed(length) };
    Speculation { length, p_min: 0.0 }
}

pub fn mtp() -> DrafterPlan {
    DrafterPlan::Mtp(drafter_file())
}

pub fn greedy() -> SamplingSettings {
    SamplingSettings { temperature: 0.0, ..SamplingSettings::default() }
}

pub fn seeded(seed: u64) -> SamplingSettings {
    SamplingSettings { seed, ..SamplingSettings::default() }
}

pub fn user(text: &str) -> Message {
    Message { role: Role::User, text: text.to_owned() }
}

pub fn model(text: &str) -> Message {
    Message { role: Role::Model, text: text.to_owned() }
}

pub fn chat(messages: Vec<Message>, sampling: SamplingSettings, max_tokens: u32) -> Request {
    Request {
        prompt: Prompt::Chat { messages, thinking: false },
        sampling,
        max_tokens: Some(max_tokens),
        stop: Vec::new(),
        ignore_end_of_turn: false,
    }
}

pub fn raw(text: &str, sampling: SamplingSettings, max_tokens: Option<u32>) -> Request {
    Request {
        prompt: Prompt::Raw(text.to_owned()),
        sampling,
        max_tokens,
        stop: Vec::new(),
        ignore_end_of_turn: true,
    }
}

/// What a reply brought, event by event.
pub struct Heard {
    pub outcome: Result<Reply, Failure>,
    pub text: String,
    pub prefills: Vec<Prefill>,
    pub states: Vec<SpeculationState>,
}

impl Heard {
    pub fn reply(&self) -> &Reply {
        self.outcome.as_ref().unwrap_or_else(|failure| panic!("the reply failed: {}", failure.message))
    }
}

/// A running engine, alone on the machine as far as these tests go.
pub struct Driver {
    pub engine: Engine,
    pub ready: Ready,
    _alone: Alone,
}

impl Driver {
    pub fn start(settings: EngineSettings) -> Driver {
        Driver::try_start(settings).unwrap_or_else(|failure| panic!("loading failed: {}", failure.message))
    }

    pub fn try_start(settings: EngineSettings) -> Result<Driver, Failure> {
        let alone = alone();
        let engine = Engine::start(settings);
        loop {
            match engine.next().expect("the engine says whether it is ready") {
                Event::Ready(ready) => return Ok(Driver { engine, ready, _alone: alone }),
                Event::Failed(failure) => return Err(failure),
                _ => {}
            }
        }
    }

    pub fn ask(&self, request: Request) -> Heard {
        self.ask_watching(request, |_, _| {})
    }

    /// Asks, and shows every event to `watch` together with the engine, which it may give orders.
    pub fn ask_watching(&self, request: Request, mut watch: impl FnMut(&Engine, &Event)) -> Heard {
        self.engine.send(Command::Generate(request));
        let (mut text, mut reasoning) = (String::new(), String::new());
        let (mut prefills, mut states) = (Vec::new(), Vec::new());
        let outcome = loop {
            let event = self.engine.next().expect("the engine ends a reply before it ends itself");
            watch(&self.engine, &event);
            match event {
                Event::Text(piece) if piece.channel == Channel::Answer => text.push_str(&piece.text),
                Event::Text(piece) => reasoning.push_str(&piece.text),
                Event::Prefill(prefill) => prefills.push(prefill),
                Event::Speculation(state) => states.push(state),
                Event::Done(reply) => break Ok(reply),
                Event::Failed(failure) => break Err(failure),
                _ => {}
            }
        };
        if let Ok(reply) = &outcome {
            assert_eq!(reply.text, text, "what was streamed is what is reported");
            assert_eq!(reply.reasoning, reasoning);
        }
        Heard { outcome, text, prefills, states }
    }
}
