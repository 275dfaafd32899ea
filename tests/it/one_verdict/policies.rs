//! Policies and requests by the dice: the same ones on every run.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// Dice whose throws are always the same (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % count
    }

    /// One of these.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Where requests go.
pub(crate) struct Hosts {
    /// `localhost` and `127.0.0.1`, at two ports.
    pub authorities: Vec<String>,
    pub ports: [u16; 2],
}

/// For several credentials; most policies are for one or two.
const PATTERNS: &[&str] = &["c0*", "c*2", "c{0,1}{3,4,5}", "{c00,c07,c11}", "c*6", "*7", "*8", "c1{2,8}", "*"];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a//b",
    "/%61/b",
    "/a%2Fb",
    "/a%2fb",
    "/A/b",
    "/a/b/c",
    "/b/x",
    "/c/d/e/f",
    "/a/%7Euser",
    "/a/~user",
    "/b/x;y=1",
    "/a/b:c",
    "/d%20e",
    "/a/b/delete",
];
const PATH_PATTERNS: &[&str] = &[
    "/*",
    "/*",
    "/*",
    "/a*",
    "/a/*",
    "/a/b",
    "/{a,b}/*",
    "/*/b",
    "/a/b*",
    "/*delete",
    "/%61/*",
    "/a%2Fb",
    "/*?x=*",
    "/*?*y=2*",
    "/a/~user*",
    "/b/x;y=1",
    "",
];
const QUERIES: &[&str] = &["", "x=1&", "y=2&", "x=1&y=2&", "x=a%20b&", "z&"];
const METHODS: &[&str] = &["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const METHOD_LISTS: &[&str] = &[
    "\"GET\", \"HEAD\"",
    "\"get\", \"post\"",
    "\"POST\", \"PUT\", \"PATCH\", \"DELETE\"",
    "\"GET\"",
    "\"DELETE\"",
    "\"OPTIONS\", \"PATCH\"",
];

/// How many credentials there are, `c00` and so on.
pub(crate) const CREDENTIALS: usize = 20;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub credential: String,
    pub method: String,
    /// Index into [`Hosts::authorities`].
    pub host: usize,
    /// With a query that holds its [`mark`].
    pub path: String,
}

/// What stands in the query of request `at`, and in no other.
pub(crate) fn mark(at: usize) -> String {
    format!("n{at}=")
}

pub(crate) fn request(dice: &mut Dice, hosts: &Hosts, at: usize) -> Request {
    Request {
        credential: format!("c{:02}", dice.below(CREDENTIALS)),
        method: (*dice.one(METHODS)).to_owned(),
        host: dice.below(hosts.authorities.len()),
        path: format!("{}?{}{}1", dice.one(PATHS), dice.one(QUERIES), mark(at)),
    }
}

/// So many policies as a configuration holds them.
pub(crate) fn policies(dice: &mut Dice, hosts: &Hosts, count: usize) -> String {
    let mut toml = String::new();
    for at in 0..count {
        let (one, other) = (dice.below(CREDENTIALS), dice.below(CREDENTIALS));
        let pattern = match dice.below(4) {
            0 => (*dice.one(PATTERNS)).to_owned(),
            1 => format!("{{c{one:02},c{other:02}}}"),
            _ => format!("c{one:02}"),
        };
        let default = if dice.below(2) == 0 { "deny" } else { "allow" };
        writeln!(
            toml,
            "[[policies]]\nname = \"p{at}\"\ncredential_pattern = \"{pattern}\"\ndefault_action = \"{default}\""
        )
        .unwrap();
        if dice.below(4) == 0 {
            writeln!(toml, "evaluation = \"{}\"", dice.one(&["first_match", "per_dimension"])).unwrap();
        }
        for _ in 0..=dice.below(4) {
            let action = if dice.below(3) == 0 { "deny" } else { "allow" };
            writeln!(toml, "[[policies.rules]]\ncondition = {}\naction = \"{action}\"", condition(dice, hosts, 0))
                .unwrap();
        }
    }
    toml
}

fn condition(dice: &mut Dice, hosts: &Hosts, depth: usize) -> String {
    let kinds = if depth < 3 { 12 } else { 8 };
    match dice.below(kinds) {
        0..4 => format!("{{ url_match = \"https://{}{}\" }}", host(dice, hosts), dice.one(PATH_PATTERNS)),
        4..6 => format!("{{ method_match = [{}] }}", dice.one(METHOD_LISTS)),
        6 => window(dice),
        // Always with room: here no request counts twice what it counts once.
        7 => "{ rate_limit = { max = 1000000, window_secs = 60 } }".to_owned(),
        8 => format!("{{ not = {} }}", condition(dice, hosts, depth + 1)),
        kind => {
            let parts: Vec<String> = (0..=dice.below(3)).map(|_| condition(dice, hosts, depth + 1)).collect();
            format!("{{ {} = [{}] }}", if kind < 11 { "and" } else { "or" }, parts.join(", "))
        }
    }
}

fn host(dice: &mut Dice, hosts: &Hosts) -> String {
    match dice.below(6) {
        0..3 => "localhost:*".to_owned(),
        3 => "l*t:*".to_owned(),
        4 => format!("localhost:{}", dice.one(&hosts.ports)),
        _ => "127.0.0.1:*".to_owned(),
    }
}

/// One that holds for hours yet, or will not hold for hours.
fn window(dice: &mut Dice) -> String {
    let (from, to) = *dice.one(&[(-3, 4), (-3, 4), (4, 8), (-8, -4)]);
    let hour = |shift: i64| {
        let at = Timestamp::now().checked_add(shift.hours()).unwrap();
        at.to_zoned(TimeZone::UTC).strftime("%H:00").to_string()
    };
    format!("{{ time_window = {{ start = \"{}\", end = \"{}\", tz = \"UTC\" }} }}", hour(from), hour(to))
}
