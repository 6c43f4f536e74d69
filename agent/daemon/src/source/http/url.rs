//! Web addresses, as far as a source of updates needs them: `http://host[:port]/path[?query]`, the same with `https`.
//!
//! In: text from the configuration, the command line or a redirect. Out: a [`Url`] whose parts are safe to send. It
//! knows no user names, no passwords and no fragments: secrets do not belong into an address that is logged.

use std::fmt;

/// Bytes of one address; what web servers accept by default.
pub const URL_BYTES_MAX: usize = 2048;

/// Plain or encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Plain,
    /// `https`
    Tls,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Plain or encrypted.
    pub scheme: Scheme,
    /// Host name or address; IPv6 without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query, starting with `/`.
    pub path: String,
}

/// Why a text is not an address that this program can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// No host, or a host with characters that do not belong there.
    Host,
    /// A port that is not 1 to 65535.
    Port,
    /// Spaces, control characters or bytes beyond ASCII; they have to be percent-encoded.
    Characters,
    /// A user name, password or fragment.
    Extra,
    /// More than [`URL_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it does not start with http:// or https://",
            Self::Host => "the host is missing or has characters that are not allowed",
            Self::Port => "the port is not a number from 1 to 65535",
            Self::Characters => "it has characters that must be percent-encoded",
            Self::Extra => "it has a user name, a password or a fragment, which are not supported",
            Self::TooLong => "it is longer than 2048 bytes",
        })
    }
}

impl std::error::Error for UrlError {}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// [`UrlError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UrlError::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Plain,
            "https" => Scheme::Tls,
            _ => return Err(UrlError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') || path.contains('#') {
            return Err(UrlError::Extra);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']').ok_or(UrlError::Host)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(allowed) {
            return Err(UrlError::Host);
        }
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Port)?,
            None if port.is_empty() => scheme.default_port(),
            None => return Err(UrlError::Host),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port, path: format!("{slash}{path}") })
    }

    /// The address of `file` inside the folder that this address names. `file` holds path characters only.
    pub fn join(&self, file: &str) -> Self {
        let (path, query) = self.path.split_once('?').map_or((self.path.as_str(), ""), |(path, query)| (path, query));
        let slash = if path.ends_with('/') { "" } else { "/" };
        let mark = if query.is_empty() { "" } else { "?" };
        Self { path: format!("{path}{slash}{file}{mark}{query}"), ..self.clone() }
    }

    /// The address of the folder that holds what this address names.
    pub fn parent(&self) -> Self {
        let path = self.path.split('?').next().unwrap_or("/");
        Self { path: path[..=path.rfind('/').unwrap_or(0)].to_owned(), ..self.clone() }
    }

    /// Where a redirect leads, seen from here: a full address, `//host/path`, `/path` or a name in the same folder.
    ///
    /// # Errors
    /// [`UrlError`] names the part of the location that is wrong.
    pub fn redirect(&self, location: &str) -> Result<Self, UrlError> {
        let location = location.split('#').next().unwrap_or("");
        let scheme = self.scheme.name();
        if location.contains("://") {
            Self::parse(location)
        } else if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{}{location}", self.authority()))
        } else {
            let folder = self.parent();
            Self::parse(&format!("{scheme}://{}{}{location}", self.authority(), folder.path))
        }
    }

    /// `host` or `host:port`, with brackets around IPv6, as in the `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_addresses() {
        let check = |input: &str, expected: &str| assert_eq!(Url::parse(input).unwrap().to_string(), expected);
        check("http://Example.org", "http://example.org/");
        check("https://example.org:443/a/b?c=d", "https://example.org/a/b?c=d");
        check("http://example.org:8080?x", "http://example.org:8080/?x");
        check("http://[::1]:81/a", "http://[::1]:81/a");
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        let check = |input: &str, expected| assert_eq!(Url::parse(input), Err(expected), "{input}");
        check("ftp://a/", UrlError::Scheme);
        check("/srv/channel", UrlError::Scheme);
        check("http:///a", UrlError::Host);
        check("http://a\"b/", UrlError::Host);
        check("http://[::1/", UrlError::Host);
        check("http://[::1]x/", UrlError::Host);
        check("http://a:0/", UrlError::Port);
        check("http://a:65536/", UrlError::Port);
        check("http://a/b c", UrlError::Characters);
        check("http://a/b\r\nX: y", UrlError::Characters);
        check("http://user:word@a/", UrlError::Extra);
        check("http://a/#b", UrlError::Extra);
        check(&format!("http://a/{}", "b".repeat(2048)), UrlError::TooLong);
    }

    #[test]
    fn follows_redirects_and_joins_names() {
        let base = Url::parse("https://a:8443/x/y?q").unwrap();
        let check = |location: &str, expected: &str| assert_eq!(base.redirect(location).unwrap().to_string(), expected);
        check("http://b/z", "http://b/z");
        check("//c/z", "https://c/z");
        check("/z", "https://a:8443/z");
        check("z#part", "https://a:8443/x/z");
        assert_eq!(base.join("f").to_string(), "https://a:8443/x/y/f?q");
        assert_eq!(base.parent().join("log/checkpoint").to_string(), "https://a:8443/x/log/checkpoint");
    }
}
