//! One row of the result: the medians of its rounds, by the figures of its kind.

use serde::Serialize;

use crate::measure::{Measured, ProxyUse};
use crate::memory::Memory;
use crate::report::median::{cores, median, median_of_all, micros};
use crate::row::{Kind, Row};
use crate::run::Figures;

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Requests(Requests),
    Transfers(Transfers),
    Memory(Waiting),
    Start(Start),
}

/// What all rows with traffic tell.
#[derive(Debug, Serialize)]
pub(crate) struct Traffic {
    row: String,
    proxy_peak_mib: Option<f64>,
    /// Time of a cache line between the proxy's core and the other one.
    core_to_core_ns: Option<f64>,
    /// How busy clients and origin were together, in cores.
    load_cores: f64,
    /// Clients and origin had no time left: the proxy could do more in this time.
    limited_by_load: bool,
    requests: u32,
    errors: u32,
    first_error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Requests {
    #[serde(flatten)]
    traffic: Traffic,
    at_once: u32,
    #[serde(rename = "requests_per_second")]
    per_second: f64,
    proxy_cpu_us_per_request: Option<f64>,
    p50_us: f64,
    p99_us: f64,
    /// Of the handshakes; none where connections are kept.
    resumed_share: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Transfers {
    #[serde(flatten)]
    traffic: Traffic,
    mib: f64,
    mib_per_second: f64,
    proxy_cpu_s_per_gib: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Waiting {
    row: String,
    connections: u32,
    before_mib: f64,
    open_mib: f64,
    kib_per_connection: f64,
    closed_mib: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Start {
    row: String,
    ms: f64,
}

impl Line {
    /// Of the same row in each round.
    pub(crate) fn of(row: Row, rounds: &[&Figures], pinned: bool) -> Self {
        let traffic: Vec<&Measured> = rounds.iter().filter_map(|it| it.traffic()).collect();
        let all = |figure: fn(&Figures) -> Option<f64>| median(rounds.iter().filter_map(|it| figure(it)));
        match row.kind() {
            Kind::Requests => Self::Requests(Requests::of(row, &traffic, pinned)),
            Kind::Transfers => Self::Transfers(Transfers::of(row, &traffic, pinned)),
            Kind::Memory => {
                let memory = rounds.iter().filter_map(|it| if let Figures::Memory(it) = it { Some(it) } else { None });
                Self::Memory(Waiting::of(row, &memory.collect::<Vec<_>>()))
            }
            Kind::Start => {
                let ms = all(|it| if let Figures::Start(time) = it { Some(micros(*time) / 1e3) } else { None });
                Self::Start(Start { row: row.name(), ms })
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Requests(_) => Kind::Requests,
            Self::Transfers(_) => Kind::Transfers,
            Self::Memory(_) => Kind::Memory,
            Self::Start(_) => Kind::Start,
        }
    }

    pub(crate) fn headings(&self) -> &'static [&'static str] {
        match self {
            Self::Requests(_) => &[
                "row",
                "at once",
                "requests/s",
                "proxy CPU µs/request",
                "p50 µs",
                "p99 µs",
                "resumed",
                "proxy peak MiB",
                "core to core ns",
            ],
            Self::Transfers(_) => &["row", "MiB", "MiB/s", "proxy CPU s/GiB", "proxy peak MiB", "core to core ns"],
            Self::Memory(_) => &["row", "connections", "before MiB", "open MiB", "KiB/connection", "closed MiB"],
            Self::Start(_) => &["row", "ms"],
        }
    }

    pub(crate) fn cells(&self) -> Vec<String> {
        match self {
            Self::Requests(it) => vec![
                it.traffic.row.clone(),
                it.at_once.to_string(),
                it.traffic.starred(it.per_second),
                perhaps(it.proxy_cpu_us_per_request, 1),
                format!("{:.0}", it.p50_us),
                format!("{:.0}", it.p99_us),
                perhaps(it.resumed_share, 2),
                perhaps(it.traffic.proxy_peak_mib, 1),
                perhaps(it.traffic.core_to_core_ns, 0),
            ],
            Self::Transfers(it) => vec![
                it.traffic.row.clone(),
                format!("{:.0}", it.mib),
                it.traffic.starred(it.mib_per_second),
                perhaps(it.proxy_cpu_s_per_gib, 2),
                perhaps(it.traffic.proxy_peak_mib, 1),
                perhaps(it.traffic.core_to_core_ns, 0),
            ],
            Self::Memory(it) => vec![
                it.row.clone(),
                it.connections.to_string(),
                format!("{:.1}", it.before_mib),
                format!("{:.1}", it.open_mib),
                format!("{:.1}", it.kib_per_connection),
                format!("{:.1}", it.closed_mib),
            ],
            Self::Start(it) => vec![it.row.clone(), format!("{:.0}", it.ms)],
        }
    }

    pub(crate) fn is_limited_by_load(&self) -> bool {
        self.traffic().is_some_and(|it| it.limited_by_load)
    }

    pub(crate) fn distance(&self) -> Option<f64> {
        self.traffic()?.core_to_core_ns
    }

    /// What went wrong, where a figure is told at all: the others end the run.
    pub(crate) fn failure(&self) -> Option<String> {
        let Traffic { row, requests, errors, first_error, .. } = self.traffic()?;
        match (errors, requests) {
            (0, 0) => Some(format!("{row}: no request at all")),
            (0, _) => None,
            _ => Some(format!("{row}: {errors} errors, the first: {}", first_error.as_deref().unwrap_or(""))),
        }
    }

    fn traffic(&self) -> Option<&Traffic> {
        match self {
            Self::Requests(it) => Some(&it.traffic),
            Self::Transfers(it) => Some(&it.traffic),
            Self::Memory(_) | Self::Start(_) => None,
        }
    }
}

impl Traffic {
    fn of(row: Row, rounds: &[&Measured], pinned: bool) -> Self {
        let load_cores = median(rounds.iter().map(|it| cores(it.load_cpu, it.wall)));
        Self {
            row: row.name(),
            proxy_peak_mib: of_proxy(rounds, |it, _| Some(f64::from(it.peak_kib) / 1024.0)),
            core_to_core_ns: median_of_all(rounds.iter().map(|it| it.distance.map(|it| micros(it) * 1e3))),
            load_cores,
            limited_by_load: pinned && load_cores > 0.95,
            requests: rounds.iter().map(|it| it.requests).min().unwrap_or(0),
            errors: rounds.iter().map(|it| it.errors).sum(),
            first_error: rounds.iter().find_map(|it| it.first_error.clone()),
        }
    }

    fn starred(&self, rate: f64) -> String {
        format!("{rate:.0}{}", if self.limited_by_load { "*" } else { "" })
    }
}

impl Requests {
    fn of(row: Row, rounds: &[&Measured], pinned: bool) -> Self {
        let of = |figure: fn(&Measured) -> f64| median(rounds.iter().map(|it| figure(it)));
        let resumes = matches!(row, Row::DirectResumed | Row::InterceptResumed);
        Self {
            traffic: Traffic::of(row, rounds, pinned),
            at_once: rounds.first().map_or(0, |it| it.clients),
            per_second: of(|it| f64::from(it.requests) / it.wall.as_secs_f64()),
            proxy_cpu_us_per_request: of_proxy(rounds, |it, measured| {
                (measured.requests > 0).then(|| micros(it.cpu) / f64::from(measured.requests))
            }),
            p50_us: of(|it| micros(it.p50)),
            p99_us: of(|it| micros(it.p99)),
            resumed_share: resumes.then(|| of(|it| f64::from(it.resumed) / f64::from(it.handshakes.max(1)))),
        }
    }
}

impl Transfers {
    fn of(row: Row, rounds: &[&Measured], pinned: bool) -> Self {
        Self {
            traffic: Traffic::of(row, rounds, pinned),
            mib: rounds.first().map_or(0.0, |it| mib(it, 1)),
            mib_per_second: median(rounds.iter().map(|it| mib(it, it.requests) / it.wall.as_secs_f64())),
            proxy_cpu_s_per_gib: of_proxy(rounds, |it, measured| {
                (measured.requests > 0).then(|| it.cpu.as_secs_f64() / (mib(measured, measured.requests) / 1024.0))
            }),
        }
    }
}

impl Waiting {
    fn of(row: Row, rounds: &[&Memory]) -> Self {
        let of = |figure: fn(&Memory) -> f64| median(rounds.iter().map(|it| figure(it)));
        Self {
            row: row.name(),
            connections: rounds.first().map_or(0, |it| it.connections),
            before_mib: of(|it| f64::from(it.before) / 1024.0),
            open_mib: of(|it| f64::from(it.open) / 1024.0),
            kib_per_connection: of(|it| (f64::from(it.open) - f64::from(it.before)) / f64::from(it.connections)),
            closed_mib: of(|it| f64::from(it.closed) / 1024.0),
        }
    }
}

fn of_proxy(rounds: &[&Measured], figure: fn(&ProxyUse, &Measured) -> Option<f64>) -> Option<f64> {
    median_of_all(rounds.iter().map(|it| figure(it.proxy.as_ref()?, it)))
}

/// What so many transfers moved.
fn mib(measured: &Measured, transfers: u32) -> f64 {
    f64::from(transfers) * f64::from(measured.mib)
}

fn perhaps(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |it| format!("{it:.digits$}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::measure::{Measured, ProxyUse};
    use crate::memory::Memory;
    use crate::report::line::Line;
    use crate::row::Row;
    use crate::run::Figures;

    fn measured(requests: u32, mib: u32) -> Measured {
        Measured {
            clients: 2,
            requests,
            mib,
            wall: Duration::from_secs(2),
            proxy: Some(ProxyUse { cpu: Duration::from_secs(1), peak_kib: 2048 }),
            load_cpu: Duration::from_secs(2),
            distance: None,
            others_cpu: Duration::ZERO,
            p50: Duration::from_micros(50),
            p99: Duration::from_micros(99),
            handshakes: 4,
            resumed: 3,
            errors: 0,
            first_error: None,
        }
    }

    fn cells(row: Row, rounds: &[Figures]) -> Vec<String> {
        let line = Line::of(row, &rounds.iter().collect::<Vec<_>>(), true);
        assert_eq!(line.cells().len(), line.headings().len(), "{row:?}");
        line.cells()
    }

    #[test]
    fn requests_are_told_by_second_and_by_cpu_time_of_one() {
        let rounds = [1000, 2000, 4000].map(|it| Figures::Traffic(measured(it, 0)));
        let expected = ["path", "2", "1000*", "500.0", "50", "99", "-", "2.0", "-"];
        assert_eq!(cells(Row::Path, &rounds), expected);
        assert_eq!(cells(Row::InterceptResumed, &rounds)[6], "0.75");
    }

    #[test]
    fn transfers_are_told_by_what_they_move() {
        let rounds = [Figures::Traffic(measured(64, 8))];
        assert_eq!(cells(Row::InterceptUp, &rounds), ["intercept-up", "8", "256*", "2.00", "2.0", "-"]);
    }

    #[test]
    fn memory_is_told_by_connection() {
        let memory = Memory { connections: 512, before: 10 << 10, open: 15 << 10, closed: 11 << 10 };
        let expected = ["idle", "512", "10.0", "15.0", "10.0", "11.0"];
        assert_eq!(cells(Row::Idle, &[Figures::Memory(memory)]), expected);
        assert_eq!(cells(Row::Start, &[Figures::Start(Duration::from_millis(48))]), ["start", "48"]);
    }

    #[test]
    fn a_row_without_a_request_or_with_an_error_has_failed() {
        let failure = |measured| Line::of(Row::Path, &[&Figures::Traffic(measured)], true).failure();
        assert_eq!(failure(measured(1, 0)), None);
        assert_eq!(failure(measured(0, 0)).as_deref(), Some("path: no request at all"));
        let wrong = Measured { errors: 2, first_error: Some("x".to_owned()), ..measured(1, 0) };
        assert_eq!(failure(wrong).as_deref(), Some("path: 2 errors, the first: x"));
    }
}
