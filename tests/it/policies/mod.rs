//! Policies say what they say they do: those in `policies/`, each beside its table of expected decisions, and those of
//! the documentation.

mod documented;
mod live;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use vultrino::{config::policies::read_file, policy::lint};

use crate::policies::table::Table;

fn ready_policies() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "toml"));
    files.sort();
    files
}

#[test]
fn each_ready_policy_decides_as_its_table_says() {
    let files = ready_policies();
    assert!(files.len() >= 5, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let table = file.with_extension("expect");
        let text = fs::read_to_string(&table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
        let policies = read_file(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        wrong.extend(Table::new(&policies).check(&table.display().to_string(), &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_in_a_ready_policy_is_hardly_meant() {
    for file in ready_policies() {
        assert_eq!(lint(&read_file(&file).unwrap()), [], "{}", file.display());
    }
}
