//! `bench --exact` from outside, and its experiments on the real pair: they find nothing where nothing is wrong, and
//! find what is wrong on purpose.

use std::fs;
use std::time::Duration;

use slipstream::engine::EngineSettings;
use slipstream::event::{Command, Event};
use slipstream::exact::{Floor, NOISE_FACTOR, explained, first_difference, test};
use slipstream::experiment::{Experiment, Finding, Passage, Tally};
use slipstream::request::{Request, SamplingSettings};
use slipstream::token::TokenId;

use crate::cli::{json, run, slipstream};
use crate::drive::{Driver, chat, drafter_file, fixed, greedy, mtp, seeded, settings, target_file, user};

const CHECK: &[&str] =
    &["bench", "pocket", "--exact", "-n", "48", "--repeats", "1", "--kinds", "prose", "--draws", "200"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    CHECK.iter().chain(more).copied().collect()
}

#[test]
fn the_built_in_pair_is_exact_and_the_object_says_how_that_was_found() {
    let found = json(&with(&["--json"]));
    let verdict = found["verdict"].as_str().expect("a verdict");
    assert!(["exact", "within_noise"].contains(&verdict), "{found}");
    let texts = &found["texts"];
    // Greedy and one seed, with 1, 2, 3 and auto.
    assert_eq!(texts["compared"], 8);
    let count = |name: &str| texts[name].as_u64().expect("a count");
    assert_eq!((count("equal") + count("near_ties"), count("different")), (8, 0));
    assert!(found["draft_n"].as_u64() > Some(0), "the drafter took part");
    assert!(found["noise"]["places"].as_u64() > Some(8));
    let tests = found["distribution"]["tests"].as_array().expect("tests");
    assert!(!tests.is_empty());
    for test in tests {
        assert_eq!((&test["impossible"], &test["rounds"]), (&0.into(), &200.into()));
        assert!(test["draft_n"].as_u64() > Some(0));
        let drawn = test["cells"].as_array().expect("cells").iter().map(|cell| cell["drawn"].as_u64());
        let counted = ["draws", "at_an_edge"].map(|name| test[name].as_u64()).into_iter().flatten().sum();
        assert_eq!(drawn.sum::<Option<u64>>(), Some(counted));
    }
    assert!(found["distribution"]["smallest_p"].as_f64() > Some(0.001));
}

/// With our kernels nothing is left to noise: not a bit of a row of scores differs, past the step at 256 tokens as well.
#[test]
fn with_our_kernels_logits_are_identical() {
    let mut arguments = with(&["--json", "--kernels", "on", "--fixed", "3,auto", "--ignore-eos"]);
    (arguments[4], arguments[10]) = ("320", "0");
    let found = json(&arguments);
    assert_eq!(found["verdict"], "exact", "{found}");
    let rows = &found["identical_logits"];
    // Greedy and one seed, each with 3 guesses and auto.
    assert_eq!(
        (&rows["promised"], &rows["rows"], &rows["differing"]),
        (&true.into(), &1280.into(), &0.into())
    );
    assert!(rows["rounds"].as_u64().is_some_and(|rounds| rounds > 0 && rounds < 1280), "{rows}");
    assert_eq!(found["noise"]["largest"], 0.0);
    assert!(found["replies"][0]["first_row_differing"].is_null());
}

#[test]
fn people_get_a_list_and_one_line_of_verdict() {
    // Only with our kernels, which run unless told otherwise, is every row of scores promised.
    for (kernels, promised) in [(&[][..], true), (&["--kernels", "on"], true), (&["--kernels", "off"], false)]
    {
        let (code, out, err) = run(&with(&[&["--fixed", "2", "--greedy"], kernels].concat()));
        assert_eq!((code, err.as_str()), (0, ""));
        let last = out.lines().last().expect("a verdict");
        let rows = out.lines().rev().nth(1).expect("a line about rows");
        assert!(rows.starts_with("identical logits: "), "{out}");
        assert_eq!(rows.ends_with("; with our kernels all must be"), promised, "{kernels:?}: {out}");
        assert!(
            last.starts_with("exact: 1 of 1 texts equal; no distribution checked; noise floor 0.0"),
            "{out}"
        );
    }
}

#[test]
fn wrong_use_and_missing_drafters_are_told() {
    let fails = |arguments: &[&str], code: i32, words: &str| {
        let (got, out, err) = run(arguments);
        assert_eq!((got, out.as_str()), (code, ""), "{err}");
        assert!(err.contains(words) && err.contains("help:"), "{err}");
    };
    fails(&with(&["--markdown"]), 2, "--markdown");
    fails(&with(&["--csv"]), 2, "--csv");
    fails(&with(&["--fixed", "0"]), 2, "--fixed");
    fails(&with(&["--fixed", "17"]), 2, "--fixed 17");
    fails(&with(&["-d", "none"]), 2, "there is no drafter");
    // A drafter that is cut off in the middle of its weights must not pass as one that was checked.
    let folder = tempfile::tempdir().expect("a folder");
    let cut = folder.path().join("cut.gguf");
    let whole = fs::read(drafter_file()).expect("the drafter");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    let (target, cut) = (target_file(), cut.to_string_lossy().into_owned());
    fails(&["bench", &target.to_string_lossy(), "--exact", "-d", &cut], 3, "cut.gguf");
}

/// Look-up finds nothing to guess in a reply of two tokens: nothing was checked, and nothing may be claimed.
#[test]
fn a_check_without_a_guess_claims_nothing() {
    let mut arguments = with(&["--drafter-kind", "lookup", "--greedy"]);
    arguments[4] = "2";
    let (code, out, _) = run(&arguments);
    assert_eq!((code, out.lines().last()), (1, Some("not checked: nothing was drafted")));
}

