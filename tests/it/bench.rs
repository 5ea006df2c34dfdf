//! `slipstream bench` and `slipstream tune` from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::drive::{Driver, greedy, mtp, raw, settings};

/// Runs the program with a data folder of its own, and returns exit code, standard output and standard error.
fn slipstream(arguments: &[&str], data: &Path) -> (i32, String, String) {
    let output = command(arguments, data).output().expect("the program runs");
    let code = output.status.code().expect("an exit code, not a signal");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (code, text(output.stdout), text(output.stderr))
}

fn command(arguments: &[&str], data: &Path) -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipstream"));
    command.args(arguments).env("SLIPSTREAM_CACHE", folder.join("cache")).env("NO_COLOR", "1");
    command.env("SLIPSTREAM_CONFIG", folder.join("no-config.toml")).env("SLIPSTREAM_DATA", data);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// One thread: a busy machine must not make two wait for each other.
const BENCH: &[&str] = &["bench", "pocket", "-t", "1", "-n", "24", "--repeats", "2", "--kinds", "prose,chat"];

fn bench(more: &[&str]) -> (i32, String, String) {
    let data = tempfile::tempdir().expect("a folder");
    slipstream(&[BENCH, more].concat(), data.path())
}

fn json((code, out, err): (i32, String, String)) -> Value {
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[test]
fn every_setting_is_measured_on_every_kind_of_text() {
    let result = json(bench(&["--fixed", "2,auto", "--json"]));
    assert_eq!(result["complete"], true);
    assert_eq!(result["draft_kind"], "mtp");
    assert_eq!(result["machine"]["threads"], 1);
    let runs = result["runs"].as_array().expect("runs");
    let rows: Vec<(&str, &str)> = runs
        .iter()
        .map(|row| (row["kind"].as_str().expect("a kind"), row["setting"].as_str().expect("a setting")))
        .collect();
    let expected = ["prose", "chat"].map(|kind| ["plain", "2", "auto"].map(|setting| (kind, setting)));
    assert_eq!(rows, expected.concat());
    for row in runs {
        assert_eq!((&row["repeats"], &row["predicted_n"]), (&2.into(), &48.into()));
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"));
        let speed = number("predicted_per_second");
        assert!(number("predicted_per_second_min") <= speed && speed <= number("predicted_per_second_max"));
        assert!(number("own_ms_per_round") > 0.0 && number("own_share_of_plain") > 0.0);
        if row["setting"] == "plain" {
            assert!(row["ratio"].is_null() && row["draft_n"] == 0);
            continue;
        }
        assert!(number("ratio_min") <= number("ratio") && number("ratio") <= number("ratio_max"));
        assert_eq!(row["same_text_of"], 2);
        let tested = row["tested_by_position"].as_array().expect("counts");
        let sum: u64 = tested.iter().map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(row["draft_n"], sum);
        assert_eq!(row["of_best_fixed"].is_null(), row["setting"] != "auto");
    }
    // Two guesses a round: as many tokens as rounds and accepted guesses.
    let two = &runs[1];
    let rounds = 48.0 / two["accept_len"].as_f64().expect("a length");
    assert!((rounds + two["draft_n_accepted"].as_f64().expect("a count") - 48.0).abs() < 1e-6, "{two}");
    let auto = result["overall"].as_array().and_then(|all| all.last()).expect("auto");
    assert!(auto["setting"] == "auto" && auto["of_best_fixed_min"].is_f64(), "{auto}");
}

#[test]
fn tables_are_for_people_documents_and_spreadsheets() {
    let (code, out, err) = bench(&["--fixed", "2"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("text   guesses  t/s") && out.contains("2 guesses: ×"), "{out}");
    assert!(err.contains("24 tokens, 2 repeats, temperature 1, seeds from 1"), "{err}");
    assert!(!err.contains('\r') && !err.contains('\x1b'), "no progress off a terminal: {err:?}");
    let (_, out, _) = bench(&["--fixed", "2", "--csv"]);
    assert_eq!(out.lines().count(), 1 + 2 * 2 * 2, "a line for each reply: {out}");
    let order: Vec<&str> =
        out.lines().skip(1).map(|line| line.split(',').nth(1).expect("a setting")).collect();
    assert_eq!(order[..4], ["plain", "2", "2", "plain"], "taking turns");
    let (_, out, _) = bench(&["--fixed", "2", "--markdown"]);
    assert!(out.starts_with("| text | guesses |") && out.contains("| chat | 2 |"), "{out}");
}

#[test]
fn a_prompt_of_ones_own_is_one_more_kind() {
    let data = tempfile::tempdir().expect("a folder");
    let file = data.path().join("menu.txt");
    fs::write(&file, "Name three soups.").expect("written");
    let file = file.to_str().expect("UTF-8");
    let arguments = ["bench", "pocket", "-t", "1", "-n", "8", "--repeats", "1", "--fixed", "0", "--json"];
    let result = json(slipstream(&[&arguments[..], &["--prompt-file", file]].concat(), data.path()));
    assert_eq!(result["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&result["runs"][0]["kind"], &result["runs"][0]["setting"]),
        (&"menu".into(), &"plain".into())
    );
}

#[test]
fn wrong_use_is_told_before_anything_is_loaded() {
    for (more, expected) in [
        (&["--fixed", "17"][..], "--fixed 17"),
        (&["--fixed", "many"], "--fixed many"),
        (&["--kinds", "poetry"], "no such kind of text"),
        (&["--prompt-file", "/nowhere/x.txt"], "/nowhere/x.txt"),
        (&["-d", "none"], "there is no drafter"),
        (&["--json", "--csv"], "cannot be used with"),
    ] {
        let (code, out, err) = bench(more);
        assert_eq!(code, 2, "{more:?}: {out} {err}");
        assert!(format!("{out}{err}").contains(expected), "{more:?}: {out} {err}");
    }
    let data = tempfile::tempdir().expect("a folder");
    let (code, _, err) = slipstream(&["bench", "pocket", "-t", "1", "-n", "1"], data.path());
    assert!(code == 2 && err.contains("two are the least"), "{code} {err}");
    let plain_alone = bench(&["-d", "none", "--fixed", "0", "--json"]);
    assert_eq!(json(plain_alone)["runs"].as_array().map(Vec::len), Some(2));
}

#[cfg(unix)]
#[test]
fn an_interrupt_shows_what_was_measured() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let data = tempfile::tempdir().expect("a folder");
    let arguments = ["bench", "pocket", "-t", "1", "-n", "8", "--repeats", "1000", "--fixed", "0", "--csv"];
    let mut child = command(&arguments, data.path()).spawn().expect("the program runs");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
    let mut out = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_to_string(&mut out).expect("UTF-8");
    let last = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok).last();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{out} {last:?}");
    assert!(out.starts_with("kind,setting,"), "{out}");
    assert!(last.is_some_and(|line| line.starts_with("interrupted after ")), "{out}");
}

/// Forced acceptance is what the benchmark's option promises, whatever the drafter thinks.
#[test]
fn forced_acceptance_is_as_ordered() {
    let accepted = |rates: &[f32]| {
        let settings = slipstream::engine::EngineSettings {
            forced_acceptance: Some(rates.to_vec()),
            ..settings(mtp(), 3)
        };
        let driver = Driver::start(settings);
        let reply = driver.ask(raw("The lantern", greedy(), Some(400))).reply().clone();
        assert_eq!(reply.counters.predicted, 400);
        reply.counters
    };
    let all = accepted(&[1.0]);
    assert_eq!(all.tested, all.accepted);
    let none = accepted(&[0.0]);
    assert_eq!((none.accepted, none.rounds), (0, 400));
    let some = accepted(&[0.85, 0.5]);
    let share = |place: usize| {
        f64::from(some.accepted_by_position[place]) / f64::from(some.tested_by_position[place])
    };
    // Some 170 tests in the first place: four standard deviations are 0.11.
    assert!((share(0) - 0.85).abs() < 0.11 && (share(1) - 0.5).abs() < 0.2, "{some:?}");
}

const TUNE: &[&str] = &["tune", "pocket", "-t", "1", "--repeats", "1", "--json"];

fn stored(data: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(data.join("tune"))
        .expect("a folder of results")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(files.len(), 1, "one result, nothing partial: {files:?}");
    files.remove(0)
}

#[test]
fn what_tune_finds_is_used_from_the_next_start_on() {
    let data = tempfile::tempdir().expect("a folder");
    let result = json(slipstream(TUNE, data.path()));
    let widths: Vec<u64> = result["verify"]
        .as_array()
        .expect("a table")
        .iter()
        .map(|cell| cell["width"].as_u64().expect("a width"))
        .collect();
    assert!(widths.starts_with(&[1, 2]), "{result}");
    assert!(result["draft_step_ms"].as_f64().is_some_and(|time| time > 0.0));
    let path = stored(data.path());
    assert_eq!(result["stored_in"].as_str().map(Path::new), Some(path.as_path()));

    let shown = json(slipstream(&["config", "show", "pocket", "--json"], data.path()));
    let told = |name: &str| (shown[name]["value"].clone(), shown[name]["origin"].clone());
    for name in ["threads", "threads-batch", "threads-draft"] {
        assert_eq!(told(name), (1.into(), "tune".into()), "{name}");
    }
    assert_eq!(told("kv-type"), ("f16".into(), "default".into()));
    // A flag wins over it.
    let shown = json(slipstream(&["config", "show", "pocket", "-t", "2", "--json"], data.path()));
    assert_eq!(
        (&shown["threads"]["origin"], &shown["threads-batch"]["origin"]),
        (&"flag".into(), &"default".into())
    );
    // Another drafter is another pair: its result does not count.
    let shown = json(slipstream(&["config", "show", "pocket", "-d", "none", "--json"], data.path()));
    assert_eq!(shown["threads"]["origin"], "default");

    // With stored costs the policy shows its plain speed within a short reply, which it cannot measure that soon itself.
    let run =
        ["run", "pocket", "-p", "What is a lantern?", "-n", "40", "--temp", "0", "--ignore-eos", "--json"];
    let reply = json(slipstream(&run, data.path()));
    assert!(
        reply["gain"].is_f64() || reply["plain_per_second"].is_f64() || reply["spec_state"] == "parked",
        "{reply}"
    );
}

#[test]
fn a_damaged_or_foreign_result_is_set_aside_with_a_warning() {
    let data = tempfile::tempdir().expect("a folder");
    assert_eq!(slipstream(TUNE, data.path()).0, 0);
    let path = stored(data.path());
    let sound = fs::read_to_string(&path).expect("a result");
    let half = &sound[..sound.len() / 2];
    let foreign = sound.replacen("\"target\": \"", "\"target\": \"00", 1);
    let slow = sound.replacen("\"threads\": 1", "\"threads\": 4000000000", 1);
    for (content, expected) in [
        (half, "not a tune result"),
        (&foreign, "another pair"),
        (&slow, "threads is 4000000000"),
        ("\u{0}\u{1}", "not a tune result"),
        ("", "not a tune result"),
    ] {
        fs::write(&path, content).expect("written");
        let run = ["run", "pocket", "-t", "1", "-p", "Hello", "-n", "4"];
        let (code, _, err) = slipstream(&run, data.path());
        assert_eq!(code, 0, "never fatal: {err}");
        assert!(err.contains("was set aside") && err.contains(expected), "{expected}: {err}");
        assert!(!path.exists() && path.with_extension("bad").exists());
        let (_, _, err) = slipstream(&run, data.path());
        assert!(!err.contains("set aside"), "told once: {err}");
        fs::remove_file(path.with_extension("bad")).expect("removed");
    }
    fs::create_dir(&path).expect("a folder in its place");
    let (code, _, err) = slipstream(&["run", "pocket", "-t", "1", "-p", "Hello", "-n", "4"], data.path());
    assert!(code == 0 && err.contains("was set aside"), "{code} {err}");
}

/// Tuning once went on measuring after Ctrl+C, until the process was ended without a word.
#[cfg(unix)]
#[test]
fn an_interrupted_tune_stores_nothing_and_says_so() {
    let data = tempfile::tempdir().expect("a folder");
    let arguments = ["tune", "pocket", "-t", "1", "--repeats", "100", "--json"];
    let child = command(&arguments, data.path()).spawn().expect("the program runs");
    std::thread::sleep(std::time::Duration::from_secs(2));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(130), "{out}");
    assert!(out.contains("nothing was stored") && out.starts_with("{\"error\":"), "{out}");
    assert!(!data.path().join("tune").exists());
}

#[cfg(unix)]
#[test]
fn a_result_that_cannot_be_stored_is_told() {
    // A file where the folder should be.
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::write(&data, "").expect("written");
    let (code, out, _) = slipstream(TUNE, &data);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("storing the tune result in") && out.contains("make the folder writable"), "{out}");
    let (code, out, _) = slipstream(&[TUNE, &["--dry-run"]].concat(), &data);
    assert!(code == 0 && out.contains("\"stored_in\":null"), "{code} {out}");
}
