//! 32-byte digests and their hexadecimal form.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A BLAKE3 digest, 32 bytes. Written as 64 lower-case hexadecimal digits, in JSON too; binary formats hold the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Bytes in a digest.
    pub const LEN: usize = 32;

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Wraps 32 bytes that already are a digest.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// The text is too short or too long.
    #[error("a digest has 64 hexadecimal digits, this text has {0} bytes")]
    Length(usize),
    /// A character is no hexadecimal digit.
    #[error("byte {0} is not a hexadecimal digit")]
    Digit(usize),
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.as_bytes();
        if text.len() != 2 * Self::LEN {
            return Err(ParseDigestError::Length(text.len()));
        }
        let digit = |at: usize| {
            text.get(at)
                .and_then(|byte| char::from(*byte).to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or(ParseDigestError::Digit(at))
        };
        let mut bytes = [0; Self::LEN];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(2 * i)? << 4 | digit(2 * i + 1)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_str(Text);
        }
        <[u8; 32]>::deserialize(deserializer).map(Self)
    }
}

/// Reads the hexadecimal form.
struct Text;

impl de::Visitor<'_> for Text {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest of 64 hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn text_and_back() {
        let digest = Digest::of(b"phalanx");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn matches_the_blake3_test_vector_for_empty_input() {
        // https://github.com/BLAKE3-team/BLAKE3/blob/master/test_vectors/test_vectors.json
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(Digest::of(b"").to_string(), empty);
    }

    #[test]
    fn json_has_the_text_and_refuses_what_is_none() {
        let digest = Digest::of(b"phalanx");
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, alloc::format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>("\"00\"").unwrap_err().to_string().contains("this text has 2 bytes"));
    }

    #[test]
    fn a_bad_digit_is_named_by_its_place() {
        let text = "zz".repeat(32);
        assert_eq!(text.parse::<Digest>(), Err(ParseDigestError::Digit(0)));
        assert_eq!("00".parse::<Digest>(), Err(ParseDigestError::Length(2)));
    }
}
