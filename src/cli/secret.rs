//! Secrets on the command line, on standard input, and asked for.

use std::{fmt, io};

use crate::{
    base::secret::Secret,
    cli::{ask, context::Context, failure::Failure, output::Output},
    config::password::read_secret,
};

/// The value of an option such as `--key`: `-` is standard input.
#[derive(Clone)]
pub(crate) struct SecretArgument(String);

impl From<String> for SecretArgument {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl SecretArgument {
    /// Whether standard input is meant.
    pub(crate) fn is_stdin(&self) -> bool {
        self.0 == "-"
    }

    /// Warns if the value itself is on the command line.
    pub(crate) fn warn(&self, option: &str, output: &Output) {
        if !self.is_stdin() {
            output.warning(format_args!(
                "a value after {option} stays in the shell's history, and other programs could see it for a moment; \
                 `{option} -` reads it from standard input"
            ));
        }
    }
}

/// Takes the value of `option`, or asks `question` when it was not given.
pub(crate) fn given_or_asked(
    given: Option<SecretArgument>,
    option: &str,
    question: &str,
    context: &Context,
) -> Result<Secret, Failure> {
    match given {
        Some(it) if it.is_stdin() => from_stdin(option),
        Some(it) => Ok(Secret::from(it.0)),
        None if ask::somebody_is_there() => ask::secret(&context.output, question),
        None => Err(Failure::usage(
            format!("{option} is missing, and there is no terminal to ask on"),
            format!("give {option} VALUE, or {option} - and the value on standard input"),
        )),
    }
}

/// Reads standard input to its end, without one line end there.
pub(crate) fn from_stdin(option: &str) -> Result<Secret, Failure> {
    let secret = read_secret(io::stdin().lock()).map_err(Failure::Input)?;
    match secret {
        Some(it) if !it.is_empty() => Ok(it),
        Some(_) => Err(Failure::usage(
            format!("standard input is empty, and {option} wants its value from there"),
            format!("pipe the value in: printf %s \"$VALUE\" | vultrino … {option}"),
        )),
        None => Err(Failure::usage("standard input is too long for a secret (64 KiB)", "pipe in the value alone")),
    }
}
