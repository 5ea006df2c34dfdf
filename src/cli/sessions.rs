//! `slipstream sessions`: the chats kept on this machine, from outside the chat.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{FormatArg, SessionsCommand};
use super::machine;
use super::printer::{note, tame};
use crate::error::{Kind, Problem};
use crate::sessions::{
    Change, DeletionId, FILE_NAME, Format, Moment, Opened, SessionId, SessionInfo, Speaker, Store,
    StoreError, parse_export,
};

/// Bytes of an import at most: ten times the longest session anyone will have.
const LONGEST_IMPORT: u64 = 1 << 30;

/// Where the sessions lie.
///
/// # Errors
/// Where the system names no folder for data.
pub fn file() -> Result<PathBuf, Problem> {
    let folder = machine::data_folder().ok_or_else(|| {
        Problem::new(
            Kind::Fault,
            "finding the folder for data failed: the system names none",
            "name one by SLIPSTREAM_DATA",
        )
    })?;
    Ok(folder.join(FILE_NAME))
}

/// What went wrong with the sessions, in words for a person.
#[must_use]
pub fn problem(error: &StoreError) -> Problem {
    let kind = match error {
        StoreError::Newer { .. } | StoreError::Foreign { .. } | StoreError::Damaged { .. } => Kind::File,
        StoreError::Full { .. } => Kind::Space,
        StoreError::NoSession(_) => Kind::Usage,
        StoreError::Busy { .. } | StoreError::Failed { .. } | StoreError::Taken(_) => Kind::Fault,
    };
    Problem::new(kind, tame(&error.to_string()), error.help())
}

/// What a person should know about how the file was opened.
#[must_use]
pub fn notes(opened: &Opened) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(recovery) = &opened.recovery {
        notes.push(format!(
            "the session file was damaged ({}): it was set aside as {}, and {} turns of {} sessions could be recovered",
            tame(&recovery.damage),
            recovery.set_aside.display(),
            recovery.turns,
            recovery.sessions
        ));
    }
    if let Some(backup) = opened.migration.as_ref().and_then(|migration| migration.backup.as_ref()) {
        notes.push(format!(
            "the session file was brought up to date; as it was before, it is kept as {}",
            backup.display()
        ));
    }
    notes
}

/// Runs the command.
///
/// # Errors
/// The file's, wrong names, output that cannot be written.
pub fn run(command: &SessionsCommand) -> Result<u8, Problem> {
    if let SessionsCommand::Import { file, json } = command {
        let document = read_import(file)?;
        let mut store = open()?;
        let ids = store.import(&document).map_err(|error| problem(&error))?;
        let names: Vec<String> = ids.iter().map(SessionId::to_string).collect();
        return tell("imported", "", &all_named(&store, &names)?, *json);
    }
    let mut store = open()?;
    match command {
        SessionsCommand::List { deleted, json } => list(&store, *deleted, *json),
        SessionsCommand::Show { session, json } => {
            let info = named(&store, session)?;
            let format = if *json { Format::Json } else { Format::Markdown };
            let text = store.export(info.id, format).map_err(|error| problem(&error))?;
            let tamed = tame(&text);
            super::print(if *json { &text } else { &tamed })
        }
        SessionsCommand::Search { words, most, json } => search(&store, &words.join(" "), *most, *json),
        SessionsCommand::Export { sessions, all, format, output } => {
            let infos = if *all {
                store.sessions().map_err(|error| problem(&error))?
            } else {
                all_named(&store, sessions)?
            };
            export(&store, &infos, format_of(*format, output.as_deref()), output.as_deref())
        }
        SessionsCommand::Import { .. } => Ok(0),
        SessionsCommand::Rename { session, title } => {
            let id = named(&store, session)?.id;
            write(&mut store, &[Change::Rename(id, title.clone())])?;
            Ok(0)
        }
        SessionsCommand::Delete { sessions, json } => {
            let infos = all_named(&store, sessions)?;
            let delete =
                |info: &SessionInfo| Change::DeleteSession(info.id, DeletionId::fresh(), Moment::now());
            write(&mut store, &infos.iter().map(delete).collect::<Vec<_>>())?;
            tell("deleted", "; for 30 days `slipstream sessions restore` brings it back", &infos, *json)
        }
        SessionsCommand::Restore { sessions, json } => {
            let infos = all_named(&store, sessions)?;
            let restore = |info: &SessionInfo| info.deletion.map(Change::Restore);
            write(&mut store, &infos.iter().filter_map(restore).collect::<Vec<_>>())?;
            tell("restored", "", &infos, *json)
        }
    }
}

fn open() -> Result<Store, Problem> {
    let opened = Store::open(&file()?).map_err(|error| problem(&error))?;
    for text in notes(&opened) {
        note(&format!("note: {text}"));
    }
    Ok(opened.store)
}

fn write(store: &mut Store, changes: &[Change]) -> Result<(), Problem> {
    store.write(changes).map_err(|error| problem(&error))
}

/// The session of a name: `last`, or as many letters as tell it apart.
pub(super) fn named(store: &Store, name: &str) -> Result<SessionInfo, Problem> {
    let told = |error: StoreError| problem(&error);
    let wrong = |message: String| Problem::new(Kind::Usage, message, "see `slipstream sessions list`");
    if name == "last" {
        let last = store.sessions().map_err(told)?.into_iter().next();
        return last.ok_or_else(|| wrong("there is no session yet".to_owned()));
    }
    let mut found = store.sessions_named(name).map_err(told)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(wrong(format!("no session is called {}", tame(name)))),
        count => {
            let names: Vec<String> = found.iter().take(4).map(|info| info.id.to_string()).collect();
            let more = if count > 4 { ", …" } else { "" };
            Err(wrong(format!("{count} sessions are called {name}…: {}{more}", names.join(", "))))
        }
    }
}

