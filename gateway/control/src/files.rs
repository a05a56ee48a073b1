//! How the files of a policy travel: text as text, anything else as hexadecimal digits, so that even a file that is
//! not UTF-8 reaches `check` and is reported there.

use std::collections::BTreeMap;

use policy::Source;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Contents<'a> {
    Text(std::borrow::Cow<'a, str>),
    Bytes { hex: String },
}

pub fn serialize<S: Serializer>(source: &Source, serializer: S) -> Result<S::Ok, S::Error> {
    let files: BTreeMap<&str, Contents<'_>> = source
        .files
        .iter()
        .map(|(path, bytes)| {
            let contents = match std::str::from_utf8(bytes) {
                Ok(text) => Contents::Text(text.into()),
                Err(_) => Contents::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() },
            };
            (path.as_str(), contents)
        })
        .collect();
    files.serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
    let files = BTreeMap::<String, Contents<'_>>::deserialize(deserializer)?;
    let files = files
        .into_iter()
        .map(|(path, contents)| match contents {
            Contents::Text(text) => Ok((path, text.into_owned().into_bytes())),
            Contents::Bytes { hex } => {
                Ok((path, from_hex(&hex).ok_or_else(|| D::Error::custom("bad hexadecimal digits"))?))
            }
        })
        .collect::<Result<_, D::Error>>()?;
    Ok(Source { files })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::Request;

    #[test]
    fn text_and_other_bytes_survive() {
        let files = [("a.toml".into(), "名".into()), ("sets/b".into(), vec![0xff, 0x0a, b'"'])];
        let request = Request::Check { files: Source { files: files.into() } };
        let line = serde_json::to_string(&request).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    }
}
