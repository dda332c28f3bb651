//! `storgo get`: a ticket becomes a file again.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use serde::{Deserialize, Serialize};
use storgo_node::object::{GetReport, Object, Order, Piece, Progress, Sink};
use storgo_node::{Client, Existing, PartialFile, Wanted as Download};
use storgo_protocol::Ticket;
use tokio::io::AsyncWriteExt as _;

use crate::context::{Context, JoinArgs, Wanted, leave};
use crate::error::{CliError, Exit};
use crate::{amounts, bar};

/// Reads what a ticket opens
///
/// Every byte is verified on the way: what comes out is what was put, or the command fails. A download to a file stands
/// under its name only when it is whole; an interrupted one leaves PATH.storgo-part and PATH.storgo-bitmap, and goes on
/// when run again.
///
/// Examples:
///   storgo get storgo:… -o photo.jpg
///   storgo get storgo:… --range 1000..2000 | xxd
///   storgo get storgo:… | tar x
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct GetArgs {
    /// The ticket that put printed
    ticket: Ticket,

    /// Where it goes; `-` is standard output [default: standard output, unless that is a terminal]
    #[arg(short, long, value_name = "PATH|-")]
    output: Option<PathBuf>,

    /// Only these bytes: from the first to before the second, either may be left out
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<Part>,

    /// Replaces PATH if it is there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    join: JoinArgs,
}

/// A part of an object; `None` at the end means to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    from: u64,
    to: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: GetArgs) -> Result<(), CliError> {
    let target = Target::of(args.output.as_deref())?;
    if let (Target::File(path), false) = (&target, args.force) {
        refuse_existing(path)?;
    }
    let wanted = Wanted { network: Some(args.ticket.network), hints: args.ticket.addresses.clone() };
    let client = context.connect(&args.join, wanted).await?;
    let start = Instant::now();
    let object = client.engine().open(&args.ticket).await;
    let got = match object {
        Ok(object) => get(context, &client, &args, &object, &target).await,
        Err(error) => return leave(client, Err(error)).await,
    };
    client.close().await;
    let report = got?;
    let json = GetJson::of(&args.ticket, &report, start.elapsed());
    match target {
        Target::File(_) if context.output.json => context.output.json_line(&json),
        _ => context.output.remark(&json, || json.text()),
    }
}

async fn get(
    context: &Context,
    client: &Client,
    args: &GetArgs,
    object: &Object,
    target: &Target,
) -> Result<GetReport, CliError> {
    let range = args.range.unwrap_or(Part { from: 0, to: None }).of(object.size())?;
    match target {
        Target::Stream(file) => {
            let mut sink = StreamSink(tokio::fs::File::from_std(file.try_clone().map_err(cannot_write)?));
            let report = fetch(context, client, object, range, &mut sink).await?;
            sink.0.flush().await.map_err(cannot_write)?;
            Ok(report)
        }
        Target::File(path) => {
            let existing = if args.force { Existing::Replace } else { Existing::Keep };
            let wanted = Download { content: args.ticket.content, from: range.start, to: range.end };
            let mut file = PartialFile::open(path, wanted, existing)?;
            let report = fetch(context, client, object, range, &mut file).await?;
            file.finish().await?;
            Ok(report)
        }
    }
}

async fn fetch(
    context: &Context,
    client: &Client,
    object: &Object,
    range: Range<u64>,
    sink: &mut dyn Sink,
) -> Result<GetReport, CliError> {
    let progress = Progress::default();
    let getting = client.engine().get(object, range, sink, &progress);
    Ok(bar::watch(context.output, "get", &progress, getting).await?)
}

/// Where the bytes go.
#[derive(Debug)]
enum Target {
    /// In order, to what cannot be written elsewhere than at its end: standard output, a pipe, a device.
    Stream(File),
    /// In any order, to a file that appears when it is whole.
    File(PathBuf),
}

impl Target {
    fn of(path: Option<&Path>) -> Result<Self, CliError> {
        match path {
            None if io::stdout().is_terminal() => {
                Err(CliError::new(Exit::Usage, "bytes are not printed on a terminal").hint("say where with -o PATH"))
            }
            None => Self::stdout(),
            Some(path) if path == Path::new("-") => Self::stdout(),
            Some(path) => match fs::metadata(path) {
                Ok(found) if !found.is_file() && !found.is_dir() => {
                    let file = File::options().write(true).open(path);
                    file.map(Self::Stream).map_err(|error| CliError::io(format!("opening {}", path.display()), error))
                }
                _ => Ok(Self::File(path.to_owned())),
            },
        }
    }

