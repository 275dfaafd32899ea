//! The memory for windows of HTTP/2: a caller that has used up its share gets small ones, and others do not notice.

use std::sync::mpsc;

use crate::{
    sharing::{of, on_one_core, two_callers},
    support::{
        Agent, Way,
        frames::{self, Frame, HEADERS, SETTINGS},
        wait::PATIENCE,
    },
};

/// `SETTINGS_INITIAL_WINDOW_SIZE` (RFC 9113 section 6.5.2).
const WINDOW: u16 = 4;

/// The window of each stream that these settings announce.
fn window(settings: &Frame) -> Option<u32> {
    let entries = settings.payload.as_chunks::<6>().0.iter();
    let mut entries = entries.map(|[a, b, value @ ..]| (u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value)));
    entries.find(|(name, _)| *name == WINDOW).map(|(_, value)| value)
}

#[test]
fn a_caller_with_all_of_its_share_gets_small_windows_and_others_get_large_ones() {
    let appliance = on_one_core(two_callers());
    let (sender, windows) = mpsc::channel();
    let origins: Vec<_> = (0..9)
        .map(|_| {
            let sender = sender.clone();
            frames::origin(move |visit| {
                visit.greet()?;
                let window = window(&visit.until(SETTINGS)?);
                visit.until(HEADERS)?;
                sender.send(window).unwrap();
                // The exchange stays open, and what it may use is in use.
                visit.drain();
                Ok(())
            })
        })
        .collect();
    let ask = |name: &str, at: usize| -> (Agent, Option<u32>) {
        let mut agent = of(name, &appliance, Way::Path, &origins[at]);
        let head = agent.head("GET", "/", &[("X-Vultrino-Credential", name)]);
        agent.send(head);
        (agent, windows.recv_timeout(PATIENCE).unwrap())
    };
    let (_held, of_ann): (Vec<Agent>, Vec<_>) = (0..9).map(|at| ask("ann", at)).unzip();
    let (ample, lean) = (Some(64 << 10), Some(32 << 10));
    assert_eq!(of_ann, [[ample; 8].as_slice(), &[lean]].concat());
    assert_eq!(ask("bob", 8).1, ample);
}
