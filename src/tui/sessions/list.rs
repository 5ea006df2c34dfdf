//! The sessions screen: a list that becomes a search as soon as something is typed.

use crossterm::event::{KeyCode, KeyEvent};

use super::{Back, ask, change, wish};
use crate::sessions::{Change, DeletionId, Format, Hit, Question, SessionId, SessionInfo};
use crate::tui::app::{Effect, Overlay, State};
use crate::tui::field::Field;
use crate::tui::keys::Action;
use crate::tui::overlay;

/// Places that are found at most.
const MOST: u32 = 100;

/// The list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    filter: Field,
    /// `None` until they were read.
    infos: Option<Vec<SessionInfo>>,
    /// What was found, and for what.
    hits: Option<(String, Vec<Hit>)>,
    /// The marked line.
    pub selected: usize,
    /// The title being written, of the marked one.
    pub renaming: Option<Field>,
}

/// A line of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line<'a> {
    /// A session.
    Session(&'a SessionInfo),
    /// A place where something was found, and its session, where it is known.
    Hit(&'a Hit, Option<&'a SessionInfo>),
}

impl Line<'_> {
    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        match self {
            Line::Session(info) => info.id,
            Line::Hit(hit, _) => hit.session,
        }
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Line::Session(info) => &info.title,
            Line::Hit(hit, _) => &hit.title,
        }
    }
}

impl List {
    /// What is typed.
    #[must_use]
    pub fn filter(&self) -> &str {
        self.filter.text()
    }

    /// The sessions, the one used last first; `None` until they were read.
    #[must_use]
    pub fn infos(&self) -> Option<&[SessionInfo]> {
        self.infos.as_deref()
    }

    /// The lines; `None` while they are looked for.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<Line<'_>>> {
        if self.filter().trim().is_empty() {
            return Some(self.infos.as_ref()?.iter().map(Line::Session).collect());
        }
        let (_, hits) = self.hits.as_ref()?;
        let info = |hit: &Hit| self.infos.iter().flatten().find(|info| info.id == hit.session);
        Some(hits.iter().map(|hit| Line::Hit(hit, info(hit))).collect())
    }

    /// The marked line.
    #[must_use]
    pub fn marked(&self) -> Option<Line<'_>> {
        let lines = self.lines()?;
        lines.get(self.selected.min(lines.len().saturating_sub(1))).copied()
    }

    pub(super) fn listed(&mut self, infos: Vec<SessionInfo>) {
        self.infos = Some(infos);
    }

    /// Something was found: what was typed since waits for its own answer.
    pub(super) fn found(&mut self, text: &str, hits: Vec<Hit>) {
        if text == self.filter() {
            self.hits = Some((text.to_owned(), hits));
        }
    }

    /// The answer does not come.
    pub(super) fn unanswered(&mut self, question: &Question) {
        match question {
            Question::Sessions => {
                self.infos.get_or_insert_default();
            }
            Question::Search(text, _) => self.found(text, Vec::new()),
            _ => {}
        }
    }

    fn remove(&mut self, session: SessionId) {
        self.infos.iter_mut().for_each(|infos| infos.retain(|info| info.id != session));
        self.hits.iter_mut().for_each(|(_, hits)| hits.retain(|hit| hit.session != session));
    }

    fn rename(&mut self, session: SessionId, title: &str) {
        let infos = self.infos.iter_mut().flatten().filter(|info| info.id == session);
        infos.for_each(|info| title.clone_into(&mut info.title));
        let hits = self.hits.iter_mut().flat_map(|(_, hits)| hits).filter(|hit| hit.session == session);
        hits.for_each(|hit| title.clone_into(&mut hit.title));
    }
}

/// Opens the screen, with something to look for or without; or closes it.
pub(in crate::tui) fn open_screen(state: &mut State, search: &str) -> Vec<Effect> {
    if state.overlay == Overlay::Sessions && search.is_empty() {
        state.overlay = Overlay::None;
        return Vec::new();
    }
    state.overlay = Overlay::Sessions;
    let infos = state.sessions.list.infos.take();
    state.sessions.list = List { filter: Field::new(search), infos, ..List::default() };
    let mut effects = refresh(state);
    effects.extend(look(state));
    effects
}

/// Reads the list anew.
pub(super) fn refresh(_: &State) -> Vec<Effect> {
    vec![ask(Question::Sessions)]
}

fn look(state: &mut State) -> Vec<Effect> {
    let list = &mut state.sessions.list;
    list.selected = 0;
    let text = list.filter().to_owned();
    if text.trim().is_empty() {
        list.hits = None;
        return Vec::new();
    }
    vec![ask(Question::Search(text, MOST))]
}

