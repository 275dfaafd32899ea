//! Questions to the person at the terminal, and what happens when there is none.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
};

use zeroize::Zeroizing;

use crate::{
    base::secret::Secret,
    cli::{failure::Failure, output::Output},
};

/// Whether somebody is there: a program that runs us with pipes on both sides is nobody, even where it has a terminal.
pub(crate) fn somebody_is_there() -> bool {
    (io::stdin().is_terminal() || io::stderr().is_terminal()) && terminal().is_ok()
}

/// Whether a person types what standard input gives.
pub(crate) fn somebody_types() -> bool {
    io::stdin().is_terminal()
}

/// Asks without echo. What is typed is never empty.
pub(crate) fn secret(output: &Output, question: &str) -> Result<Secret, Failure> {
    typed(output, question).map(|mut text| Secret::from(std::mem::take(&mut *text)))
}

/// Asks without echo, twice, until both are the same.
pub(crate) fn new_secret(output: &Output, question: &str) -> Result<Secret, Failure> {
    loop {
        let mut text = typed(output, question)?;
        if *text == *typed(output, "Once more:")? {
            return Ok(Secret::from(std::mem::take(&mut *text)));
        }
        output.note("The passwords differ; please try again.");
    }
}

fn typed(output: &Output, question: &str) -> Result<Zeroizing<String>, Failure> {
    loop {
        let text = rpassword::prompt_password(format!("{question} ")).map_err(Failure::Terminal)?;
        if !text.is_empty() {
            return Ok(Zeroizing::new(text));
        }
        output.note("Nothing was typed; please try again.");
    }
}

/// Asks for a line of text.
pub(crate) fn line(output: &Output, question: &str) -> Result<String, Failure> {
    output.question(question);
    let mut answer = String::new();
    let read = if io::stdin().is_terminal() {
        io::stdin().lock().read_line(&mut answer)
    } else {
        terminal().and_then(|it| BufReader::new(it).read_line(&mut answer))
    };
    match read.map_err(Failure::Terminal)? {
        0 => Err(Failure::Terminal(io::ErrorKind::UnexpectedEof.into())),
        _ => Ok(answer.trim().to_owned()),
    }
}

/// Asks for confirmation. A program may answer through standard input; without an answer, `otherwise` says what to do.
pub(crate) fn confirm(output: &Output, question: &str, otherwise: &str) -> Result<bool, Failure> {
    output.question(format_args!("{question} [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer).map_err(Failure::Input)?;
    if !io::stdin().is_terminal() {
        // The person's own line end is missing on the screen.
        output.note("");
    }
    if read == 0 && !io::stdin().is_terminal() {
        return Err(Failure::usage("cannot ask for confirmation: not a terminal", otherwise));
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}

#[cfg(unix)]
fn terminal() -> io::Result<File> {
    File::open("/dev/tty")
}

#[cfg(windows)]
fn terminal() -> io::Result<File> {
    File::options().read(true).write(true).open("CONIN$")
}
