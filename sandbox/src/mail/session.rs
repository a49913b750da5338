//! One SMTP session, from banner to QUIT.

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{Fault, Letter, NAME, Post};

/// RFC 5321 4.5.3.1.6 lets a line have 1000 octets; AUTH responses may be longer (RFC 4954: 12288).
const LONGEST_LINE: u64 = 12_288;
/// What the stand-in announces by SIZE (RFC 1870) and takes.
const LARGEST_MAIL: usize = 10 * 1024 * 1024;

/// Serves until the client leaves or misbehaves. IO errors end the session; nobody is there to be told.
pub(super) async fn serve(stream: TcpStream, post: Arc<Post>) {
    let peer = stream.peer_addr().ok();
    let (reader, writer) = stream.into_split();
    let mut session = Session {
        reader: BufReader::new(reader),
        writer,
        post,
        peer,
        hello: None,
        signed_in: false,
        from: None,
        to: Vec::new(),
        fault: None,
    };
    let _ended = session.run().await;
}

struct Session {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    post: Arc<Post>,
    peer: Option<SocketAddr>,
    hello: Option<String>,
    signed_in: bool,
    from: Option<String>,
    to: Vec<String>,
    fault: Option<Fault>,
}

impl Session {
    async fn run(&mut self) -> std::io::Result<()> {
        self.answer(&format!("220 {NAME} ESMTP stand-in, nothing is delivered")).await?;
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    self.hello = Some(rest.to_owned());
                    let auth = if self.post.credentials.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
                    self.answer(&format!("250-{NAME}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n{auth}250 SIZE {LARGEST_MAIL}")).await?;
                }
                "HELO" => {
                    self.hello = Some(rest.to_owned());
                    self.answer(&format!("250 {NAME}")).await?;
                }
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.sender(rest).await?,
                "RCPT" => self.recipient(rest).await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    self.forget();
                    self.answer("250 OK").await?;
                }
                "NOOP" => self.answer("250 OK").await?,
                "VRFY" => self.answer("252 cannot say").await?,
                "QUIT" => return self.answer("221 bye").await,
                _ => self.answer("502 command not known").await?,
            }
        }
        Ok(())
    }

    async fn auth(&mut self, rest: &str) -> std::io::Result<()> {
        let Some((user, password)) = self.post.credentials.clone() else { return self.answer("503 no authentication here").await };
        let decode = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (mechanism, initial) = rest.split_once(' ').map_or((rest, None), |(mechanism, initial)| (mechanism, Some(initial.to_owned())));
        let right = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let response = if let Some(initial) = initial { initial } else { self.ask("").await? };
                decode(&response) == format!("\0{user}\0{password}")
            }
            "LOGIN" => {
                let name = if let Some(initial) = initial { initial } else { self.ask("Username:").await? };
                let word = self.ask("Password:").await?;
                decode(&name) == user && decode(&word) == password
            }
            _ => return self.answer("504 mechanism not known").await,
        };
        self.signed_in = right;
        self.answer(if right { "235 welcome" } else { "535 5.7.8 user name or password is wrong" }).await
    }

    async fn ask(&mut self, challenge: &str) -> std::io::Result<String> {
        self.answer(&format!("334 {}", STANDARD.encode(challenge))).await?;
        Ok(self.line().await?.unwrap_or_default())
    }

    async fn sender(&mut self, rest: &str) -> std::io::Result<()> {
        if self.hello.is_none() {
            return self.answer("503 say EHLO first").await;
        }
        if self.post.credentials.is_some() && !self.signed_in {
            return self.answer("530 5.7.0 authentication required").await;
        }
        let Some(from) = path(rest, "FROM:") else { return self.answer("501 MAIL FROM:<address>").await };
        self.forget();
        self.fault = self.post.next_fault();
        if let Some(Fault::RefuseSender(code)) = self.fault {
            return self.answer(&format!("{code} the stand-in was told to refuse the sender")).await;
        }
        self.from = Some(from);
        self.answer("250 OK").await
    }

    async fn recipient(&mut self, rest: &str) -> std::io::Result<()> {
        if self.from.is_none() {
            return self.answer("503 say MAIL first").await;
        }
        let Some(to) = path(rest, "TO:").filter(|to| !to.is_empty()) else { return self.answer("501 RCPT TO:<address>").await };
        if let Some(Fault::RefuseRecipient(code)) = self.fault {
            return self.answer(&format!("{code} the stand-in was told to refuse the recipient")).await;
        }
        self.to.push(to);
        self.answer("250 OK").await
    }

    /// Takes the content; `false` ends the session.
    async fn data(&mut self) -> std::io::Result<bool> {
        if self.to.is_empty() {
            self.answer("503 say RCPT first").await?;
            return Ok(true);
        }
        if self.fault == Some(Fault::DropBeforeContent) {
            return Ok(false);
        }
        self.answer("354 go ahead, end with a dot").await?;
        let Some(content) = self.content().await? else {
            self.answer("552 5.3.4 too large").await?;
            return Ok(false);
        };
        let (fault, from, to) = (self.fault, self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        let received = format!("Received: from {} by {NAME} (stand-in, not delivered)\r\n", self.hello.as_deref().unwrap_or("?"));
        let letter = Letter { from, to, raw: [received.as_bytes(), &content].concat() };
        self.forget();
        match fault {
            Some(Fault::RefuseContent(code)) => {
                self.answer(&format!("{code} the stand-in was told to refuse the content")).await?;
                return Ok(true);
            }
            Some(Fault::LoseContent) => return Ok(false),
            _ => {}
        }
        if let Err(error) = self.post.keep(letter) {
            tracing::warn!(peer = ?self.peer, "the mail stand-in cannot keep a mail: {error:#}");
            self.answer("452 4.3.1 the stand-in cannot write it down").await?;
            return Ok(true);
        }
        match fault {
            Some(Fault::KeepThenDrop) => Ok(false),
            Some(Fault::KeepThenHang) => std::future::pending().await,
            _ => self.answer("250 2.0.0 kept by the stand-in").await.map(|()| true),
        }
    }

    /// The lines up to the lone dot, without the dots that were added for transparency (RFC 5321 4.5.2); `None` if it is too large.
    async fn content(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        loop {
            let start = content.len();
            let room = LARGEST_MAIL.saturating_sub(start) as u64;
            (&mut self.reader).take(room).read_until(b'\n', &mut content).await?;
            let line = &content[start..];
            if line == b".\r\n" {
                content.truncate(start);
                return Ok(Some(content));
            }
            if !line.ends_with(b"\n") {
                let ended = content.len() < LARGEST_MAIL;
                return if ended { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
            }
            if line.starts_with(b".") {
                content.remove(start);
            }
        }
    }

    fn forget(&mut self) {
        (self.from, self.fault) = (None, None);
        self.to.clear();
    }

    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    async fn answer(&mut self, text: &str) -> std::io::Result<()> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await
    }
}

/// The address in `FROM:<someone@example.org> SIZE=5`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let start = rest.get(..keyword.len()).filter(|start| start.eq_ignore_ascii_case(keyword))?;
    let (address, _) = rest[start.len()..].trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}
