//! The result as people and programs read it: a table on a terminal, tab-separated lines in a pipe, or JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::measure::{Measured, ProxyUse};
use crate::options::Options;
use crate::origin::Seen;
use crate::pin::Pins;
use crate::row::Row;

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
}

#[derive(Debug, Serialize)]
struct Line {
    row: String,
    connections: u32,
    requests_per_second: f64,
    proxy_cpu_us_per_request: Option<f64>,
    p50_us: f64,
    p99_us: f64,
    proxy_peak_mib: Option<f64>,
    /// Time of a cache line between the proxy's core and the other one.
    core_to_core_ns: Option<f64>,
    /// How busy clients and origin were together, in cores.
    load_cores: f64,
    /// Clients and origin had no time left: the proxy could serve more than `requests_per_second`.
    limited_by_load: bool,
    errors: u32,
    first_error: Option<String>,
}

const HEADINGS: [&str; 8] = [
    "row",
    "connections",
    "requests/s",
    "proxy CPU µs/request",
    "p50 µs",
    "p99 µs",
    "proxy peak MiB",
    "core to core ns",
];

impl Report {
    pub(crate) fn new(options: &Options, pins: &Pins, rounds: &[Vec<Measured>], authorization: Seen) -> Self {
        let all: Vec<&Measured> = rounds.iter().flatten().collect();
        let pinned = matches!(pins, Pins::Cores { .. });
        let line = |(at, row): (usize, &Row)| {
            let repeated: Vec<&Measured> = rounds.iter().map(|round| &round[at]).collect();
            Line::of(*row, &repeated, pinned)
        };
        let rows: Vec<Line> = options.rows.iter().enumerate().map(line).collect();
        Self {
            good: authorization.only_right() && all.iter().all(|it| it.errors == 0 && it.requests > 0),
            seconds: options.seconds.as_secs_f64(),
            rounds: options.rounds,
            pinning: match pins {
                Pins::Cores { proxy, load } => format!("proxy on core {proxy}, clients and origin on core {load}"),
                Pins::Off(why) => format!("not pinned ({why})"),
            },
            rows,
            authorization,
            others_cores: median(all.iter().map(|it| cores(it.others_cpu, it.wall))),
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
        } else if out.is_terminal() {
            writeln!(out, "{}", self.table())?;
        } else {
            writeln!(out, "{}", HEADINGS.join("\t"))?;
            for line in &self.rows {
                writeln!(out, "{}", line.cells().join("\t"))?;
            }
        }
        out.flush()?;
        io::stderr().write_all(self.remarks().as_bytes())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(HEADINGS);
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        for line in &self.rows {
            table.add_row(line.cells());
        }
        table
    }

    fn remarks(&self) -> String {
        let mut text = format!(
            "{} s a row, {} round(s); {}; other programs used {:.2} cores\n",
            self.seconds, self.rounds, self.pinning, self.others_cores
        );
        let mut say = |line: &str| text.write_fmt(format_args!("{line}\n")).unwrap_or(());
        if self.rows.iter().any(|line| line.limited_by_load) {
            say("* clients and origin had no time left: the proxy could do more; compare its CPU time");
        }
        let mut distances: Vec<f64> = self.rows.iter().filter_map(|line| line.core_to_core_ns).collect();
        distances.sort_by(f64::total_cmp);
        if let [nearest, .., farthest] = distances[..]
            && farthest > nearest * 1.5
        {
            say(
                "! the two cores were moved nearer or farther meanwhile: compare only rows with the same time core to core",
            );
        }
        for line in self.rows.iter().filter(|line| line.errors > 0) {
            let first = line.first_error.as_deref().unwrap_or("");
            say(&format!("FAILED {}: {} errors, the first: {first}", line.row, line.errors));
        }
        let Seen { right, missing, wrong, repeated, leaked } = self.authorization;
        if !self.authorization.only_right() {
            say(&format!(
                "FAILED at the origin: Authorization missing {missing}, wrong {wrong}, repeated {repeated}; \
                 with a header that was the proxy's {leaked}; right {right}"
            ));
        } else if !self.good && self.rows.iter().all(|line| line.errors == 0) {
            say("FAILED: a row had no request at all");
        }
        text
    }
}

impl Line {
    fn of(row: Row, rounds: &[&Measured], pinned: bool) -> Self {
        let of = |figure: fn(&Measured) -> f64| median(rounds.iter().map(|it| figure(it)));
        let of_proxy = |figure: fn(&ProxyUse, u32) -> Option<f64>| {
            let all: Option<Vec<f64>> = rounds.iter().map(|it| figure(it.proxy.as_ref()?, it.requests)).collect();
            all.map(|figures| median(figures.into_iter()))
        };
        let load_cores = of(|it| cores(it.load_cpu, it.wall));
        Self {
            row: row.name(),
            connections: rounds.first().map_or(0, |it| it.connections),
            requests_per_second: of(|it| f64::from(it.requests) / it.wall.as_secs_f64()),
            proxy_cpu_us_per_request: of_proxy(|it, requests| {
                (requests > 0).then(|| micros(it.cpu) / f64::from(requests))
            }),
            p50_us: of(|it| micros(it.p50)),
            p99_us: of(|it| micros(it.p99)),
            proxy_peak_mib: of_proxy(|it, _| Some(f64::from(it.peak_kib) / 1024.0)),
            core_to_core_ns: rounds
                .iter()
                .map(|it| it.distance)
                .collect::<Option<Vec<_>>>()
                .map(|distances| median(distances.iter().map(|it| micros(*it) * 1e3))),
            load_cores,
            limited_by_load: pinned && load_cores > 0.95,
            errors: rounds.iter().map(|it| it.errors).sum(),
            first_error: rounds.iter().find_map(|it| it.first_error.clone()),
        }
    }

    fn cells(&self) -> [String; HEADINGS.len()] {
        let perhaps =
            |figure: Option<f64>, digits| figure.map_or_else(|| "-".to_owned(), |it| format!("{it:.digits$}"));
        [
            self.row.clone(),
            self.connections.to_string(),
            format!("{:.0}{}", self.requests_per_second, if self.limited_by_load { "*" } else { "" }),
            perhaps(self.proxy_cpu_us_per_request, 1),
            format!("{:.0}", self.p50_us),
            format!("{:.0}", self.p99_us),
            perhaps(self.proxy_peak_mib, 1),
            perhaps(self.core_to_core_ns, 0),
        ]
    }
}

/// Says what is going on, to a person who waits.
pub(crate) fn progress(what: &str) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        // Nobody to tell: no reason to stop.
        drop(writeln!(err, "{what}"));
    }
}

fn cores(cpu: Duration, wall: Duration) -> f64 {
    cpu.as_secs_f64() / wall.as_secs_f64()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(upper), 0) => f64::midpoint(*upper, sorted[middle - 1]),
        (Some(only), _) => *only,
    }
}
