//! The only file that prints. Results go to standard output; everything said about them goes to standard error.

use std::{
    error::Error,
    fmt::Display,
    io::{self, IsTerminal, Stderr, Stdout, Write},
    process::ExitCode,
};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use miette::{GraphicalReportHandler, GraphicalTheme, ThemeCharacters, ThemeStyles};
use serde::Serialize;

use crate::{cli::failure::Failure, config::ConfigError, policy::Action};

/// A terminal that claims to have fewer columns than this knows nothing of itself.
const NARROWEST: u16 = 40;

/// The least that is readable of a column of longer texts.
const PROSE: u16 = 13;
/// Longer names in the first column may be broken.
const LONGEST_NAME: u16 = 20;
/// Where a line may be broken; has no width, and is never printed.
const BREAK: char = '\u{200b}';
const BREAKABLE_DOT: &str = ".\u{200b}";

/// Columns of a table that look different to a person.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Look {
    /// In bold and colour.
    pub(crate) stands_out: Option<usize>,
    /// Holds hosts: lines are broken behind dots.
    pub(crate) dotted: Option<usize>,
    /// Every column is as wide as its longest text; otherwise the last two may be broken into lines.
    pub(crate) rigid: bool,
}

/// How to print here and now.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the two streams")]
pub(crate) struct Output {
    results: Stdout,
    remarks: Stderr,
    /// Whether a person looks at standard output, rather than a program.
    framed: bool,
    colour: bool,
    colour_on_stderr: bool,
    /// Whether a program reads standard output as JSON.
    json: bool,
}

/// The answer to `--help`, `--version` and to arguments that cannot be read. The latter is JSON as well where `json` says so.
pub(crate) fn usage(answer: &clap::Error, json: bool) -> ExitCode {
    // A closed standard error leaves nobody to report to.
    answer.print().unwrap_or(());
    if json && answer.use_stderr() {
        let text = answer.render().to_string();
        let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        Output::new(true, true).problem("invalid_request", message);
    }
    ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2))
}

impl Output {
    pub(crate) fn new(no_color: bool, json: bool) -> Self {
        let framed = io::stdout().is_terminal();
        Self {
            results: io::stdout(),
            remarks: io::stderr(),
            framed,
            colour: framed && !no_color,
            colour_on_stderr: io::stderr().is_terminal() && !no_color,
            json,
        }
    }

    /// The columns that a person sees; `None` where no person looks, and on a terminal that does not say.
    pub(crate) fn width(&self) -> Option<u16> {
        Table::new().width().filter(|it| self.framed && *it >= NARROWEST)
    }

    /// Whether standard output shows colours.
    pub(crate) fn has_colour(&self) -> bool {
        self.colour
    }

    pub(crate) fn colour_on_stderr(&self) -> bool {
        self.colour_on_stderr
    }

    /// Whether a person looks at standard error.
    pub(crate) fn is_on_terminal(&self) -> bool {
        self.remarks.is_terminal()
    }

