//! The guest's input stream: a list of items, one for each `read` of the guest.

use serde::{Deserialize, Serialize};

/// Most bytes that all items may have together; they live in the prover's memory, four bytes for each.
pub const STDIN_BYTES_MAX: usize = 256 << 20;
/// Most items.
pub const STDIN_ITEMS_MAX: usize = 1 << 20;
const MAGIC: &[u8; 4] = b"PHin";
const VERSION: u8 = 1;

/// The items of the input stream, in the order in which the guest reads them.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stdin {
    /// One item for each `openvm::io::read_vec` (or `read`) of the guest.
    pub items: Vec<Vec<u8>>,
}

/// Why bytes are not an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StdinError {
    /// More than [`STDIN_BYTES_MAX`].
    #[error("the input has {0} bytes, at most {STDIN_BYTES_MAX} are accepted")]
    TooLong(usize),
    /// More than [`STDIN_ITEMS_MAX`].
    #[error("the input has {0} items, at most {STDIN_ITEMS_MAX} are accepted")]
    TooManyItems(usize),
    /// Not an encoding made by [`Stdin::encode`].
    #[error("the stored input is malformed: {0}")]
    Malformed(String),
    /// Not `{"input": ["0x…", …]}`.
    #[error("not an OpenVM input file: {0}")]
    Json(String),
    /// An entry of `input` that cannot be used.
    #[error("input[{index}]: {reason}")]
    Item {
        /// Which entry.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile {
    input: Vec<String>,
}

impl Stdin {
    /// Reads OpenVM's input file: `{"input": ["0x01…", "0x02…"]}`. An entry that starts with `01` holds bytes; one that
    /// starts with `02` holds field elements as little-endian `u32`, of which a byte stream can only take those below 256.
    /// Source: <https://docs.openvm.dev/book/writing-apps/overview#inputs>.
    pub fn from_json(text: &[u8]) -> Result<Self, StdinError> {
        if text.len() > 2 * STDIN_BYTES_MAX {
            return Err(StdinError::TooLong(text.len()));
        }
        let file: JsonFile = serde_json::from_slice(text).map_err(|error| StdinError::Json(error.to_string()))?;
        let item =
            |(index, text): (usize, &String)| json_item(text).map_err(|reason| StdinError::Item { index, reason });
        let items = file.input.iter().enumerate().map(item).collect::<Result<_, _>>()?;
        Self { items }.checked()
    }

    /// Refuses what is too long.
    pub fn checked(self) -> Result<Self, StdinError> {
        if self.items.len() > STDIN_ITEMS_MAX {
            return Err(StdinError::TooManyItems(self.items.len()));
        }
        let bytes = self.items.iter().map(Vec::len).sum();
        if bytes > STDIN_BYTES_MAX {
            return Err(StdinError::TooLong(bytes));
        }
        Ok(self)
    }

    /// The bytes of the stdin artifact.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend((self.items.len() as u64).to_le_bytes());
        for item in &self.items {
            bytes.extend((item.len() as u64).to_le_bytes());
            bytes.extend(item);
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, StdinError> {
        let malformed = |reason: String| StdinError::Malformed(reason);
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("no magic".into()))?;
        let (&version, mut rest) = rest.split_first().ok_or_else(|| malformed("no version".into()))?;
        if version != VERSION {
            return Err(malformed(format!("version {version}, this phalanx reads {VERSION}")));
        }
        let length = |rest: &mut &[u8]| {
            let (length, tail) = rest.split_first_chunk().ok_or_else(|| malformed("cut short".into()))?;
            *rest = tail;
            usize::try_from(u64::from_le_bytes(*length)).map_err(|_| malformed("a length of over 32 bits".into()))
        };
        let count = length(&mut rest)?;
        if count > STDIN_ITEMS_MAX {
            return Err(StdinError::TooManyItems(count));
        }
        let mut items = Vec::new();
        for index in 0..count {
            let bytes = length(&mut rest)?;
            let (item, tail) =
                rest.split_at_checked(bytes).ok_or_else(|| malformed(format!("item {index} is cut short")))?;
            items.push(item.to_vec());
            rest = tail;
        }
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes after the last item", rest.len())));
        }
        Self { items }.checked()
    }
}

fn json_item(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err("an odd number of hexadecimal digits".into());
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let bytes = pairs
        .iter()
        .enumerate()
        .map(|(at, [high, low])| {
            let (high, low) = nibble(*high).zip(nibble(*low)).ok_or(format!("digit pair {at} is not hexadecimal"))?;
            Ok(high << 4 | low)
        })
        .collect::<Result<Vec<_>, String>>()?;
    match bytes.split_first() {
        Some((1, bytes)) => Ok(bytes.to_vec()),
        Some((2, elements)) => {
            let (words, rest) = elements.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(format!("{} bytes are not a whole number of 4-byte field elements", elements.len()));
            }
            let byte = |word: &[u8; 4]| {
                let value = u32::from_le_bytes(*word);
                u8::try_from(value).map_err(|_| format!("field element {value} does not fit a byte"))
            };
            words.iter().map(byte).collect()
        }
        Some((tag, _)) => Err(format!("starts with {tag:02x}, expected 01 (bytes) or 02 (field elements)")),
        None => Err("empty: expected a first byte 01 (bytes) or 02 (field elements)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_and_back() {
        let stdin = Stdin { items: vec![vec![], vec![1, 2, 3], vec![0; 300]] };
        assert_eq!(Stdin::decode(&stdin.encode()), Ok(stdin));
    }

    #[test]
    fn every_truncation_and_a_trailing_byte_are_refused() {
        let mut bytes = Stdin { items: vec![vec![7; 9], vec![]] }.encode();
        for length in 0..bytes.len() {
            assert!(Stdin::decode(&bytes[..length]).is_err(), "{length} bytes were accepted");
        }
        bytes.push(0);
        assert!(Stdin::decode(&bytes).is_err());
    }

    #[test]
    fn a_huge_length_is_refused_before_it_is_allocated() {
        let mut bytes = Stdin { items: vec![vec![1]] }.encode();
        bytes[13..21].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Stdin::decode(&bytes).is_err());
    }

    #[test]
    fn openvm_json_holds_bytes_and_field_elements() {
        let stdin = Stdin::from_json(br#"{"input": ["0x01abCD", "0x020700000008000000", "0x01"]}"#);
        assert_eq!(stdin, Ok(Stdin { items: vec![vec![0xab, 0xcd], vec![7, 8], vec![]] }));
    }

    #[test]
    fn bad_json_names_the_entry() {
        for (text, index) in [
            (r#"{"input": ["0x01", "0x03"]}"#, 1),
            (r#"{"input": ["0x012"]}"#, 0),
            (r#"{"input": ["0x02000100"]}"#, 0),
            (r#"{"input": ["0x0200010000"]}"#, 0),
            (r#"{"input": [""]}"#, 0),
        ] {
            let error = Stdin::from_json(text.as_bytes()).expect_err(text);
            assert!(matches!(error, StdinError::Item { index: at, .. } if at == index), "{text}: {error}");
        }
        assert!(matches!(Stdin::from_json(b"{\"inputs\": []}"), Err(StdinError::Json(_))));
    }
}
