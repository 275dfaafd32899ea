//! Fenced blocks of a page, and what each is for by the words behind its language.

use std::fmt;

/// One fenced block.
pub(crate) struct Block {
    page: String,
    /// Where its first line stands, counted from 1.
    pub line: usize,
    pub info: String,
    pub text: String,
}

/// What becomes of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// `sh run`, `python run`, `js run`, `go run`, `java run`: it runs, in the page's one shell, and ends with this status.
    Run { program: Program, status: u8 },
    /// `sh run lines=4`: the same, again and again until it prints so many lines: what it looks at is written meanwhile.
    Again { lines: u8 },
    /// `sh serve`: it runs in the background; what follows waits until it listens.
    Serve,
    /// `sh make`: make takes every line, without doing anything.
    Make,
    /// `sh skip=REASON`: it is not run. It must still be sound for bash, and every `vultrino …` in it for the binary.
    Skip,
    /// `toml config`, `toml refused`: the binary takes it as its configuration, or does not.
    Config { good: bool },
    /// `text output`, `json output`: what the block before it prints. `…` is any text in a line, alone any lines.
    Output,
    /// `json servers`: a client of MCP is told so what to start or to ask. All that it names list their tools; `vk_…` in it is
    /// the page's `$KEY`.
    Servers,
    /// `yaml read`: it is YAML.
    Yaml,
    /// `promql read`: a question about metrics that there are; `metrics/described.rs` looks.
    Query,
    /// `nginx recipe`, `caddy recipe`: a configuration of theirs; `clients/reverse_proxies.rs` runs it.
    Recipe,
    /// `text figure`: a drawing.
    Figure,
}

/// What a block is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    Shell,
    Python,
    Node,
    /// `js run node=24`: the newer one.
    Node24,
    Go,
    Java,
    /// `sh run needs=keytool`: for the shell, where there is a Java.
    Keytool,
}

impl Block {
    pub(crate) fn purpose(&self) -> Result<Purpose, String> {
        let words: Vec<&str> = self.info.split(' ').collect();
        let run = |program| Ok(Purpose::Run { program, status: 0 });
        match *words {
            ["sh", "run"] => run(Program::Shell),
            ["sh", "run", status] if let Some(status) = status.strip_prefix("exit=").and_then(|it| it.parse().ok()) => {
                Ok(Purpose::Run { program: Program::Shell, status })
            }
            ["sh", "run", lines] if let Some(lines) = lines.strip_prefix("lines=").and_then(|it| it.parse().ok()) => {
                Ok(Purpose::Again { lines })
            }
            ["sh", "run", "needs=keytool"] => run(Program::Keytool),
            ["python", "run"] => run(Program::Python),
            ["js", "run"] => run(Program::Node),
            ["js", "run", "node=24"] => run(Program::Node24),
            ["go", "run"] => run(Program::Go),
            ["java", "run"] => run(Program::Java),
            ["sh", "serve"] => Ok(Purpose::Serve),
            ["sh", "make"] => Ok(Purpose::Make),
            ["sh", skip] if skip.strip_prefix("skip=").is_some_and(|it| !it.is_empty()) => Ok(Purpose::Skip),
            ["toml", "config"] => Ok(Purpose::Config { good: true }),
            ["toml", "refused"] => Ok(Purpose::Config { good: false }),
            ["text" | "json" | "toml", "output"] => Ok(Purpose::Output),
            ["json", "servers"] => Ok(Purpose::Servers),
            ["yaml", "read"] => Ok(Purpose::Yaml),
            ["promql", "read"] => Ok(Purpose::Query),
            ["nginx" | "caddy", "recipe"] => Ok(Purpose::Recipe),
            ["text", "figure"] => Ok(Purpose::Figure),
            _ => Err(format!("```{} does not say what it is for", self.info)),
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page, self.line)
    }
}

/// The blocks of a page.
///
/// # Panics
/// Where a block is not closed, or begins where it would be overlooked.
pub(crate) fn of(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let hidden = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        match line.strip_prefix("```") {
            Some(info) if !open => {
                open = true;
                let info = info.to_owned();
                blocks.push(Block { page: page.to_owned(), line: at + 2, info, text: String::new() });
            }
            Some("") => open = false,
            None if open => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            _ => assert!(!hidden, "{page}:{}: a block begins with ``` at the margin, after one has ended", at + 1),
        }
    }
    assert!(!open, "{page}: the last block is not closed");
    blocks
}

#[test]
fn a_block_without_a_purpose_is_noticed() {
    let page = "a\n```sh run\nls\n```\n\n```sh\nls\n```\n```toml refused\n```\n```sh skip=\n```\n";
    let blocks = of("p.md", page);
    let purposes: Vec<_> = blocks.iter().map(|it| it.purpose().ok()).collect();
    let run = Purpose::Run { program: Program::Shell, status: 0 };
    assert_eq!(purposes, [Some(run), None, Some(Purpose::Config { good: false }), None]);
    assert_eq!((blocks[1].to_string(), &*blocks[1].text), ("p.md:7".to_owned(), "ls\n"));
}
