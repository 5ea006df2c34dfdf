//! The real pair: the promise on real machines, and everything that can end or disturb a reply.

use std::fs;

use slipstream::engine::{DrafterPlan, EngineSettings};
use slipstream::event::{Command, Event, StopReason};
use slipstream::llama::{Backend, Context, ContextSettings, KvType, Model, ModelSettings, Templates};
use slipstream::request::{DraftLength, Message, SamplingSettings, Speculation};
use slipstream::sampling::Sampler;
use slipstream::token::{Position, TokenId};

use crate::drive::{
    Driver, chat, drafter_file, fixed, greedy, model, mtp, raw, seeded, settings, target_file, user,
};

const QUESTIONS: &[&str] = &["What is a lantern?", "Define courage.", "hello", "Use river in a sentence."];

/// A reply's tokens, with what is needed to look into a difference.
struct Written {
    messages: Vec<Message>,
    sampling: SamplingSettings,
    tokens: Vec<TokenId>,
}

/// Replies to all questions with one drafter and length, greedy and with seeds.
fn replies(plan: DrafterPlan, speculation: Speculation) -> Vec<Written> {
    let driver = Driver::start(EngineSettings { speculation, ..settings(plan, 0) });
    let mut written = Vec::new();
    for question in QUESTIONS {
        for sampling in [greedy(), seeded(1), seeded(2)] {
            let messages = vec![user(question)];
            let heard = driver.ask(chat(messages.clone(), sampling.clone(), 80));
            written.push(Written { messages, sampling, tokens: heard.reply().tokens.clone() });
        }
    }
    written
}

/// The promise, on the real pair: every drafter, length and policy gives the text that plain decoding gives.
#[test]
fn every_drafter_length_and_policy_gives_the_plain_text() {
    let plain = replies(DrafterPlan::None, fixed(0));
    for (plan, speculation) in [
        (mtp(), fixed(1)),
        (mtp(), fixed(2)),
        (mtp(), fixed(3)),
        (mtp(), fixed(5)),
        (mtp(), Speculation { length: DraftLength::Auto(4), p_min: 0.0 }),
        (DrafterPlan::Lookup, fixed(4)),
        (DrafterPlan::Model(target_file()), fixed(3)),
    ] {
        let speculative = replies(plan.clone(), speculation);
        for (expected, got) in plain.iter().zip(&speculative) {
            same_text(expected, &got.tokens, &format!("{plan:?} {speculation:?}"));
        }
    }
}

/// Demands equal tokens. Where a batch and a single step differ in their last bits, a near tie may go the other way:
/// then the first difference must be a tie within what this machine's own noise does to the scores, measured there by
/// decoding the same text one token, four tokens, and all tokens at a time.
fn same_text(expected: &Written, got: &[TokenId], how: &str) {
    let Written { messages, sampling, tokens } = expected;
    if tokens == got {
        return;
    }
    let at = tokens.iter().zip(got).take_while(|(a, b)| a == b).count();
    let backend = Backend::start(None).expect("llama.cpp starts");
    let target =
        Model::load(backend, &target_file(), &ModelSettings::default(), &mut |_| true).expect("loads");
    let rendered =
        Templates::of(&target, None).expect("a template").render(messages, false).expect("renders");
    let mut text = target.vocab().tokenize(&rendered.prompt(), true).expect("tokenizes");
    text.extend_from_slice(&tokens[..at]);
    // Where one text ends, its next token is an end of turn.
    let end = target.vocab().end_tokens();
    let candidates = |token: Option<&TokenId>| token.map_or_else(|| end.clone(), |token| vec![*token]);
    let (ours, theirs) = (candidates(tokens.get(at)), candidates(got.get(at)));

    let position = Position(text.len() as u32);
    let mut sampler = Sampler::new(sampling, target.vocab().suppressed());
    let mut gaps = Vec::new();
    for width in [1, 4, 512] {
        let row = last_row(&target, &text, width);
        let scores = sampler.scores(&row, &text, position);
        let best = |tokens: &[TokenId]| {
            let among = scores.iter().filter(|(token, _)| tokens.contains(token)).map(|(_, score)| *score);
            among.fold(f64::NEG_INFINITY, f64::max)
        };
        gaps.push(best(&ours) - best(&theirs));
    }
    let smallest = gaps.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = gaps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The noise is what the gap varies by; a gap several times as large is no tie.
    let (noise, gap) = (largest - smallest, smallest.abs().min(largest.abs()));
    assert!(
        gap <= 4.0 * noise,
        "{messages:?} {sampling:?} {how}: token {at} is {theirs:?} instead of {ours:?}; gaps {gaps:?}"
    );
}

