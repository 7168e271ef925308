//! `grants` and `wants`, checked.
//!
//! Promises: what a grant names can be granted; a URL is one that can be compared; a secret stands only where the operator may put one, and
//! where a reader of the manifest sees which host it goes to.

use super::{
    document::{ManifestError, Origin, nearest},
    manifest::{Grants, HttpGrant, RESERVED_HEADERS, Template, WriteGrant},
    partial::{api_version, kind, namespaces, read},
    written,
};
use serde_saphyr::Spanned;

/// The actions that a grant of writes can name.
pub const GRANTABLE: [&str; 8] = ["annotate", "label", "set-status", "patch", "apply", "create", "delete", "emit"];

/// The most headers that a grant may add.
const MAX_HEADERS: usize = 32;

/// Whether it is granted, or only wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Grants,
    Wants,
}

pub(super) fn grants(origin: &Origin<'_>, written: written::Grants, of: Of) -> Result<Grants, ManifestError> {
    let write = written.write.into_iter().map(|grant| {
        for action in &grant.actions {
            if !GRANTABLE.contains(&action.value.as_str()) {
                let meant =
                    nearest(&action.value, &GRANTABLE).map_or(String::new(), |it| format!(", did you mean `{it}`?"));
                let problem =
                    format!("there is no action `{}`{meant}; there are {}", action.value, GRANTABLE.join(", "));
                return Err(origin.wrong_at(action, problem));
            }
        }
        Ok(WriteGrant {
            api_version: api_version(origin, grant.api_version)?,
            kind: kind(origin, grant.kind)?,
            actions: grant.actions.into_iter().map(|action| action.value).collect(),
            namespaces: namespaces(origin, grant.namespaces)?,
            names: grant.names,
            subresources: grant.subresources,
            force: grant.force,
        })
    });
    let http = written.http.into_iter().map(|it| http(origin, it, of));
    Ok(Grants {
        write: write.collect::<Result<_, _>>()?,
        read: written.read.into_iter().map(|it| read(origin, it)).collect::<Result<_, _>>()?,
        http: http.collect::<Result<_, _>>()?,
    })
}

fn http(origin: &Origin<'_>, written: Spanned<written::HttpGrant>, of: Of) -> Result<HttpGrant, ManifestError> {
    let wrong = |problem: String| origin.wrong_at(&written, problem);
    let written::WholeHttpGrant { url, headers, private } = match &written.value {
        written::HttpGrant::Url(url) => {
            written::WholeHttpGrant { url: url.clone(), headers: Default::default(), private: false }
        }
        written::HttpGrant::Whole(_) if of == Of::Wants => {
            return Err(wrong(
                "a component may wish for URLs alone; headers and private hosts are the operator's to grant".into(),
            ));
        }
        written::HttpGrant::Whole(whole) => whole.clone(),
    };
    let template = Template::parse(&url).map_err(|problem| wrong(format!("`{url}`: {problem}")))?;
    if template.has_secrets() && of == Of::Wants {
        return Err(wrong(format!(
            "`{url}`: secrets are the operator's to grant; a component may wish for the URL up to there"
        )));
    }
    let host = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if host.contains("${") || url.starts_with("${") {
        return Err(wrong(format!(
            "`{url}`: a secret can only stand behind the host; write https://HOST/${{env:NAME}}"
        )));
    }
    if headers.len() > MAX_HEADERS {
        return Err(wrong(format!("{} headers are more than the {MAX_HEADERS} a grant may add", headers.len())));
    }
    let headers = headers.into_iter().map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        if RESERVED_HEADERS.contains(&lower.as_str()) || http::HeaderName::try_from(lower.as_str()).is_err() {
            return Err(wrong(format!("`{name}` is no header that a grant can set")));
        }
        let value = Template::parse(&value).map_err(|problem| wrong(format!("header {name}: {problem}")))?;
        Ok((lower, value))
    });
    let grant = HttpGrant { url: template, headers: headers.collect::<Result<_, _>>()?, private };
    grant.shape().map_err(|problem| {
        wrong(format!("`{url}` is no URL prefix such as `https://hooks.example.org/`: {problem}"))
    })?;
    Ok(grant)
}
