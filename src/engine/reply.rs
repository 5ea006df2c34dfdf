//! One reply: read the prompt, then rounds until something ends it.

use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use super::adapter::TargetMachine;
use super::cancel::Canceller;
use super::clock::Clock;
use super::forced::{Forced, Forcing};
use super::session::Session;
use super::text::{Pieces, Reasoning, TextStream};
use super::worker::Prepared;
use crate::event::{Activity, Command, Counters, Event, Prefill, Reply, SpeculationState, StopReason};
use crate::llama::{Backend, Context, LlamaError, Rendered, Vocab};
use crate::request::{DraftLength, Request, Speculation};
use crate::sampling::Sampler;
use crate::spec::{
    AutoLength, AutoState, Cycle, DraftPolicy, Drafter, FixedLength, Players, Room, Round, Stats,
};
use crate::token::{Origin, Position, TokenId};

/// Longest draft that the target's context has rows for. The best lengths are small; 16 leaves room
/// for look-up drafts on text that repeats, and costs 17 rows of scores in the compute buffer (17 MB at 262,144).
pub const LONGEST_DRAFT: usize = 16;

/// Counters are reported this often at most; text is reported at once.
const REPORT_INTERVAL: Duration = Duration::from_millis(20);

/// What a reply works with, beside its request.
pub struct Desk<'a, 'm> {
    /// The target.
    pub target: &'a mut TargetMachine<'m>,
    /// The drafter, `None` where there is none or it has failed.
    pub drafter: &'a mut Option<Box<dyn Drafter + 'm>>,
    /// What the cache holds.
    pub session: &'a mut Session,
    /// Keeps the time that llama.cpp computes.
    pub backend: &'static Backend,
    /// The target's vocabulary.
    pub vocab: Vocab<'m>,
    /// How speculation stands; changed where the drafter fails or a person changes it.
    pub speculation: &'a mut Speculation,
    /// The measured policy: what it has learned of the machine and the text outlives the reply.
    pub auto: &'a mut AutoLength,
    /// For benchmarks only: the outcome of tests.
    pub forcing: &'a mut Option<Forcing>,
    /// Why speculation is off, beside the person's wish.
    pub reason: &'a mut Option<String>,
    /// Orders that arrive while the reply is written.
    pub commands: &'a Receiver<Command>,
    /// Whether a person wants the reply to end.
    pub cancel: &'a Canceller,
    /// Where events go.
    pub events: &'a Sender<Event>,
    /// Orders that must wait for the end of the reply.
    pub postponed: &'a mut Vec<Command>,
}

/// How speculation stands, as a person reads it.
#[must_use]
pub fn state(
    speculation: &Speculation,
    reason: Option<&String>,
    has_drafter: bool,
    auto: &AutoLength,
) -> SpeculationState {
    let asked = *speculation;
    let stands = |activity, length, reason| SpeculationState { activity, length, reason, asked };
    if !has_drafter {
        let reason = reason.cloned().unwrap_or_else(|| "no drafter".to_owned());
        return stands(Activity::Off, 0, Some(reason));
    }
    match speculation.length {
        DraftLength::Fixed(length) if length > 0 => stands(Activity::On, length, None),
        DraftLength::Auto(longest) => match auto.state() {
            AutoState::Parked { ratio } => stands(Activity::Parked, 0, Some(format!("{ratio:.2}x here"))),
            AutoState::Learning | AutoState::On { .. } => stands(Activity::On, longest, None),
        },
        _ => stands(Activity::Off, 0, Some("turned off".to_owned())),
    }
}

/// The reply while it is written.
struct Draft {
    stream: TextStream,
    tokens: Vec<TokenId>,
    stop: Option<StopReason>,
    /// Scratch memory for the bytes of a token.
    piece: Vec<u8>,
}

impl Desk<'_, '_> {
    fn send(&self, event: Event) {
        // A receiver that has gone away has lost interest; the cancel flag tells what to do about it.
        let _ = self.events.send(event);
    }

