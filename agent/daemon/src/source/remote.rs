//! Files on a web server, read by ranges, resumed after every cut at the very byte, tried again with growing waits.
//!
//! In: an address. Out: bytes at any offset, best read in rising order. A server without ranges works too: it sends
//! from the start, and what is not needed is thrown away. What was received is never asked for again.

use super::http::retry::Backoff;
use super::http::url::Url;
use super::http::{Client, Download, HttpError, Retry};
use super::{random, too_large};
use crate::config::Settings;
use crate::platform::{SourceError, SourceErrorKind};
use crate::stop::Stop;
use delta_format::channel::LOG_FOLDER;

/// Bytes that are asked for when nobody announced how far the reading goes: enough for the head of any bundle.
const PROBE_BYTES: u64 = 64 * 1024;
/// A gap up to this size is read and thrown away; a new request costs about as much.
const SKIP_BYTES_MAX: u64 = 64 * 1024;

/// One file on a server.
#[derive(Debug)]
pub struct Remote {
    url: Url,
    client: Client,
    backoff: Backoff,
    stop: Stop,
    download: Option<Download>,
    /// Offset of the next byte that the download gives.
    position: u64,
    /// End of the announced range.
    until: u64,
    /// End of what will be needed at all, when the channel's index says it; 0 when nobody does.
    needed: u64,
    total: Option<u64>,
    failures: u32,
    /// Body bytes that came over the network, thrown away or not.
    received: u64,
}

impl Remote {
    /// A file that nothing was asked of yet.
    pub fn new(url: Url, settings: &Settings, stop: &Stop) -> Self {
        Self {
            url,
            client: Client::new(settings.http.clone(), stop.clone()),
            backoff: settings.backoff,
            stop: stop.clone(),
            download: None,
            position: 0,
            until: 0,
            needed: 0,
            total: None,
            failures: 0,
            received: 0,
        }
    }

    /// Bytes of the file, once the server has said so.
    pub fn length(&self) -> Option<u64> {
        self.total
    }

    /// Body bytes received so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next reads walk to `end`.
    pub fn announce(&mut self, end: u64) {
        self.until = end;
    }

    /// No byte from `end` on will be needed, most likely: one request may go to there.
    pub fn expect(&mut self, end: u64) {
        self.needed = end;
    }

