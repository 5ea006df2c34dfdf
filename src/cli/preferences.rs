//! Presets and the theme of the terminal UI, in one file of the data folder: written whole or not at all, believed only
//! where it is sound.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::machine;
use super::printer;
use crate::request::SamplingSettings;
use crate::tui::preferences::{Colours, Preferences, Preset};

/// Raised when fields change their meaning.
const FORMAT: u32 = 1;
/// Bytes that are read at most.
const LONGEST_FILE: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    theme: String,
    presets: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    temp: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    repeat_penalty: f32,
    repeat_window: u32,
    system: Option<String>,
    think: Option<bool>,
}

fn path() -> Option<PathBuf> {
    Some(machine::data_folder()?.join("preferences.json"))
}

/// What was kept, else what a new session has. A damaged file is set aside with a warning.
#[must_use]
pub fn load() -> Preferences {
    let Some(path) = path() else { return Preferences::default() };
    let Ok(metadata) = fs::metadata(&path) else { return Preferences::default() };
    let text = match metadata.is_file() && metadata.len() <= LONGEST_FILE {
        true => fs::read_to_string(&path).map_err(|error| error.to_string()),
        false => Err(format!("expected a file of at most {LONGEST_FILE} bytes")),
    };
    text.and_then(|text| parse(&text)).unwrap_or_else(|reason| {
        let aside = path.with_extension("bad");
        let moved = fs::rename(&path, &aside).is_ok();
        let what = if moved { format!("set aside as {}", aside.display()) } else { "left out".to_owned() };
        printer::note(&format!(
            "note: the presets in {} were {what}: {}",
            path.display(),
            printer::tame(&reason)
        ));
        Preferences::default()
    })
}

/// Keeps them.
///
/// # Errors
/// Why not, as a sentence.
pub fn store(preferences: &Preferences) -> Result<(), String> {
    let path = path().ok_or("the preferences could not be kept: the system names no folder for data")?;
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::File::create(&partial)?;
        file.write_all(render(preferences).as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, &path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&partial);
        format!("keeping the preferences in {} failed: {error}", path.display())
    })
}

fn render(preferences: &Preferences) -> String {
    let entry = |preset: &Preset| Entry {
        name: preset.name.clone(),
        temp: preset.sampling.temperature,
        top_k: preset.sampling.top_k,
        top_p: preset.sampling.top_p,
        min_p: preset.sampling.min_p,
        repeat_penalty: preset.sampling.repeat_penalty,
        repeat_window: preset.sampling.repeat_window,
        system: preset.system.clone(),
        think: preset.thinking,
    };
    let theme = preferences.colours.name().to_owned();
    let file = File { format: FORMAT, theme, presets: preferences.presets.iter().map(entry).collect() };
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

fn parse(text: &str) -> Result<Preferences, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.format != FORMAT {
        return Err(format!("it has format {}, this program reads {FORMAT}", file.format));
    }
    let colours = Colours::named(&file.theme)
        .ok_or_else(|| format!("its theme is {}, expected auto, dark, light or none", file.theme))?;
    let presets = file.presets.into_iter().map(preset).collect::<Result<_, _>>()?;
    Ok(Preferences { presets, colours })
}

/// A preset, its numbers within what `/set` takes.
fn preset(entry: Entry) -> Result<Preset, String> {
    let within = |what: &str, value: f32, least: f32, most: f32| match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err(format!("the {what} of preset {} is {value}, expected {least} to {most}", entry.name)),
    };
    let sampling = SamplingSettings {
        temperature: within("temp", entry.temp, 0.0, 100.0)?,
        top_k: entry.top_k,
        top_p: within("top_p", entry.top_p, 0.0, 1.0)?,
        min_p: within("min_p", entry.min_p, 0.0, 1.0)?,
        repeat_penalty: within("repeat_penalty", entry.repeat_penalty, 0.01, 100.0)?,
        repeat_window: entry.repeat_window,
        seed: 0,
    };
    Ok(Preset { name: entry.name, sampling, system: entry.system, thinking: entry.think })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let sampling = SamplingSettings { temperature: 0.25, top_k: 3, ..SamplingSettings::default() };
        let mine =
            Preset { name: "mine".into(), sampling, system: Some("Be brief.".into()), thinking: Some(true) };
        let kept = Preferences { presets: vec![mine], colours: Colours::Light };
        assert_eq!(parse(&render(&kept)), Ok(kept.clone()));
        // What is damaged, newer or out of bounds is not believed.
        let text = render(&kept);
        for (from, to) in
            [("0.25", "-1"), ("\"format\": 1", "\"format\": 9"), ("\"light\"", "\"pink\""), ("{", "")]
        {
            assert!(parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
