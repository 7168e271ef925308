//! Running a language's tools: their words are shown while they work, and kept only as long as an error may need them.

use crate::BuildError;
use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

/// How many lines of a failed run are shown.
const LAST_WORDS: usize = 60;
/// How much of standard output is kept: what a tool answers, not what it says. cargo's is some kilobytes a crate.
const ANSWER_BYTES: u64 = 64 << 20;

/// Runs a command and answers with its standard output. What it says on standard error goes to `say` line by line; with `chatty`, so
/// does its standard output, and the answer is empty.
pub(crate) fn run(command: &mut Command, chatty: bool, say: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let shown = shown(command);
    let fails = |source| BuildError::Start { command: shown.clone(), source };
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(fails)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut words = VecDeque::with_capacity(LAST_WORDS);
    let mut answer = Vec::new();
    // Both pipes are emptied at once, or a tool that fills one would wait for ever. A line waits for its reader: at most one each.
    thread::scope(|scope| {
        let (send, lines) = mpsc::sync_channel::<String>(1);
        let also = send.clone();
        if let Some(stderr) = stderr {
            scope.spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        let answer = &mut answer;
        if let Some(stdout) = stdout {
            scope.spawn(move || {
                if chatty {
                    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                        let _ = also.send(line);
                    }
                } else {
                    // What is cut off is missed by whoever reads the answer, and said there.
                    let _ = stdout.take(ANSWER_BYTES).read_to_end(answer);
                }
            });
        }
        for line in lines {
            say(line.trim());
            if words.len() == LAST_WORDS {
                words.pop_front();
            }
            words.push_back(line);
        }
    });
    let ended = child.wait().map_err(fails)?;
    if ended.success() {
        return Ok(answer);
    }
    Err(BuildError::Failed { command: shown, words: Vec::from(words).join("\n") })
}

/// What a command says of itself, trimmed; nothing if it cannot be run or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let ended = command.stdin(Stdio::null()).output().ok().filter(|ended| ended.status.success())?;
    Some(String::from_utf8_lossy(&ended.stdout).trim().to_owned())
}

/// A command as one could type it, nearly.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_said_is_shown_and_what_is_answered_is_kept() {
        let mut said = Vec::new();
        let answer = run(&mut shell("echo answer; echo words >&2"), false, &mut |line| said.push(line.to_owned()));
        assert_eq!(answer.expect("it ends well"), b"answer\n");
        assert_eq!(said, ["words"]);
    }

    #[test]
    fn a_failure_has_the_last_words_of_both_streams() {
        let failed = run(&mut shell("seq 1000; echo words >&2; exit 3"), true, &mut |_| {}).expect_err("it fails");
        let BuildError::Failed { words, .. } = failed else { panic!("{failed}") };
        assert!(words.contains("1000"), "{words}");
        assert_eq!(words.lines().count(), LAST_WORDS);
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let failed = run(&mut Command::new("no-such-tool"), true, &mut |_| {}).expect_err("it is not there");
        assert_eq!(failed.to_string(), "cannot run `no-such-tool`");
        assert_eq!(answer(&mut Command::new("no-such-tool")), None);
    }
}