    /// Fills `out` from `offset`.
    ///
    /// # Errors
    /// [`SourceError`] after the last try; [`SourceErrorKind::End`] when the file ends first.
    pub fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        let mut done = 0;
        while done < out.len() {
            let read = self.read_some(offset + done as u64, out.len() - done, &mut out[done..]);
            match self.judge(read)? {
                Some(0) => return Err(self.error(SourceErrorKind::End, "it ends too early".to_owned())),
                Some(count) => done += count,
                None => {}
            }
        }
        Ok(())
    }

    /// Reads the whole file, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`SourceError`]; a larger file is [`SourceErrorKind::Denied`].
    pub fn read_small(&mut self, bytes_max: usize) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        self.announce(u64::MAX);
        loop {
            let read = self.read_some(bytes.len() as u64, part.len(), &mut part);
            match self.judge(read)? {
                Some(0) => return Ok(bytes),
                Some(count) => bytes.extend_from_slice(&part[..count]),
                None => {}
            }
            if bytes.len() > bytes_max || self.total.is_some_and(|total| total > bytes_max as u64) {
                return Err(too_large(&self.url, bytes_max));
            }
        }
    }

    /// Some bytes from `offset`, 0 at the end of the file.
    fn read_some(&mut self, offset: u64, wanted: usize, out: &mut [u8]) -> Result<usize, HttpError> {
        loop {
            if self.total.is_some_and(|total| offset >= total) {
                return Ok(0);
            }
            let Some(mut download) = self.download.take() else {
                self.request(offset, wanted)?;
                continue;
            };
            // What lies between is thrown away if it is little, or if the server knows no ranges.
            let gap = offset.checked_sub(self.position);
            if gap.is_none_or(|gap| gap > SKIP_BYTES_MAX && download.first() > 0) {
                continue;
            }
            let gap = gap.unwrap_or(0);
            let mut scratch = [0; 4096];
            let count = if gap > 0 {
                let most = scratch.len().min(usize::try_from(gap).unwrap_or(usize::MAX));
                download.read(&mut scratch[..most])?
            } else {
                download.read(out)?
            };
            self.position += count as u64;
            self.received += count as u64;
            if count == 0 {
                // The end of a range, or of the file when its length was not known.
                let ranged = download.first() > 0 || download.total().is_some_and(|total| self.position < total);
                if !ranged && self.total.is_none() {
                    self.total = Some(self.position);
                }
                self.client.finish(download);
                continue;
            }
            self.download = Some(download);
            self.failures = 0;
            if gap == 0 {
                return Ok(count);
            }
        }
    }

    fn request(&mut self, offset: u64, wanted: usize) -> Result<(), HttpError> {
        let end = match self.until.max(self.needed) {
            end if end > offset => end,
            _ => offset.saturating_add(PROBE_BYTES.max(wanted as u64)),
        };
        let last = (end < u64::MAX).then(|| end - 1);
        let download = self.client.get(&self.url, offset, last)?;
        if let (Some(before), Some(now)) = (self.total, download.total())
            && before != now
        {
            return Err(HttpError::Protocol("the file on the server changed its length"));
        }
        self.total = self.total.or(download.total());
        self.position = download.first();
        self.download = Some(download);
        Ok(())
    }

    /// Waits and gives `None` when another try is due.
    fn judge(&mut self, read: Result<usize, HttpError>) -> Result<Option<usize>, SourceError> {
        let error = match read {
            Ok(count) => return Ok(Some(count)),
            Err(error) => error,
        };
        self.download = None;
        if let Retry::After(asked) = error.retry() {
            self.failures += 1;
            if let Some(wait) = self.backoff.wait(self.failures, asked, random()) {
                log::warn!("{}: {error}; trying again in {} ms", self.url, wait.as_millis());
                self.stop.sleep(wait);
                return if self.stop.is_set() { Err(self.failed(HttpError::Stopped)) } else { Ok(None) };
            }
        }
        Err(self.failed(error))
    }

    fn failed(&self, error: HttpError) -> SourceError {
        let kind = match (&error, error.retry()) {
            (HttpError::Stopped, _) => SourceErrorKind::Cancelled,
            (HttpError::Status(404 | 410, _), _) => SourceErrorKind::Missing,
            (HttpError::Status(416, _), _) => SourceErrorKind::End,
            (_, Retry::Final) => SourceErrorKind::Denied,
            _ => SourceErrorKind::Network,
        };
        self.error(kind, error.to_string())
    }

    fn error(&self, kind: SourceErrorKind, reason: String) -> SourceError {
        SourceError::new(kind, format!("{} cannot be fetched: {reason}", self.url))
    }
}

/// A bundle on a server, with the log beside it.
#[derive(Debug)]
pub struct RemoteBundle {
    origin: String,
    file: Remote,
    log: Url,
    settings: Settings,
}

impl RemoteBundle {
    /// A bundle that nothing was asked of yet.
    pub fn new(url: &Url, settings: &Settings, stop: &Stop) -> Self {
        Self {
            origin: url.to_string(),
            file: Remote::new(url.clone(), settings, stop),
            log: url.parent().join(LOG_FOLDER),
            settings: settings.clone(),
        }
    }

    /// The address.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Bytes of the file, once the server has said so.
    pub fn length(&self) -> Option<u64> {
        self.file.length()
    }

    /// See [`Remote::expect`].
    pub fn expect(&mut self, end: u64) {
        self.file.expect(end);
    }

    /// The next reads walk from `start` to `end`.
    pub fn announce(&mut self, _start: u64, end: u64) {
        self.file.announce(end);
    }

    pub(super) fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        self.file.read_at(offset, out)
    }

    pub(super) fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, SourceError> {
        // A connection of its own: the one of the bundle may be in the middle of a body.
        let mut tile = Remote::new(self.log.join(path), &self.settings, &self.file.stop);
        let bytes = tile.read_small(out.len())?;
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests;
