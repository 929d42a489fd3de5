//! Shows what happens while it happens, on standard error: on a terminal a few lines that are drawn again in their place,
//! elsewhere a line every few seconds. Nothing depends on it; what cannot be written is not shown.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use super::progress::{Place, Progress, Seen};

/// The time between two drawings, and between two lines.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(3);

/// How wide the bar is.
const BAR: usize = 40;

/// Escape codes.
const PLAIN: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Drawn in place.
    Drawn {
        /// With colours.
        colour: bool,
    },
    /// Line by line.
    Lines,
}

impl Style {
    /// What suits standard error.
    pub(super) fn detect() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        if !std::io::stderr().is_terminal() || dumb {
            return Self::Lines;
        }
        Self::Drawn { colour: set("NO_COLOR").is_none() }
    }
}

/// Shows the progress until it is dropped.
pub(super) async fn show(progress: Arc<Progress>, style: Style) {
    match style {
        Style::Lines => loop {
            tokio::time::sleep(LINE_EVERY).await;
            write(&format!("{}\n", line(&progress.look(), progress.elapsed())));
        },
        Style::Drawn { colour } => {
            let mut drawing = Drawing { lines: 0 };
            loop {
                drawing.draw(&lines(&progress.look(), progress.elapsed(), colour));
                tokio::time::sleep(DRAW_EVERY).await;
            }
        }
    }
}

/// What stands on the terminal. Dropping it leaves the terminal as it was, below the last drawing.
struct Drawing {
    lines: usize,
}

impl Drawing {
    /// Draws over the last drawing. Lines that are too long are cut by the terminal instead of wrapped, so that their
    /// number holds; the cursor is hidden because it would jump about.
    fn draw(&mut self, lines: &[String]) {
        let up = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
        let body: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        write(&format!("\x1b[?25l\x1b[?7l{up}\r{body}\x1b[J"));
        self.lines = lines.len();
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        write("\x1b[?7h\x1b[?25h\n");
    }
}

fn write(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// One line for logs.
fn line(seen: &Seen, elapsed: Duration) -> String {
    let replicas: Vec<&str> =
        seen.replicas.iter().map(|place| if place.up { "up" } else { "killed" }).collect();
    format!(
        "{:5.1} s  {}: replicas {}; conversations {}/{}, replies {}, kills {}, takeovers {}, continued {}",
        elapsed.as_secs_f64(),
        seen.doing,
        replicas.join(" "),
        seen.conversations,
        seen.planned,
        seen.answered,
        seen.kills,
        seen.takeovers.len(),
        seen.continued
    )
}

/// The drawing.
fn lines(seen: &Seen, elapsed: Duration, colour: bool) -> Vec<String> {
    let paint = |code: &str, text: &str| {
        if colour { format!("{code}{text}{PLAIN}") } else { text.to_owned() }
    };
    let mut lines = vec![
        format!("{}  {:.1} s, {}", paint(BOLD, "Regrow under fire"), elapsed.as_secs_f64(), seen.doing),
        String::new(),
    ];
    lines.extend(seen.replicas.iter().zip(1..).map(|(place, number)| {
        let Place { up, lives, runs } = place;
        let (state, what) = match up {
            true => (paint(GREEN, "up    "), format!("drives {runs:>3} runs")),
            false => (paint(RED, "KILLED"), format!("drove  {runs:>3} runs")),
        };
        format!("  replica {number}   {state}   {what}   life {lives:>2}  {}", "▪".repeat(*runs as usize))
    }));
    let done = (seen.conversations * BAR).checked_div(seen.planned).unwrap_or(BAR).min(BAR);
    let bar = format!("{}{}", "█".repeat(done), "░".repeat(BAR - done));
    let slowest = match seen.takeovers.iter().max() {
        Some(time) => format!(", none in more than {} ms", time.as_millis()),
        None => String::new(),
    };
    lines.extend([
        String::new(),
        format!("  conversations   {:>4} of {:<4}  {bar}", seen.conversations, seen.planned),
        format!(
            "  replies         {:>4}          {} cut off and continued by another replica",
            seen.answered, seen.continued
        ),
        format!(
            "  kills           {:>4}          {} runs taken over{slowest}",
            seen.kills,
            seen.takeovers.len()
        ),
    ]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            doing: "killing",
            planned: 120,
            conversations: 30,
            answered: 77,
            replicas: vec![Place { up: true, lives: 1, runs: 4 }, Place { up: false, lives: 2, runs: 5 }],
            ..Seen::default()
        }
    }

    #[test]
    fn a_line_says_it_all_without_escape_codes() {
        let line = line(&seen(), Duration::from_secs(12));
        assert!(
            line.starts_with(" 12.0 s  killing: replicas up killed; conversations 30/120, replies 77"),
            "{line}"
        );
        assert!(!line.contains('\x1b'));
    }

    #[test]
    fn a_drawing_keeps_its_height_and_is_plain_without_colour() {
        let plain = lines(&seen(), Duration::from_secs(12), false);
        assert!(plain.iter().all(|line| !line.contains('\x1b')));
        assert!(plain[3].contains("KILLED") && plain[3].ends_with("▪▪▪▪▪"), "{}", plain[3]);
        let begun = Seen { replicas: seen().replicas, ..Seen::default() };
        assert_eq!(lines(&begun, Duration::ZERO, true).len(), plain.len());
    }
}
