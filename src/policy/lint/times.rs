//! Windows that leave no time, tried out minute by minute.

use jiff::{SignedDuration, Timestamp};

use crate::policy::{
    lint::{Kind, each},
    rule::{Action, Condition},
    set::{Evaluation, Policy},
    window::TimeWindow,
};

/// Mondays at midnight, in winter and in summer (of either half of the world).
const WEEKS: [i64; 2] = [1_767_571_200, 1_783_296_000];
const MINUTES: i64 = 7 * 24 * 60;

/// Every minute of a week in winter and of one in summer.
pub(crate) fn minutes() -> impl Iterator<Item = Timestamp> {
    let start = |second| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    WEEKS.into_iter().flat_map(move |week| (0..MINUTES).map(move |it| start(week) + SignedDuration::from_mins(it)))
}

pub(crate) fn find(policy: &Policy, add: &mut impl FnMut(Option<u16>, Kind, String)) {
    if policy.evaluation != Some(Evaluation::FirstMatch) {
        let limits = policy.numbered().filter_map(|(number, rule)| match &rule.condition {
            Condition::TimeWindow(window) => Some((number, window, rule.action == Action::Allow)),
            _ => None,
        });
        let limits: Vec<_> = limits.collect();
        let windows: Vec<_> = limits.iter().map(|(_, window, wanted)| (*window, *wanted)).collect();
        if let Some((number, ..)) = limits.first()
            && never(&windows)
        {
            let message = "no time passes all windows of this policy; hours of which any is enough belong in one rule: \
                           or = [{ time_window = … }, { time_window = … }]";
            add(Some(*number), Kind::NeverMatches, message.to_owned());
        }
    }
    for (number, rule) in policy.numbered() {
        each(&rule.condition, &mut |condition| {
            if let Condition::And(parts) = condition
                && never(&parts.iter().filter_map(window).collect::<Vec<_>>())
            {
                let message = "no time is in all windows of its `and`";
                add(Some(number), Kind::NeverMatches, message.to_owned());
            }
        });
    }
}

/// A window, and whether the time has to be inside.
fn window(condition: &Condition) -> Option<(&TimeWindow, bool)> {
    match condition {
        Condition::TimeWindow(it) => Some((it, true)),
        Condition::Not(it) => window(it).map(|(window, wanted)| (window, !wanted)),
        _ => None,
    }
}

fn never(windows: &[(&TimeWindow, bool)]) -> bool {
    let passes = |now| windows.iter().all(|(window, wanted)| window.holds(now) == *wanted);
    !windows.is_empty() && !minutes().any(passes)
}
