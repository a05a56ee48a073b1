//! Types of files by their first bytes, whatever name and `Content-Type` say.

use crate::words::words;

words! {
    /// What a file is.
    FileType {
        /// A program for Windows.
        Pe = "pe",
        /// A program for Linux and its relatives.
        Elf = "elf",
        /// A program for macOS.
        MachO = "macho",
        /// A Java class.
        Class = "class",
        /// ZIP, and what is made of it: OOXML, JAR, APK.
        Zip = "zip",
        /// RAR.
        Rar = "rar",
        /// 7-Zip.
        SevenZip = "7z",
        /// A cabinet of Windows.
        Cab = "cab",
        /// A document.
        Pdf = "pdf",
        /// OLE compound files: documents of Office until 2003, MSI, MSG.
        Ole = "ole",
        /// Rich text.
        Rtf = "rtf",
        /// A shortcut of Windows.
        Lnk = "lnk",
    }
}

/// Where `%PDF-` may begin, for most readers.
const PDF_BYTES: usize = 1_024;

impl FileType {
    /// Bytes of which more would change nothing.
    pub const BYTES: usize = PDF_BYTES + 5;

    /// The type of what begins with these bytes, [`Self::BYTES`] of them unless there are fewer.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], FileType); 17] = [
            (b"MZ", FileType::Pe),
            (b"\x7fELF", FileType::Elf),
            (b"\xfe\xed\xfa\xce", FileType::MachO),
            (b"\xfe\xed\xfa\xcf", FileType::MachO),
            (b"\xce\xfa\xed\xfe", FileType::MachO),
            (b"\xcf\xfa\xed\xfe", FileType::MachO),
            (b"\xca\xfe\xba\xbf", FileType::MachO),
            (b"PK\x03\x04", FileType::Zip),
            (b"PK\x05\x06", FileType::Zip),
            (b"PK\x07\x08", FileType::Zip),
            (b"Rar!\x1a\x07", FileType::Rar),
            (b"7z\xbc\xaf\x27\x1c", FileType::SevenZip),
            (b"MSCF", FileType::Cab),
            (b"%PDF-", FileType::Pdf),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType::Ole),
            (b"{\\rt", FileType::Rtf),
            (b"L\0\0\0\x01\x14\x02\0", FileType::Lnk),
        ];
        // Programs for several processors at once and Java classes begin alike; what follows is a number of processors,
        // which are few, or a version, of which there was none below 45.
        if let [0xca, 0xfe, 0xba, 0xbe, a, b, c, d, ..] = *bytes {
            let is_class = u32::from_be_bytes([a, b, c, d]) >= 45;
            return Some(if is_class { Self::Class } else { Self::MachO });
        }
        let start = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, kind)| kind);
        let early = &bytes[..bytes.len().min(Self::BYTES)];
        start.or_else(|| early.windows(5).any(|window| window == b"%PDF-").then_some(Self::Pdf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (bytes, kind) in [
            (&b"MZ\x90\0"[..], Some(FileType::Pe)),
            (b"\x7fELF\x02", Some(FileType::Elf)),
            (b"\xcf\xfa\xed\xfe\x07", Some(FileType::MachO)),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", Some(FileType::MachO)),
            (b"\xca\xfe\xba\xbe\0\0\0\x41", Some(FileType::Class)),
            (b"\xca\xfe\xba\xbe", None),
            (b"PK\x03\x04\x14", Some(FileType::Zip)),
            (b"\n\n%PDF-1.7", Some(FileType::Pdf)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", Some(FileType::Ole)),
            (b"\xd0\xcf\x11\xe0", None),
            (b"{\\rtf1", Some(FileType::Rtf)),
            (b"<!doctype html>", None),
            (b"", None),
        ] {
            assert_eq!(FileType::of(bytes), kind, "{bytes:?}");
        }
        let late = [vec![b' '; PDF_BYTES], b"%PDF-".to_vec()].concat();
        assert_eq!(FileType::of(&late), Some(FileType::Pdf));
        assert_eq!(FileType::of(&[b" ".to_vec(), late].concat()), None);
    }
}
