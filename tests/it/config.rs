//! The config file from outside: a file, variables and arguments in; settings, their origins and problems out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gguf_builder::Shape;

/// A config file of its own, and nothing else that could set anything.
struct Place {
    folder: TempDir,
}

impl Place {
    fn with(text: impl AsRef<[u8]>) -> Place {
        let place = Place::without();
        fs::write(place.file(), text).expect("written");
        place
    }

    fn without() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// A small model that recommends how to sample it.
    fn model(&self) -> String {
        let path = self.folder.path().join("model.gguf");
        let recommends = Shape::default()
            .target()
            .entry("general.sampling.temp", 6, &0.25_f32.to_le_bytes())
            .entry("general.sampling.top_p", 6, &0.5_f32.to_le_bytes())
            .number("general.sampling.top_k", 11);
        fs::write(&path, recommends.build()).expect("written");
        path.to_string_lossy().into_owned()
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipstream"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SLIPSTREAM_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).env("SLIPSTREAM_CONFIG", self.file()).env("NO_COLOR", "1");
        command.env("SLIPSTREAM_CACHE", temporary.join("cache")).env("SLIPSTREAM_DATA", self.folder.path());
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        let output = command.output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
    }

    /// `config show` of the small model, as JSON.
    fn shown(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let model = self.model();
        let arguments = [&["config", "show", &model, "--json"], arguments].concat();
        let (code, out, err) = self.run(&arguments, variables);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// What `run` says to the file: nothing may be written.
    fn refused(&self) -> String {
        let (code, out, err) = self.run(&["run", "pocket", "-p", "x"], &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(&*self.file().to_string_lossy()), "the file is not named: {err}");
        assert!(err.contains("help: "), "{err}");
        err
    }
}

#[track_caller]
fn is(shown: &Value, name: &str, value: Value, origin: &str) {
    assert_eq!(shown[name], json!({ "value": value, "origin": origin }), "{name}");
}

#[test]
fn flag_then_environment_then_file_then_model_then_default() {
    let (place, nothing) = (Place::with("temp = 0.5\nmin-p = 0.125"), Place::without());
    let variable = [("SLIPSTREAM_TEMP", "0.75")];
    is(&place.shown(&["--temp", "0.875"], &variable), "temp", json!(0.875), "flag");
    is(&place.shown(&[], &variable), "temp", json!(0.75), "environment (SLIPSTREAM_TEMP)");
    is(&place.shown(&[], &[]), "temp", json!(0.5), "config file");
    is(&nothing.shown(&[], &[]), "temp", json!(0.25), "model");
    let (code, out, _) = nothing.run(&["config", "show", "pocket", "--origin"], &[]);
    assert_eq!(code, 0);
    assert!(out.contains("\ntemp = 1.0  # default\n"), "the built-in pair recommends nothing: {out}");
    // A number that has a default in clap, one that has none, and the model's other wishes.
    is(&place.shown(&[], &[]), "min-p", json!(0.125), "config file");
    is(&nothing.shown(&[], &[]), "min-p", json!(0.0), "default");
    is(&nothing.shown(&[], &[]), "top-k", json!(11), "model");
    is(&nothing.shown(&[], &[]), "top-p", json!(0.5), "model");
}

#[test]
fn every_option_may_stand_in_the_file_and_both_spellings_do() {
    let place = Place::with(
        "threads = 1\nthreads_batch = 3\nctx = 0x100\nkv-type = 'q8_0'\ngpu_layers = 0\nno-mmap = true\nkernels = 'on'\n\
         draft = 2\nn-max = 3\np-min = 1e-1\ndrafter = 'none'\nseed = 18446744073709551615\nthink = true\n\
         ignore-eos = false\nsystem = \"a \\\"quoted\\\"\\nline\"\nstop = ['one', 'two']\nmax_tokens = 7\n",
    );
    let shown = place.shown(&[], &[]);
    for (name, value) in [
        ("threads", json!(1)),
        ("threads-batch", json!(3)),
        ("ctx", json!(256)),
        ("kv-type", json!("q8_0")),
        ("gpu-layers", json!(0)),
        ("no-mmap", json!(true)),
        ("kernels", json!("on")),
        ("draft", json!("2")),
        ("n-max", json!(3)),
        ("p-min", json!(0.1)),
        ("drafter", json!("none")),
        ("seed", json!(u64::MAX)),
        ("think", json!(true)),
        ("ignore-eos", json!(false)),
        ("system", json!("a \"quoted\"\nline")),
        ("stop", json!(["one", "two"])),
        ("max-tokens", json!(7)),
    ] {
        is(&shown, name, value, "config file");
    }
    is(&place.shown(&["--stop", "three"], &[]), "stop", json!(["three"]), "flag");
    // What shows the settings shows every option that `run` has and the file may set.
    let (_, help, _) = place.run(&["run", "--help"], &[]);
    let options: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().split_once("--").filter(|(before, _)| before.len() <= 4))
        .map(|(_, rest)| rest.split(|c: char| !(c.is_alphanumeric() || c == '-')).next().unwrap_or_default())
        .collect();
    assert!(options.len() > 25, "{options:?}");
    for option in options {
        let is_of_run = ["prompt", "raw", "json", "jsonl", "quiet", "help"].contains(&option);
        assert!(is_of_run || shown.get(option).is_some(), "`config show` leaves out {option}");
    }
}

