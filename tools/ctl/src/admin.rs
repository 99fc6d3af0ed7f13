//! What one broker does and shows for who runs it, at its admin port.

use std::time::{Duration, SystemTime};

use crate::CtlError;

/// What a broker said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, or it is done.
    Yes,
    /// No, and why.
    No(String),
}

/// What a broker has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status, as HTTP has it.
    pub status: u16,
    /// What the broker's clock showed, in whole seconds.
    pub date: Option<SystemTime>,
    /// What it says.
    pub body: String,
}

/// A broker that takes longer for a page is not waited for.
const PAGE_MAX: Duration = Duration::from_secs(30);
/// A broker that takes longer for a connection is not waited for.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// No answer is longer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Waits until the broker at `admin`, a `HOST:PORT` of this machine, would not be missed, and has others lead in its place. After `patience`, if there is one, it goes on as before.
pub fn hand_over(admin: &str, patience: Option<Duration>) -> Result<Answer, CtlError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_MAX))
        .timeout_recv_response(patience)
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let url = format!("http://{admin}/hand-over");
    let answer = match agent.post(&url).send_empty() {
        Err(ureq::Error::Timeout(ureq::Timeout::RecvResponse)) => {
            let seconds = patience.unwrap_or_default().as_secs();
            return Ok(Answer::No(format!(
                "not within {seconds} s; it goes on as before"
            )));
        }
        answer => answer.map_err(CtlError::http(&url))?,
    };
    let status = answer.status();
    let mut body = answer.into_body();
    let text = body.with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let text = text.map_err(CtlError::http(&url))?;
    let text = text.trim().to_owned();
    match status.as_u16() {
        200 => Ok(Answer::Yes),
        503 => Ok(Answer::No(text)),
        code => Err(CtlError::Refused(format!("{url}: {code}: {text}"))),
    }
}

/// Gets a page of the broker at `admin`, `HOST:PORT`. One of more than `bytes_max` is an error; a status other than 200 is none.
pub fn get(admin: &str, path: &str, bytes_max: u64) -> Result<Page, CtlError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_MAX))
        .timeout_global(Some(PAGE_MAX))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let url = format!("http://{admin}{path}");
    let answer = agent.get(&url).call().map_err(CtlError::http(&url))?;
    let status = answer.status().as_u16();
    let date = answer.headers().get("date");
    let date = date.and_then(|it| httpdate::parse_http_date(it.to_str().ok()?).ok());
    let mut body = answer.into_body();
    let text = body.with_config().limit(bytes_max).lossy_utf8(true);
    let body = text.read_to_string().map_err(CtlError::http(&url))?;
    Ok(Page { status, date, body })
}
