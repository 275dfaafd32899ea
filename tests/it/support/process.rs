//! Running programs to their end, in bounded time, with all that they print.

use std::{
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// After this long a program that should have ended is killed, and its test fails.
const DEADLINE: Duration = Duration::from_mins(2);

/// The real binary.
pub(crate) const VULTRINO: &str = env!("CARGO_BIN_EXE_vultrino");

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// What it printed, if it succeeded.
    ///
    /// # Panics
    /// If it failed.
    #[track_caller]
    pub(crate) fn expect_success(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }
}

/// Runs a program with this input to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    run_for(DEADLINE, command, input)
}

/// The same, for one that may take so long.
#[track_caller]
pub(crate) fn run_for(deadline: Duration, command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A program that does not read its input has the right to.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let (stdout, stderr) = (Capture::of(child.stdout.take().unwrap()), Capture::of(child.stderr.take().unwrap()));
    let status = end_of(&mut child, deadline);
    let (stdout, stderr) = (stdout.finish(), stderr.finish());
    match status {
        Some(status) => Output { status, stdout, stderr },
        None => panic!("{command:?} did not end: {stdout}{stderr}"),
    }
}

fn end_of(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// Everything that comes out of a pipe, readable while it comes.
pub(crate) struct Capture {
    shared: Arc<(Mutex<Captured>, Condvar)>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    over: bool,
}

impl Capture {
    /// Reads a pipe to its end, in a thread of its own.
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::<(Mutex<Captured>, Condvar)>::default();
        let sink = shared.clone();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut captured = sink.0.lock().unwrap();
                captured.bytes.extend_from_slice(&buffer[..count]);
                captured.over = count == 0;
                sink.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self { shared, reader }
    }

    /// What came so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits for a line that begins with `start`; `None` when the pipe ends without one or patience does.
    pub(crate) fn line_after(&self, start: &str) -> Option<String> {
        let find = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let rest = &text[text.find(start)? + start.len()..];
            rest.split_once('\n').map(|(line, _)| line.trim_end().to_owned())
        };
        let guard = self.shared.0.lock().unwrap();
        let waiting = |captured: &mut Captured| find(&captured.bytes).is_none() && !captured.over;
        let (captured, _) = self.shared.1.wait_timeout_while(guard, DEADLINE, waiting).unwrap();
        find(&captured.bytes)
    }

    /// Waits for the whole line that begins at this byte; `None` when the pipe ends without it or patience does.
    pub(crate) fn line_at(&self, start: usize) -> Option<String> {
        let find = |bytes: &[u8]| {
            let rest = bytes.get(start..)?;
            let end = rest.iter().position(|it| *it == b'\n')?;
            Some(String::from_utf8(rest[..end].to_vec()).unwrap())
        };
        let guard = self.shared.0.lock().unwrap();
        let waiting = |captured: &mut Captured| find(&captured.bytes).is_none() && !captured.over;
        let (captured, _) = self.shared.1.wait_timeout_while(guard, DEADLINE, waiting).unwrap();
        find(&captured.bytes)
    }

    /// Whether the pipe has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.0.lock().unwrap().over
    }

    /// All of it, once the pipe has ended.
    pub(crate) fn finish(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }
}
