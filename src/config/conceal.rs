//! Blanks secrets where other programs can read them of us: `/proc/PID/environ` and `/proc/PID/cmdline` (SECURITY C14, C15).
//!
//! Both files show the memory that the kernel filled at the start. Overwriting it through `/proc/self/mem` needs no
//! `unsafe`; removing a variable from the environment would leave the bytes where they are.

use std::io;

/// Commands whose arguments may hold a secret: all that follows them is blanked.
#[cfg(any(target_os = "linux", test))]
const TELLING: [&[u8]; 4] = [b"add", b"request", b"req", b"revoke"];

/// Overwrites the values of `variables` and the arguments of commands that may hold a secret. Call it after reading them.
#[cfg(target_os = "linux")]
pub(crate) fn conceal(variables: &[&str]) -> io::Result<()> {
    use std::{fs, os::unix::fs::FileExt};

    let stat = fs::read_to_string("/proc/self/stat")?;
    let [arg_start, arg_end, env_start, env_end] =
        blocks(&stat).ok_or_else(|| io::Error::other("/proc/self/stat has no start and end of the arguments"))?;
    let memory = fs::File::options().read(true).write(true).open("/proc/self/mem")?;
    let blank = |start: u64, end: u64, find: &dyn Fn(&[u8]) -> Vec<std::ops::Range<usize>>| {
        let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        let mut block = zeroize::Zeroizing::new(vec![0; length]);
        memory.read_exact_at(&mut block, start)?;
        find(&block).into_iter().try_for_each(|at| memory.write_all_at(&vec![0; at.len()], start + at.start as u64))
    };
    blank(arg_start, arg_end, &telling_arguments)?;
    blank(env_start, env_end, &|block| values_of(variables, block))
}

/// Other systems show the arguments and the environment to their owner and root only, or have no way to overwrite them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn conceal(_variables: &[&str]) -> io::Result<()> {
    Ok(())
}

/// `arg_start`, `arg_end`, `env_start`, `env_end`: the fields 48 to 51 of proc(5)'s stat.
#[cfg(any(target_os = "linux", test))]
fn blocks(stat: &str) -> Option<[u64; 4]> {
    // The second field is the program's name in brackets and may hold anything, brackets too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(48 - 3);
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?, next()?])
}

/// Where the values of the named variables lie in a block of `NAME=VALUE\0`.
#[cfg(any(target_os = "linux", test))]
fn values_of(names: &[&str], block: &[u8]) -> Vec<std::ops::Range<usize>> {
    strings(block)
        .filter_map(|at| {
            let equals = memchr::memchr(b'=', &block[at.clone()])?;
            let named = names.iter().any(|name| name.as_bytes() == &block[at.start..at.start + equals]);
            named.then_some(at.start + equals + 1..at.end)
        })
        .collect()
}

/// Where the arguments after a telling command lie in a block of `ARGUMENT\0`, from the first such word to the end.
#[cfg(any(target_os = "linux", test))]
fn telling_arguments(block: &[u8]) -> Vec<std::ops::Range<usize>> {
    strings(block).skip(1).skip_while(|at| !TELLING.contains(&&block[at.clone()])).skip(1).collect()
}

#[cfg(any(target_os = "linux", test))]
fn strings(block: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    block.split(|byte| *byte == 0).map(move |string| {
        let at = start..start + string.len();
        start = at.end + 1;
        at
    })
}

#[cfg(test)]
mod tests {
    use crate::config::conceal::{blocks, telling_arguments, values_of};

    fn blanked(block: &[u8], ranges: Vec<std::ops::Range<usize>>) -> String {
        let mut block = block.to_vec();
        for at in ranges {
            block[at].fill(b'.');
        }
        String::from_utf8(block).unwrap()
    }

    #[test]
    fn only_named_values_are_blanked() {
        let block = b"A=1\0SECRET=a=b c\0NOT_SECRET=x\0SECRET\0";
        assert_eq!(blanked(block, values_of(&["SECRET"], block)), "A=1\0SECRET=.....\0NOT_SECRET=x\0SECRET\0");
    }

    #[test]
    fn all_arguments_after_a_telling_command_are_blanked() {
        let block = b"/bin/vultrino\0-v\0add\0-k\0canary\0";
        assert_eq!(blanked(block, telling_arguments(block)), "/bin/vultrino\0-v\0add\0..\0......\0");
        let block = b"add\0serve\0--bind\0x\0";
        assert_eq!(blanked(block, telling_arguments(block)), "add\0serve\0--bind\0x\0");
    }

    #[test]
    fn a_program_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let rest: Vec<String> = (3..=52).map(|field: u64| field.to_string()).collect();
        assert_eq!(blocks(&format!("1 (a) b) {}", rest.join(" "))), Some([48, 49, 50, 51]));
        assert_eq!(blocks("1 (a) R 1 2"), None);
    }
}
