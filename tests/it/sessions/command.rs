//! `slipstream sessions` from outside.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use slipstream::sessions::{Change, FILE_NAME, Identity, SessionId, SessionSettings, Store};
use tempfile::{TempDir, tempdir};

use super::{asks, chat, open};
use crate::cli::slipstream;

struct Data(TempDir);

impl Data {
    /// A folder with one short chat.
    fn new() -> (Data, String) {
        let data = Data(tempdir().unwrap());
        let mut store = data.store();
        let session = chat(&mut store, 2, 3);
        let model = Identity { name: "gemma-4\u{1b}[31m".to_owned(), ..Identity::default() };
        let settings = SessionSettings { model: Some(model), ..SessionSettings::default() };
        store.write(&[Change::Settings(session, settings)]).unwrap();
        (data, session.to_string())
    }

    fn store(&self) -> Store {
        open(&self.path().join(FILE_NAME))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let arguments = [&["sessions"], arguments].concat();
        let mut command = slipstream(&arguments);
        let output = command.env("SLIPSTREAM_DATA", self.path()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn out(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.out(arguments)).unwrap()
    }
}

#[test]
fn sessions_are_listed_shown_and_searched() {
    let (data, id) = Data::new();
    let list = data.out(&["list"]);
    assert!(
        list.starts_with(&format!("{id}  question 0 about lanterns\n    just now · 4 turns · gemma-4")),
        "{list}"
    );
    assert!(!list.contains('\u{1b}'), "no control characters");
    let listed = data.json(&["list", "--json"]);
    assert_eq!(
        (&listed["sessions"][0]["id"], &listed["sessions"][0]["turns"]),
        (&id.clone().into(), &4.into())
    );
    let shown = data.out(&["show", "last"]);
    assert!(shown.contains("## You\n\nquestion 1 about lanterns\n"), "{shown}");
    assert!(shown.contains("answer1word0 answer1word1 answer1word2"));
    assert_eq!(data.json(&["show", &id[..6], "--json"])["kind"], "slipstream sessions");
    let found = data.out(&["search", "answer1word1"]);
    assert!(found.starts_with(&id) && found.contains("    model: answer1word0 answer1word1"), "{found}");
    let found = data.json(&["search", "answer1wo", "--json"]);
    assert_eq!(found["hits"][0]["found"].as_array().map(Vec::len), Some(3));
    assert_eq!(data.out(&["search", "nowhere"]), "nothing found\n");
    assert_eq!(data.out(&["search", "about lant", "-n", "1", "--json"]).matches("\"id\"").count(), 1);
}

#[test]
fn what_is_exported_can_be_imported() {
    let (data, id) = Data::new();
    let file = data.path().join("out.json");
    let name = file.to_str().unwrap();
    assert_eq!(data.out(&["export", &id, "-o", name]), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), data.out(&["export", "--all"]));
    let (code, _, err) = data.run(&["export", &id, "-o", name]);
    assert_eq!(code, 2, "nothing is overwritten");
    assert!(err.contains("out.json") && err.contains("name another file"), "{err}");
    let imported = data.json(&["import", name, "--json"]);
    let copy = imported["imported"][0]["id"].as_str().unwrap();
    assert_ne!(copy, id);
    assert_eq!(data.out(&["export", copy]), data.out(&["export", &id]));
    assert_eq!(data.json(&["list", "--json"])["sessions"].as_array().map(Vec::len), Some(2));
    let markdown = data.path().join("out.md");
    data.out(&["export", &id, "-o", markdown.to_str().unwrap()]);
    assert!(std::fs::read_to_string(markdown).unwrap().starts_with("# question 0 about lanterns\n"));
}

#[test]
fn what_is_deleted_can_be_restored() {
    let (data, id) = Data::new();
    let deleted = data.out(&["delete", &id]);
    assert!(
        deleted.starts_with(&format!("deleted {id}  question 0")) && deleted.contains("restore"),
        "{deleted}"
    );
    assert_eq!(data.out(&["list"]), "no sessions yet\n");
    assert_eq!(data.json(&["list", "--deleted", "--json"])["sessions"][0]["deleted"], true);
    assert_eq!(data.json(&["restore", &id, "--json"])["restored"][0]["id"], id);
    assert_eq!(data.out(&["rename", &id, "Lanterns"]), "");
    assert!(data.out(&["list"]).contains("  Lanterns\n"));
}

#[test]
fn problems_have_codes_and_help() {
    let (data, _) = Data::new();
    let (code, _, err) = data.run(&["show", "uuuu"]);
    assert!(code == 2 && err.contains("no session is called uuuu") && err.contains("sessions list"), "{err}");
    let mut store = data.store();
    // Enough that two begin with the same letter.
    for _ in 0..40 {
        store.write(&[Change::Append(asks(SessionId::fresh(), None, "x"))]).unwrap();
    }
    let ids: Vec<String> = store.sessions().unwrap().iter().map(|info| info.id.to_string()).collect();
    let letter = ids
        .iter()
        .map(|id| &id[..1])
        .find(|letter| ids.iter().filter(|id| id.starts_with(letter)).count() > 1);
    let (code, _, err) = data.run(&["show", letter.unwrap()]);
    assert!(code == 2 && err.contains("sessions are called"), "{err}");
    let bad = data.path().join("bad.json");
    std::fs::write(&bad, "{\"kind\": \"something\"}").unwrap();
    let (code, out, _) = data.run(&["import", bad.to_str().unwrap(), "--json"]);
    let error: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &error["error"]["code"]), (3, &3.into()));
    assert!(error["error"]["help"].as_str().is_some_and(|help| help.contains("export")));
    assert_eq!(data.run(&["import", "nowhere.json"]).0, 3);
    assert_eq!(data.run(&["export"]).0, 2);
    assert_eq!(data.run(&["list", "--what"]).0, 2);
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let (data, _) = Data::new();
    let file = data.path().join(FILE_NAME);
    rusqlite::Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let before = std::fs::read(&file).unwrap();
    let (code, _, err) = data.run(&["list"]);
    assert_eq!(code, 3);
    assert!(err.contains("has format 2") && err.contains("use the newer slipstream"), "{err}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_damaged_file_is_told_of() {
    let (data, id) = Data::new();
    let file = data.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..100].fill(7);
    std::fs::write(&file, bytes).unwrap();
    let (code, out, err) = data.run(&["list"]);
    assert_eq!(code, 0);
    assert!(out.starts_with(&id), "{out}");
    assert!(err.contains("set aside as") && err.contains("4 turns of 1 sessions"), "{err}");
    assert_eq!(data.run(&["list"]).2, "");
}