/// Scores after `prefix`, decoded in batches of `width`.
fn last_row(model: &Model, prefix: &[TokenId], width: usize) -> Vec<f32> {
    let mut context = context(model, 2048);
    for chunk in prefix.chunks(width) {
        context.decode(chunk, 1).expect("decodes");
    }
    let last = prefix.chunks(width).last().map_or(0, <[TokenId]>::len) - 1;
    context.row(last).expect("a row").to_vec()
}

fn context(model: &Model, cells: u32) -> Context<'_> {
    let settings = ContextSettings {
        cells,
        micro_batch: 512,
        max_outputs: 17,
        threads: 1,
        threads_batch: 1,
        kv_type: KvType::F16,
    };
    Context::new(model, &settings).expect("a context")
}

#[test]
fn the_drafter_is_accepted_and_counted() {
    let driver = Driver::start(settings(mtp(), 3));
    assert_eq!(driver.ready.draft_kind, "mtp");
    assert!(driver.ready.speculation.is_on());
    let heard = driver.ask(chat(vec![user("What is a lantern?")], greedy(), 64));
    let counters = &heard.reply().counters;
    assert!(counters.accepted > 0, "a trained drafter is right sometimes");
    assert!(counters.accepted <= counters.tested);
    assert_eq!(counters.tested_by_position.iter().sum::<u32>(), counters.tested);
    assert_eq!(counters.accepted_by_position.iter().sum::<u32>(), counters.accepted);
    // Every round emits what it accepted and one token more, unless a stop was accepted.
    let emitted = counters.predicted;
    assert!((counters.accepted + counters.rounds - emitted) <= 1, "{counters:?}");
}

#[test]
fn a_cancelled_reply_is_kept_and_the_chat_goes_on() {
    let driver = Driver::start(settings(mtp(), 3));
    let mut request = raw("The", greedy(), Some(1500));
    request.ignore_end_of_turn = true;
    let mut seen = 0;
    let heard = driver.ask_watching(request, |engine, event| {
        if matches!(event, Event::Text(_)) {
            seen += 1;
            if seen == 10 {
                engine.canceller().cancel();
            }
        }
    });
    let reply = heard.reply();
    assert_eq!(reply.stop_reason, StopReason::Cancelled);
    assert!(reply.tokens.len() >= 10 && reply.tokens.len() < 1500);
    // And the same engine answers as a fresh one does.
    let again = driver.ask(chat(vec![user("Define courage.")], greedy(), 40));
    drop(driver);
    let fresh = Driver::start(settings(mtp(), 3)).ask(chat(vec![user("Define courage.")], greedy(), 40));
    assert_eq!(again.text, fresh.text);
}

#[test]
fn a_full_context_ends_the_reply_cleanly() {
    for (plan, length) in [(mtp(), 4), (DrafterPlan::None, 0), (DrafterPlan::Model(target_file()), 4)] {
        let driver = Driver::start(EngineSettings { context: 256, ..settings(plan, length) });
        let cells = driver.ready.context_size;
        let heard = driver.ask(raw("The", greedy(), None));
        let reply = heard.reply();
        assert_eq!(reply.stop_reason, StopReason::ContextFull);
        // The last token is shown but has no cell: nothing will be decoded after it.
        assert_eq!(reply.prompt_tokens + reply.tokens.len() as u32, cells + 1);
        assert_eq!(reply.counters.context_used, cells);
        // A prompt that does not fit is refused in words, and the engine goes on.
        let long = "word ".repeat(400);
        let failure = driver.ask(raw(&long, greedy(), Some(1))).outcome.expect_err("too long");
        assert!(failure.message.contains("tokens of the prompt"), "{}", failure.message);
        assert_eq!((failure.code, failure.fatal), (2, false));
        assert_eq!(driver.ask(raw("The", greedy(), Some(5))).reply().tokens.len(), 5);
    }
}

