//! See `bodies::settings`.
#![no_main]

use convex_doctor_fuzz as bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::settings(data));
