//! The result as people and programs read it: tables on a terminal, tab-separated lines in a pipe, or JSON.

mod line;
mod median;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::measure::Measured;
use crate::options::Options;
use crate::origin::Seen;
use crate::pin::Pins;
use crate::report::line::Line;
use crate::report::median::{cores, median};
use crate::row::Kind;
use crate::run::Figures;

/// All that a run has to say.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    good: bool,
    seconds: f64,
    rounds: u32,
    /// The cores, or why there is no choice of cores.
    pinning: String,
    rows: Vec<Line>,
    /// How the requests reached the origin.
    authorization: Seen,
    /// Cores that other programs kept busy: the less, the more the figures are worth.
    others_cores: f64,
    #[serde(skip)]
    failures: Vec<String>,
}

/// Those that a program and a person find together.
const TABLES: [Kind; 4] = [Kind::Requests, Kind::Transfers, Kind::Memory, Kind::Start];

impl Report {
    pub(crate) fn new(options: &Options, pins: &Pins, rounds: &[Vec<Figures>], authorization: Seen) -> Self {
        let all: Vec<&Measured> = rounds.iter().flatten().filter_map(Figures::traffic).collect();
        let pinned = matches!(pins, Pins::Cores { .. });
        let rows = options.rows.iter().enumerate().map(|(at, row)| {
            let repeated: Vec<&Figures> = rounds.iter().map(|round| &round[at]).collect();
            Line::of(*row, &repeated, pinned)
        });
        let rows: Vec<Line> = rows.collect();
        let failures: Vec<String> = rows.iter().filter_map(Line::failure).collect();
        Self {
            good: authorization.only_right() && failures.is_empty(),
            seconds: options.seconds.as_secs_f64(),
            rounds: options.rounds,
            pinning: match pins {
                Pins::Cores { proxy, load } => format!("proxy on core {proxy}, clients and origin on core {load}"),
                Pins::Off(why) => format!("not pinned ({why})"),
            },
            rows,
            authorization,
            others_cores: median(all.iter().map(|it| cores(it.others_cpu, it.wall))),
            failures,
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.good
    }

    /// Results to stdout, remarks to stderr.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
        } else {
            let show = if out.is_terminal() { table } else { tabbed };
            let tables: Vec<String> = TABLES.into_iter().filter_map(|kind| self.lines(kind, show)).collect();
            writeln!(out, "{}", tables.join("\n\n"))?;
        }
        out.flush()?;
        io::stderr().write_all(self.remarks().as_bytes())
    }

    fn lines(&self, kind: Kind, show: fn(&[&str], &[Vec<String>]) -> String) -> Option<String> {
        let lines: Vec<&Line> = self.rows.iter().filter(|line| line.kind() == kind).collect();
        let cells: Vec<Vec<String>> = lines.iter().map(|line| line.cells()).collect();
        lines.first().map(|line| show(line.headings(), &cells))
    }

    fn remarks(&self) -> String {
        let mut text = format!(
            "{} s a row, {} round(s); {}; other programs used {:.2} cores\n",
            self.seconds, self.rounds, self.pinning, self.others_cores
        );
        let mut say = |line: &str| text.write_fmt(format_args!("{line}\n")).unwrap_or(());
        if self.rows.iter().any(Line::is_limited_by_load) {
            say("* clients and origin had no time left: the proxy could do more; compare its CPU time");
        }
        let mut distances: Vec<f64> = self.rows.iter().filter_map(Line::distance).collect();
        distances.sort_by(f64::total_cmp);
        if let [nearest, .., farthest] = distances[..]
            && farthest > nearest * 1.5
        {
            say(
                "! the two cores were moved nearer or farther meanwhile: compare only rows with the same time core to core",
            );
        }
        for failure in &self.failures {
            say(&format!("FAILED {failure}"));
        }
        let Seen { right, missing, wrong, repeated, leaked } = self.authorization;
        if !self.authorization.only_right() {
            say(&format!(
                "FAILED at the origin: Authorization missing {missing}, wrong {wrong}, repeated {repeated}; \
                 with a header that was the proxy's {leaked}; right {right}"
            ));
        }
        text
    }
}

impl Figures {
    fn traffic(&self) -> Option<&Measured> {
        if let Self::Traffic(measured) = self { Some(measured) } else { None }
    }
}

fn table(headings: &[&str], lines: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(headings);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    for line in lines {
        table.add_row(line);
    }
    table.to_string()
}

fn tabbed(headings: &[&str], lines: &[Vec<String>]) -> String {
    let lines = lines.iter().map(|line| line.join("\t"));
    std::iter::once(headings.join("\t")).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Says what is going on, to a person who waits.
pub(crate) fn progress(what: &str) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        // Nobody to tell: no reason to stop.
        drop(writeln!(err, "{what}"));
    }
}
