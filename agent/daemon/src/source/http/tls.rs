//! TLS for the transport, by rustls with ring; only with the feature `net-tls`.
//!
//! In: a connected socket, the host name, the authorities to trust. Out: a stream that behaves like the socket. TLS
//! gives privacy and saves a device from fetching nonsense; what is installed is proven by `delta-verify`, never by a
//! certificate. That is why the time floor may stand in for a clock that is behind.

use super::HttpSettings;
use super::connection::is_tick;
use super::error::HttpError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Where distributions keep the authorities that the system trusts.
const SYSTEM_CA_FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The later of the clock and the proven time.
#[derive(Debug)]
struct FlooredClock(u64);

impl TimeProvider for FlooredClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = UnixTime::now().as_secs().max(self.0);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Sets TLS up over `tcp`; the handshake happens with the first request.
pub(super) fn connect(tcp: TcpStream, host: &str, settings: &HttpSettings) -> Result<TlsStream, HttpError> {
    let fail = |error: rustls::Error| HttpError::Tls(error.to_string());
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| HttpError::Tls(format!("'{host}' is no host name")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(FlooredClock(settings.time_floor)))
        .with_safe_default_protocol_versions()
        .map_err(fail)?
        .with_root_certificates(authorities(settings.ca_file.as_deref())?)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(fail)?;
    Ok(StreamOwned::new(connection, tcp))
}

fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, HttpError> {
    let system = || SYSTEM_CA_FILES.iter().map(Path::new).find(|path| path.exists());
    let path = ca_file
        .or_else(system)
        .ok_or_else(|| HttpError::Tls("no list of authorities on this device; set network.ca_file".to_owned()))?;
    let wrong = |reason: String| HttpError::Tls(format!("the CA file {} cannot be used: {reason}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        // The system's list may hold one that this library refuses; a configured file must be right.
        if let Err(error) = roots.add(certificate)
            && ca_file.is_some()
        {
            return Err(wrong(error.to_string()));
        }
    }
    if roots.is_empty() { Err(wrong("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// Sends all of `bytes`. The socket's short read timeout also interrupts the handshake, so this waits it out.
pub(super) fn send(stream: &mut TlsStream, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let sent = if bytes.is_empty() { stream.flush().map(|()| 0) } else { stream.write(bytes) };
        match sent {
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if is_tick(&error) && start.elapsed() < patience => {}
            Err(error) => return Err(error),
        }
    }
}
