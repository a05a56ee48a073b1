//! Colours, where a terminal shows them.

use std::io::IsTerminal;

use clap::builder::styling::{AnsiColor, Style};

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A terminal reads.
    On,
    /// A file or a pipe reads, or the user asked for none.
    Off,
}

impl Colour {
    /// For what is written to standard output.
    pub fn of_stdout() -> Self {
        Self::wanted(std::io::stdout().is_terminal())
    }

    /// For what is written to standard error.
    pub fn of_stderr() -> Self {
        Self::wanted(std::io::stderr().is_terminal())
    }

    /// See <https://no-color.org>.
    fn wanted(is_terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !refused { Self::On } else { Self::Off }
    }

    /// The text in this style, padded to a width first, so that columns stay straight.
    pub fn paint(self, style: Style, text: &str, width: usize) -> String {
        match self {
            Self::On => format!("{style}{text:width$}{style:#}"),
            Self::Off => format!("{text:width$}"),
        }
    }

    /// A verdict's name in its colour.
    pub fn verdict(self, name: &str, width: usize) -> String {
        let colour = match name {
            "drop" | "block" => AnsiColor::Red,
            "forward" => AnsiColor::Green,
            "inspect" | "splice" => AnsiColor::Cyan,
            _ => AnsiColor::Yellow,
        };
        self.paint(colour.on_default(), name, width)
    }
}

/// Headings.
pub const STRONG: Style = Style::new().bold();
/// What the eye may skip.
pub const FAINT: Style = Style::new().dimmed();
/// What needs attention.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
