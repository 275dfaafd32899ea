//! Names, meanings and labels of all metrics, in the order in which they are shown. Labels come from fixed lists.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{
    app::{process::Process, scrape::Numbers},
    exchange::{
        Refusal,
        metrics::{AUTHENTICATIONS, DOORS, LIMITS, OUTCOMES, STAGES, Sums},
    },
};

/// The numbers at one moment, to be written down once.
#[derive(Debug)]
pub(crate) struct Exposition(pub(crate) Numbers);

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let numbers = &self.0;
        exchanges(&mut page, &numbers.exchanges)?;
        connections(&mut page, numbers)?;
        audit(&mut page, numbers)?;
        state(&mut page, numbers)?;
        process(&mut page, numbers)
    }
}

fn exchanges(page: &mut Page<'_>, sums: &Sums) -> fmt::Result {
    let mut requests = page.begin("vultrino_requests", "Requests that have ended", MetricType::Counter)?;
    for (door, counts) in DOORS.iter().zip(&sums.requests) {
        for (outcome, count) in OUTCOMES.iter().zip(counts) {
            count_of(&mut requests.encode_family(&[("door", *door), ("outcome", *outcome)])?, count)?;
        }
    }
    let help = "Time to the permit, from there to the head of the answer, and to the end";
    let mut stages = page.begin("vultrino_request_duration_seconds", help, MetricType::Histogram)?;
    for (stage, lengths) in STAGES.iter().zip(&sums.stages) {
        let (labels, buckets) = ([("stage", *stage)], lengths.buckets().collect::<Vec<_>>());
        let mut stage = stages.encode_family(&labels)?;
        stage.encode_histogram::<NoLabelSet>(lengths.sum().as_secs_f64(), lengths.count(), &buckets, None)?;
    }
    page.counter("vultrino_upload_bytes", "Bytes of bodies of requests that have ended", sums.bytes_up)?;
    page.counter("vultrino_download_bytes", "Bytes of bodies of their answers", sums.bytes_down)?;
    page.counters("vultrino_refusals", "Requests refused", "code", &Refusal::CODES, &sums.refusals)?;
    page.counter("vultrino_policy_denials", "Requests that a policy denied", sums.policy_denials)?;
    page.counters("vultrino_rate_denials", "Requests that came too soon", "limit", &LIMITS, &sums.rate_denials)?;
    let help = "API keys that were looked at, and those that lacked";
    page.counters("vultrino_authentications", help, "result", &AUTHENTICATIONS, &sums.authentications)
}

fn connections(page: &mut Page<'_>, numbers: &Numbers) -> fmt::Result {
    page.gauge("vultrino_requests_in_flight", "Requests not answered to the end", numbers.requests)?;
    page.gauge("vultrino_client_connections", "Open connections of clients", numbers.clients)?;
    page.gauge("vultrino_tunnels", "Those of them that are tunnels", numbers.tunnels)?;
    let upstream = &numbers.connections;
    let help = "Open connections to origin servers that wait for a request";
    page.gauge("vultrino_upstream_idle_connections", help, upstream.idle)?;
    page.counter("vultrino_upstream_dials", "Attempts to connect to an origin server", upstream.dials)?;
    page.counter("vultrino_upstream_failed_dials", "Those of them that failed", upstream.failed_dials)?;
    page.counter("vultrino_upstream_reuses", "Requests over a connection that had waited", upstream.reuses)?;
    let leaves = &numbers.leaves;
    page.gauge("vultrino_leaf_cache_hosts", "Hosts whose certificate is kept", leaves.hosts)?;
    page.counter("vultrino_leaf_cache_hits", "Handshakes that found a certificate", leaves.hits)?;
    page.counter("vultrino_leaf_cache_misses", "Handshakes for which one was made", leaves.misses)
}

fn audit(page: &mut Page<'_>, numbers: &Numbers) -> fmt::Result {
    let audit = &numbers.audit;
    page.gauge("vultrino_audit_slots", "Records that can be open or unwritten at once", audit.slots)?;
    page.gauge("vultrino_audit_slots_used", "Records that are open or unwritten", audit.used)?;
    page.gauge("vultrino_audit_lines_waiting", "Lines not yet in the audit log", audit.waiting)?;
    page.counter("vultrino_audit_lines", "Lines written to the audit log", audit.written)?;
    page.gauge("vultrino_audit_failing", "1 while the audit log cannot be written", u64::from(numbers.is_failing))
}

fn state(page: &mut Page<'_>, numbers: &Numbers) -> fmt::Result {
    page.gauge("vultrino_store_revision", "Revision of the store in force", numbers.revision)?;
    page.gauge("vultrino_snapshot_generation", "Generation of all that is in force", numbers.generation)?;
    let help = "0 while the configuration cannot be taken as it is now";
    page.gauge("vultrino_config_ok", help, u64::from(numbers.config_ok))?;
    page.gauge("vultrino_store_ok", "0 while the store cannot be read", u64::from(numbers.store_ok))?;
    let mut build = page.begin("vultrino_build", "What runs", MetricType::Info)?;
    build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
}

fn process(page: &mut Page<'_>, numbers: &Numbers) -> fmt::Result {
    let started = numbers.started.as_duration().as_secs_f64();
    let help = "When it started, since 1970";
    page.begin("process_start_time_seconds", help, MetricType::Gauge)?.encode_gauge(&started)?;
    let Process { resident, descriptors, most_descriptors } = Process::now();
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use", resident),
        ("process_open_fds", "Open files and sockets", descriptors),
        ("process_max_fds", "Files and sockets that may be open", most_descriptors),
    ] {
        if let Some(value) = value {
            page.gauge(name, help, value)?;
        }
    }
    Ok(())
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn begin<'a>(&'a mut self, name: &'a str, help: &str, kind: MetricType) -> Result<MetricEncoder<'a>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.begin(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        count_of(&mut self.begin(name, help, MetricType::Counter)?, &value)
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[&str], counts: &[u64]) -> fmt::Result {
        let mut family = self.begin(name, help, MetricType::Counter)?;
        for (value, count) in values.iter().zip(counts) {
            count_of(&mut family.encode_family(&[(label, *value)])?, count)?;
        }
        Ok(())
    }
}

fn count_of(metric: &mut MetricEncoder<'_>, count: &impl EncodeCounterValue) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, u64>(count, None)
}