    /// One line of the result.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Failure> {
        self.raw(format!("{text}\n").as_bytes())
    }

    /// The result byte for byte.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = self.results.lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::Output)
    }

    /// The result for a program.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| Failure::Output(error.into()))?;
        text.push(b'\n');
        self.raw(&text)
    }

    /// Whether a person looks at standard output, rather than a program.
    pub(crate) fn is_framed(&self) -> bool {
        self.framed
    }

    /// The result in columns: framed for a person, aligned and nothing else for a program.
    pub(crate) fn table<const N: usize>(&self, header: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
        self.table_with(Look::default(), header, rows)
    }

    /// The same, with columns that look different to a person.
    pub(crate) fn table_with<const N: usize>(
        &self,
        look: Look,
        header: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), Failure> {
        let mut table = Table::new();
        let bold = |text: &str| {
            let cell = Cell::new(text);
            if self.colour { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        let cells = rows.iter().map(|row| {
            let cells = row.iter().enumerate();
            cells.map(|(at, text)| match Some(at) {
                it if it == look.stands_out && self.colour && !text.is_empty() => bold(text).fg(Color::Cyan),
                it if it == look.dotted && self.framed => Cell::new(text.replace('.', BREAKABLE_DOT)),
                _ => Cell::new(text),
            })
        });
        table.set_header(header.map(bold)).add_rows(cells);
        if self.framed {
            table.load_style(presets::UTF8_FULL_CONDENSED);
            if self.width().is_some() {
                // The last two columns hold what is long; the words before them stay whole.
                let mut widths = vec![ColumnConstraint::ContentWidth; N];
                if !look.rigid {
                    widths[N - 2..].fill(ColumnConstraint::LowerBoundary(Width::Fixed(PROSE)));
                }
                if rows.iter().any(|row| row[0].chars().count() > LONGEST_NAME.into()) {
                    widths[0] = ColumnConstraint::LowerBoundary(Width::Fixed(LONGEST_NAME));
                }
                if let Some(column) = look.dotted.and_then(|at| table.column_mut(at)) {
                    column.set_delimiter(BREAK);
                }
                table.set_content_arrangement(ContentArrangement::Dynamic).set_constraints(widths);
            }
        } else {
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
            for column in table.column_iter_mut() {
                column.set_padding((0, 2));
            }
        }
        self.line(table.trim_fmt().replace(BREAK, ""))
    }

    /// A verdict in a column of this width, so that a person sees at once which it is.
    pub(crate) fn verdict(&self, action: Action, width: usize) -> String {
        let colour = match action {
            Action::Allow => "32",
            Action::Deny => "31",
        };
        if self.colour { format!("\x1b[1;{colour}m{action:<width$}\x1b[0m") } else { format!("{action:<width$}") }
    }

    /// What a person should know besides the result.
    pub(crate) fn note(&self, text: impl Display) {
        self.tell(&format!("{text}\n"));
    }

    /// What a person should think about.
    pub(crate) fn warning(&self, text: impl Display) {
        self.tell(&format!("{}{text}\n", self.tag("warning", "33")));
    }

    /// A question; the answer is typed on the same line.
    pub(crate) fn question(&self, text: impl Display) {
        self.tell(&format!("{text} "));
    }

    /// Why it did not work, what lies behind that, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.is_quiet() {
            return;
        }
        if self.json && !failure.is_told() {
            self.problem(failure.code(), &failure.message());
            if self.framed {
                return;
            }
        }
        if let Failure::Config(ConfigError::Invalid(invalid)) = failure
            && invalid.has_place()
        {
            return self.report(&**invalid);
        }
        let mut lines = vec![format!("{}{failure}", self.tag("error", "31"))];
        let mut cause = failure.source();
        while let Some(it) = cause {
            lines.push(format!("  caused by: {it}"));
            cause = it.source();
        }
        lines.extend(failure.help().map(|help| format!("  help: {help}")));
        self.note(lines.join("\n"));
    }

    /// The failure as the HTTP API writes it, where the result would be.
    fn problem(&self, error: &str, message: &str) {
        // A closed standard output leaves nobody to report to.
        self.json(&serde_json::json!({ "error": error, "message": message })).unwrap_or(());
    }

    /// With the place in the file underlined.
    fn report(&self, diagnostic: &dyn miette::Diagnostic) {
        let styles = if self.colour_on_stderr { ThemeStyles::ansi() } else { ThemeStyles::none() };
        let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
        let mut text = format!("{}the configuration is not valid\n", self.tag("error", "31"));
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
        match handler.render_report(&mut text, diagnostic) {
            Ok(()) => self.tell(&text),
            Err(_) => self.tell(&format!("{text}{diagnostic}\n")),
        }
    }

    /// How far it has come, in place of what was said about that before; only for who watches.
    pub(crate) fn progress(&self, text: &str) {
        if self.remarks.is_terminal() {
            self.tell(&format!("\r\x1b[K{text}"));
        }
    }

    fn tell(&self, text: &str) {
        // When standard error is closed there is nobody to be told that.
        self.remarks.lock().write_all(text.as_bytes()).unwrap_or(());
    }

    fn tag(&self, word: &str, colour: &str) -> String {
        if self.colour_on_stderr { format!("\x1b[1;{colour}m{word}:\x1b[0m ") } else { format!("{word}: ") }
    }
}
