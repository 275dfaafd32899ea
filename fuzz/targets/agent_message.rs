#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vultrino_fuzz::agent_message(bytes));