#[cfg(unix)]
#[test]
fn an_interrupted_check_says_so() {
    let check = ["bench", "pocket", "--exact", "--json", "-n", "2000", "--ignore-eos", "--kinds", "all"];
    let child = slipstream(&check).spawn().expect("the program runs");
    std::thread::sleep(Duration::from_secs(1));
    let id = child.id().to_string();
    let _ = std::process::Command::new("kill").args(["-INT", &id]).status().expect("a signal is sent");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(130));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a whole object");
    assert_eq!(found["verdict"], "incomplete");
}

const QUESTION: &str = "What is a lantern?";

fn find(driver: &Driver, experiment: Experiment) -> Finding {
    driver.engine.send(Command::Experiment(experiment));
    loop {
        match driver.engine.next().expect("the engine answers") {
            Event::Found(finding) => return finding,
            Event::Failed(failure) => panic!("{}", failure.message),
            _ => {}
        }
    }
}

fn passage(request: &Request, reply: &[TokenId]) -> Passage {
    Passage {
        prompt: request.prompt.clone(),
        reply: reply.to_vec(),
        sampling: request.sampling.clone(),
        ignore_end_of_turn: request.ignore_end_of_turn,
    }
}

/// A cycle that accepts every guess, right or wrong: its text differs, and no noise explains it.
#[test]
fn a_text_that_guesses_have_changed_is_found_out() {
    for sampling in [greedy(), seeded(3)] {
        let request = chat(vec![user(QUESTION)], sampling, 60);
        let honest = Driver::start(settings(mtp(), 3));
        let plain = honest.ask(request.clone()).reply().clone();
        drop(honest);
        let forced = EngineSettings { forced_acceptance: Some(vec![1.0]), ..settings(mtp(), 3) };
        let wrong = Driver::start(forced).ask(request.clone()).reply().clone();
        let difference = first_difference(&plain, &wrong).expect("a drafter is wrong sometimes");

        let driver = Driver::start(EngineSettings { speculation: fixed(3), ..settings(mtp(), 3) });
        let before = passage(&request, &plain.tokens[..difference.at]);
        let widths = vec![2, 4];
        let whole = Experiment::Noise { passage: passage(&request, &plain.tokens), widths: widths.clone() };
        let Finding::Noise(noise) = find(&driver, whole) else { panic!("noise was asked for") };
        assert_eq!(noise.places.len(), plain.tokens.len() + 1);
        let floor = Floor::over(&noise.places).expect("places").floor;
        let (ours, theirs) = (difference.ours, difference.theirs);
        let gap = Experiment::Gap { passage: before, widths, ours, theirs };
        let Finding::Gap(gap) = find(&driver, gap) else { panic!("a gap was asked for") };
        assert!(gap.ours.distance <= NOISE_FACTOR * floor, "plain decoding draws what it drew: {gap:?}");
        assert!(!explained(&gap, floor), "noise {floor} does not explain {gap:?}");
    }
}

/// What the real cycle draws has the distribution of its own settings, and of no others.
#[test]
fn draws_have_their_own_distribution_and_no_other() {
    let driver = Driver::start(settings(mtp(), 3));
    let reply = driver.ask(chat(vec![user(QUESTION)], greedy(), 40)).reply().tokens.clone();
    let along = passage(&chat(vec![user(QUESTION)], seeded(0), 40), &reply);
    let Finding::Noise(noise) = find(&driver, Experiment::Noise { passage: along, widths: vec![4] }) else {
        panic!("noise was asked for")
    };
    // The place that is the least certain.
    let peaks = noise.places.iter().enumerate().skip(1);
    let place = peaks.min_by(|a, b| a.1.peak.total_cmp(&b.1.peak)).expect("places").0;
    let draws = |sampling: SamplingSettings, draws: u32| -> Tally {
        let passage = passage(&chat(vec![user(QUESTION)], sampling, 40), &reply[..place]);
        let experiment = Experiment::Draws { passage, draws, limit: Duration::from_secs(60), length: 3 };
        let Finding::Draws(tally) = find(&driver, experiment) else { panic!("draws were asked for") };
        tally
    };
    // Without cuts, so that both have the same tokens to draw.
    let wide = SamplingSettings { temperature: 1.5, top_k: 40, top_p: 1.0, ..seeded(0) };
    let own = draws(wide.clone(), 1500);
    assert_eq!((own.draws, own.failed.as_ref()), (1500, None));
    assert!(own.accepted > 0 && own.accepted < own.tested, "{} of {}", own.accepted, own.tested);
    let found = test(&own.first, 0.0);
    assert!(found.p.is_some_and(|p| p > 0.001) && found.impossible == 0, "{found:?}");
    if let Some((_, cells)) = &own.second {
        let found = test(cells, 0.0);
        assert!(found.p.is_none_or(|p| p > 0.001) && found.impossible == 0, "{found:?}");
    }

    let other = draws(SamplingSettings { temperature: 1.3, ..wide }, 1);
    let mut mixed = own.first.clone();
    for cell in &mut mixed {
        let same = other.first.iter().find(|it| it.token == cell.token);
        cell.probability = same.map_or(0.0, |it| it.probability);
    }
    let found = test(&mixed, 0.0);
    assert!(found.p.is_some_and(|p| p < 0.001), "draws at one temperature pass for another's: {found:?}");

    // The experiment leaves nothing behind that a reply could go wrong by.
    let again = driver.ask(chat(vec![user(QUESTION)], greedy(), 40));
    assert_eq!(again.reply().tokens, reply);
}