#[test]
fn a_second_turn_reads_only_what_is_new() {
    let driver = Driver::start(settings(mtp(), 3));
    let first = driver.ask(chat(vec![user("What is a lantern?")], greedy(), 60));
    let reply = first.reply();
    assert_eq!(reply.prompt_decoded, reply.prompt_tokens, "nothing to re-use at first");
    let messages = vec![user("What is a lantern?"), model(&reply.text), user("Define courage.")];
    let second = driver.ask(chat(messages.clone(), greedy(), 60));
    let reused = second.prefills.last().expect("a prefill").reused;
    assert!(reused >= reply.prompt_tokens - 1, "the first prompt is re-used: {reused}");
    assert_eq!(second.reply().prompt_decoded, second.reply().prompt_tokens - reused);
    // What is re-used must be as good as what is read anew.
    drop(driver);
    let fresh = Driver::start(settings(mtp(), 3)).ask(chat(messages.clone(), greedy(), 60));
    let expected = Written { messages, sampling: greedy(), tokens: fresh.reply().tokens.clone() };
    same_text(&expected, &second.reply().tokens, "re-used");
}

/// The window moves on while a long reply is written; the next turn goes back to before it. Without a checkpoint that
/// loses the window silently, and the text changes.
#[test]
fn a_turn_after_the_window_has_moved_is_as_good_as_a_fresh_one() {
    let driver = Driver::start(settings(mtp(), 3));
    let mut long = chat(vec![user("What is a lantern?")], seeded(7), 1200);
    long.ignore_end_of_turn = true;
    let first = driver.ask(long);
    assert_eq!(first.reply().stop_reason, StopReason::Length);
    // The same question again, as a person does who wants another answer: nothing but the model's turn is read anew.
    let again = driver.ask(chat(vec![user("What is a lantern?")], seeded(8), 10));
    let prompt = again.reply().prompt_tokens;
    let reused = again.prefills.last().expect("a prefill").reused;
    assert!(reused > 0 && prompt - reused <= 5, "{reused} of {prompt}");

    let mut long = chat(vec![user("What is a lantern?")], seeded(7), 1200);
    long.ignore_end_of_turn = true;
    let _ = driver.ask(long);
    // Another answer was put in its place, as a person who edits does: the common part is the first prompt.
    let messages = vec![user("What is a lantern?"), model("a lamp"), user("Define courage.")];
    let second = driver.ask(chat(messages.clone(), greedy(), 60));
    let reused = second.prefills.last().expect("a prefill").reused;
    assert!(reused > 0, "the checkpoint at the turn's beginning was used");
    drop(driver);
    let fresh = Driver::start(settings(mtp(), 3)).ask(chat(messages.clone(), greedy(), 60));
    let expected = Written { messages, sampling: greedy(), tokens: fresh.reply().tokens.clone() };
    same_text(&expected, &second.reply().tokens, "after the window has moved");
}

#[test]
fn a_long_prompt_is_read_in_micro_batches_and_can_be_cancelled_between_them() {
    let driver = Driver::start(settings(mtp(), 3));
    let prompt = "The lantern is a light. ".repeat(180);
    let whole = driver.ask(raw(&prompt, greedy(), Some(12)));
    let steps: Vec<u32> = whole.prefills.iter().map(|prefill| prefill.done).collect();
    assert_eq!(steps[..2], [0, 512], "micro-batches of 512: {steps:?}");
    assert_eq!(*steps.last().expect("a last step"), whole.reply().prompt_tokens);
    assert!(steps.len() >= 3);

    let other = "A river is a stream of water. ".repeat(180);
    let cancelled = driver.ask_watching(raw(&other, greedy(), Some(12)), |engine, event| {
        if matches!(event, Event::Prefill(prefill) if prefill.done == 512) {
            engine.canceller().cancel();
        }
    });
    assert_eq!(cancelled.reply().stop_reason, StopReason::Cancelled);
    assert!(cancelled.reply().tokens.is_empty());
    assert!(
        cancelled.reply().counters.context_used < cancelled.reply().prompt_tokens,
        "it was not read to its end"
    );
    // What was read is not lost, and the same question is answered as if nothing had happened.
    let again = driver.ask(raw(&other, greedy(), Some(12)));
    assert!(again.prefills[0].reused >= 512);
    assert_eq!(driver.ask(raw(&prompt, greedy(), Some(12))).text, whole.text);
}