/// The settings as text are a config file, which gives the same settings.
#[test]
fn what_is_shown_can_be_kept_as_the_file() {
    let place = Place::with("system = \"x\\u001b[31m\\u202e\"\nseed = 18446744073709551615\nstop = ['a']");
    let model = place.model();
    for more in [&[][..], &["--origin"]] {
        let arguments = [&["config", "show", &model, "--top-k", "5"], more].concat();
        let (code, out, err) = place.run(&arguments, &[]);
        assert_eq!(code, 0, "{err}");
        assert!(!out.contains(['\x1b', '\u{202e}']), "{out:?}");
        assert!(out.contains("\ntop-k = 5") && out.contains("\n# max-tokens is not set\n"), "{out}");
        let again = Place::with(&out);
        let (code, same, err) = again.run(&["config", "show"], &[]);
        assert_eq!(code, 0, "{err}");
        let without_origins: String =
            out.lines().map(|line| format!("{}\n", line.split("  # ").next().unwrap_or_default())).collect();
        assert_eq!(same, without_origins);
    }
}

#[test]
fn the_file_acts_on_a_reply() {
    let place = Place::with("threads = 1\ngreedy = true\nmax-tokens = 3\ndraft = 'off'\nmodel = 'pocket'");
    let count = |arguments: &[&str]| {
        let (code, out, err) = place.run(&[&["run", "-p", "Hello!", "--json"], arguments].concat(), &[]);
        assert_eq!(code, 0, "{err}");
        let reply: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((&reply["spec_state"], &reply["draft_kind"]), (&json!("off"), &json!("mtp")));
        reply["predicted_n"].as_u64().expect("a count")
    };
    assert_eq!((count(&[]), count(&["-n", "2"])), (3, 2));
    // A model named in the file is no second model beside the one that is typed.
    let (code, _, err) = place.run(&["run", "/nowhere.gguf", "-p", "x"], &[("SLIPSTREAM_MODEL", "pocket")]);
    assert!(code == 3 && err.contains("/nowhere.gguf"), "{err}");
}

/// `--greedy` and `--temp` set the same thing, `--drafter-kind lookup` and `--drafter` too: the stronger place wins.
#[test]
fn a_stronger_place_wins_over_an_option_that_means_the_same() {
    let place = Place::with("greedy = true\ntemp = 0.5\ndrafter-kind = 'lookup'");
    let both = |shown: &Value, temperature: f64, greedy: bool, origin: &str| {
        is(shown, "temp", json!(temperature), origin);
        is(shown, "greedy", json!(greedy), origin);
    };
    both(&place.shown(&[], &[]), 0.0, true, "config file");
    both(&place.shown(&["--temp", "0.75"], &[]), 0.75, false, "flag");
    both(&place.shown(&["--temp", "0.75", "--greedy"], &[]), 0.0, true, "flag");
    both(&place.shown(&[], &[("SLIPSTREAM_TEMP", "0.75")]), 0.75, false, "environment (SLIPSTREAM_TEMP)");
    both(&place.shown(&[], &[("SLIPSTREAM_GREEDY", "true")]), 0.0, true, "environment (SLIPSTREAM_GREEDY)");
    let shown = place.shown(&[], &[("SLIPSTREAM_GREEDY", "false")]);
    is(&shown, "temp", json!(0.5), "config file");
    is(&shown, "greedy", json!(false), "environment (SLIPSTREAM_GREEDY)");
    is(&place.shown(&[], &[]), "drafter-kind", json!("lookup"), "config file");
    let shown = place.shown(&["--drafter", "none"], &[]);
    is(&shown, "drafter", json!("none"), "flag");
    is(&shown, "drafter-kind", json!("auto"), "flag");
}

