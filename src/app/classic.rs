//! The classic text format of Prometheus, for scrapers that do not ask for `OpenMetrics`.

/// Writes a page of `OpenMetrics` in the classic format: a counter is called what its samples are called, there is no type
/// `info`, and no end is marked.
pub(crate) fn of_open_metrics(page: &str) -> String {
    let mut classic = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            // How it is called is known once its type is.
            help = described.split_once(' ').map(|(_, text)| text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            let help = help.take().unwrap_or_default();
            for part in ["# HELP ", name, ending, " ", help, "\n# TYPE ", name, ending, " ", kind, "\n"] {
                classic.push_str(part);
            }
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}
