//! Why a message is refused: each shape that two parsers could read in two ways has a word.

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A line ends in LF without CR.
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// CR, NUL or another control character where none may be.
    #[error("a control character in the head")]
    ControlCharacter,
    /// More than one empty line before the request line.
    #[error("empty lines before the request")]
    EmptyLines,
    /// Method, target and version are not divided by single spaces.
    #[error("the first line is not a method, a target and a version")]
    FirstLine,
    /// The method is not upper-case letters.
    #[error("the method is not one")]
    Method,
    /// Not one of the four forms, or not the one that the method asks for.
    #[error("the target is not one that the method may have")]
    Target,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the version is neither 1.0 nor 1.1")]
    Version,
    /// The status is not three digits.
    #[error("the status is not three digits")]
    Status,
    /// A first line longer than may be.
    #[error("the first line is too long")]
    LongFirstLine,
    /// A field longer than may be, too many of them, or too long a head.
    #[error("the fields are too many or too long")]
    LongFields,
    /// A line begins with white space.
    #[error("a field goes on in the next line")]
    Folded,
    /// No colon, white space before it, or a character that no name has.
    #[error("a field's name is not a token and a colon")]
    FieldName,
    /// A field that may be there once is there twice.
    #[error("a field that may be there once is there twice")]
    Twice,
    /// No host is named, and the connection has none either.
    #[error("no host is named")]
    NoHost,
    /// The host is not a name or an address with a port.
    #[error("the host is not a name or an address")]
    Host,
    /// `Host` says another than the target.
    #[error("the target and `Host` name different hosts")]
    TwoHosts,
    /// Not digits, or more than a number of 64 bits.
    #[error("the length is not a number")]
    Length,
    /// Two lengths, or a length and a transfer coding.
    #[error("the end of the body is told in two ways")]
    TwoLengths,
    /// Codings that do not end in one `chunked`, or that the version or the status does not know.
    #[error("the transfer coding is not one that ends in `chunked`")]
    TransferEncoding,
    /// `Connection` names a field that is for everybody.
    #[error("`Connection` names a field that is not about the connection")]
    Connection,
    /// A body where there is none.
    #[error("a body where there can be none")]
    Body,
    /// A chunk's size or its end is wrong.
    #[error("a chunk is malformed")]
    Chunk,
    /// A trailer that is for heads alone.
    #[error("a field among the trailers that belongs in the head")]
    Trailer,
    /// A response that nobody asked for.
    #[error("a response to no request")]
    Unasked,
    /// Protocols were switched without being asked to.
    #[error("protocols switched unasked")]
    Switch,
    /// More interim responses than anybody needs.
    #[error("too many interim responses")]
    Interim,
    /// The head took longer than anybody needs.
    #[error("the head was too long in coming")]
    Slow,
    /// The connection ended inside the message.
    #[error("the message breaks off")]
    Truncated,
}

impl Refusal {
    /// What a client is told: status and phrase.
    pub(crate) fn status(self) -> (u16, &'static str) {
        match self {
            Self::LongFirstLine => (414, "URI Too Long"),
            Self::LongFields => (431, "Request Header Fields Too Large"),
            Self::Slow => (408, "Request Timeout"),
            _ => (400, "Bad Request"),
        }
    }
}
