//! The request that is sent and the head of the answer, parsed once into what the transfer needs.
//!
//! In: bytes that a server sent. Out: a [`Head`], or the rule of HTTP/1.1 (RFC 9112) that they break.

use super::error::HttpError;
use super::url::Url;
use std::time::Duration;

/// Header lines of one answer; servers behind two proxies send about 25.
const HEADERS_MAX: usize = 64;

/// How the end of the body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks with their own lengths.
    Chunked,
    /// Until the server closes the connection.
    UntilClose,
}

/// The place of a partial body in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Option<u64>,
}

/// What an answer says before its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) span: Option<Span>,
    pub(super) keep_alive: bool,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

/// The bytes of a GET request, for the whole file or for the bytes `first..=last`.
pub(super) fn request(url: &Url, range: Option<(u64, Option<u64>)>) -> String {
    let mut text = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: stella-agent/{}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n",
        url.path,
        url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    if let Some((first, last)) = range {
        let last = last.map_or(String::new(), |last| last.to_string());
        text.push_str(&format!("Range: bytes={first}-{last}\r\n"));
    }
    text.push_str("\r\n");
    text
}

/// Reads a head from the front of `bytes`: the head and its length, or `None` when more bytes are needed.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let used = match response.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HttpError::Protocol("the head cannot be parsed")),
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        framing: Framing::UntilClose,
        span: None,
        keep_alive: response.version == Some(1),
        location: None,
        retry_after: None,
    };
    let (mut length, mut chunked) = (None, false);
    for header in response.headers.iter() {
        let value = str::from_utf8(header.value).unwrap_or("").trim();
        let named = |name: &str| header.name.eq_ignore_ascii_case(name);
        if named("content-length") {
            let bytes = digits(value).ok_or(HttpError::Protocol("Content-Length is not a number"))?;
            if length.is_some_and(|known| known != bytes) {
                return Err(HttpError::Protocol("two different Content-Length headers"));
            }
            length = Some(bytes);
        } else if named("transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case("chunked") {
                return Err(HttpError::Protocol("a Transfer-Encoding other than chunked"));
            }
            chunked = true;
        } else if named("content-encoding") && !value.eq_ignore_ascii_case("identity") {
            return Err(HttpError::Protocol("the body is compressed although that was not asked for"));
        } else if named("content-range") {
            head.span = span(value);
        } else if named("connection") {
            let has = |word: &str| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
            head.keep_alive = (head.keep_alive && !has("close")) || has("keep-alive");
        } else if named("location") {
            head.location = Some(value.to_owned());
        } else if named("retry-after") {
            // The other form is a date, which needs a clock; such a server gets the agent's own back-off.
            head.retry_after = digits(value).map(Duration::from_secs);
        }
    }
    head.framing = match (length, chunked) {
        // RFC 9112 section 6.3: both together are the mark of request smuggling.
        (Some(_), true) => return Err(HttpError::Protocol("both Content-Length and Transfer-Encoding")),
        (Some(bytes), false) => Framing::Length(bytes),
        (None, true) => Framing::Chunked,
        (None, false) => Framing::UntilClose,
    };
    if matches!(head.status, 204 | 304) {
        head.framing = Framing::Length(0);
    }
    Ok(Some((head, used)))
}

/// A number of decimal digits only: no sign, no space, no list.
fn digits(value: &str) -> Option<u64> {
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|_| plain)
}

/// `bytes 5-9/100` or `bytes 5-9/*`.
fn span(value: &str) -> Option<Span> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let span = Span {
        first: digits(first)?,
        last: digits(last)?,
        total: if total == "*" { None } else { Some(digits(total)?) },
    };
    (span.first <= span.last && span.total.is_none_or(|total| span.last < total)).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Result<Option<(Head, usize)>, HttpError> {
        parse(format!("HTTP/1.1 206 Partial\r\n{lines}\r\n").as_bytes())
    }

    #[test]
    fn reads_what_the_transfer_needs() {
        let (head, used) =
            head("Content-Length: 5\r\ncontent-range: bytes 5-9/100\r\nRetry-After: 7\r\n").unwrap().unwrap();
        assert_eq!((head.status, head.framing, head.keep_alive), (206, Framing::Length(5), true));
        assert_eq!(head.span, Some(Span { first: 5, last: 9, total: Some(100) }));
        assert_eq!((head.retry_after, used), (Some(Duration::from_secs(7)), 89));
    }

    #[test]
    fn an_incomplete_head_waits_for_more() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
    }

    /// Answers that two readers could take apart differently are refused.
    #[test]
    fn refuses_ambiguous_heads() {
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Content-Encoding: gzip\r\n",
        ] {
            assert!(matches!(head(lines), Err(HttpError::Protocol(_))), "{lines}");
        }
    }

    #[test]
    fn refuses_impossible_spans() {
        for value in ["bytes 9-5/100", "bytes 5-100/100", "bytes */100", "bytes 5-9", "items 5-9/100", "bytes -9/100"] {
            assert_eq!(span(value), None, "{value}");
        }
    }
}
