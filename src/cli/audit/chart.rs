//! Numbers with their names: a table for a program, with bars for a person.

/// The longest bar.
const WIDTH: u64 = 24;

/// Parts of a block, from one eighth on.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Names, then numbers, of which the first one is drawn.
pub(crate) struct Row {
    pub(crate) names: Vec<String>,
    pub(crate) counts: Vec<u64>,
}

/// Lines without a newline at the end. The columns are those of `header`.
pub(crate) fn chart(header: &[&str], rows: &[Row], bars: bool) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.names.iter().cloned().chain(row.counts.iter().map(u64::to_string)).collect())
        .collect();
    let width = |column: usize| {
        let widths = cells.iter().filter_map(|row| row.get(column)).map(|it| it.chars().count());
        widths.max().unwrap_or(0).max(header[column].len())
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let numbers = rows.first().map_or(1, |it| it.counts.len());
    let names = header.len() - numbers;
    let line = |cells: &[&str], bar: &str| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count().min(*width));
            let padded = if column < names { format!("{cell}{padding}") } else { format!("{padding}{cell}") };
            text.push_str(&padded);
            text.push_str("  ");
        }
        text.push_str(bar);
        text.trim_end().to_owned()
    };
    let most = rows.iter().filter_map(|it| it.counts.first()).max().copied().unwrap_or(0);
    let mut lines = vec![line(header, "")];
    for (row, cells) in rows.iter().zip(&cells) {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let drawn = row.counts.first().filter(|_| bars).map(|it| bar(*it, most));
        lines.push(line(&cells, &drawn.unwrap_or_default()));
    }
    lines.join("\n")
}

fn bar(count: u64, most: u64) -> String {
    let eighths = (u128::from(count) * u128::from(WIDTH) * 8).checked_div(u128::from(most)).unwrap_or(0);
    let whole = usize::try_from(eighths / 8).unwrap_or(0);
    let rest = usize::try_from(eighths % 8).unwrap_or(0);
    let mut bar = "█".repeat(whole);
    bar.extend(rest.checked_sub(1).and_then(|at| EIGHTHS.get(at)));
    if bar.is_empty() && count > 0 { EIGHTHS[0].to_string() } else { bar }
}

#[cfg(test)]
mod tests {
    use crate::cli::audit::chart::{Row, bar, chart};

    #[test]
    fn columns_are_aligned_and_bars_are_to_scale() {
        let row = |name: &str, count| Row { names: vec![name.to_owned()], counts: vec![count] };
        let rows = [row("a", 1200), row("longer", 6)];
        assert_eq!(chart(&["host", "requests"], &rows, false), "host    requests\na           1200\nlonger         6");
        let drawn = chart(&["host", "requests"], &rows, true);
        assert!(drawn.contains(&format!("1200  {}\n", "█".repeat(24))) && drawn.ends_with("6  ▏"), "{drawn}");
        assert_eq!(chart(&["host", "requests"], &[], true), "host  requests");
        assert_eq!((bar(1, 2), bar(0, 2), bar(0, 0)), ("█".repeat(12), String::new(), String::new()));
        assert_eq!(bar(u64::MAX, u64::MAX), "█".repeat(24));
        assert_eq!(bar(3, 64), "█▏");
    }
}
