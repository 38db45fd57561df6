//! Reading bytes that may be hostile: every read is bounded by what is there, nothing is allocated before it is checked.

use std::io::Read as _;

/// Reads from the front of a slice; `None` when there is not enough.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// What was not read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        self.at = self.at.checked_add(len)?;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

/// Unpacks one zstd frame to at most `max` bytes; nothing may follow it. The declared size is not believed: memory grows
/// with what comes out.
pub(crate) fn zstd_bounded(packed: &[u8], max: usize) -> Result<Vec<u8>, String> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(packed).map_err(|error| error.to_string())?.single_frame();
    decoder.by_ref().take(limit).read_to_end(&mut plain).map_err(|error| error.to_string())?;
    if plain.len() > max {
        return Err(format!("unpacks to more than {max} bytes"));
    }
    match decoder.finish() {
        [] => Ok(plain),
        left => Err(format!("{} bytes after the packed data", left.len())),
    }
}