#[test]
fn stop_texts_end_the_reply_before_them() {
    let driver = Driver::start(settings(mtp(), 3));
    let whole = driver.ask(raw("The", greedy(), Some(60)));
    let text = whole.text.clone();
    let middle = text.char_indices().nth(text.chars().count() / 2).expect("a middle").0;
    let stop: String = text[middle..].chars().take(6).collect();
    let expected = &text[..text.find(&stop).expect("it is in there")];
    let mut request = raw("The", greedy(), Some(60));
    request.stop = vec![stop.clone()];
    let stopped = driver.ask(request);
    assert_eq!(stopped.text, expected, "before {stop:?}");
    assert_eq!(stopped.reply().stop_reason, StopReason::StopText);
    // The cache ends where the kept tokens end, and what was drawn past the stop is not counted.
    let reply = stopped.reply();
    let shown = reply.prompt_tokens + reply.tokens.len() as u32;
    assert!(
        [shown - 1, shown].contains(&reply.counters.context_used),
        "{} of {shown}",
        reply.counters.context_used
    );
    assert!(reply.counters.predicted <= reply.tokens.len() as u32 + stop.len() as u32);
}

#[test]
fn speculation_can_be_changed_while_a_reply_is_written() {
    let driver = Driver::start(settings(mtp(), 3));
    let mut ordered = false;
    let heard = driver.ask_watching(raw("The", greedy(), Some(400)), |engine, event| {
        if matches!(event, Event::Text(_)) && !ordered {
            ordered = true;
            let off = Speculation { length: DraftLength::Off, p_min: 0.0 };
            engine.send(Command::SetSpeculation(off));
        }
    });
    assert!(heard.states.iter().any(|state| !state.is_on()), "the change is told");
    assert!(!heard.reply().speculation.is_on());
    drop(driver);
    let plain = Driver::start(settings(DrafterPlan::None, 0)).ask(raw("The", greedy(), Some(400)));
    assert_eq!(heard.text, plain.text);
}

#[test]
fn a_broken_drafter_leaves_plain_decoding_and_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(drafter_file()).expect("the drafter");
    let cut = folder.path().join("cut.gguf");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    let driver = Driver::start(settings(DrafterPlan::Mtp(cut), 3));
    assert!(!driver.ready.speculation.is_on());
    assert_eq!(driver.ready.draft_kind, "none");
    let reason = driver.ready.speculation.reason.clone().expect("a reason");
    assert!(reason.contains("cut.gguf"), "{reason}");
    let heard = driver.ask(chat(vec![user("hello")], greedy(), 20));
    assert_eq!(heard.reply().counters.tested, 0);
    drop(driver);
    let plain = Driver::start(settings(DrafterPlan::None, 0)).ask(chat(vec![user("hello")], greedy(), 20));
    assert_eq!(heard.text, plain.text);
}

#[test]
fn a_drafter_is_no_model_and_a_model_no_drafter() {
    let as_model = EngineSettings { model: drafter_file(), ..settings(DrafterPlan::None, 0) };
    let failure = Driver::try_start(as_model).err().expect("refused");
    assert!(failure.message.contains("it is a drafter"), "{}", failure.message);
    assert_eq!((failure.code, failure.fatal), (3, true));
    let driver = Driver::start(settings(DrafterPlan::Mtp(target_file()), 3));
    let reason = driver.ready.speculation.reason.clone().expect("a reason");
    assert!(reason.contains("is no MTP assistant"), "{reason}");
}

