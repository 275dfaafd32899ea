//! Reads a callgrind profile: instructions by function.
//!
//! Only Rust functions count: ours, those of crates and of the standard library. The C library, the loader, aws-lc and
//! jemalloc are C and assembly; the first three pick code for the processor at hand, so their counts differ from machine
//! to machine.

use std::collections::BTreeMap;

/// Instructions that a process executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    /// In Rust functions, without their callees.
    pub rust: u64,
    /// In all other functions.
    pub other: u64,
}

/// Adds up the costs of all functions.
///
/// # Errors
/// If the profile has an unknown form, or its costs do not add up to the total that it states.
pub(crate) fn counted(profile: &str) -> Result<Counted, String> {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(profile.lines()) {
        reader.read(line).ok_or_else(|| format!("line {number} of the profile: {line:?}"))?;
    }
    let Reader { rust, other, total, .. } = reader;
    if total != Some(rust + other) {
        return Err(format!("{} instructions in functions, total {total:?}", rust + other));
    }
    Ok(Counted { rust, other })
}

#[derive(Default)]
struct Reader<'a> {
    /// Whether a function is Rust, by its number: its name is written only where it occurs first.
    is_rust: BTreeMap<&'a str, bool>,
    /// Whether the current function is.
    in_rust: bool,
    /// Set by `calls=`: the next line is the cost of the callee, which has lines of its own elsewhere.
    after_calls: bool,
    rust: u64,
    other: u64,
    total: Option<u64>,
}

impl<'a> Reader<'a> {
    /// `None` if the line has an unknown form.
    fn read(&mut self, line: &'a str) -> Option<()> {
        if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let count: u64 = line.split_once(' ')?.1.parse().ok()?;
            if !std::mem::take(&mut self.after_calls) {
                *(if self.in_rust { &mut self.rust } else { &mut self.other }) += count;
            }
        } else if let Some(name) = line.strip_prefix("fn=") {
            self.in_rust = self.function(name)?;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            self.function(name)?;
        } else if line.starts_with("calls=") {
            self.after_calls = true;
        } else if let Some(total) = line.strip_prefix("totals: ") {
            self.total = Some(total.trim().parse().ok()?);
        } else if let Some(events) = line.strip_prefix("events: ") {
            (events == "Ir").then_some(())?;
        } else if let Some(positions) = line.strip_prefix("positions: ") {
            (positions == "line").then_some(())?;
        }
        Some(())
    }

    /// Whether the function written as `(7) symbol`, or as `(7)` once the symbol is known, is Rust.
    fn function(&mut self, name: &'a str) -> Option<bool> {
        let (number, symbol) = name.strip_prefix('(')?.split_once(')')?;
        if let Some(symbol) = symbol.strip_prefix(' ') {
            self.is_rust.insert(number, is_rust(symbol));
        }
        self.is_rust.get(number).copied()
    }
}

/// Whether rustc made this symbol: `_R…`, or `_ZN…17h` with 16 hexadecimal digits and `E`.
fn is_rust(symbol: &str) -> bool {
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|it| it.is_ascii_hexdigit());
    let hash = symbol.strip_prefix("_ZN").and_then(|it| it.rsplit_once("17h")?.1.split_once('E'));
    symbol.starts_with("_R") || hash.is_some_and(|(hash, _)| is_hash(hash))
}

#[cfg(test)]
const PROFILE: &str = include_str!("profile.out");

#[test]
fn what_rust_functions_cost_is_added_up_without_what_they_call() {
    assert_eq!(counted(PROFILE), Ok(Counted { rust: 100 + 7 + 20 + 3 + 1000, other: 50_000 + 6 }));
}

#[test]
fn a_profile_that_does_not_add_up_is_refused() {
    let wrong = PROFILE.replace("totals: 51136", "totals: 51137");
    assert_eq!(counted(&wrong).unwrap_err(), "51136 instructions in functions, total Some(51137)");
    assert_eq!(counted("").unwrap_err(), "0 instructions in functions, total None");
    for (right, wrong, line) in [
        ("positions: line", "positions: instr line", "line 7 "),
        ("events: Ir", "events: Ir Dr", "line 8 "),
        ("+3 7\n", "+3 seven\n", "line 15 "),
        ("fn=(4)\n", "fn=(9)\n", "line 34 "),
    ] {
        let error = counted(&PROFILE.replace(right, wrong)).unwrap_err();
        assert!(error.starts_with(line), "{error}");
    }
}

#[test]
fn symbols_of_rust_are_told_from_those_of_c() {
    for symbol in [
        "_RNvMs_NtCsdeNgtMa1Atk_8vultrino5proxyNtB4_6Worker3run",
        "_RINvNtCs1_4core3ptr13drop_in_placeNtB2_4UnitE.llvm.123",
        "_ZN8vultrino5proxy6worker3run17h0123456789abcdefE",
        "_ZN4core3ptr17h0123456789abcdefE.llvm.4242",
        "_ZN5serde2de17h0123456789abcdefE'2",
    ] {
        assert!(is_rust(symbol), "{symbol}");
    }
    for symbol in ["malloc", "aws_lc_0_47_0_SHA256_Update", "_start", "0x1234", "_ZNSt6vectorE", "_ZN3one17habcE"] {
        assert!(!is_rust(symbol), "{symbol}");
    }
}
