//! Rust source reduced to the paths it names, as far as the rules of the house need it.
//!
//! Guarantees: comments, literals and everything under `#[cfg(test)]` name nothing; a `use` tree names each of its leaves. Not
//! seen: a path that begins with `super`, a name that a macro makes up, an item used by a bare name after a glob import.

/// Where a path is named, and how it is written, without spaces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// What of a file is production code, and which of its modules are for tests alone.
pub(crate) struct Source {
    pub(crate) paths: Vec<Named>,
    /// Modules in files of their own, declared under `#[cfg(test)]`.
    pub(crate) test_modules: Vec<String>,
}

/// An identifier or one character, and its line.
type Token = (usize, String);

pub(crate) fn read(text: &str) -> Source {
    let mut tokens = tokens(text);
    let test_modules = cut_tests(&mut tokens);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = at == 0 || tokens[at - 1].1 != "::";
        if starts && is_name(&tokens[at].1) && tokens.get(at + 1).is_some_and(|it| it.1 == "::") {
            at = expand(&tokens, at, "", &mut paths);
        } else {
            at += 1;
        }
    }
    Source { paths, test_modules }
}

/// Adds the paths of the tree that begins here, and says where it ends.
fn expand(tokens: &[Token], mut at: usize, prefix: &str, paths: &mut Vec<Named>) -> usize {
    let mut path = prefix.to_owned();
    while let Some((line, token)) = tokens.get(at) {
        if token == "{" && path.ends_with("::") {
            at += 1;
            while tokens.get(at).is_some_and(|it| it.1 != "}") {
                at = if is_name(&tokens[at].1) { expand(tokens, at, &path, paths) } else { at + 1 };
            }
            return at + 1;
        }
        path.push_str(token);
        at += 1;
        if token == "*" || is_name(token) && tokens.get(at).is_none_or(|it| it.1 != "::") {
            paths.push(Named { line: *line, path });
            // `as other` names nothing more.
            return if tokens.get(at).is_some_and(|it| it.1 == "as") { at + 2 } else { at };
        }
        if !is_name(token) && token != "::" {
            return at;
        }
    }
    at
}

/// Takes out every item under `#[cfg(test)]`, and names the modules among them that have files of their own.
fn cut_tests(tokens: &mut Vec<Token>) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut modules = Vec::new();
    while let Some(start) = tokens.windows(mark.len()).position(|it| it.iter().map(|it| &it.1).eq(mark)) {
        let item = start + mark.len();
        let mut depth = 0;
        let length = tokens[item..].iter().position(|(_, token)| {
            depth += i32::from(["{", "(", "["].contains(&&**token)) - i32::from(["}", ")", "]"].contains(&&**token));
            depth == 0 && (token == ";" || token == "}")
        });
        let end = length.map_or(tokens.len(), |length| item + length + 1);
        if let Some(module) = tokens[item..end].iter().position(|it| it.1 == "mod")
            && tokens[end - 1].1 == ";"
        {
            modules.push(tokens[item + module + 1].1.clone());
        }
        tokens.drain(start..end);
    }
    modules
}

fn is_name(token: &str) -> bool {
    token.starts_with(|it: char| it.is_alphanumeric() || it == '_')
}

/// Identifiers, `::` and single characters, without comments and literals.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut line, mut rest) = (1, text);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '"' => quoted(rest, '"'),
            '\'' if is_character(rest) => quoted(rest, '\''),
            _ if rest.starts_with("::") => push(&mut tokens, line, "::"),
            _ if is_name(rest) => {
                let end = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
                push(&mut tokens, line, &rest[..end])
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => push(&mut tokens, line, &rest[..first.len_utf8()]),
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn push(tokens: &mut Vec<Token>, line: usize, token: &str) -> usize {
    tokens.push((line, token.to_owned()));
    token.len()
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_character(rest: &str) -> bool {
    rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'')
}

/// The length of a literal that begins here and may escape its mark.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    let end = rest[1..].find(|it| {
        let ends = it == mark && !escaped;
        escaped = it == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// The length of the raw string that begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let body = inner[hashes..].strip_prefix('"')?;
    let end = body.find(&format!("\"{}", "#".repeat(hashes)))?;
    Some(rest.len() - body.len() + end + 1 + hashes)
}
