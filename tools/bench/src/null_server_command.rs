//! `null-server`: what does no more than it has to.

use std::io::Read;
use std::path::PathBuf;

use bench::BenchError;
use bench::sendfile;
use bench::stub::{Behaviour, Stub};
use bench::workload::quantity::Span;
use clap::Args;

/// How it serves.
#[derive(Args)]
pub struct NullServerArgs {
    /// HOST:PORT to listen on; port 0 is any
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// How long after a request came it is answered
    #[arg(long, default_value = "0")]
    delay: Span,
    /// Checksums each batch (CRC-32C) and appends it to this file with plain buffered writes before it is acknowledged: a bare loop. A damaged batch is
    /// refused. What was in the file is lost; it begins anew with each topic that is made, and at 8 GiB
    #[arg(long, value_name = "FILE", conflicts_with = "delay")]
    write: Option<PathBuf>,
    /// Speaks no Kafka protocol, but sends pieces of this file with sendfile(2) to who asks for them, with 12 bytes big-endian: from where on (8), and how many bytes (4)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["delay", "write"])]
    send: Option<PathBuf>,
    /// Ends when its standard input does, and so with who started it
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// Serves until it is interrupted.
pub fn run(args: &NullServerArgs) -> Result<(), BenchError> {
    let failed = |source| BenchError::Io {
        doing: "begin to serve",
        source,
    };
    let (address, _stub) = match (&args.write, &args.send) {
        (_, Some(path)) => {
            let address = sendfile::serve(&args.listen, path).map_err(failed)?;
            (address.to_string(), None)
        }
        (write, None) => {
            let behaviour = Behaviour {
                delay: args.delay.0,
                ..Behaviour::default()
            };
            let stub = match write {
                Some(path) => Stub::start_writing(&args.listen, path),
                None => Stub::start(&args.listen, behaviour),
            };
            let stub = stub.map_err(failed)?;
            (stub.address(), Some(stub))
        }
    };
    println!("{address}");
    if args.until_stdin_ends {
        let read = std::io::stdin().read_to_end(&mut Vec::new());
        return read.map(drop).map_err(failed);
    }
    loop {
        std::thread::park();
    }
}
