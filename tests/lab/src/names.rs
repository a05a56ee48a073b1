//! What one lab is called: every namespace, directory and pin of an instance carries its id, so that several labs
//! live side by side and each can be removed without asking what it made.

use std::fmt;
use std::path::{Path, PathBuf};

/// The records of all labs on this machine, one directory an instance.
pub const RECORDS: &str = "/run/bangasa-lab";
/// Where the kernel keeps pinned BPF objects.
pub const BPFFS: &str = "/sys/fs/bpf";
/// Where `ip netns` keeps named namespaces.
pub const NETNS: &str = "/run/netns";

/// One lab on this machine: four hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceId(String);

impl InstanceId {
    /// An id that nobody uses yet, with good probability; [`crate::record::Record::claim`] makes sure.
    pub fn random() -> Self {
        Self(format!("{:04x}", rand::random::<u16>()))
    }

    /// Reads an id as the command line and directory names write it.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == 4 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(text.to_owned()))
    }

    /// The beginning of every namespace name of this instance, those that the daemon makes included.
    pub fn prefix(&self) -> String {
        format!("bl{}-", self.0)
    }

    /// The namespace that plays `role`: `gateway`, `switch`, `internet` or a municipality.
    pub fn namespace(&self, role: &str) -> String {
        format!("{}{role}", self.prefix())
    }

    /// What the daemon puts before a municipality's id to name its namespace.
    pub fn municipality_prefix(&self) -> String {
        format!("{}m-", self.prefix())
    }

    /// The instance's files: record, configuration, sockets, logs.
    pub fn directory(&self) -> PathBuf {
        Path::new(RECORDS).join(&self.0)
    }

    /// The instance's pinned maps, links and programs.
    pub fn pins(&self) -> PathBuf {
        Path::new(BPFFS).join(format!("bangasa-lab-{}", self.0))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_hexadecimal_digits_are_an_id() {
        assert!(InstanceId::parse("3fa9").is_some());
        for text in ["", "3fa", "3fa99", "3FA9", "../a", "xyzw"] {
            assert_eq!(InstanceId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_random_id_reads_back() {
        let id = InstanceId::random();
        assert_eq!(InstanceId::parse(&id.to_string()), Some(id));
    }
}