    fn state(&self) -> SpeculationState {
        state(self.speculation, self.reason.as_ref(), self.drafter.is_some(), self.auto)
    }

    /// Takes in orders that concern the running reply.
    fn take_orders(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::SetSpeculation(speculation)) => {
                    *self.speculation = speculation;
                    self.send(Event::Speculation(self.state()));
                }
                Ok(Command::Shutdown) | Err(TryRecvError::Disconnected) => {
                    // Nothing that was asked for before matters any more.
                    self.postponed.retain(|order| matches!(order, Command::Park(_)));
                    self.postponed.push(Command::Shutdown);
                    self.cancel.cancel_all();
                    return;
                }
                Ok(other) => self.postponed.push(other),
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// Shows pieces and notes what they end.
    fn show(&self, draft: &mut Draft, pieces: Pieces) {
        for text in pieces.texts {
            self.send(Event::Text(text));
        }
        if let Some(count) = pieces.stop_after {
            draft.tokens.truncate(count);
            draft.stop = Some(StopReason::StopText);
        }
    }

    /// Adds an emitted token to the reply, and notes where the reply ends with it.
    fn add(&self, draft: &mut Draft, token: TokenId, origin: Origin, rejected: Option<Box<str>>) {
        if self.vocab.ends_turn(token) {
            draft.stop = Some(StopReason::EndOfTurn);
            return;
        }
        draft.tokens.push(token);
        draft.piece.clear();
        self.vocab.piece(token, &mut draft.piece);
        let pieces = draft.stream.push(&draft.piece, origin, rejected);
        self.show(draft, pieces);
    }

    /// Adds a round's tokens up to where the reply ends. What lies past a stop text was drawn but is no part of the
    /// reply: it is taken out of the round, so that it does not count. `rejected` guesses go with the round's last
    /// token: it was drawn in place of the first of them.
    fn add_round(&self, draft: &mut Draft, round: &mut Round, rejected: &[TokenId]) {
        let mut used = 0;
        let mut rejected = (!rejected.is_empty()).then(|| self.words(rejected));
        for emitted in &round.emitted {
            let last = used + 1 == round.emitted.len();
            let thrown_away = if last { rejected.take() } else { None };
            self.add(draft, emitted.token, emitted.origin, thrown_away);
            used += 1;
            if draft.stop.is_some() {
                break;
            }
        }
        round.emitted.truncate(used);
        round.tested = round.tested.min(used);
        round.accepted = round.accepted.min(used);
    }

    /// Tokens as a person reads them, those without a text of their own by their names.
    fn words(&self, tokens: &[TokenId]) -> Box<str> {
        let mut bytes = Vec::new();
        for token in tokens {
            let before = bytes.len();
            self.vocab.piece(*token, &mut bytes);
            if bytes.len() == before {
                bytes.extend_from_slice(self.vocab.text(*token).as_bytes());
            }
        }
        String::from_utf8_lossy(&bytes).into()
    }

    /// What ends the reply before a next round.
    fn why_no_round(&self, room: Room) -> Option<StopReason> {
        if self.cancel.is_cancelled() {
            Some(StopReason::Cancelled)
        } else if room.tokens == 0 {
            Some(StopReason::Length)
        } else if room.cells == 0 {
            Some(StopReason::ContextFull)
        } else {
            None
        }
    }

