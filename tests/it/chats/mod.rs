//! The terminal UI and the session store: what is told to the store, what comes of what it tells, the sessions screen, and
//! whole runs in a terminal.

mod desk;
mod parked;
mod record;
mod resume;
mod screens;
mod terminal;
mod versions;