    fn stdout() -> Result<Self, CliError> {
        io::stdout().as_fd().try_clone_to_owned().map(|fd| Self::Stream(fd.into())).map_err(cannot_write)
    }
}

fn refuse_existing(path: &Path) -> Result<(), CliError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => {
            let error = CliError::new(Exit::Conflict, format!("{} exists already", path.display()));
            Err(error.hint("--force replaces it"))
        }
        Err(error) => Err(CliError::io(format!("looking at {}", path.display()), error)),
    }
}

fn cannot_write(error: io::Error) -> CliError {
    CliError::io("writing to standard output", error)
}

/// Bytes in order, to a stream.
#[derive(Debug)]
struct StreamSink(tokio::fs::File);

#[async_trait]
impl Sink for StreamSink {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _: &Piece) -> bool {
        false
    }

    async fn put(&mut self, _: &Piece, bytes: Bytes) -> io::Result<()> {
        self.0.write_all(&bytes).await
    }
}

impl Part {
    /// The bytes of an object of `size` that are meant.
    fn of(self, size: u64) -> Result<Range<u64>, CliError> {
        let to = self.to.unwrap_or(size);
        if self.from > to || to > size {
            let text = format!("the range {}..{to} is outside the object of {size} bytes", self.from);
            return Err(CliError::new(Exit::Usage, text));
        }
        Ok(self.from..to)
    }
}

fn parse_range(text: &str) -> Result<Part, String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO, such as 1000..2000")?;
    let number = |text: &str| match text {
        "" => Ok(None),
        text => amounts::parse_bytes(text).map(Some),
    };
    let (from, to) = (number(from)?.unwrap_or(0), number(to)?);
    if to.is_some_and(|to| to < from) {
        return Err("the range ends before it starts".into());
    }
    Ok(Part { from, to })
}

/// The result in `--json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GetJson {
    pub(crate) content: String,
    pub(crate) size: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) chunks_decoded: u64,
    pub(crate) chunks_resumed: u64,
    pub(crate) shards_bad: u64,
    pub(crate) bytes_pulled: u64,
    pub(crate) seconds: f64,
}

impl GetJson {
    fn of(ticket: &Ticket, report: &GetReport, took: Duration) -> Self {
        Self {
            content: ticket.content.to_string(),
            size: report.size,
            bytes: report.bytes,
            chunks: report.chunks,
            chunks_decoded: report.chunks_decoded,
            chunks_resumed: report.chunks_resumed,
            shards_bad: report.shards_bad,
            bytes_pulled: report.bytes_pulled,
            seconds: took.as_secs_f64(),
        }
    }

    fn text(&self) -> String {
        let took = Duration::from_secs_f64(self.seconds);
        let chunks = amounts::count(self.chunks, "chunk");
        let mut text = format!("{} in {chunks}; {}", amounts::bytes(self.bytes), amounts::rate(self.bytes, took));
        if self.chunks_decoded > 0 {
            text += &format!("; {} decoded from parity", self.chunks_decoded);
        }
        if self.chunks_resumed > 0 {
            text += &format!("; {} were there already", self.chunks_resumed);
        }
        if self.shards_bad > 0 {
            text += &format!("; {} damaged and not used", amounts::count(self.shards_bad, "shard"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_checked() {
        let part = |from, to| Ok(Part { from, to });
        assert_eq!(parse_range("1000..2000"), part(1000, Some(2000)));
        assert_eq!(parse_range("1M.."), part(1 << 20, None));
        assert_eq!(parse_range("..5"), part(0, Some(5)));
        for text in ["", "5", "2..1", "a..b", "1...2"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
        assert_eq!(Part { from: 2, to: None }.of(5).unwrap(), 2..5);
        assert_eq!(Part { from: 5, to: None }.of(5).unwrap(), 5..5);
        assert_eq!(Part { from: 0, to: Some(6) }.of(5).unwrap_err().exit, Exit::Usage);
        assert_eq!(Part { from: 6, to: None }.of(5).unwrap_err().exit, Exit::Usage);
    }
}