    /// Writes the reply to a prepared prompt; `clock` has run since the order was taken up.
    ///
    /// # Errors
    /// The target's; the session then holds what the cache holds.
    pub fn write(
        mut self,
        request: &Request,
        prepared: &Prepared,
        clock: Clock,
    ) -> Result<Reply, LlamaError> {
        let (prompt, rendered) = (prepared.tokens.as_slice(), prepared.rendered.as_ref());
        let began = clock.elapsed();
        let stream = stream(request, rendered);
        let mut draft = Draft { stream, tokens: Vec::new(), stop: None, piece: Vec::new() };
        let prompt_total = prompt.len() as u32;
        let held = self.session.tokens().len();
        let reused = self.session.reuse(self.target.context(), prompt);
        if reused * 2 < held {
            // Another conversation: what drafts were worth in the last one says little about this one.
            self.auto.forget_text();
        }
        if let Some(drafter) = self.drafter.as_deref_mut() {
            // A drafter that cannot go back is found out by its next draft.
            let _ = drafter.rewind(Position(reused as u32));
        }
        let prefill = |done: usize| Prefill { done: done as u32, total: prompt_total, reused: reused as u32 };
        let (events, cancel) = (self.events, self.cancel);
        let last = self.session.read(self.target.context(), prompt, prepared.boundary, &mut |done| {
            let _ = events.send(Event::Prefill(prefill(done)));
            !cancel.is_cancelled()
        })?;
        let prompt_time = clock.elapsed() - began;
        let prompt_decoded = (self.session.tokens().len() - reused) as u32;
        self.send(Event::Prefill(prefill(self.session.tokens().len())));

        let mut text = prompt.to_vec();
        let mut stats = Stats::new();
        let mut suppressed = self.vocab.suppressed();
        if request.ignore_end_of_turn {
            // Not drawn at all, as llama.cpp has it: the text would otherwise go on behind its own end.
            suppressed.extend(self.vocab.end_tokens());
        }
        let sampler = Sampler::new(&request.sampling, suppressed);
        let mut cycle = Cycle::new(sampler, self.vocab.size());
        let mut first_token = clock.elapsed();
        if request.max_tokens == Some(0) {
            draft.stop = Some(StopReason::Length);
        } else if let Some(last) = last {
            self.target.take_hidden(last);
            let _ = self.target.noted_rows();
            self.target.note_row(last);
            let token = cycle.draw(self.target.context().row(last).unwrap_or(&[]), &mut text);
            first_token = clock.elapsed();
            stats.record_prefill_token();
            self.add(&mut draft, token, Origin::Target, None);
        } else {
            draft.stop = Some(StopReason::Cancelled);
        }
        let mut reported = first_token;
        let decoded_before = self.backend.decoding();
        let mut told = self.state().activity;
        while draft.stop.is_none() {
            self.take_orders();
            let emitted = text.len() - prompt.len();
            let room = self.room(request, emitted);
            draft.stop = self.why_no_round(room);
            if draft.stop.is_some() {
                break;
            }
            let mut round = self.round(&mut cycle, &mut text, room, clock)?;
            let rejected = if request.tell_rejected { cycle.rejected() } else { &[] };
            self.add_round(&mut draft, &mut round, rejected);
            stats.record(&round);
            if let Some(failure) = round.drafter_failed {
                self.drop_drafter(failure);
            }
            if clock.elapsed() >= reported + REPORT_INTERVAL {
                reported = clock.elapsed();
                let counters = self.counters(&stats, reported - first_token);
                self.send(Event::Progress(counters));
                self.tell_of_changes(&mut told);
            }
        }
        let elapsed = clock.elapsed().saturating_sub(first_token);
        let stop_reason = draft.stop.unwrap_or(StopReason::Cancelled);
        let pieces = draft.stream.finish();
        self.show(&mut draft, pieces);
        self.settle(prompt, &text, &draft);
        let mut counters = self.counters(&stats, elapsed);
        counters.decoding = self.backend.decoding() - decoded_before;
        // At the end "now" is the whole reply.
        let whole = counters.tokens_per_second().zip(counters.plain_per_second);
        counters.gain = counters.gain.and(whole).map(|(speed, plain)| speed / plain);
        Ok(Reply {
            text: draft.stream.answer().to_owned(),
            reasoning: draft.stream.thought().to_owned(),
            tokens: draft.tokens,
            stop_reason,
            prompt_tokens: prompt_total,
            prompt_decoded,
            prompt_time,
            first_token,
            counters,
            speculation: self.state(),
            rows: self.target.noted_rows(),
        })
    }

