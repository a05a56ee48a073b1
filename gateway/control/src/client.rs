//! The command line's side of the socket; blocking.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::{LONGEST_LINE, Line, Request, Response};

/// A daemon that can be asked; every request opens a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("cannot reach bangasad at `{}`: {error}; is it running, and may this user use the socket?", .socket.display())]
    Unreachable {
        /// The path.
        socket: PathBuf,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// The connection broke.
    #[error("the conversation with bangasad broke off: {0}")]
    Broken(#[from] std::io::Error),
    /// The other side speaks something else.
    #[error("bangasad answered with something this command does not understand: {0}; are both of the same version?")]
    NotUnderstood(#[from] serde_json::Error),
    /// The daemon hung up without an answer.
    #[error("bangasad hung up without an answer; see its log")]
    NoAnswer,
    /// The daemon said no.
    #[error("{0}")]
    Failed(String),
}

impl Client {
    /// For the daemon at this socket; nothing is opened yet.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_path_buf() }
    }

    /// Asks and waits for the answer. `Response::Failed` becomes an error.
    pub fn ask(&self, request: &Request) -> Result<Response, ClientError> {
        self.open(request).map(|(response, _)| response)
    }

    /// Asks for events: first the history, then, if `follow`, whatever happens.
    pub fn events(&self, follow: bool, municipality: Option<&str>) -> Result<EventStream, ClientError> {
        let municipality = municipality.map(str::to_owned);
        let (_, reader) = self.open(&Request::Events { follow, municipality })?;
        Ok(EventStream { reader })
    }

    fn open(&self, request: &Request) -> Result<(Response, BufReader<UnixStream>), ClientError> {
        let mut stream = UnixStream::connect(&self.socket)
            .map_err(|error| ClientError::Unreachable { socket: self.socket.clone(), error })?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut reader = BufReader::new(stream);
        let mut answer = String::new();
        (&mut reader).take(LONGEST_LINE).read_line(&mut answer)?;
        if answer.is_empty() {
            return Err(ClientError::NoAnswer);
        }
        match serde_json::from_str(&answer)? {
            Response::Failed { message } => Err(ClientError::Failed(message)),
            response => Ok((response, reader)),
        }
    }
}

/// Events as they arrive; ends when the daemon hangs up.
#[derive(Debug)]
pub struct EventStream {
    reader: BufReader<UnixStream>,
}

impl Iterator for EventStream {
    /// The line as it came, and what it says.
    type Item = Result<(String, Line), ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = String::new();
        match (&mut self.reader).take(LONGEST_LINE).read_line(&mut text) {
            Ok(0) => None,
            Ok(_) => {
                text.truncate(text.trim_end().len());
                Some(serde_json::from_str(&text).map(|line| (text, line)).map_err(ClientError::from))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}