/// A key with a meaning.
pub(in crate::tui) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let list = &mut state.sessions.list;
    match action {
        Action::Escape if list.renaming.is_some() => list.renaming = None,
        Action::Escape if !list.filter().is_empty() => {
            list.filter = Field::default();
            return Some(look(state));
        }
        Action::Send if list.renaming.is_some() => return Some(rename_marked(state)),
        Action::Send => return Some(open_marked(state)),
        Action::RenameSession => begin_renaming(state),
        Action::DeleteSession => return Some(delete_marked(state)),
        Action::ExportSession => return Some(export_marked(state)),
        Action::BringBack => {
            let outcome = super::versions::bring_back(state);
            return Some(outcome.unwrap_or_else(|wrong| {
                state.notify(wrong);
                Vec::new()
            }));
        }
        _ => {
            let count = list.lines().map_or(0, |lines| lines.len());
            list.selected = overlay::marked(list.selected, count, action)?;
        }
    }
    Some(Vec::new())
}

/// A key that edits.
pub(in crate::tui) fn edit(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let list = &mut state.sessions.list;
    match (&mut list.renaming, key.code) {
        (Some(title), _) => {
            title.edit(key);
        }
        (None, KeyCode::Delete) => return delete_marked(state),
        (None, KeyCode::F(2)) => begin_renaming(state),
        (None, _) => {
            if list.filter.edit(key) {
                return look(state);
            }
        }
    }
    Vec::new()
}

/// A paste.
pub(in crate::tui) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let list = &mut state.sessions.list;
    if let Some(title) = &mut list.renaming {
        title.insert(text);
        return Vec::new();
    }
    list.filter.insert(text);
    look(state)
}

fn open_marked(state: &mut State) -> Vec<Effect> {
    let Some(line) = state.sessions.list.marked() else { return Vec::new() };
    let session = line.session();
    let goal = match line {
        Line::Hit(hit, _) => hit.turn,
        Line::Session(_) => None,
    };
    if state.running.is_some() {
        state.notify(super::versions::BUSY);
        return Vec::new();
    }
    state.sessions.goal = goal;
    if state.sessions.chat.id == Some(session) {
        state.overlay = Overlay::None;
        return super::show::reach_goal(state);
    }
    vec![ask(Question::Open(session))]
}

fn begin_renaming(state: &mut State) {
    let list = &mut state.sessions.list;
    let title = list.marked().map(|line| Field::new(line.title()));
    list.renaming = title;
}

fn rename_marked(state: &mut State) -> Vec<Effect> {
    let list = &mut state.sessions.list;
    let title = list.renaming.take().map(|title| title.text().trim().to_owned()).unwrap_or_default();
    let Some(session) = list.marked().map(|line| line.session()) else { return Vec::new() };
    rename(state, session, &title)
}

/// Gives a session another title; an empty one is that of its first words.
pub(super) fn rename(state: &mut State, session: SessionId, title: &str) -> Vec<Effect> {
    if !title.is_empty() {
        state.sessions.list.rename(session, title);
        if state.sessions.chat.id == Some(session) {
            title.clone_into(&mut state.sessions.chat.title);
        }
    }
    let mut effects = vec![change(Change::Rename(session, title.to_owned()))];
    effects.extend(refresh(state));
    effects
}

fn delete_marked(state: &mut State) -> Vec<Effect> {
    let marked = state.sessions.list.marked().map(|line| (line.session(), line.title().to_owned()));
    let Some((session, title)) = marked else { return Vec::new() };
    delete(state, session, &title).unwrap_or_else(|wrong| {
        state.notify(wrong);
        Vec::new()
    })
}

/// Deletes a session; the open one is left first.
pub(super) fn delete(state: &mut State, session: SessionId, title: &str) -> Result<Vec<Effect>, String> {
    let open = state.sessions.chat.id == Some(session);
    if open && state.running.is_some() {
        return Err(super::versions::BUSY.to_owned());
    }
    let mut effects = Vec::new();
    if open {
        effects = super::show::leave(state);
    }
    let deletion = DeletionId::fresh();
    effects.push(change(Change::DeleteSession(session, deletion, state.sessions.date)));
    state.sessions.list.remove(session);
    let title = crate::tui::text::one_line(title);
    let what = format!("\u{201c}{title}\u{201d}");
    state.sessions.back = Some(Back::Deletion { id: deletion, what, shown: open.then_some(session) });
    state.notify(format!("deleted \u{201c}{title}\u{201d} (Ctrl+X z brings it back)"));
    Ok(effects)
}

fn export_marked(state: &mut State) -> Vec<Effect> {
    let marked = state.sessions.list.marked().map(|line| (line.session(), line.title().to_owned()));
    let Some((session, title)) = marked else { return Vec::new() };
    let file = super::commands::file_name(&title, Format::Markdown).into();
    state.notify("exporting …");
    vec![wish(super::Wish::Export { session, format: Format::Markdown, file })]
}