    /// The books of the reply, with what the policy has measured.
    fn counters(&mut self, stats: &Stats, elapsed: Duration) -> Counters {
        let mut counters = stats.counters(elapsed, self.target.context().length());
        if self.drafter.is_some() && matches!(self.speculation.length, DraftLength::Auto(_)) {
            counters.plain_per_second = self.auto.plain_per_second();
            counters.gain = self.auto.gain();
        }
        counters
    }

    /// Tells when the policy parks speculation, or takes it up again.
    fn tell_of_changes(&self, told: &mut Activity) {
        let now = self.state();
        if now.activity != *told {
            *told = now.activity;
            self.send(Event::Speculation(now));
        }
    }

    fn room(&mut self, request: &Request, emitted: usize) -> Room {
        let context = self.target.context();
        let cells = (context.settings().cells - context.length()) as usize;
        let tokens = request.max_tokens.map_or(usize::MAX, |limit| (limit as usize).saturating_sub(emitted));
        Room { cells, tokens, guesses: longest_draft(context) }
    }

    fn round(
        &mut self,
        cycle: &mut Cycle,
        text: &mut Vec<TokenId>,
        room: Room,
        clock: Clock,
    ) -> Result<Round, LlamaError> {
        let p_min = self.speculation.p_min;
        let mut fixed = FixedLength { length: 0, p_min };
        let mut room = room;
        let policy: &mut dyn DraftPolicy = match self.speculation.length {
            DraftLength::Off => &mut fixed,
            DraftLength::Fixed(length) => {
                fixed.length = length as usize;
                &mut fixed
            }
            DraftLength::Auto(longest) => {
                room.guesses = room.guesses.min(longest as usize);
                self.auto.p_min = p_min;
                &mut *self.auto
            }
        };
        let vocab = self.vocab;
        let drafter = self.drafter.as_deref_mut().map(|drafter| drafter as &mut dyn Drafter);
        let (is_stop, clock) = (&|token| vocab.ends_turn(token), &mut || clock.elapsed());
        let machine = &mut *self.target;
        match self.forcing {
            None => cycle.round(Players { target: machine, drafter, policy, is_stop, clock }, text, room),
            Some(forcing) => {
                let target = &mut Forced { machine, forcing };
                cycle.round(Players { target, drafter, policy, is_stop, clock }, text, room)
            }
        }
    }

    /// Goes on without the drafter, in the same reply, and says why.
    fn drop_drafter(&mut self, failure: String) {
        *self.drafter = None;
        self.target.forget_hidden();
        *self.reason = Some(format!("the drafter failed: {failure}"));
        self.send(Event::Speculation(self.state()));
    }

    /// Makes cache and session end where the text shown ends (invariant v).
    fn settle(&mut self, prompt: &[TokenId], text: &[TokenId], draft: &Draft) {
        // The cache holds all of the text but its last token; a stop text may have cut more off.
        let shown = prompt.len() + draft.tokens.len();
        let held = self.session.tokens().len();
        let in_cache = self.target.context().length() as usize;
        if in_cache > held && in_cache <= text.len() {
            self.session.extend(&text[held..in_cache]);
        }
        if in_cache > shown {
            self.session.truncate(self.target.context(), shown);
        }
    }
}

/// The longest draft that the context has rows for, and whose rejected end leaves no trace in its cells.
pub fn longest_draft(context: &Context<'_>) -> usize {
    let widest = context.settings().max_outputs.min(LONGEST_DRAFT as u32 + 1);
    context.straight_batch(widest) as usize - 1
}

/// The text stream that fits a request.
fn stream(request: &Request, rendered: Option<&Rendered>) -> TextStream {
    let mut stops = request.stop.clone();
    let Some(rendered) = rendered else { return TextStream::new(stops, None) };
    stops.extend(rendered.stops());
    let reasoning = rendered.thinking_tags().map(|(start, end)| {
        let opened = rendered.generation_prompt();
        let open = opened.rfind(&start) > opened.rfind(&end);
        Reasoning { start, end, open }
    });
    TextStream::new(stops, reasoning)
}
