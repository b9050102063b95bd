//! Registries of images, without a container engine: manifests and what they name, each checked
//! against its digest (the distribution specification of the OCI, 1.1).

pub mod artifact;
pub mod image;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_spec::distribution::Reference;
use oci_spec::image::Descriptor;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body};

use super::download;
use crate::cache::hex;
use crate::complaint;

/// The kinds of manifests that are understood, docker's own ones too.
const KINDS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// How long a manifest, a token or a header may be, in bytes.
const MOST: u64 = 4 << 20;

/// How much of an answer that is no success is read, in bytes.
const COMPLAINT: u64 = 16 << 10;

/// Under what docker keeps the password for its own registry.
const DOCKER: &str = "https://index.docker.io/v1/";

/// Whether a host is this machine. As container engines have it, a registry there needs no
/// certificate.
fn is_here(host: &str) -> bool {
    let name = host.split(['/', ':']).next().unwrap_or_default();
    ["localhost", "127.0.0.1"].contains(&name)
}

/// What a text names in a registry.
///
/// # Errors
/// It names nothing that can be there.
pub fn reference(text: &str) -> Result<Reference> {
    text.parse()
        .with_context(|| format!("`{text}` is no name in a registry, such as HOST/NAME:TAG"))
}

/// What is sent with a request.
#[derive(Clone, Copy)]
enum Sent<'a> {
    Nothing,
    File(&'a File),
    Bytes(&'a [u8]),
}

/// The part of a registry that one name has.
pub struct Registry {
    agent: Agent,
    /// As in the reference: what a user logs in to.
    host: String,
    /// The scheme and the host.
    server: String,
    name: String,
    /// What lets us in, once we were asked for it.
    authorization: Option<String>,
}

impl Registry {
    /// The place of a reference.
    pub fn of(reference: &Reference) -> Registry {
        let host = reference.resolve_registry();
        let scheme = match is_here(host) {
            true => "http",
            false => "https",
        };
        Registry {
            agent: download::agent(),
            host: reference.registry().to_owned(),
            server: format!("{scheme}://{host}"),
            name: reference.repository().to_owned(),
            authorization: None,
        }
    }

    fn address(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.server, self.name)
    }

    /// A manifest by its tag or digest, and its digest.
    fn manifest(&mut self, name: &str) -> Result<(Vec<u8>, String)> {
        let url = self.address(&format!("manifests/{name}"));
        let bytes = bounded(self.get(&url)?, &url)?;
        let found = digest(&bytes);
        if name.starts_with("sha256:") {
            check(&url, name, &found)?;
        }
        Ok((bytes, found))
    }

    /// Something short that a manifest names.
    fn blob(&mut self, named: &Descriptor) -> Result<Vec<u8>> {
        let url = self.address(&format!("blobs/{}", named.digest()));
        let bytes = bounded(self.get(&url)?, &url)?;
        check(&url, named.digest().as_ref(), &digest(&bytes))?;
        Ok(bytes)
    }

    /// Downloads something that a manifest names to a path.
    fn download(&mut self, named: &Descriptor, to: &Path) -> Result<()> {
        let digest = named.digest().to_string();
        let url = self.address(&format!("blobs/{digest}"));
        let sha256 = digest.strip_prefix("sha256:");
        let sha256 = sha256.with_context(|| format!("`{digest}` is no SHA-256"))?;
        let body = self.get(&url)?.into_reader();
        // One byte more than there should be has another digest, and an endless answer an end.
        let body = body.take(named.size().saturating_add(1));
        download::keep(body, Some(named.size()), &url, sha256, to)
    }

    /// What lies at an address.
    fn get(&mut self, url: &str) -> Result<Body> {
        let answer = self.ask(&Method::GET, url, None, Sent::Nothing)?;
        match answer.status().is_success() {
            true => Ok(answer.into_body()),
            false => Err(self.refusal("read", url, answer)),
        }
    }

    /// The answer to a request, with what lets us in where the registry wants that.
    fn ask(
        &mut self,
        method: &Method,
        url: &str,
        kind: Option<&str>,
        sent: Sent,
    ) -> Result<Response<Body>> {
        let does = || format!("ask the registry `{}` for {method} `{url}`", self.host);
        let mut answer = self.ask_once(method, url, kind, sent).with_context(does)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let wants = answer.headers().get("www-authenticate");
        let wants = wants.and_then(|wants| wants.to_str().ok());
        if let Some(wants) = wants {
            self.authorization = Some(self.authorize(wants)?);
            answer = self.ask_once(method, url, kind, sent).with_context(does)?;
        }
        Ok(answer)
    }

    fn ask_once(
        &self,
        method: &Method,
        url: &str,
        kind: Option<&str>,
        sent: Sent,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder().method(method).uri(url);
        request = match kind {
            Some(kind) => request.header("content-type", kind),
            None => request.header("accept", KINDS.join(", ")),
        };
        // Where a registry sends us elsewhere to leave something, that place is told nothing.
        let is_its_own = url.strip_prefix(&self.server);
        if let Some(authorization) = &self.authorization
            && is_its_own.is_some_and(|rest| rest.starts_with('/'))
        {
            request = request.header("authorization", authorization);
        }
        Ok(match sent {
            Sent::File(file) => self.agent.run(request.body(file)?),
            Sent::Bytes(bytes) => self.agent.run(request.body(bytes)?),
            Sent::Nothing => self.agent.run(request.body(())?),
        }?)
    }

    /// What opens the door that a registry shows us: `Basic realm="…"`, or a token that one gets
    /// elsewhere, `Bearer realm="ADDRESS",service="NAME",scope="WHAT"`.
    fn authorize(&self, wants: &str) -> Result<String> {
        let credential = self.credential()?;
        let kind = wants.split(' ').next().unwrap_or_default();
        if kind.eq_ignore_ascii_case("basic") {
            let Some(DockerCredential::UsernamePassword(user, password)) = &credential else {
                bail!(
                    "ask the registry `{0}`: it wants a user and a password: log in with `docker \
                     login {0}`",
                    self.host
                );
            };
            return Ok(basic(user, password));
        }
        let field = |name: &str| {
            let (_, rest) = wants.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let realm = field("realm").filter(|_| kind.eq_ignore_ascii_case("bearer"));
        let realm = realm.with_context(|| format!("understand `{wants}` of the registry"))?;
        let is_secret = match realm.strip_prefix("http://") {
            Some(host) => is_here(host),
            None => realm.starts_with("https://"),
        };
        if !is_secret {
            bail!("ask `{realm}` for a token: a password goes by https alone");
        }
        let fields = ["service", "scope"].map(|name| (name, field(name)));
        let fields = fields
            .into_iter()
            .filter_map(|(name, it)| Some((name, it?)));
        let ask = || format!("ask `{realm}` for a token");
        let answer = match &credential {
            Some(DockerCredential::IdentityToken(token)) => {
                let more = [
                    ("grant_type", "refresh_token"),
                    ("client_id", "kassay"),
                    ("refresh_token", token),
                ];
                self.agent.post(realm).send_form(fields.chain(more))
            }
            other => {
                let mut request = self.agent.get(realm).query_pairs(fields);
                if let Some(DockerCredential::UsernamePassword(user, password)) = other {
                    request = request.header("authorization", basic(user, password));
                }
                request.call()
            }
        };
        let answer = answer.with_context(ask)?;
        if !answer.status().is_success() {
            return Err(self.refusal("get a token from", realm, answer));
        }
        let bytes = bounded(answer.into_body(), realm)?;
        let answer: serde_json::Value = serde_json::from_slice(&bytes).with_context(ask)?;
        let token = answer.get("token").or(answer.get("access_token"));
        let token = token.and_then(serde_json::Value::as_str);
        Ok(format!("Bearer {}", token.with_context(ask)?))
    }

    /// Whom docker, or else podman, is logged in as; nobody where there is no word of that.
    fn credential(&self) -> Result<Option<DockerCredential>> {
        use CredentialRetrievalError::{ConfigNotFound, ConfigReadError, NoCredentialConfigured};
        let host = match self.host.as_str() {
            "docker.io" => DOCKER,
            host => host,
        };
        let known = |found| match found {
            Ok(credential) => Ok(Some(credential)),
            Err(ConfigNotFound | NoCredentialConfigured) => Ok(None),
            // The crate does not tell a file that is not there from one that is no JSON.
            Err(ConfigReadError) => Ok(None),
            Err(error) => Err(anyhow!("{error}")),
        };
        let of_docker = known(docker_credential::get_credential(host));
        let found = match of_docker {
            Ok(None) => known(docker_credential::get_podman_credential(host)),
            found => found,
        };
        found.with_context(|| {
            format!(
                "find the password for the registry `{0}`: log in anew with `docker login {0}`",
                self.host
            )
        })
    }

    /// What a registry said that did not do what it was asked for, and what to do next.
    fn refusal(&self, verb: &str, url: &str, answer: Response<Body>) -> anyhow::Error {
        let status = answer.status();
        let mut said = Vec::new();
        let read = answer.into_body().into_reader();
        let _ = read.take(COMPLAINT).read_to_end(&mut said);
        let said = complaint::shown(&String::from_utf8_lossy(&said));
        let next = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "; log in with `docker login {}`, as somebody who may do that",
                self.host
            ),
            StatusCode::NOT_FOUND => "; is that the right name?".to_owned(),
            _ => String::new(),
        };
        anyhow!("{verb} `{url}`: the registry says {status}{next}{said}")
    }
}

fn basic(user: &str, password: &str) -> String {
    let text = format!("{user}:{password}");
    format!("Basic {}", BASE64_STANDARD.encode(text))
}

/// An answer that is short.
fn bounded(body: Body, url: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = body.into_reader().take(MOST + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("read `{url}`"))?;
    if bytes.len() as u64 > MOST {
        bail!("read `{url}`: it is longer than {} MiB", MOST >> 20);
    }
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    format!("sha256:{}", hex(&sha2::Sha256::digest(bytes)))
}

fn check(url: &str, expected: &str, found: &str) -> Result<()> {
    if found != expected {
        bail!("`{url}` has the wrong digest\n    expected {expected}\n    found    {found}");
    }
    Ok(())
}
