//! `weir-bench`: benchmarks that print ratios against a named baseline, measured in the same run.
//!
//! Promises: whatever is compared ran on the same machine, in the same minute, in turns; numbers are medians of several rounds. Not promised: that another
//! machine prints the same numbers. Ratios travel better.

mod lane;
mod store;

use std::process::ExitCode;

const USAGE: &str = "usage: weir-bench store    what keeps records over kill -9: fjall against redb
       weir-bench lane     what the state directory costs a lane: against memory only";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["store"] => store::compare(),
        ["lane"] => lane::compare(),
        // What `store` starts and kills.
        [store::crash::CHILD, engine, dir] => store::crash::write_until_killed(engine, dir.as_ref()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
