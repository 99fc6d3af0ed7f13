//! What a pod has to know of its node, from Kubernetes' API. Pods know no labels of their node before Kubernetes 1.35.

use std::{env, fs, path::Path, sync::Arc, time::Duration};

use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::CtlError;

/// Where Kubernetes puts what a pod needs to speak to its API.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An API server that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A node lists its images and conditions; none is near this.
const NODE_BYTES_MAX: u64 = 8 << 20;

/// Where the API is, and who asks.
#[derive(Clone, Debug)]
pub struct Api {
    url: String,
    token: String,
    certificates: Vec<Certificate<'static>>,
}

impl Api {
    /// As a pod has it.
    pub fn of_this_pod() -> Result<Api, CtlError> {
        let variable = |name: &str| {
            env::var(name).map_err(|_| {
                CtlError::Refused(format!("{name} is not set: this is for pods of Kubernetes"))
            })
        };
        let (host, port) = (
            variable("KUBERNETES_SERVICE_HOST")?,
            variable("KUBERNETES_SERVICE_PORT")?,
        );
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host,
        };
        Api::new(&format!("https://{host}:{port}"), Path::new(ACCOUNT))
    }

    /// At this address, with the `token` and the `ca.crt` of that directory.
    pub fn new(url: &str, account: &Path) -> Result<Api, CtlError> {
        let path = account.join("token");
        let token = fs::read_to_string(&path).map_err(CtlError::file("cannot read", &path))?;
        let path = account.join("ca.crt");
        let pem = fs::read(&path).map_err(CtlError::file("cannot read", &path))?;
        let certificates: Result<Vec<_>, _> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
            .collect();
        let shown = path.display().to_string();
        Ok(Api {
            url: url.to_owned(),
            token: token.trim().to_owned(),
            certificates: certificates.map_err(CtlError::http(&shown))?,
        })
    }

    /// The value of a node's label; `None` if it has none.
    pub fn node_label(&self, node: &str, label: &str) -> Result<Option<String>, CtlError> {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(self.certificates.clone())))
            .build();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .tls_config(tls)
            .proxy(None)
            .build()
            .into();
        let url = format!("{}/api/v1/nodes/{node}", self.url);
        let answer = agent
            .get(&url)
            .header("Authorization", format!("Bearer {}", self.token))
            .call();
        let mut body = answer.map_err(CtlError::http(&url))?.into_body();
        let text = body.with_config().limit(NODE_BYTES_MAX).read_to_string();
        let text = text.map_err(CtlError::http(&url))?;
        let node: Value = serde_json::from_str(&text)
            .map_err(|error| CtlError::Refused(format!("{url}: {error}")))?;
        let value = node["metadata"]["labels"][label].as_str();
        Ok(value.map(str::to_owned))
    }
}