/// The drafter's cache is the target's: creating it while the target holds a text must not lose that text.
#[test]
fn a_draft_context_created_late_does_not_erase_the_target() {
    use slipstream::llama::DraftContext;
    let backend = Backend::start(None).expect("llama.cpp starts");
    let load = |path| Model::load(backend, path, &ModelSettings::default(), &mut |_| true).expect("loads");
    let (target_path, draft_path) = (target_file(), drafter_file());
    let (target, draft) = (load(&target_path), load(&draft_path));
    let text = target.vocab().tokenize("What is a lantern?", true).expect("tokenizes");
    let (last, before) = text.split_last().expect("some tokens");

    let mut alone = context(&target, 512);
    alone.decode(before, 0).expect("decodes");
    alone.decode(&[*last], 1).expect("decodes");
    let expected = alone.row(0).expect("a row").to_vec();

    let mut late = context(&target, 512);
    late.decode(before, 0).expect("decodes");
    let _draft = DraftContext::beside(&mut late, &draft, 1).expect("a draft context");
    assert_eq!(late.length() as usize, before.len());
    late.decode(&[*last], 1).expect("decodes");

    // The restored cells may lie in another order, so sums differ in their last bits. Lost ones show: that is what
    // the last token alone, at the same place in the text but without it, is for.
    let mut lost = context(&target, 512);
    lost.decode(&[*last], 1).expect("decodes");
    let off = |row: &[f32]| row.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    let (late, lost) = (off(late.row(0).expect("a row")), off(lost.row(0).expect("a row")));
    assert!(late < 0.1 * lost, "off by {late}; without the text it would be {lost}");
}

/// Whatever llama.cpp would abort on is refused before the call.
#[test]
fn limits_are_errors_not_aborts() {
    let backend = Backend::start(None).expect("llama.cpp starts");
    let target =
        Model::load(backend, &target_file(), &ModelSettings::default(), &mut |_| true).expect("loads");
    let mut context = context(&target, 256);
    let size = target.vocab().size() as i32;
    assert!(context.decode(&[TokenId(size)], 1).is_err(), "a token out of range");
    assert!(context.decode(&[TokenId(-1)], 1).is_err());
    assert!(context.decode(&vec![TokenId(5); 600], 1).is_err(), "more than a micro-batch");
    assert!(context.decode(&[TokenId(5); 20], 18).is_err(), "more rows than reserved");
    assert!(context.decode(&[TokenId(5); 250], 1).is_ok());
    assert!(context.decode(&[TokenId(5); 20], 1).is_err(), "more than the context holds");
    assert_eq!(context.length(), 250, "a refused batch changes nothing");
    assert!(context.row(0).is_none(), "a row of a refused batch is no row");
    assert!(Context::new(&target, context.settings()).is_ok());
}

/// A template that opens and closes reasoning the way Gemma 4's does, short enough to read. The quoted call marker is
/// what llama.cpp knows Gemma 4's templates by.
const THINKING_TEMPLATE: &str = "{{- bos_token -}}\
    {%- if enable_thinking -%}{{- '<|turn>system\n<|think|><turn|>\n' -}}{%- endif -%}\
    {%- for message in messages -%}\
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}\
    {{- '<|turn>' + role + '\n' + message['content'] + '<turn|>\n' -}}\
    {%- if message['tool_calls'] -%}{{- '<|tool_call>call:' -}}{%- endif -%}\
    {%- endfor -%}\
    {%- if add_generation_prompt -%}{{- '<|turn>model\n' -}}{%- endif -%}";

