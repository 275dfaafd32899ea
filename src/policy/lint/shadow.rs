//! Rules that never decide, because an earlier one does wherever they match.

use crate::policy::{
    lint::Kind,
    rule::Condition,
    set::{Evaluation, Policy},
};

pub(crate) fn find(policy: &Policy, add: &mut impl FnMut(Option<u16>, Kind, String)) {
    for (number, rule) in policy.numbered() {
        let earlier = policy.numbered().take(usize::from(number) - 1);
        let mut rivals = earlier.filter(|(_, it)| compete(policy, &it.condition, &rule.condition));
        if let Some((first, it)) = rivals.find(|(_, it)| covers(&it.condition, &rule.condition)) {
            let verb = if it.action == rule.action { "also says" } else { "says" };
            let message = format!("it never decides: wherever it matches, rule {first} does, and {verb} {}", it.action);
            add(Some(number), Kind::Shadowed, message);
        }
    }
}

/// Whether the first match of the two decides for the other.
fn compete(policy: &Policy, a: &Condition, b: &Condition) -> bool {
    let simple = |it: &Condition| matches!(it, Condition::UrlMatch(_) | Condition::MethodMatch(_));
    match policy.evaluation {
        Some(Evaluation::FirstMatch) => true,
        _ => (simple(b) && a.kind() == b.kind()) || (a.is_composite() && b.is_composite()),
    }
}

/// Whether `a` matches wherever `b` does. May say no where it could say yes, never the reverse.
fn covers(a: &Condition, b: &Condition) -> bool {
    let has_rate = |it: &Condition| it.any(&|it| matches!(it, Condition::RateLimit(_)));
    match (a, b) {
        // Each rate counts for itself: what one has used up says nothing of another.
        _ if has_rate(a) => false,
        _ if a == b => true,
        (Condition::UrlMatch(a), Condition::UrlMatch(b)) => a.covers(b),
        (Condition::MethodMatch(a), Condition::MethodMatch(b)) => a.covers(b),
        (_, Condition::Or(parts)) => parts.iter().all(|it| covers(a, it)),
        (Condition::And(parts), _) => parts.iter().all(|it| covers(it, b)),
        (Condition::Or(parts), _) if parts.iter().any(|it| covers(it, b)) => true,
        (_, Condition::And(parts)) => parts.iter().any(|it| covers(a, it)),
        (Condition::Not(a), Condition::Not(b)) => covers(b, a),
        _ => false,
    }
}