fn all_named(store: &Store, names: &[String]) -> Result<Vec<SessionInfo>, Problem> {
    names.iter().map(|name| named(store, name)).collect()
}

fn object(info: &SessionInfo) -> Value {
    json!({
        "id": info.id.to_string(),
        "title": info.title,
        "created_ms": info.created,
        "updated_ms": info.updated,
        "turns": info.turns,
        "model": info.settings.model.as_ref().map(|model| &model.name),
        "drafter": info.settings.drafter.as_ref().map(|drafter| &drafter.name),
        "deleted": info.deletion.is_some(),
    })
}

/// What was done, to which sessions.
fn tell(done: &str, hint: &str, infos: &[SessionInfo], json: bool) -> Result<u8, Problem> {
    if json {
        let sessions: Vec<Value> =
            infos.iter().map(|info| json!({ "id": info.id.to_string(), "title": info.title })).collect();
        return super::print(&format!("{}\n", json!({ done: sessions })));
    }
    let line = |info: &SessionInfo| format!("{done} {}  {}{hint}\n", info.id, tame(&info.title));
    super::print(&infos.iter().map(line).collect::<String>())
}

fn list(store: &Store, deleted: bool, json: bool) -> Result<u8, Problem> {
    let infos = if deleted { store.deleted_sessions() } else { store.sessions() };
    let infos = infos.map_err(|error| problem(&error))?;
    if json {
        let sessions: Vec<Value> = infos.iter().map(object).collect();
        return super::print(&format!("{}\n", json!({ "sessions": sessions })));
    }
    let now = Moment::now();
    let mut text = String::new();
    for info in &infos {
        let turns = if info.turns == 1 { "1 turn".to_owned() } else { format!("{} turns", info.turns) };
        text.push_str(&format!("{}  {}\n", info.id, tame(&info.title)));
        text.push_str(&format!("    {} · {turns}", info.updated.ago(now)));
        if let Some(model) = &info.settings.model {
            text.push_str(&format!(" · {}", tame(&model.name)));
        }
        text.push('\n');
    }
    if infos.is_empty() {
        text.push_str(if deleted { "no deleted sessions\n" } else { "no sessions yet\n" });
    }
    super::print(&text)
}

fn search(store: &Store, words: &str, most: u32, json: bool) -> Result<u8, Problem> {
    let hits = store.search(words, most).map_err(|error| problem(&error))?;
    if json {
        let hits: Vec<Value> = hits
            .iter()
            .map(|hit| {
                json!({
                    "id": hit.session.to_string(),
                    "title": hit.title,
                    "speaker": hit.speaker.map(Speaker::name),
                    "created_ms": hit.created,
                    "snippet": hit.snippet,
                    "found": hit.found.iter().map(|range| [range.start, range.end]).collect::<Vec<_>>(),
                })
            })
            .collect();
        return super::print(&format!("{}\n", json!({ "hits": hits })));
    }
    let mut text = String::new();
    for hit in &hits {
        text.push_str(&format!("{}  {}\n", hit.session, tame(&hit.title)));
        if let Some(speaker) = hit.speaker {
            text.push_str(&format!("    {}: {}\n", speaker.name(), tame(&hit.snippet)));
        }
    }
    if hits.is_empty() {
        text.push_str("nothing found\n");
    }
    super::print(&text)
}

fn format_of(asked: Option<FormatArg>, output: Option<&Path>) -> Format {
    let by_name = || output?.extension()?.to_str();
    match (asked, by_name()) {
        (Some(FormatArg::Md), _) | (None, Some("md" | "markdown")) => Format::Markdown,
        _ => Format::Json,
    }
}

fn export(
    store: &Store,
    infos: &[SessionInfo],
    format: Format,
    output: Option<&Path>,
) -> Result<u8, Problem> {
    let told = |error: StoreError| problem(&error);
    let ids: Vec<SessionId> = infos.iter().map(|info| info.id).collect();
    let text = match format {
        Format::Json => store.export_json(&ids).map_err(told)?,
        Format::Markdown => {
            let texts = ids.iter().map(|id| store.export(*id, format).map_err(told));
            texts.collect::<Result<Vec<_>, _>>()?.join("\n")
        }
    };
    let Some(path) = output else { return super::print(&text) };
    write_export(path, &text).map(|()| 0)
}

/// Writes an exported text into a file that is not there yet.
///
/// # Errors
/// Where it is there, or cannot be written.
pub(super) fn write_export(path: &Path, text: &str) -> Result<(), Problem> {
    // Nobody's file is overwritten, and no half of one is left.
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    });
    written.map_err(|error| {
        let (kind, help) = match error.kind() {
            io::ErrorKind::AlreadyExists => (Kind::Usage, "name another file, or remove that one"),
            io::ErrorKind::StorageFull => (Kind::Space, "free some space on that disk"),
            _ => (Kind::Fault, "name a file in a folder that is yours to write"),
        };
        Problem::new(kind, format!("writing {} failed: {error}", path.display()), help)
    })
}

pub(super) fn read_import(path: &Path) -> Result<crate::sessions::Document, Problem> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let help = "give a JSON file that `slipstream sessions export` has written";
    let bad = |what: String| Problem::new(Kind::File, format!("importing {name} failed: {what}"), help);
    let mut bytes = Vec::new();
    let read = if is_stdin {
        io::stdin().lock().take(LONGEST_IMPORT + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST_IMPORT + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| bad(error.to_string()))?;
    if bytes.len() as u64 > LONGEST_IMPORT {
        return Err(bad(format!("expected at most {LONGEST_IMPORT} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| bad(error.to_string()))?;
    parse_export(&text).map_err(|error| bad(tame(&error.to_string()).into_owned()))
}
