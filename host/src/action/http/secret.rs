//! Secrets, from where the operator keeps them into a request.
//!
//! Promises: a value is in [`Filled`], which lives as long as its request, and in the environment that `cli` handed over; neither is printed,
//! and no error here has a value in it. A file is read anew for each request, so a rotated secret is used at once.
//! Not promised: that memory is wiped.

use crate::handler::manifest::{Admitted, HttpGrant, Part, SecretRef, Template, url::Url};
use ::http::{HeaderName, HeaderValue};
use std::{collections::BTreeMap, fmt, sync::Arc};
use tokio::io::AsyncReadExt;

/// The largest secret, in bytes.
const MAX_SECRET: usize = 16 << 10;

/// The environment of weir's process, as it was at the start. Clones share it.
#[derive(Clone, Default)]
pub struct Secrets {
    environment: Arc<BTreeMap<String, String>>,
}

/// A grant with its secrets in it.
pub(super) struct Filled {
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether there is a secret in it.
    pub(super) confidential: bool,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("variables", &self.environment.len()).finish()
    }
}

impl Secrets {
    /// Variables to refer to by `${env:NAME}`.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Secrets {
        Secrets { environment: Arc::new(environment.into_iter().collect()) }
    }

    /// Whether all that grants refer to is there and can stand where it is to.
    ///
    /// # Errors
    /// Which grant, which secret, and what is wrong with it.
    pub async fn check(&self, grants: &[HttpGrant]) -> Result<(), String> {
        for grant in grants.iter().filter(|it| it.url.has_secrets() || !it.headers.is_empty()) {
            let filled = async {
                if grant.url.has_secrets() {
                    self.fill(grant, &Admitted::Under(String::new())).await?;
                }
                self.headers(grant).await
            };
            filled.await.map_err(|wrong| format!("grants.http, {}: {wrong}", grant.url.text()))?;
        }
        Ok(())
    }

    /// The URL and the headers of a request that `grant` admits.
    pub(super) async fn fill(&self, grant: &HttpGrant, admitted: &Admitted) -> Result<Filled, String> {
        let filled = self.headers(grant).await?;
        match admitted {
            Admitted::Plain(url) => Ok(Filled { url: url.clone(), ..filled }),
            Admitted::Under(rest) => {
                let broken = || {
                    let names: Vec<String> = grant.url.secrets().map(ToString::to_string).collect();
                    format!("the value of {} cannot stand there in a URL", names.join(" or "))
                };
                let prefix = self.text(&grant.url).await?;
                let granted = Url::parse(&prefix).map_err(|_| broken())?;
                let url = Url::parse(&format!("{prefix}{rest}")).map_err(|_| broken())?;
                if !granted.covers(&url) || grant.shape().is_ok_and(|shape| !shape.has_origin_of(&url)) {
                    return Err(broken());
                }
                Ok(Filled { url, confidential: true, ..filled })
            }
        }
    }

    /// The headers that `grant` adds, with its URL's shape as their URL.
    pub(super) async fn headers(&self, grant: &HttpGrant) -> Result<Filled, String> {
        let mut headers = Vec::with_capacity(grant.headers.len());
        for (name, value) in &grant.headers {
            let wrong = || format!("the value of the header {name} cannot stand in a header");
            let mut text = HeaderValue::try_from(self.text(value).await?).map_err(|_| wrong())?;
            text.set_sensitive(true);
            headers.push((HeaderName::try_from(name).map_err(|_| wrong())?, text));
        }
        let confidential = grant.headers.iter().any(|(_, value)| value.has_secrets());
        Ok(Filled { url: grant.shape()?, headers, confidential })
    }

    async fn text(&self, template: &Template) -> Result<String, String> {
        let mut text = String::new();
        for part in template.parts() {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Secret(secret) => {
                    text.push_str(&self.value(secret).await.map_err(|wrong| format!("{secret} {wrong}"))?)
                }
            }
        }
        Ok(text)
    }

    async fn value(&self, secret: &SecretRef) -> Result<String, String> {
        let value = match secret {
            SecretRef::Env(name) => {
                let value = self.environment.get(name);
                value.ok_or("is not set; set it in weir's environment, or remove the grant")?.clone()
            }
            SecretRef::File(path) => {
                let unread = |error: std::io::Error| format!("cannot be read: {error}; mend it, or remove the grant");
                let file = tokio::fs::File::open(path).await.map_err(unread)?;
                let mut bytes = Vec::new();
                let most = MAX_SECRET as u64 + 1;
                file.take(most).read_to_end(&mut bytes).await.map_err(unread)?;
                let text = String::from_utf8(bytes).map_err(|_| "is no text")?;
                text.trim_end_matches(['\n', '\r']).to_owned()
            }
        };
        if value.is_empty() {
            return Err("is empty".to_owned());
        }
        if value.len() > MAX_SECRET {
            return Err(format!("has more than {MAX_SECRET} bytes"));
        }
        Ok(value)
    }
}
