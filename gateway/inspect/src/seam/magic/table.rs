//! Types of files by their first bytes: those that a rule is likely to name. A short list that is read, rather than a long
//! one that is trusted.

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the name says it")]
pub enum Kind {
    WindowsProgram,
    Elf,
    MachO,
    JavaClass,
    Script,
    WindowsShortcut,
    OleDocument,
    WindowsHelp,
    Zip,
    SevenZip,
    Rar,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Cabinet,
    Tar,
    VirtualDisk,
    Lha,
    Pdf,
    Rtf,
    Png,
    Jpeg,
    Gif,
    Webp,
    Mp4,
    Sqlite,
    Wasm,
    OneNote,
}

/// Kind, its name in rules, where its bytes are, and which they are.
const TABLE: [(Kind, &str, usize, &[u8]); 39] = [
    (Kind::WindowsProgram, "windows-program", 0, b"MZ"),
    (Kind::Elf, "elf", 0, b"\x7fELF"),
    (Kind::MachO, "mach-o", 0, b"\xcf\xfa\xed\xfe"),
    (Kind::MachO, "mach-o", 0, b"\xce\xfa\xed\xfe"),
    (Kind::MachO, "mach-o", 0, b"\xfe\xed\xfa\xcf"),
    (Kind::MachO, "mach-o", 0, b"\xfe\xed\xfa\xce"),
    // A fat Mach-O has the same first four bytes as a Java class; the next ones count its few architectures.
    (Kind::MachO, "mach-o", 0, b"\xca\xfe\xba\xbe\x00\x00\x00\x02"),
    (Kind::JavaClass, "java-class", 0, b"\xca\xfe\xba\xbe"),
    (Kind::Script, "script", 0, b"#!"),
    (Kind::WindowsShortcut, "windows-shortcut", 0, b"L\x00\x00\x00\x01\x14\x02\x00"),
    (Kind::OleDocument, "ole-document", 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    (Kind::WindowsHelp, "windows-help", 0, b"ITSF\x03\x00\x00\x00"),
    (Kind::Zip, "zip", 0, b"PK\x03\x04"),
    (Kind::Zip, "zip", 0, b"PK\x05\x06"),
    (Kind::Zip, "zip", 0, b"PK\x07\x08"),
    (Kind::SevenZip, "7z", 0, b"7z\xbc\xaf\x27\x1c"),
    (Kind::Rar, "rar", 0, b"Rar!\x1a\x07"),
    (Kind::Gzip, "gzip", 0, b"\x1f\x8b\x08"),
    (Kind::Bzip2, "bzip2", 0, b"BZh"),
    (Kind::Xz, "xz", 0, b"\xfd7zXZ\x00"),
    (Kind::Zstd, "zstd", 0, b"\x28\xb5\x2f\xfd"),
    (Kind::Cabinet, "cabinet", 0, b"MSCF\x00\x00\x00\x00"),
    (Kind::Tar, "tar", 257, b"ustar"),
    (Kind::VirtualDisk, "virtual-disk", 0, b"conectix"),
    (Kind::VirtualDisk, "virtual-disk", 0, b"vhdxfile"),
    (Kind::VirtualDisk, "virtual-disk", 0, b"KDMV"),
    (Kind::Lha, "lha", 2, b"-lh"),
    (Kind::Lha, "lha", 2, b"-lz"),
    (Kind::Pdf, "pdf", 0, b"%PDF-"),
    (Kind::Rtf, "rtf", 0, b"{\\rtf"),
    (Kind::Png, "png", 0, b"\x89PNG\r\n\x1a\n"),
    (Kind::Jpeg, "jpeg", 0, b"\xff\xd8\xff"),
    (Kind::Gif, "gif", 0, b"GIF87a"),
    (Kind::Gif, "gif", 0, b"GIF89a"),
    (Kind::Webp, "webp", 8, b"WEBP"),
    (Kind::Mp4, "mp4", 4, b"ftyp"),
    (Kind::Sqlite, "sqlite", 0, b"SQLite format 3\x00"),
    (Kind::Wasm, "wasm", 0, b"\x00asm"),
    (Kind::OneNote, "onenote", 0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d"),
];

impl Kind {
    /// By its first bytes.
    pub fn of(start: &[u8]) -> Option<Self> {
        let matches = |at: usize, bytes: &[u8]| start.get(at..).is_some_and(|from| from.starts_with(bytes));
        TABLE.iter().find(|(_, _, at, bytes)| matches(*at, bytes)).map(|(kind, ..)| *kind)
    }

    /// By its name in rules.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, is, ..)| *is == name).map(|(kind, ..)| *kind)
    }

    /// Its name in rules.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(kind, ..)| *kind == self).map_or("unknown", |(_, name, ..)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_by_its_bytes_and_by_its_name() {
        for (kind, name, at, bytes) in TABLE {
            let mut start = vec![b' '; at];
            start.extend_from_slice(bytes);
            assert_eq!(Kind::of(&start), Some(kind), "{name}");
            start.pop();
            assert_ne!(Kind::of(&start).filter(|found| *found != Kind::JavaClass), Some(kind), "{name}, cut short");
            assert_eq!(Kind::named(name), Some(kind));
            assert_eq!(kind.name(), name);
        }
        assert_eq!(Kind::of(b""), None);
        assert_eq!(Kind::of(b"<!DOCTYPE html>"), None);
    }
}