#[test]
fn mistakes_in_the_file_are_told_with_line_key_and_reason() {
    for (text, words) in [
        ("threads = 1\n\ntemp = = 1\n", &["line 3"][..]),
        ("threads\n", &["line 1", "name = value"]),
        ("\nthraeds = 2\n", &["line 2", "unknown key `thraeds`", "did you mean `threads`?"]),
        ("prompt = 'x'\n", &["unknown key `prompt`", "config show"]),
        ("threads = 1\nthreads-batch = 0", &["line 2", "`threads-batch = 0`", "0 is not in 1..=512"]),
        ("ctx = -1", &["`ctx = -1`", "-1 is not in 1.."]),
        ("temp = nan", &["`temp = nan`", "not a number"]),
        ("top_p = 1.5", &["`top-p = 1.5`", "must be from 0 to 1"]),
        ("kv-type = 'q2'", &["kv-type", "f16, q8_0"]),
        ("draft = 99", &["`draft = 99`", "from 0 to 16"]),
        ("gpu-layers = 'many'", &["gpu-layers", "expected a number or `auto`"]),
        ("greedy = 1", &["`greedy = 1`", "expected true or false"]),
        ("stop = [[1]]", &["stop", "expected a text"]),
        ("log = ['a', 'b']", &["log", "expected a text"]),
        ("[draft]\nlength = 1", &["line 1", "`draft` is a table"]),
        ("n-max = 1\nn_max = 1", &["line 2", "given twice"]),
        ("system = \"a\\u0000b\"", &["system", "NUL"]),
        ("\"\\u001b[2J\" = 1", &["unknown key"]),
    ] {
        let err = Place::with(text).refused();
        assert!(!err.contains('\x1b'), "{err:?}");
        for word in words {
            assert!(err.contains(word), "{text:?}: {word:?} is not in: {err}");
        }
    }
    // A bad value is told even where it would not be used.
    let place = Place::with("threads = 0");
    let (code, out, _) = place.run(&["run", "pocket", "-p", "x", "-t", "1", "--json"], &[]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &object["error"]["code"]), (2, &json!(2)));
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_none_or_an_empty_one_is_fine() {
    let folder = Place::without();
    fs::create_dir(folder.file()).expect("created");
    assert!(folder.refused().contains("directory"));
    assert!(Place::with(b"threads = 1\n# \xff\n").refused().contains("line 2 is not UTF-8"));
    assert!(Place::with(vec![b'#'; (1 << 20) + 1]).refused().contains("longer than 1048576 bytes"));
    for place in [Place::without(), Place::with(""), Place::with("# nothing\n"), Place::with("\u{feff}")] {
        is(&place.shown(&[], &[]), "n-max", json!(4), "default");
    }
}

#[test]
fn a_broken_file_is_in_nobodys_way_who_does_not_need_it() {
    let place = Place::with("threads = 0");
    let (model, file) = (place.model(), place.file());
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["completions", "bash"],
        &["man"],
        &["inspect", &model],
        &["config", "path"],
    ] {
        let (code, out, err) = place.run(arguments, &[]);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        assert!(!out.is_empty(), "{arguments:?}");
    }
    let (_, out, _) = place.run(&["config", "path"], &[]);
    assert_eq!(out, format!("{}\n", file.display()));
    let (_, out, _) = place.run(&["config", "path", "--json"], &[]);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), json!({ "path": file, "exists": true }));
    // `show` shows what there is without the file, and the problem.
    let (code, out, err) = place.run(&["config", "show", &model, "-t", "2", "--origin"], &[]);
    assert!(code == 2 && out.contains("threads = 2  # flag"), "{out}");
    assert!(err.contains("`threads = 0`: 0 is not in 1..=512"), "{err}");
    let (code, out, err) = place.run(&["config", "show", &model, "--json"], &[]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, err.as_str(), &object["error"]["code"]), (2, "", &json!(2)));
    is(&object, "n-max", json!(4), "default");
}

/// Where no variable names the file, it lies in the config folder.
#[test]
#[cfg(unix)]
fn the_file_lies_in_the_config_folder() {
    let place = Place::without();
    let home = place.folder.path().to_string_lossy().into_owned();
    let variables = [("SLIPSTREAM_CONFIG", ""), ("XDG_CONFIG_HOME", home.as_str())];
    let (_, out, _) = place.run(&["config", "path"], &variables);
    assert_eq!(out, format!("{home}/slipstream/config.toml\n"));
    fs::create_dir(place.folder.path().join("slipstream")).expect("created");
    fs::write(place.folder.path().join("slipstream/config.toml"), "n-max = 2").expect("written");
    is(&place.shown(&[], &variables), "n-max", json!(2), "config file");
    let variables = [("SLIPSTREAM_CONFIG", ""), ("XDG_CONFIG_HOME", "/dev/null")];
    is(&place.shown(&[], &variables), "n-max", json!(4), "default");
}
