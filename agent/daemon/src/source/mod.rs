//! Where updates come from: a file, a folder or stick, a web server. One type for each, one trait for all
//! ([`crate::platform::Source`]).
//!
//! In: a [`Place`] from the configuration or the command line. Out: an opened bundle, or a channel to choose one from.
//! Nothing that is read here is trusted; `delta-verify` decides.

pub mod channel;
#[cfg(feature = "net")]
pub mod http;
pub mod local;
#[cfg(feature = "net")]
pub mod remote;

use crate::config::Settings;
use crate::platform::{IoError, Locality, Source, SourceError, SourceErrorKind};
use crate::stop::Stop;
use local::LocalBundle;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// Bytes of a place that the journal can keep, so that `resume` finds it again.
pub const PLACE_BYTES_MAX: usize = 256;

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file or folder.
    Path(PathBuf),
    /// A web address.
    #[cfg(feature = "net")]
    Web(http::url::Url),
}

impl Place {
    /// Reads a place: an address if it holds `://`, else a path.
    ///
    /// # Errors
    /// A sentence part that says what is wrong with the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PLACE_BYTES_MAX {
            return Err(format!("it is longer than {PLACE_BYTES_MAX} bytes"));
        }
        if !text.contains("://") {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        #[cfg(feature = "net")]
        return http::url::Url::parse(text).map(Self::Web).map_err(|error| error.to_string());
        #[cfg(not(feature = "net"))]
        return Err("this agent was built without a network".to_owned());
    }

    /// The place of a file in this folder. `file` has the characters of a file name or of a log path only.
    pub fn join(&self, file: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.join(file)),
            #[cfg(feature = "net")]
            Self::Web(url) => Self::Web(url.join(file)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "net")]
            Self::Web(url) => write!(f, "{url}"),
        }
    }
}

/// An opened bundle of either kind.
#[derive(Debug)]
pub enum Bundle {
    /// On a file system.
    Local(LocalBundle),
    /// On a web server.
    #[cfg(feature = "net")]
    Remote(Box<remote::RemoteBundle>),
}

impl Bundle {
    /// Opens the bundle at `place`. A file is opened here; a server is asked with the first read.
    ///
    /// # Errors
    /// [`SourceError`] when there is no such file or its path is too long to be kept.
    #[cfg_attr(not(feature = "net"), expect(unused_variables, reason = "only the network needs them"))]
    pub fn open(place: &Place, settings: &Settings, stop: &Stop) -> Result<Self, SourceError> {
        let origin = place.to_string();
        if origin.len() > PLACE_BYTES_MAX {
            let text =
                format!("the path {origin} is longer than {PLACE_BYTES_MAX} bytes; move the bundle to a shorter one");
            return Err(SourceError::new(SourceErrorKind::Missing, text));
        }
        match place {
            Place::Path(path) => LocalBundle::open(path).map(Self::Local),
            #[cfg(feature = "net")]
            Place::Web(url) => Ok(Self::Remote(Box::new(remote::RemoteBundle::new(url, settings, stop)))),
        }
    }
}

impl Bundle {
    /// No byte from `end` on will be needed, most likely: a server is asked once for everything before it.
    #[cfg_attr(not(feature = "net"), expect(unused_variables, reason = "only the network needs them"))]
    pub fn expect(&mut self, end: u64) {
        #[cfg(feature = "net")]
        if let Self::Remote(bundle) = self {
            bundle.expect(end);
        }
    }

    /// The log beside a file that itself need not exist, for its tiles.
    #[cfg_attr(not(feature = "net"), expect(unused_variables, reason = "only the network needs them"))]
    pub fn tiles(place: &Place, settings: &Settings, stop: &Stop) -> Option<Self> {
        match place {
            Place::Path(path) => LocalBundle::log_only(path).map(Self::Local),
            #[cfg(feature = "net")]
            Place::Web(_) => Self::open(place, settings, stop).ok(),
        }
    }
}

impl Source for Bundle {
    fn locality(&self) -> Locality {
        match self {
            Self::Local(_) => Locality::Local,
            #[cfg(feature = "net")]
            Self::Remote(_) => Locality::Remote,
        }
    }

    fn origin(&self) -> &str {
        match self {
            Self::Local(bundle) => bundle.origin(),
            #[cfg(feature = "net")]
            Self::Remote(bundle) => bundle.origin(),
        }
    }

    fn length(&mut self) -> Result<Option<u64>, SourceError> {
        match self {
            Self::Local(bundle) => Ok(Some(bundle.length())),
            #[cfg(feature = "net")]
            Self::Remote(bundle) => Ok(bundle.length()),
        }
    }

    #[cfg_attr(not(feature = "net"), expect(unused_variables, reason = "only the network needs them"))]
    fn announce(&mut self, start: u64, end: u64) {
        match self {
            Self::Local(_) => {}
            #[cfg(feature = "net")]
            Self::Remote(bundle) => bundle.announce(start, end),
        }
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        match self {
            Self::Local(bundle) => bundle.read_at(offset, out),
            #[cfg(feature = "net")]
            Self::Remote(bundle) => bundle.read_at(offset, out),
        }
    }

    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, SourceError> {
        match self {
            Self::Local(bundle) => bundle.read_tile(path, out),
            #[cfg(feature = "net")]
            Self::Remote(bundle) => bundle.read_tile(path, out),
        }
    }
}

/// Reads a whole file of at most `bytes_max` bytes from anywhere: an index, an attestation.
///
/// # Errors
/// [`SourceError`]; a larger file is [`SourceErrorKind::Denied`].
#[cfg_attr(not(feature = "net"), expect(unused_variables, reason = "only the network needs them"))]
pub fn read_small(place: &Place, bytes_max: usize, settings: &Settings, stop: &Stop) -> Result<Vec<u8>, SourceError> {
    match place {
        Place::Path(path) => local::read_small(path, bytes_max),
        #[cfg(feature = "net")]
        Place::Web(url) => remote::Remote::new(url.clone(), settings, stop).read_small(bytes_max),
    }
}

/// Chance for the spread of a fleet over time; nothing secret depends on it.
pub fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

fn too_large(place: impl fmt::Display, bytes_max: usize) -> SourceError {
    let text = format!("the file {place} is larger than the {bytes_max} bytes that such a file may have");
    SourceError::new(SourceErrorKind::Denied, text)
}

fn io_error(path: &Path, error: std::io::Error) -> SourceError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => SourceErrorKind::Missing,
        _ => SourceErrorKind::Io(IoError::from(error)),
    };
    let text = match kind {
        SourceErrorKind::Io(errno) => format!("the file {} cannot be read: {errno}", path.display()),
        _ => format!("there is no file {}", path.display()),
    };
    SourceError::new(kind, text)
}