/// The engine's channel splitter and the model's own parser agree on what is reasoning and what is answer.
#[test]
fn the_streamed_split_is_the_parsers_split() {
    use slipstream::engine::{Reasoning, TextStream};
    use slipstream::token::Origin;
    let backend = Backend::start(None).expect("llama.cpp starts");
    let target =
        Model::load(backend, &target_file(), &ModelSettings::default(), &mut |_| true).expect("loads");
    let templates = Templates::of(&target, Some(THINKING_TEMPLATE)).expect("compiles");
    let mut rendered = templates.render(&[user("hello")], true).expect("renders");
    assert!(rendered.prompt().contains("<|think|>"), "{:?}", rendered.prompt());
    assert!(!templates.render(&[user("hello")], false).expect("renders").prompt().contains("<|think|>"));
    let (start, end) = rendered.thinking_tags().expect("Gemma 4's tags");
    for reply in [
        "a lamp",
        "<|channel>thought\nlight, so a lamp<channel|>a lamp",
        "<|channel>thought\n<channel|>a lamp",
        "<|channel>thought\nlight, so a la",
        "1 < 2 and <b>bold</b>",
    ] {
        let tags = Reasoning { start: start.clone(), end: end.clone(), open: false };
        let mut stream = TextStream::new(Vec::new(), Some(tags));
        for byte in reply.as_bytes() {
            let _ = stream.push(&[*byte], Origin::Target, None);
        }
        let _ = stream.finish();
        let (reasoning, answer) = rendered.parse(reply).expect("parses");
        assert_eq!((stream.thought(), stream.answer()), (reasoning.as_str(), answer.as_str()), "{reply:?}");
    }
}

#[test]
fn the_pocket_pairs_own_template_makes_gemma_turns() {
    let backend = Backend::start(None).expect("llama.cpp starts");
    let target =
        Model::load(backend, &target_file(), &ModelSettings::default(), &mut |_| true).expect("loads");
    let templates = Templates::of(&target, None).expect("a template");
    assert!(templates.is_explicit());
    let rendered = templates.render(&[user("hello")], false).expect("renders");
    assert!(
        rendered.prompt().ends_with("<|turn>user\nhello<turn|>\n<|turn>model\n"),
        "{:?}",
        rendered.prompt()
    );
    // The special texts become the special tokens, one each.
    let vocab = target.vocab();
    let tokens = vocab.tokenize("<|turn>user<turn|>", true).expect("tokenizes");
    assert_eq!(tokens.iter().filter(|token| vocab.text(**token).contains("turn")).count(), 2);
    assert!(vocab.ends_turn(*tokens.last().expect("a last token")));
}

/// Sampled text has the target's distribution on the real machine too: the sampler's draw of the first token over many
/// seeds follows the kept distribution of the target's own row.
#[test]
fn first_tokens_over_many_seeds_follow_the_targets_distribution() {
    let backend = Backend::start(None).expect("llama.cpp starts");
    let target =
        Model::load(backend, &target_file(), &ModelSettings::default(), &mut |_| true).expect("loads");
    let text = target.vocab().tokenize("The", true).expect("tokenizes");
    let row = last_row(&target, &text, 1);
    let settings = SamplingSettings::default();
    let kept = Sampler::new(&settings, Vec::new()).distribution(&row, &text);
    let (draws, mut counts) = (20_000_u64, std::collections::HashMap::new());
    for seed in 0..draws {
        let mut sampler = Sampler::new(&SamplingSettings { seed, ..settings.clone() }, Vec::new());
        *counts.entry(sampler.draw(&row, &text, Position(text.len() as u32))).or_insert(0_u64) += 1;
    }
    assert_eq!(counts.values().sum::<u64>(), draws);
    for (token, probability) in kept {
        let expected = probability * draws as f64;
        let got = counts.remove(&token).unwrap_or(0) as f64;
        // Five standard deviations: about one chance in a million for each of at most 64 tokens; the seeds are fixed.
        let deviation = (expected * (1.0 - probability)).sqrt().max(1.0);
        assert!((got - expected).abs() <= 5.0 * deviation, "{token:?}: {got} draws, {expected} expected");
    }
    assert!(counts.is_empty(), "a token outside the kept distribution was drawn: {counts:?}");
}

#[test]
fn half_the_cache_memory_works_too() {
    let settings = EngineSettings { kv_type: KvType::Q8_0, ..settings(mtp(), 3) };
    let driver = Driver::start(settings);
    let counters = driver.ask(chat(vec![user("What is a lantern?")], greedy(), 64)).reply().counters.clone();
    // A quantized cache once brought acceptance to nearly nothing in llama.cpp.
    assert!(counters.accepted_share().is_some_and(|share| share > 0.3), "{counters:?}");
}
