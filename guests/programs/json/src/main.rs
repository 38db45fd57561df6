//! The sum of one field over a whole JSON document.
//!
//! In: the document; the field's name, UTF-8. Out: the sum (i128) and the number of values (u64), both little-endian,
//! then eight zero bytes. The field counts wherever it occurs, at any depth; each value must be an integer.

use openvm::io::{read_vec, reveal_bytes32};
use serde_json::Value;

fn main() {
    let document = read_vec();
    let field = match String::from_utf8(read_vec()) {
        Ok(field) => field,
        Err(error) => panic!("input 1, the field's name, is not UTF-8: {error}"),
    };
    let document: Value = match serde_json::from_slice(&document) {
        Ok(document) => document,
        Err(error) => panic!("input 0 is not JSON: {error}"),
    };
    let mut total = Total::default();
    total.add(&document, &field);
    let mut revealed = [0; 32];
    revealed[..16].copy_from_slice(&total.sum.to_le_bytes());
    revealed[16..24].copy_from_slice(&total.values.to_le_bytes());
    reveal_bytes32(revealed);
}

#[derive(Default)]
struct Total {
    sum: i128,
    values: u64,
}

impl Total {
    /// Adds what `node` holds; serde_json bounds the depth of a document, so the recursion is bounded too.
    fn add(&mut self, node: &Value, field: &str) {
        match node {
            Value::Array(elements) => elements.iter().for_each(|element| self.add(element, field)),
            Value::Object(members) => {
                for (name, value) in members {
                    if name == field {
                        self.sum += integer(value, field);
                        self.values += 1;
                    } else {
                        self.add(value, field);
                    }
                }
            }
            _ => {}
        }
    }
}

fn integer(value: &Value, field: &str) -> i128 {
    let signed = value.as_i64().map(i128::from);
    match signed.or_else(|| value.as_u64().map(i128::from)) {
        Some(integer) => integer,
        None => panic!("{field:?} is {value}, which is not an integer of 64 bits"),
    }
}
