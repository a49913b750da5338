//! Gets the platforms' own servers that tests publish to, and starts each once:
//!
//! ```sh
//! cargo run -p sandbox --example real_servers
//! ```
//!
//! Ends with 0 where they run, with 75 and the reason where this machine cannot have them, and with 1 where something is wrong.

use std::process::ExitCode;
use std::time::Instant;

use sandbox::servers::{SandboxError, pds::Pds, snac::Snac};

/// `EX_TEMPFAIL` of sysexits.h.
const CANNOT_BE_HAD: u8 = 75;

#[tokio::main]
async fn main() -> ExitCode {
    let begin = Instant::now();
    let pds = Pds::start().await.map(|pds| report("Bluesky's PDS", pds.pid(), begin));
    let begin = Instant::now();
    let snac = Snac::start().await.map(|snac| report("snac", snac.pid(), begin));
    let mut code = 0;
    for error in [pds.err(), snac.err()].into_iter().flatten() {
        println!("{error}");
        let missing = matches!(
            error,
            SandboxError::UnsupportedPlatform { .. } | SandboxError::MissingClient { .. } | SandboxError::ClientFailed { .. }
        );
        // One that is broken says more than one that is missing.
        code = if missing && code != 1 { CANNOT_BE_HAD } else { 1 };
    }
    ExitCode::from(code)
}

fn report(name: &str, pid: u32, begin: Instant) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim();
    println!("{name} runs, ready after {} ms with all that it took; resident: {resident}", begin.elapsed().as_millis());
}
