//! A branch of a session as Markdown.

use crate::sessions::turn::{Session, Speaker};

/// The branch that was looked at last.
#[must_use]
pub fn markdown(session: &Session) -> String {
    let info = &session.info;
    let mut text = format!("# {}\n\n", info.title.lines().next().unwrap_or_default());
    text.push_str(&format!("{}", info.updated));
    if let Some(model) = &info.settings.model {
        text.push_str(&format!(" · {}", model.name));
    }
    text.push('\n');
    if let Some(system) = &info.settings.system {
        text.push_str(&format!("\n## System\n\n{}\n", system.trim_end()));
    }
    for turn in &session.turns {
        let heading = match turn.speaker {
            Speaker::User => "You",
            Speaker::Model => "Model",
            Speaker::Summary => "Summary of what came before",
        };
        text.push_str(&format!("\n## {heading}\n\n"));
        if !turn.reasoning.is_empty() {
            let reasoning = turn.reasoning.trim();
            text.push_str(&format!(
                "<details>\n<summary>Reasoning</summary>\n\n{reasoning}\n\n</details>\n\n"
            ));
        }
        // A code block that was cut off would swallow all that follows.
        let open = turn.text.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1;
        text.push_str(turn.text.trim_end());
        text.push_str(if open { "\n```\n" } else { "\n" });
    }
    text
}
